from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from skimage import measure

from jaxtricks import augment

B, N, H, W = 5, 2, 20, 30
RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


def make():
    low = RNG.integers(0, [W - 12, H - 12], (B, N, 2))
    high = low + RNG.integers(6, 12, (B, N, 2))
    box = np.concatenate([low, high], -1).astype(np.float32)
    mask = np.zeros((B, N, H, W), bool)
    for b, n in np.ndindex(B, N):
        x0, y0, x1, y1 = box[b, n].astype(int)
        mask[b, n, y0:y1, x0:x1] = True
    valid = np.ones((B, N), bool)
    valid[2, 1] = False
    batch = {"image": RNG.random((B, H, W, 3), dtype=np.float32), "box": box, "box_valid": valid, "mask": mask}
    return {k: jnp.asarray(v) for k, v in (batch | {"label": np.arange(B * N).reshape(B, N)}).items()}


BATCH = make()
CLASSES = BATCH | {"mask": (BATCH["mask"] * jnp.array([1, 2])[None, :, None, None]).max(1)}


def reference_mosaic(batch, center):
    """A canvas of twice the size, four whole images about its middle, and a window cut out of it."""
    out = np.zeros_like(batch["image"])
    for b, (x, y) in enumerate(np.asarray(center)):
        images = [np.asarray(batch["image"][b - i]) for i in range(4)]
        canvas = np.block([[[images[0]], [images[1]]], [[images[2]], [images[3]]]])
        out[b] = canvas[H - y : 2 * H - y, W - x : 2 * W - x]
    return out


@pytest.mark.parametrize("place", [(10, 5), (0, 0), (30, 20), (29, 1)])
def test_mosaic_equals_a_window_of_the_large_canvas(place):
    center = jnp.tile(jnp.array(place), (B, 1))
    out = jax.jit(augment.mosaic_at)(CLASSES, center)
    np.testing.assert_array_equal(out["image"], reference_mosaic(CLASSES, center))
    masks = CLASSES | {"image": CLASSES["mask"][..., None]}
    np.testing.assert_array_equal(out["mask"], reference_mosaic(masks, center)[..., 0])


def test_mosaic_boxes_are_those_of_their_pixels():
    """Each instance is painted with its own number; its box holds just those pixels."""
    center = jnp.asarray(RNG.integers(6, 15, (B, 2)))
    numbers = jnp.zeros((B, H, W))
    for n in range(N):  # boxes may overlap: paint one of two at a time
        numbers = jnp.where(BATCH["mask"][:, n], 1.0 + n + N * jnp.arange(B)[:, None, None], 0)
        out = jax.jit(augment.mosaic_at)(CLASSES | {"image": numbers[..., None]}, center)
        for b in range(B):
            for i in range(4):
                slot, number = i * N + n, 1.0 + n + N * ((b - i) % B)
                np.testing.assert_array_equal(out["label"][b, slot], CLASSES["label"][b - i, n])
                seen = np.asarray(out["image"][b, ..., 0]) == number
                expected = bool(CLASSES["box_valid"][b - i, n]) and seen.any()
                assert bool(out["box_valid"][b, slot]) == expected
                if expected:
                    np.testing.assert_allclose(out["box"][b, slot], tight(seen))
                else:
                    np.testing.assert_array_equal(out["box"][b, slot], 0)


def tight(mask):
    y0, x0, y1, x1 = measure.regionprops(mask.astype(int))[0].bbox
    return [x0, y0, x1, y1]


