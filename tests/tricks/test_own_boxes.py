"""A detector for a person's own boxes: anchors of their sizes, crowds that are not learnt; their masks too."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import data, metrics, models, tasks
from jaxtricks.tricks import Trick, detector, transferring
from jaxtricks.tricks import detecting as d
from jaxtricks.tricks import segmenting as s
from jaxtricks.tricks._own_boxes import octaves

BODY = partial(models.resnet, models.Layout((1, 1, 1), (8, 8, 8), bottleneck=False, stem=(3, 2), pool=False))
ROWS = {
    "image": np.zeros((2, 48, 48, 3), np.uint8),
    "box": np.array([[[0, 0, 8, 8], [8, 8, 24, 24]], [[0, 0, 32, 32], [0, 0, 0, 0]]], np.float32),
    "box_label": np.zeros((2, 2), np.int32),
    "box_valid": np.array([[True, True], [True, False]]),
    "box_crowd": np.array([[False, True], [False, False]]),
}
OWN = data.from_columns("own", ROWS, ROWS, classes=1)


def arguments(**changes):
    return {"augmented": None, "model": BODY, "lr": 0.01, "batch": 2, "epochs": 2.0} | changes


@pytest.mark.parametrize(
    ("sides", "scales"),
    [
        ([10, 10], (3.536,)),  # sqrt(2) 10 / 4: anchors of 14 pixels, and of 28 on the next level
        ([10, 40], (4.066,)),  # 11.5 to 38.5: 1.7 octaves, one scale for two levels
        ([4, 400], (8.414, 33.658)),  # 23.8 to 380.2: 4 octaves, two scales, two octaves apart
    ],
)
def test_anchors_an_octave_apart(sides, scales):
    got = octaves(np.array(sides, float), (4, 8))
    np.testing.assert_allclose(got, scales, atol=1e-3)
    every = sorted(scale * stride for scale in got for stride in (4, 8))
    np.testing.assert_allclose(np.diff(np.log2(every)), 1, atol=1e-3)
    assert every[-1] * np.sqrt(2) > np.percentile(sides, 95)


def test_the_plan_follows_the_data():
    recipe = d.baseline(task=d.task_for(OWN), **arguments())
    plan = d.fitted(recipe, OWN, OWN).model.keywords["plan"]
    assert (plan.size, plan.classes, plan.most) == ((48, 48), 1, 20)
    assert plan.scales == octaves(np.array([8.0, 32]), (4, 8))  # without the crowd's 16
    canvases = data.from_columns("items", {"image": ROWS["image"]}, {"image": ROWS["image"]}, classes=1)
    assert d.fitted(recipe, canvases, OWN) is recipe
    assert d.shapes(OWN) is OWN
    none = data.from_columns("own", *[ROWS | {"box_valid": np.zeros((2, 2), bool)}] * 2, classes=1)
    with pytest.raises(data.DataError, match="own: none of the 2 images for training has a box to learn"):
        d.fitted(recipe, none, none)
    with pytest.raises(data.DataError, match="own has no classes"):
        d.task_for(data.from_columns("own", ROWS, ROWS))


def test_an_inverted_box_is_refused_before_anything_is_trained():
    box = np.where(np.arange(2)[:, None] == 1, [[9, 9, 1, 1]], [[1, 1, 9, 9]]).astype(np.float32)
    parts = [
        ROWS | {"box": np.stack([box, box]), "box_valid": np.array([[True, last], [True, False]])}
        for last in (False, True)
    ]
    with pytest.raises(data.DataError, match=r"own: test box 0, 1 is \[9\.0, 9\.0, 1\.0, 1\.0\], inverted; allowed"):
        d.task_for(data.from_columns("own", *parts, classes=1))
    d.task_for(data.from_columns("own", *parts[:1] * 2, classes=1))


def test_crowds_are_not_learnt_and_count_neither_way():
    plan = detector.Detector(size=(48, 48), classes=1, scales=(2.0,))
    batch = {name: jnp.asarray(column) for name, column in ROWS.items()}
    rows = detector.matched(batch, plan=plan)
    learnt = {tuple(box) for box in np.asarray(rows["box_target"][rows["positive"]]).tolist()}
    assert learnt == {(0, 0, 8, 8), (0, 0, 32, 32)}
    without = detector.matched({name: batch[name] for name in batch if name != "box_crowd"}, plan=plan)
    assert (8, 8, 24, 24) in {tuple(box) for box in np.asarray(without["box_target"][without["positive"]]).tolist()}
    anchors = jnp.broadcast_to(plan.grid()["anchor"], (2, len(plan.grid()["anchor"]), 4))
    out = ({"score": jnp.full((*anchors.shape[:2], 1), -9.0), "box": 0 * anchors}, {})
    seen = detector.predictions(out, batch, plan=plan)
    assert seen["crowd"] is batch["box_crowd"]
    exact = seen | {"boxes": batch["box"], "labels": batch["box_label"], "valid": batch["box_valid"]}
    exact |= {"scores": jnp.array([[0.5, 0.9], [0.6, 0.0]])}
    assert metrics.coco_map(**jax.tree.map(np.asarray, exact), classes=1).ap == 1.0


def test_a_mosaic_takes_crowds_along():
    four = d.mosaic(d.baseline(task=d.task_for(OWN), **arguments())).augment
    batch = {name: jnp.asarray(column) for name, column in ROWS.items()}
    out = jax.eval_shape(four, jax.random.key(0), batch)
    assert out["box_crowd"].shape == out["box_valid"].shape == (2, 8)


def test_masks_of_ones_own():
    rows = {"image": ROWS["image"], "mask": np.ones((2, 48, 48), np.uint8), "other": np.zeros(2)}
    own = data.from_columns("own", rows, rows, classes=1)
    assert sorted(s.shapes(own).train.columns) == ["image", "mask"]
    recipe = s.baseline(task=s.task_for(own), **arguments())
    assert recipe.task.outputs == 2
    assert s.baseline(task=tasks.classification(2), **arguments()).task.outputs == 3
    batch = {name: jnp.asarray(rows[name]) for name in ("image", "mask")}
    cut = jax.eval_shape(s.crop(recipe).augment, jax.random.key(0), batch)
    assert (cut["image"].shape, cut["mask"].shape) == ((2, 48, 48, 3), (2, 48, 48))
    with pytest.raises(data.DataError, match="own has no classes"):
        s.task_for(data.from_columns("own", rows, rows))


def test_rows_that_paste_items_are_left_out_where_items_have_no_masks():
    pasting = {"copy-paste": Trick(d.copy_paste), "both": Trick(partial(d.copy_paste, flipped=True))}
    recipe, flip = d.baseline(task=d.task_for(OWN), **arguments()), {"flip": Trick(d.flip)}
    kept, said = d.adapted(recipe, pasting | flip, OWN)
    assert (kept, said) == (flip, ["copy-paste, both: left out, for own has no masks of its items."])
    assert d.adapted(recipe, flip, OWN) == (flip, [])
    masks = {**ROWS, "mask": np.zeros((2, 2, 48, 48), bool)}
    assert d.adapted(recipe, pasting, data.from_columns("cut out", masks, masks, classes=1)) == (pasting, [])


@pytest.mark.parametrize("shapes", [d.shapes, s.shapes])
def test_items_of_fashion_mnist_have_the_names_of_their_kinds(shapes):
    """Class 8 of Fashion-MNIST is the bag, and 1 the trousers."""
    names = shapes(data.fashion_mini()).class_names
    assert [names[d.KINDS[i]] for i in (0, 1, 3, 7, 8)] == ["top", "trousers", "dress", "shoe", "bag"]
    assert shapes(data.digits()).class_names is None


def test_what_an_experiment_does_not_take_is_said_with_what_takes_it():
    rows = {"image": ROWS["image"], "mask": np.ones((2, 48, 48), np.uint8)}
    masks = data.from_columns("drawn", rows, rows, classes=1)
    said = {
        "boxes": r"^own holds images with boxes \(48 x 48 pixels, 3 channels\); allowed: images with PNGs of masks, .*"
        r"\. For images with boxes: python -m experiments\.detect --data own$",
        "masks": r"^drawn holds images with masks .*; allowed: images with boxes, .*\. For images with masks: python "
        r"-m experiments\.segment --data drawn$",
    }
    with pytest.raises(data.DataError, match=said["boxes"]):
        s.shapes(OWN)
    with pytest.raises(data.DataError, match=said["masks"]):
        d.shapes(masks)
    for own in (OWN, masks):
        with pytest.raises(data.DataError, match=f"^{own.name} has no label for each image, .*; allowed: small grey"):
            transferring.begin(d.baseline(task=d.task_for(OWN), **arguments()), own, own, lr=0.1)
