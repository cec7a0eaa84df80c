"""Segmentation: masks, losses and targets of pixels by hand, tricks that keep what is there, a network that learns."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import data, layers, models, tasks, train
from jaxtricks.tricks import bag, detecting, pixels
from jaxtricks.tricks import segmenting as s

LAYOUT = models.Layout((1, 1, 1), (4, 4, 8), bottleneck=False, stem=(3, 1), pool=False)
BODY = partial(models.resnet, LAYOUT)
PIXELS = np.random.default_rng(0).integers(16, 256, (40, 8, 8)).astype(np.uint8)
LABELS = np.arange(40) % 4
ITEMS = data.from_arrays("items", PIXELS, LABELS, PIXELS[:8], LABELS[:8])
CANVASES = data.shapes(ITEMS, images=(12, 4), size=32, objects=3, scale=(1.0, 1.5), kinds=(0, 1, 1, 2))


def recipe(**changes):
    given = {"task": tasks.classification(3), "augmented": None, "model": BODY, "lr": 0.1, "batch": 4, "epochs": 6.0}
    return s.baseline(**given | changes)


def parts(changed):
    return changed.model.keywords


def test_the_set_has_images_and_masks_alone_and_the_task_counts_the_background():
    columns = s.only_masks(CANVASES)
    assert set(columns.train.columns) == set(columns.test.columns) == {"image", "mask"}
    np.testing.assert_array_equal(columns.train["mask"], CANVASES.train["mask"])
    assert columns.classes == 3
    assert recipe().task.outputs == 4
    assert recipe().task.headline == "mIoU"
    assert len(detecting.NAMES) == len(set(detecting.KINDS))


def test_the_item_in_front_has_the_pixel():
    """Of every canvas whose items overlap: image and mask are those of the later item, whatever lies below."""
    bright = np.concatenate([np.full((1, 4, 4), 100), np.full((1, 4, 4), 200)]).astype(np.uint8)
    pair = data.from_arrays("pair", bright, np.arange(2), bright, np.arange(2))
    both = data.shapes(pair, images=(60, 1), size=6, objects=2, scale=(1.0, 1.0)).train
    image, mask = both["image"][..., 0], both["mask"]
    np.testing.assert_array_equal(image == 100, mask == 1)
    np.testing.assert_array_equal(image == 200, mask == 2)
    covered = [
        (np.prod(box[valid][:, 2:] - box[valid][:, :2], axis=1) < 16).any()
        for box, valid in zip(both["box"], both["box_valid"], strict=True)
    ]
    assert sum(covered) > 5  # so that something was in front of something


def test_the_loss_is_the_mean_over_the_pixels_that_count():
    logits = jnp.log(jnp.array([[[[0.5, 0.25, 0.25], [0.2, 0.7, 0.1]]]]))
    target = jax.nn.one_hot(jnp.array([[[0, 1]]]), 3)
    both = -(np.log(0.5) + np.log(0.7)) / 2
    np.testing.assert_allclose(pixels.cross_entropy(None, (logits, {}), {"target": target}), [both], rtol=1e-6)
    ignored = jax.nn.one_hot(jnp.array([[[0, 255]]]), 3)
    first = -np.log(0.5)
    np.testing.assert_allclose(pixels.cross_entropy(None, (logits, {}), {"target": ignored}), [first], rtol=1e-6)
    nothing = {"target": jnp.zeros((1, 1, 2, 3))}
    np.testing.assert_array_equal(pixels.cross_entropy(None, (logits, {}), nothing), [0.0])
    # the auxiliary head says something else, with a weight of 0.4
    out = logits, {"auxiliary": jnp.zeros((1, 1, 2, 3))}
    found = pixels.with_auxiliary(None, out, {"target": target}, loss=pixels.cross_entropy, weight=0.4)
    np.testing.assert_allclose(found, [both + 0.4 * np.log(3)], rtol=1e-6)


def test_smoothing_leaves_pixels_that_do_not_count_at_zero():
    target = jax.nn.one_hot(jnp.array([1, 255]), 3)
    np.testing.assert_allclose(pixels.smooth_pixels(target, 0.1), [[0.05, 0.9, 0.05], [0, 0, 0]], atol=1e-7)


def test_mixup_mixes_images_and_pixels_by_one_weight():
    draws = np.random.default_rng(0)
    image = jnp.asarray(draws.random((3, 4, 5, 1)), jnp.float32)
    mask = jnp.asarray(draws.integers(0, 3, (3, 4, 5)))
    target = jax.nn.one_hot(mask, 3)
    mixed = pixels.mixup_pixels(jax.random.key(1), {"image": image, "target": target, "mask": mask}, alpha=1.0)
    assert set(mixed) == {"image", "target"}
    other = jnp.roll(image, 1, axis=0)
    weight = float(((mixed["image"] - other) / (image - other)).mean())
    assert 0.01 < weight < 0.99
    wanted = weight * target + (1 - weight) * jnp.roll(target, 1, axis=0)
    np.testing.assert_allclose(mixed["target"], wanted, atol=1e-4)
    with pytest.raises(ValueError, match="batch has 'box', which does not mix"):
        pixels.mixup_pixels(jax.random.key(1), {"image": image, "target": target, "box": jnp.zeros((3, 1, 4))})


def test_masks_follow_their_images():
    """An image that is its mask stays its mask, mirrored or cut, in front of the network."""
    mask = jnp.asarray(CANVASES.train["mask"][:4])
    batch = {"image": mask[..., None].astype(jnp.float32) / 3, "mask": mask}
    mirrored = jax.jit(detecting.flip(recipe()).augment)(jax.random.key(0), batch)
    np.testing.assert_allclose(mirrored["image"][..., 0] * 3, mirrored["mask"], atol=1e-5)
    turned = [bool((new == old[:, ::-1]).all()) for new, old in zip(mirrored["mask"], mask, strict=True)]
    assert len(set(turned)) == 2
    cut = jax.jit(s.crop(recipe(), area=(0.2, 0.4)).augment)(jax.random.key(0), batch)
    assert cut["mask"].shape == mask.shape
    near = jnp.abs(cut["image"][..., 0] * 3 - cut["mask"]) < 0.51  # the image is resampled linearly
    assert near.mean() > 0.9
    assert (cut["mask"] != mask).mean() > 0.05


def test_tricks_of_the_network_keep_each_other():
    once = s.auxiliary(s.pyramid(s.dilated(recipe())), tap="stage2")
    again = s.dilated(s.pyramid(s.auxiliary(recipe(), tap="stage2")))
    for changed in (once, again):
        found = parts(changed)
        assert found["backbone"].keywords["dilated"] == 2
        assert (found["bins"], found["auxiliary"], found["taps"]) == ((1, 2, 3, 6), "stage2", ("stage3",))
        assert changed.loss.func is pixels.with_auxiliary
    xavier = bag.part(once, kernel_init=jax.nn.initializers.zeros)
    params, _ = xavier.model(classes=4, channels=1).init(jax.random.key(0))
    kernels = [leaf for path, leaf in jax.tree.leaves_with_path(params) if "kernel" in str(path[-1])]
    assert len(kernels) > 10
    assert not any(kernel.any() for kernel in kernels)  # of backbone and heads


def test_a_step_with_all_tricks_of_a_network_can_be_traced():
    """Network, loss, targets, mix and augmentation together; and those that a U-Net can have."""
    canvases = s.only_masks(CANVASES)
    common = (s.smoothing, s.mixup, s.crop, bag.cosine, bag.no_bias_decay)
    head = (s.dilated, s.pyramid, partial(s.auxiliary, tap="stage2"), bag.zero_gamma)
    for changes in ((*head, *common), (partial(s.unet, widths=(4, 8)), *common)):
        changed = recipe(epochs=30.0)
        for change in changes:
            changed = change(changed)
        model = train.build_model(changed, canvases)
        tx = changed.optimizer(optax.constant_schedule(0.1))
        prepare, update = train.make_step(changed, model, tx)
        columns = {name: jnp.asarray(canvases.train[name]) for name in canvases.train.columns}
        constants = {"preprocess": changed.preprocess[0](canvases.train["image"]), "data": columns}

        def step(key, changed=changed, model=model, tx=tx, prepare=prepare, update=update, constants=constants):
            state = train.create_state(changed, model, tx, key)
            rows = jnp.arange(4)
            batch = prepare(key, state.step, {"index": rows, "epoch": jnp.zeros_like(rows)}, constants)
            return batch, update(state, batch, constants)[1]

        batch, record = jax.eval_shape(step, jax.random.key(0))
        assert batch["target"].shape == (4, 32, 32, 4)
        assert "mask" not in batch
        assert record["loss"].shape == ()


def test_vectors_of_finer_maps_have_one_length():
    """Whatever a map is multiplied by, the logits stay; and each map has its lengths among the parameters."""
    changed = s.skips(recipe(), taps=("stage1", "stage3"), scaled=True)
    params, stats = (model := changed.model(classes=4, channels=1)).init(jax.random.key(0))
    assert [len(params["head"]["scales"][n]["scale"]) for n in "01"] == [4, 8]
    assert {float(v) for n in "01" for v in params["head"]["scales"][n]["scale"]} == {20.0}
    plain, louder = (
        models.segmenter(grown(times), taps=("stage1", "stage3"), classes=4, channels=1, tap_norm=layers.FeatureNorm)
        for times in (1.0, 5.0)
    )
    image = jax.random.uniform(jax.random.key(1), (2, 16, 16, 1))
    (wanted, _), _ = model.apply(params, stats, image, train=False)
    for other in (plain, louder):
        (logits, _), _ = other.apply(params, stats, image, train=False)
        np.testing.assert_allclose(logits, wanted, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="allowed: a network that no trick has changed"):
        s.unet(s.skips(recipe(), taps=("stage3",), scaled=True), widths=(4, 8))


def grown(times):
    """The backbone, whose first map is louder."""
    body = BODY(classes=1, channels=1)

    def apply(*variables, **options):
        (out, maps), after = body.apply(*variables, **options)
        return (out, maps | {"stage1": times * maps["stage1"]}), after

    return body._replace(apply=apply)


def test_nothing_is_dropped_in_silence():
    with pytest.raises(ValueError, match=r"weight is -1; allowed: 0.0 to inf"):
        s.auxiliary(recipe(), tap="stage2", weight=-1)
    with pytest.raises(ValueError, match="has an auxiliary head on 'stage2'; allowed: none"):
        s.auxiliary(s.auxiliary(recipe(), tap="stage2"), tap="stage1")
    for change in (s.dilated, s.pyramid, partial(s.skips, taps=("stage1", "stage3")), partial(s.auxiliary, tap="stem")):
        with pytest.raises(ValueError, match="allowed: a network that no trick has changed"):
            s.unet(change(recipe()), widths=(4, 8))
        with pytest.raises(ValueError, match="allowed: of `baseline`, with a backbone"):
            change(s.unet(recipe(), widths=(4, 8)))
    with pytest.raises(ValueError, match=r"^recipe\.augment is "):
        s.crop(detecting.flip(recipe()))
    with pytest.raises(ValueError, match=r"^recipe\.mix is "):
        s.mixup(s.mixup(recipe()))
    kept = s.unet(bag.part(recipe(), kernel_init=jax.nn.initializers.zeros), widths=(4, 8))
    assert kept.model.keywords == {"kernel_init": jax.nn.initializers.zeros}


@pytest.mark.slow
@pytest.mark.parametrize("change", [None, partial(s.unet, widths=(8, 16))])
def test_it_learns(change):
    """Two kinds of squares, a bright and a dark one: a mean IoU above that of the background alone, 1/3."""
    shades = np.concatenate([np.full((10, 8, 8), 90), np.full((10, 8, 8), 250)]).astype(np.uint8)
    items = data.from_arrays("squares", shades, np.arange(20) // 10, shades[::5], np.arange(20)[::5] // 10)
    canvases = s.only_masks(data.shapes(items, images=(256, 64), size=32, objects=2, scale=(1.0, 1.5)))
    small = replace(recipe(task=tasks.classification(2)), epochs=6.0, batch=16)
    small = small if change is None else change(small)
    (run,) = train.fit(small, canvases, plan=train.Plan(devices=tuple(jax.devices()[:1])))
    assert run.test["mIoU"] > 0.5