def test_mosaic_draws_its_point():
    """The first pixel right of the point comes from the example before: images of their own number tell where."""
    numbers = {**CLASSES, "image": jnp.arange(float(B))[:, None, None, None] * jnp.ones((B, H, W, 1))}
    keys = jax.random.split(KEY, 200)
    out = np.asarray(jax.jit(jax.vmap(lambda k: augment.mosaic(k, numbers)["image"][..., 0]))(keys))
    x = (out[:, :, 0, :] == np.arange(B)[None, :, None]).sum(-1)
    y = (out[:, :, :, 0] == np.arange(B)[None, :, None]).sum(-1)
    assert stats.kstest((x.ravel() + RNG.random(x.size) - 0.5) / W, stats.uniform(0.25, 0.5).cdf).pvalue > 1e-3
    assert stats.kstest((y.ravel() + RNG.random(y.size) - 0.5) / H, stats.uniform(0.25, 0.5).cdf).pvalue > 1e-3
    assert len(set(x[0])) > 1, "each image draws its own"


POINTS = RNG.uniform(1, [W - 1, H - 1], (B, N, 3, 2)).astype(np.float32)
VISIBLE = RNG.random((B, N, 3)) < 0.8
WITH_POINTS = BATCH | {"keypoint": jnp.asarray(POINTS), "visible": jnp.asarray(VISIBLE)}


def test_mosaic_keypoints_are_on_the_canvas():
    center = jnp.asarray(RNG.integers(6, 15, (B, 2)))
    out = jax.jit(augment.mosaic_at)(WITH_POINTS | {"mask": CLASSES["mask"]}, center)
    for b, i, n, k in np.ndindex(B, 4, N, 3):
        corner = np.asarray(center[b]) - [W if i % 2 == 0 else 0, H if i < 2 else 0]
        place, slot = POINTS[b - i, n, k] + corner, i * N + n
        np.testing.assert_allclose(out["keypoint"][b, slot, k], place, atol=1e-4)
        inside = (place >= 0).all() and (place < [W, H]).all()
        assert bool(out["visible"][b, slot, k]) == bool(VISIBLE[b - i, n, k] and inside)
    assert 0.1 < np.asarray(out["visible"]).mean() < 0.6


def test_pasted_instances_bring_their_keypoints_and_hide_others():
    chosen = jnp.asarray(RNG.random((B, N)) < 0.7)
    out = jax.jit(augment.paste_instances)(WITH_POINTS, chosen)
    np.testing.assert_array_equal(out["keypoint"], np.concatenate([POINTS, np.roll(POINTS, 1, 0)], 1))
    hidden = 0
    for b, n, k in np.ndindex(B, N, 3):
        pasted = [m for m in range(N) if chosen[b - 1, m] and BATCH["box_valid"][b - 1, m]]
        x, y = POINTS[b, n, k].astype(int)
        covered = any(bool(BATCH["mask"][b - 1, m, y, x]) for m in pasted)
        hidden += bool(VISIBLE[b, n, k] and covered)
        assert bool(out["visible"][b, n, k]) == bool(VISIBLE[b, n, k] and not covered)
        assert bool(out["visible"][b, N + n, k]) == bool(VISIBLE[b - 1, n, k] and n in pasted)
    assert hidden >= 2, "the draw hides some"


@pytest.mark.parametrize("visible", [0.0, 0.5])
def test_pasting_equals_the_loop(visible):
    chosen = jnp.asarray(RNG.random((B, N)) < 0.7)
    out = jax.jit(lambda b, c: augment.paste_instances(b, c, visible=visible))(BATCH, chosen)
    for b in range(B):
        image, cover = np.array(BATCH["image"][b]), np.zeros((H, W), bool)
        for n in range(N):
            pasted = bool(chosen[b - 1, n] and BATCH["box_valid"][b - 1, n])
            assert bool(out["box_valid"][b, N + n]) == pasted
            assert out["label"][b, N + n] == BATCH["label"][b - 1, n]
            if pasted:
                cover |= np.asarray(BATCH["mask"][b - 1, n])
                np.testing.assert_array_equal(out["mask"][b, N + n], BATCH["mask"][b - 1, n])
                np.testing.assert_array_equal(out["box"][b, N + n], BATCH["box"][b - 1, n])
        image[cover] = np.asarray(BATCH["image"][b - 1])[cover]
        np.testing.assert_array_equal(out["image"][b], image)
        for n in range(N):
            own = np.asarray(BATCH["mask"][b, n])
            left = own & ~cover
            np.testing.assert_array_equal(out["mask"][b, n], left)
            expected = bool(BATCH["box_valid"][b, n]) and left.sum() > visible * own.sum()
            assert bool(out["box_valid"][b, n]) == expected
            if expected:
                np.testing.assert_array_equal(out["box"][b, n], tight(left))
    hidden = np.asarray(BATCH["mask"]).sum((2, 3)) - np.asarray(out["mask"])[:, :N].sum((2, 3))
    assert (hidden > 0).sum() >= 3, "the draw has instances that are partly hidden"


