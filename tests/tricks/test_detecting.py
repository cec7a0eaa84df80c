"""The detector: canvases with exact boxes, targets that decode to the truth, a network at its prior, learning."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import data, detection, losses, metrics, models, tasks, train
from jaxtricks.analysis._cost import count_parameters
from jaxtricks.tricks import detecting as d
from jaxtricks.tricks import detector

PIXELS = np.random.default_rng(0).integers(16, 256, (40, 8, 8)).astype(np.uint8)
LABELS = np.arange(40) % 4
ITEMS = data.from_arrays("items", PIXELS, LABELS, PIXELS[:8], LABELS[:8])
CANVASES = data.shapes(ITEMS, images=(12, 4), size=32, objects=3, scale=(1.0, 1.5), kinds=(0, 1, 1, 2))
BODY = partial(models.resnet, models.Layout((1, 1), (8, 8), bottleneck=False, stem=(3, 2), pool=False))
PLAN = detector.Detector(
    size=(32, 32), classes=3, taps=("stage1", "stage2"), strides=(2, 4), scales=(3.0,), width=8, depth=1
)


def recipe(**changes):
    given = {"task": tasks.classification(3), "augmented": None, "model": BODY, "lr": 0.01, "batch": 4, "epochs": 2.0}
    return (
        detector.changed(
            d.baseline(**given),
            **{field: getattr(PLAN, field) for field in ("size", "taps", "strides", "scales", "width")},
        )
        if not changes
        else detector.changed(recipe(), **changes)
    )


def test_boxes_are_those_of_the_masks():
    columns = CANVASES.train.columns
    assert CANVASES.classes == 3
    assert columns["box_valid"][:, 0].all()
    assert not columns["box_valid"].all()
    for image, mask, box, label, valid in zip(
        *(columns[name] for name in ("image", "mask", "box", "box_label", "box_valid")), strict=True
    ):
        assert set(np.unique(mask)) - {0} == {int(k) + 1 for k in label[valid]}
        assert (image[..., 0][mask > 0] >= 15).all()
        assert (image[..., 0][mask == 0] <= 40).all()
        assert not box[~valid].any()
        for (x0, y0, x1, y1), kind in zip(box[valid].astype(int), label[valid], strict=True):
            inside = mask[y0:y1, x0:x1] == kind + 1
            assert inside.any(0)[[0, -1]].all()
            assert inside.any(1)[[0, -1]].all()
            assert 0 <= x0 < x1 <= 32
    again = data.shapes(ITEMS, images=(12, 4), size=32, objects=3, scale=(1.0, 1.5), kinds=(0, 1, 1, 2))
    np.testing.assert_array_equal(again.train["image"], columns["image"])
    other = data.shapes(ITEMS, images=(12, 4), size=32, objects=3, scale=(1.0, 1.5), seed=1)
    assert (other.train["image"] != columns["image"]).any()
    assert other.classes == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 8}, "scale is"),
        ({"kinds": (0, 1)}, "kinds is"),
        ({"objects": 0}, "objects is 0"),
        ({"objects": 255}, "objects is 255; allowed: an integer of 1 to 254"),
        ({"objects": 2.5}, r"objects is 2\.5"),
        ({"kinds": (0, 1.5, 1, 2)}, "kinds is"),
        ({"kinds": (0, 1, 1, 254)}, "kinds is"),
        ({"scale": 1.0}, "scale is 1.0; allowed: two numbers"),
        ({"images": 3}, "images is 3; allowed: two integers"),
        ({"seed": -1}, "seed is -1"),
        ({"images": (0, 1)}, r"images is \(0, 1\)"),
    ],
)
def test_canvases_that_cannot_be(options, words):
    with pytest.raises(data.DataError, match=words):
        data.shapes(ITEMS, **options)


def test_items_that_are_all_dark_are_no_items():
    dark = data.from_arrays("dark", PIXELS % 16, LABELS, PIXELS[:8] % 16, LABELS[:8])
    with pytest.raises(data.DataError, match="dark has no item on any canvas; allowed: items brighter than 15"):
        data.shapes(dark, images=(2, 2), size=32)


def batch():
    return {name: jnp.asarray(column) for name, column in CANVASES.train.columns.items()}


@pytest.mark.parametrize("free", [False, True])
def test_the_truth_of_the_positives_is_a_perfect_prediction(free):
    """Offsets of the targets and sure scores give a mean average precision of 1, and next to no loss."""
    giou = partial(d.overlap, loss=losses.giou_loss)
    plan = replace(PLAN, anchor_free=True, match=d.by_center, box_loss=giou) if free else PLAN
    rows = detector.matched(batch(), plan=plan)
    grid = plan.grid()
    if free:
        sides = jnp.concatenate(
            [grid["point"][None] - rows["box_target"][..., :2], rows["box_target"][..., 2:] - grid["point"][None]], -1
        )
        wanted = jnp.log(jnp.expm1(jnp.maximum(sides / grid["stride"][None, :, None], 1e-6)))
    else:
        wanted = jax.vmap(plan.encode)(jnp.where(rows["positive"][..., None], rows["box_target"], grid["anchor"][None]))
    out = ({"score": 20 * (2 * rows["target"] - 1), "box": wanted}, {})
    assert (rows["positive"].sum(1) >= batch()["box_valid"].sum(1)).mean() > 0.9
    found = metrics.coco_map(**jax.tree.map(np.asarray, detector.predictions(out, batch(), plan=plan)), classes=3)
    assert found.ap > 0.95
    value = detector.loss(None, out, rows, plan=replace(plan, box_loss=partial(d.overlap, loss=losses.giou_loss)))
    assert float(value.mean()) < 1e-3
    wrong = ({"score": -out[0]["score"], "box": wanted}, {})
    assert float(detector.loss(None, wrong, rows, plan=plan).mean()) > 1


def peaked(rows, plan):
    """The output of a head that says the targets of a heat map, as sure as logits of 20 are."""
    heat = jnp.where(rows["heat"] == 1, 20.0, -20.0)
    box = jnp.concatenate([rows["offset"], rows["size"]], -1)
    fine = {"score": heat.reshape(len(heat), -1, plan.classes), "box": box.reshape(len(heat), -1, 4)}
    return {name: jnp.pad(x, ((0, 0), (0, 64), (0, 0)), constant_values=9.0) for name, x in fine.items()}


def test_the_peaks_of_the_targets_are_a_perfect_prediction():
    plan = replace(PLAN, heat=True)
    rows = detector.matched(batch(), plan=plan)
    out = (peaked(rows, plan), {})  # the coarser level, of 8 x 8 cells, says something else
    found = metrics.coco_map(**jax.tree.map(np.asarray, detector.predictions(out, batch(), plan=plan)), classes=3)
    assert found.ap > 0.95
    np.testing.assert_allclose(detector.loss(None, out, rows, plan=plan), 0, atol=1e-5)
    wrong = ({"score": out[0]["score"], "box": out[0]["box"] + 1.0}, {})  # each of two offsets, two sizes at 0.1
    count = int(batch()["box_valid"].sum())
    assert abs(float(detector.loss(None, wrong, rows, plan=plan).mean()) - 2.2) < 0.01
    assert int(rows["center"].sum()) == count
    for field in ({"match": d.by_atss}, {"suppress": d.soft}):
        with pytest.raises(ValueError, match=f"{next(iter(field))} is .*; allowed: .*for a heat map does not use it"):
            d.peaks(recipe(**field))
    with pytest.raises(ValueError, match=r"match is .*; allowed: .*for a heat map does not use it"):
        d.peaks(d.anchor_free(recipe()))


def test_the_centre_of_a_box_weighs_its_score():
    """Of two cells with one score the one in the middle of the box is first, and its loss is that of a sure centre."""
    plan = replace(PLAN, anchor_free=True, centered=True, match=d.by_center, box_loss=lambda *boxes: jnp.zeros(320))
    rows = detector.matched(batch(), plan=plan)
    score = 20 * (2 * rows["target"] - 1)
    sides = detection.encode_distances(rows["box_target"], jnp.broadcast_to(plan.grid()["point"], (12, 320, 2)))
    share = jnp.clip(detection.centerness(sides), 1e-6, 1 - 1e-6)
    box = jnp.log(jnp.expm1(jnp.maximum(sides / plan.grid()["stride"][None, :, None], 1e-6)))
    out = {"score": score, "box": box, "center": jnp.log(share) - jnp.log1p(-share)}
    entropy = -jnp.where(rows["positive"], share * jnp.log(share) + (1 - share) * jnp.log1p(-share), 0.0)
    wanted = float(entropy.sum() / rows["positive"].sum())
    assert abs(float(detector.loss(None, (out, {}), rows, plan=plan).mean()) - wanted) < 1e-3
    best = detector.found(out, plan)["scores"][:, 0]
    np.testing.assert_allclose(best, jnp.where(rows["positive"], share, 0.0).max(1), rtol=1e-3)
    with pytest.raises(ValueError, match="centered is True; allowed: False for a head with anchors"):
        recipe(centered=True)


def test_views_say_the_boxes_of_the_image():
    """A network that sees the mirrored or enlarged targets adds nothing, in the image's pixels."""
    plan = replace(PLAN, heat=True, views=((True, 1.0), (False, 1.5)), join=partial(d.fused, views=3))
    box, valid = batch()["box"], batch()["box_valid"][..., None]
    mirrored = jnp.where(valid, jnp.stack([32 - box[..., 2], box[..., 1], 32 - box[..., 0], box[..., 3]], -1), 0.0)
    outs = []
    for boxes, factor in ((box, 1.0), (mirrored, 1.0), (1.5 * box, 1.5)):
        at = plan.seen_at(factor)
        outs.append(peaked(detector.matched(batch() | {"box": boxes}, plan=at), at))
    rows = detector.predictions((outs[0] | {"views": tuple(outs[1:])}, {}), batch(), plan=plan)
    assert metrics.coco_map(**jax.tree.map(np.asarray, rows), classes=3).ap > 0.95
    sure = (rows["scores"] > 0.9).sum()  # all three views say the box
    assert 0.8 < sure / valid.sum() < 1.2  # two centres may share a cell in one view
    rows = detector.predictions((outs[0] | {"views": (outs[0], outs[2])}, {}), batch(), plan=plan)
    assert (rows["scores"] > 0.9).sum() < 0.5 * sure  # it was not mirrored
    viewed = detector.network(backbone=BODY, plan=plan, classes=3, channels=1)
    shapes = jax.eval_shape(viewed.init, jax.random.key(0))
    image = jax.ShapeDtypeStruct((2, 32, 32, 1), jnp.float32)
    (out, _), _ = jax.eval_shape(partial(viewed.apply, train=False), *shapes, image)
    assert [view["score"].shape[1] for view in out["views"]] == [320, 24**2 + 12**2]
    (out, _), _ = jax.eval_shape(partial(viewed.apply, train=True), *shapes, image)
    assert "views" not in out
    with pytest.raises(ValueError, match=r"join is None, views is .*; allowed: a function with views"):
        recipe(views=((True, 1.0),))