def test_a_keypoint_outside_of_the_image_is_not_hidden():
    """The whole of the image is pasted over; places left of it and above it are no pixels of its far side."""
    places = [[-1, 5], [5, -1], [-0.5, 3], [3, -H], [W, 5], [5, H], [np.nan, 5], [-1e30, 1e30], [0, 0], [W - 0.1, 2]]
    point = jnp.tile(jnp.array(places, jnp.float32), (B, N, 1, 1))
    full = BATCH | {"mask": jnp.ones((B, N, H, W), bool), "box_valid": jnp.ones((B, N), bool)}
    seen = full | {"keypoint": point, "visible": jnp.ones((B, N, len(places)), bool)}
    out = jax.jit(augment.paste_instances)(seen, jnp.ones((B, N), bool))
    np.testing.assert_array_equal(out["visible"][:, :N], np.tile([True] * 8 + [False] * 2, (B, N, 1)))


@pytest.mark.parametrize("visible", [0.0, 1.0])
def test_what_nothing_is_pasted_over_stays_as_it_is(visible):
    """An instance without a pixel as well, and with the strictest bound."""
    some = BATCH | {"mask": BATCH["mask"].at[0, 0].set(False)}
    out = augment.paste_instances(some, jnp.zeros((B, N), bool), visible=visible)
    np.testing.assert_array_equal(out["box_valid"][:, :N], BATCH["box_valid"])
    np.testing.assert_array_equal(out["box"][:, :N], jnp.where(BATCH["box_valid"][..., None], BATCH["box"], 0))


COLLAGES = {
    "mosaic": (CLASSES, lambda batch: augment.mosaic(KEY, batch)),
    "mosaic_at": (CLASSES, lambda batch: augment.mosaic_at(batch, jnp.ones((len(batch["image"]), 2), int))),
    "copy_paste": (BATCH, lambda batch: augment.copy_paste(KEY, batch)),
    "paste_instances": (BATCH, lambda batch: augment.paste_instances(batch, batch["box_valid"])),
}


@pytest.mark.parametrize(("batch", "collage"), COLLAGES.values(), ids=COLLAGES)
@pytest.mark.parametrize("count", [0, 1])
def test_an_example_needs_a_partner(batch, collage, count):
    few = jax.tree.map(lambda x: x[:count], batch)
    message = rf"^batch\[.image.\] has shape \({count}, {H}, {W}, 3\); allowed: 2 examples or more"
    with pytest.raises(ValueError, match=message):
        collage(few)


def test_copy_paste_limits_and_probability():
    none, everything = (jax.jit(partial(augment.copy_paste, probability=p))(KEY, BATCH) for p in (0.0, 1.0))
    np.testing.assert_array_equal(none["image"], BATCH["image"])
    np.testing.assert_array_equal(none["box_valid"][:, :N], BATCH["box_valid"])
    assert not np.asarray(none["box_valid"][:, N:]).any()
    np.testing.assert_array_equal(everything["box_valid"][:, N:], np.roll(BATCH["box_valid"], 1, 0))
    keys = jax.random.split(KEY, 200)
    paste = jax.jit(jax.vmap(lambda k: augment.copy_paste(k, BATCH, probability=0.3)["box_valid"][:, N:].mean()))
    share = paste(keys).mean()
    assert abs(share / BATCH["box_valid"].mean() - 0.3) < 0.05