def test_the_network_starts_at_its_prior_and_has_every_level():
    network = models.detector(
        BODY(classes=1, channels=1), taps=("stage1", "stage2"), classes=3, channels=1, width=8, depth=1, anchors=2,
        centered=True,
    )  # fmt: skip
    params, stats = network.init(jax.random.key(0))
    (out, taps), _ = jax.jit(partial(network.apply, train=False))(params, stats, jnp.ones((2, 32, 32, 1)))
    cells = 16**2 + 8**2
    assert out["score"].shape == (2, 2 * cells, 3)
    assert out["box"].shape == (2, 2 * cells, 4)
    assert out["center"].shape == (2, 2 * cells)
    assert abs(float(out["score"].mean()) - np.log(0.01 / 0.99)) < 0.1
    np.testing.assert_allclose(jax.nn.sigmoid(out["score"]), 0.01, atol=0.01)
    assert taps["pyramid1"].shape == (2, 16, 16, 8)
    assert taps["pyramid2"].shape == (2, 8, 8, 8)
    head = params["head"]
    assert count_parameters(head["score_tower"]) == 9 * 64 + 16
    with pytest.raises(ValueError, match=r"taps is .*; allowed: .*'stage1'"):
        models.detector(BODY(classes=1), taps=("stage9",), classes=3)
    with pytest.raises(ValueError, match="width is 12; allowed: a multiple of 8"):
        models.detector(BODY(classes=1), taps=("stage1",), classes=3, width=12)


def test_what_suppresses_and_what_weighs():
    boxes = jnp.array([[0.0, 0, 4, 4], [0, 0, 4, 3.5], [9, 9, 12, 12]])
    scores, labels = jnp.array([0.9, 0.8, 0.3]), jnp.array([1, 1, 0])
    for suppress in (detector.nms, d.soft, partial(d.soft, method="gaussian"), d.by_distance, d.voted):
        chosen, kept = suppress(boxes, scores, labels)
        assert chosen.shape == (20, 4)
        assert kept.valid.sum() == (3 if "soft" in str(suppress) else 2)
    np.testing.assert_allclose(d.voted(boxes, scores, labels)[0][0], [0, 0, 4, (4 * 0.9 + 3.5 * 0.8) / 1.7], rtol=1e-5)
    box, kept = d.fused(jnp.tile(boxes, (2, 1)), jnp.tile(scores, 2), jnp.tile(labels, 2), views=2)
    np.testing.assert_allclose(box[0], [0, 0, 4, (4 * 0.9 + 3.5 * 0.8) / 1.7], rtol=1e-5)
    np.testing.assert_allclose(kept.score[:3], [0.85, 0.3, 0], rtol=1e-5)
    assert jnp.tile(labels, 2)[kept.index[:2]].tolist() == [1, 0]
    of_score = jnp.array([[5.0], [4], [3], [2], [1], [0.5]])
    weights = d.mined(of_score, jnp.array([False, False, True, False, False, False]))
    assert weights[:, 0].tolist() == [1, 1, 1, 1, 0, 0]
    assert d.hardest(of_score, None, keep=2)[:, 0].tolist() == [1, 1, 0, 0, 0, 0]