def test_mask_boxes_equal_skimage():
    masks = RNG.random((6, 9, 7)) < 0.05
    masks[0] = False
    masks[1, 3, 4] = masks[2] = True
    got = augment.mask_boxes(masks)
    for mask, box in zip(masks, np.asarray(got), strict=True):
        np.testing.assert_array_equal(box, tight(mask) if mask.any() else [0, 0, 0, 0])


def without(name):
    return {k: v for k, v in BATCH.items() if k != name}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: augment.mosaic(KEY, without("box")), "^batch has"),
        (lambda: augment.mosaic(KEY, without("label")), "^batch has"),
        (lambda: augment.mosaic(KEY, BATCH), "^batch..mask"),
        (lambda: augment.mosaic(KEY, CLASSES, center=(0.5, 1.5)), "^center "),
        (lambda: augment.mosaic_at(CLASSES, jnp.zeros((B, 2))), "^center "),
        (lambda: augment.mosaic(KEY, CLASSES | {"box_valid": jnp.ones((B, 3), bool)}), "^batch..box_valid"),
        (lambda: augment.mosaic(KEY, CLASSES, visible=-1.0), "^visible "),
        (lambda: augment.copy_paste(KEY, without("mask")), "^batch has"),
        (lambda: augment.mosaic(KEY, CLASSES | {"keypoint": WITH_POINTS["keypoint"]}), "^batch has"),
        (lambda: augment.copy_paste(KEY, WITH_POINTS | {"visible": jnp.ones((B, N, 2), bool)}), "^batch..keypoint"),
        (lambda: augment.copy_paste(KEY, CLASSES), "^batch..mask"),
        (lambda: augment.copy_paste(KEY, BATCH, probability=2.0), "^probability "),
        (lambda: augment.paste_instances(BATCH, jnp.ones((B, 3), bool)), "^chosen "),
        (lambda: augment.mask_boxes(jnp.ones(3)), "^masks "),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_mosaic_scales_images_and_boxes_about_the_point():
    """At half size a box that touches the point reaches half as far; what is not reached is black."""
    size, whole = 8, jnp.array([[[0.0, 0.0, 8.0, 8.0]]] * 2)
    batch = {
        "image": jnp.ones((2, size, size, 1)),
        "box": whole,
        "box_valid": jnp.ones((2, 1), bool),
        "label": jnp.zeros((2, 1), jnp.int32),
    }
    center, half = jnp.full((2, 2), 4), jnp.full((2, 4), 0.5)
    plain = augment.mosaic_at(batch, center)
    for name, value in augment.mosaic_at(batch, center, scale=jnp.ones((2, 4))).items():
        np.testing.assert_allclose(value, plain[name], atol=1e-6)
    out = augment.mosaic_at(batch, center, scale=0.5 * half)  # images of 2 x 2 pixels about the middle
    np.testing.assert_array_equal(out["box"][0], [[2, 2, 4, 4], [4, 2, 6, 4], [2, 4, 4, 6], [4, 4, 6, 6]])
    assert out["box_valid"].all()
    expected = np.zeros((size, size))
    expected[2:6, 2:6] = 1
    inner = np.asarray(out["image"][0, ..., 0])
    np.testing.assert_allclose(inner[[0, 1, 6, 7]], 0, atol=1e-6)
    np.testing.assert_allclose(inner[3:5, 3:5], 1, atol=1e-6)
    drawn = augment.mosaic(KEY, CLASSES, scale=(0.5, 1.5))
    assert drawn["box"].shape == (B, 4 * N, 4)
    assert not np.allclose(drawn["image"], augment.mosaic(KEY, CLASSES)["image"])
    with pytest.raises(ValueError, match=r"^scale"):
        augment.mosaic(KEY, batch, scale=(0.0, 1.5))