def test_items_are_pasted_by_their_masks():
    """What is pasted is there, pixel by pixel; masks of items make up that of the classes; a mosaic leaves them out."""
    options = {"images": (12, 4), "size": 32, "objects": 3, "scale": (1.0, 1.5), "kinds": (0, 1, 1, 2)}
    columns = data.shapes(ITEMS, **options, instances=True).train.columns
    seen = (columns["mask"] * (columns["box_label"] + 1)[..., None, None]).sum(1)
    np.testing.assert_array_equal(seen, CANVASES.train["mask"])
    rows = {name: jnp.asarray(column) for name, column in columns.items()}
    for flipped in (False, True):
        after = jax.jit(d.copy_paste(recipe(), flipped=flipped).augment)(jax.random.key(3), rows)
        assert after["box"].shape == (12, 6, 4)
        assert after["box_label"].shape == (12, 6)
        pasted = after["mask"][:, 3:]
        assert 0.2 < pasted.any((2, 3)).sum() / columns["box_valid"].sum() < 0.8
        if not flipped:
            before = np.roll(columns["image"][..., 0], 1, axis=0)
            cover = np.asarray(pasted.any(1))
            np.testing.assert_array_equal(np.asarray(after["image"][..., 0])[cover], before[cover])
            np.testing.assert_array_equal(np.asarray(after["image"][..., 0])[~cover], columns["image"][..., 0][~cover])
        assert "positive" in detector.matched(after, plan=PLAN)
    four = d.mosaic(recipe()).augment(jax.random.key(0), rows)
    assert "mask" not in four
    assert four["box"].shape == (12, 12, 4)


def test_boxes_follow_an_image_of_another_size():
    """An object of ones on zeros: what is seen of it is its box, at every factor; all of a batch have one factor."""
    one = np.zeros((4, 32, 32, 1), np.float32)
    box = np.array([[[2, 4, 14, 20], [0, 0, 0, 0]], [[16, 8, 32, 20]] * 2, [[9, 9, 21, 21]] * 2, [[0, 0, 32, 32]] * 2])
    for row, (x0, y0, x1, y1) in enumerate(box[:, 0]):
        one[row, y0:y1, x0:x1] = 1
    valid = np.array([[True, False]] * 4)
    rows = {"image": one, "box": box.astype(np.float32), "box_label": np.zeros((4, 2), int), "box_valid": valid}
    rows = {name: jnp.asarray(column) for name, column in rows.items()} | {"mask": jnp.ones((4, 2, 32, 32), bool)}
    step = jax.jit(d.multi_scale(recipe(), factors=(0.5, 1.0, 1.5), fill=0.25).augment)
    seen, places = set(), set()
    for key in jax.random.split(jax.random.key(0), 12):
        after = {name: np.asarray(column) for name, column in step(key, rows).items()}
        assert "mask" not in after
        assert not after["box_valid"][:, 1].any()
        grey = (after["image"][3] == 0.25).mean()
        factor = 0.5 if grey == 0.75 else 1.0 if np.array_equal(after["image"], one) else 1.5
        seen.add(factor)
        for image, there, (wanted, _) in zip(after["image"], after["box_valid"][:, 0], after["box"], strict=True):
            y, x = np.nonzero(image[..., 0] > 0.5)
            if there:
                np.testing.assert_allclose([x.min(), y.min(), x.max() + 1, y.max() + 1], wanted, atol=0.51)
        places.add((factor, *after["box"][0, 0]))
        assert (grey > 0) == (factor == 0.5)
        if factor == 0.5:
            assert after["box_valid"][:, 0].all()
            sides = after["box"][:, 0, 2:] - after["box"][:, 0, :2]
            np.testing.assert_allclose(sides, (box[:, 0, 2:] - box[:, 0, :2]) / 2)
    assert seen == {0.5, 1.0, 1.5}
    assert len(places) > 6
    with pytest.raises(ValueError, match=r"^factor is 0; allowed: greater than 0"):
        d.multi_scale(recipe(), factors=(1.0, 0))


@pytest.mark.slow
def test_it_learns():
    """Two kinds of squares, a bright and a dark one: a mean average precision at .50 of 0.5 or more in a minute."""
    shades = np.concatenate([np.full((10, 8, 8), 90), np.full((10, 8, 8), 250)]).astype(np.uint8)
    items = data.from_arrays("squares", shades, np.arange(20) // 10, shades[::5], np.arange(20)[::5] // 10)
    canvases = data.shapes(items, images=(256, 64), size=32, objects=2, scale=(1.0, 1.5))
    small = replace(recipe(classes=2), epochs=12.0)
    (run,) = train.fit(small, canvases, plan=train.Plan(devices=tuple(jax.devices()[:1])))
    assert run.test["mAP.50"] > 0.5


@pytest.mark.parametrize("trick", [d.flip, d.mosaic, d.copy_paste, d.multi_scale])
def test_an_augmentation_that_is_there_is_not_dropped(trick):
    with pytest.raises(ValueError, match=r"^recipe\.augment is .*; allowed: None"):
        trick(d.flip(recipe()))


def test_a_head_without_anchors_drops_neither_matching_nor_loss():
    overlap = partial(d.overlap, loss=losses.ciou_loss)
    for field in ({"match": d.by_atss}, {"box_loss": overlap}):
        with pytest.raises(ValueError, match=f"{next(iter(field))} is .*; allowed: .*for it would be dropped"):
            d.centered(recipe(**field))
    both = d.centered(d.anchor_free(recipe(box_loss=partial(d.overlap, loss=losses.giou_loss))))
    assert both.model.keywords["plan"].centered
    later = detector.changed(d.anchor_free(recipe()), match=d.by_atss, box_loss=overlap)
    assert later.model.keywords["plan"].match is d.by_atss


def test_a_loss_of_offsets_is_refused_where_there_are_none():
    with pytest.raises(ValueError, match="box_loss is smooth_l1; allowed without anchors: a loss of the decoded boxes"):
        recipe(anchor_free=True)  # it would be 0


@pytest.mark.parametrize("factors", [(), (0.5, 0.0)])
def test_factors_that_are_none(factors):
    with pytest.raises(ValueError, match=r"factors? is .*; allowed"):
        d.multi_scale(recipe(), factors=factors)
