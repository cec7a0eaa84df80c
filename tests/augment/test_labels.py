"""Labels follow: boxes and keypoints are compared with pixels that were painted where they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import augment

H, W = 40, 50
BOXES = np.array([[5, 8, 20, 30], [30, 2, 49, 9], [0, 0, 50, 40], [7, 7, 9, 9]], np.float32)
VALID = np.array([True, True, True, False])


def painted():
    """A channel for each box, 1 inside of it."""
    image = np.zeros((H, W, 4), np.float32)
    for i, (x0, y0, x1, y1) in enumerate(BOXES.astype(int)):
        image[y0:y1, x0:x1, i] = 1
    return image


SAMPLE = {
    "image": painted(),
    "box": BOXES,
    "box_valid": VALID,
    "keypoint": np.stack([BOXES[:, :2] + 0.5, BOXES[:, 2:] - 0.5], 1),  # centres of the corner pixels
    "visible": np.ones((4, 2), bool),
    "mask": np.moveaxis(painted(), -1, 0) > 0,
    "label": np.arange(4),
}
KEYS = jax.random.split(jax.random.key(0), 20)
MATRIX = augment.random_matrix(KEYS[0], (H, W), angle=20, shift=0.1, scale=(0.8, 1.3), slope=0.1)

MOVES = {
    "flip": augment.flip_sample,
    "crop": lambda s: augment.crop_sample(s, jnp.array([3, 4, 43, 36.0]), size=(64, 60)),
    "random crop": lambda s: augment.random_crop_sample(KEYS[1], s, size=(40, 50), area=(0.3, 0.9)),
    "shrink": lambda s: augment.crop_sample(s, jnp.array([0, 0, W, H]), size=(20, 25)),
    "affine": lambda s: augment.warp_sample(s, MATRIX),
    "translate": lambda s: augment.warp_sample(s, augment.translation(jnp.array([4.0, -7]))),
    "scale": lambda s: augment.warp_sample(s, augment.scaling(1.5, (H, W)), size=(40, 50)),
}


def extent(mask):
    """The box of what is true, as (x0, y0, x1, y1)."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_boxes_and_masks_lie_where_the_pixels_went(move):
    out = jax.jit(move)(SAMPLE)
    image, box, valid = (np.asarray(out[name]) for name in ("image", "box", "box_valid"))
    np.testing.assert_array_equal(out["label"], SAMPLE["label"])
    assert not valid[3]
    assert valid[:3].any()
    for i in np.flatnonzero(valid):
        slack = 1.5
        seen = extent(image[..., i] > 0.5)
        assert (box[i] <= np.array([image.shape[1], image.shape[0]] * 2)).all()
        if move is not MOVES["affine"] or box[i].min() > 1:  # a rotated box cut by the frame is larger than its pixels
            np.testing.assert_allclose(box[i], seen, atol=slack)
    wrong = (np.moveaxis(np.asarray(out["mask"]), 0, -1) != (image > 0.5)).mean()
    assert wrong < 0.01, "masks are nearest, images bilinear: they may differ on outlines only"


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_keypoints_lie_on_their_pixels(move):
    """A dot of 3 x 3 pixels at each keypoint: the result is bright there, if the keypoint is visible."""
    points = np.array([[12.5, 9.5], [40.5, 30.5], [25.5, 20.5]], np.float32)
    image = np.zeros((H, W, 3), np.float32)
    for i, (x, y) in enumerate(points.astype(int)):
        image[y - 1 : y + 2, x - 1 : x + 2, i] = 1
    out = jax.jit(move)({"image": image, "keypoint": points, "visible": np.ones(3, bool)})
    assert np.asarray(out["visible"]).any()
    for i, (x, y) in enumerate(np.asarray(out["keypoint"])):
        if out["visible"][i]:
            assert out["image"][int(y), int(x), i] > 0.6


def test_flip_by_hand_and_twice():
    out = jax.jit(augment.flip_sample)(SAMPLE)
    np.testing.assert_allclose(out["box"][0], [30, 8, 45, 30])
    np.testing.assert_allclose(out["keypoint"][0, 0], [44.5, 8.5])
    np.testing.assert_array_equal(out["mask"], SAMPLE["mask"][..., ::-1])
    again = jax.jit(augment.flip_sample)(out)
    np.testing.assert_allclose(again["box"][:3], BOXES[:3], atol=1e-5)
    np.testing.assert_array_equal(again["image"], SAMPLE["image"])


def test_crop_by_hand():
    """Box (5, 8, 20, 30), cut to (10, 10, 30, 30) and doubled: (0, 0, 20, 40)."""
    out = augment.crop_sample(SAMPLE, jnp.array([10, 10, 30, 30.0]), size=40)
    np.testing.assert_allclose(out["box"][0], [0, 0, 20, 40], atol=1e-5)
    np.testing.assert_array_equal(out["box_valid"], [True, False, True, False])
    np.testing.assert_array_equal(out["box"][1], 0)
    assert not np.asarray(out["visible"][1]).any()


@pytest.mark.parametrize(("visible", "expected"), [(0.0, True), (0.6, True), (0.61, False)])
def test_a_box_of_which_too_little_is_left_is_not_valid(visible, expected):
    """Ten wide, of which six remain."""
    box, valid = augment.cut_boxes(
        jnp.array([[-4, 0, 6, 10.0]]), jnp.array([True]), jnp.array([0, 0, 10, 10.0]), visible=max(0.0, visible - 1e-3)
    )
    assert bool(valid[0]) is expected
    np.testing.assert_array_equal(box[0], [0, 0, 6, 10] if expected else [0, 0, 0, 0])


def test_move_boxes_by_hand():
    """A square of side 2 about the centre, turned by 45 degrees, has a box of side 2 sqrt 2."""
    got = augment.move_boxes(jnp.array([4, 4, 6, 6.0]), augment.rotation(45.0, (10, 10)))
    np.testing.assert_allclose(got, [5 - 2**0.5, 5 - 2**0.5, 5 + 2**0.5, 5 + 2**0.5], atol=1e-5)


def test_a_mask_of_classes_moves_alone_with_its_fill():
    sample = {"image": SAMPLE["image"], "mask": np.arange(H * W).reshape(H, W) % 7}
    out = augment.warp_sample(sample, augment.translation(jnp.array([0.0, 3.0])), mask_fill=255)
    np.testing.assert_array_equal(out["mask"][3:], sample["mask"][:-3])
    np.testing.assert_array_equal(out["mask"][:3], 255)


@pytest.mark.parametrize(
    ("random", "image_only"),
    [
        (augment.random_flip_sample, augment.random_flip),
        (
            lambda k, s: augment.random_crop_sample(k, s, size=20),
            lambda k, x: augment.random_resized_crop(k, x, size=20),
        ),
        (
            lambda k, s: augment.random_affine_sample(k, s, angle=30.0, shift=0.1),
            lambda k, x: augment.random_affine(k, x, angle=30.0, shift=0.1),
        ),
    ],
)
def test_random_samples_draw_as_random_images(random, image_only):
    batch = {name: jnp.stack([jnp.asarray(value)] * 6) for name, value in SAMPLE.items()}
    out = jax.jit(augment.each_sample(random))(KEYS[3], batch)
    keys = jax.random.split(KEYS[3], 6)
    alone, image_only = jax.jit(random), jax.jit(image_only)
    for i in range(6):
        np.testing.assert_allclose(out["image"][i], image_only(keys[i], SAMPLE["image"]), atol=1e-5)
        single = alone(keys[i], SAMPLE)
        np.testing.assert_allclose(out["box"][i], single["box"], atol=1e-3)
        np.testing.assert_array_equal(out["box_valid"][i], single["box_valid"])


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.flip_sample({"box": BOXES}), "sample"),
        (lambda: augment.flip_sample({"image": SAMPLE["image"], "box": BOXES}), "sample"),
        (lambda: augment.flip_sample({"image": SAMPLE["image"], "keypoint": BOXES[:, :2]}), "sample"),
        (lambda: augment.flip_sample(SAMPLE | {"box_valid": VALID[:2]}), "box_valid"),
        (lambda: augment.flip_sample(SAMPLE | {"box": BOXES[:, :3]}), "boxes"),
        (lambda: augment.flip_sample(SAMPLE | {"keypoint": BOXES[:, :3]}), "points"),
        (lambda: augment.flip_sample(SAMPLE | {"mask": np.zeros(4)}), r"sample\['mask'\]"),
        (lambda: augment.warp_sample(SAMPLE, MATRIX, visible=2.0), "visible"),
        (lambda: augment.random_flip_sample(KEYS[0], SAMPLE, probability=-1.0), "probability"),
        (lambda: augment.each_sample(augment.random_flip_sample)(KEYS[0], {"image": SAMPLE["image"]}), "batch"),
        (lambda: augment.cut_boxes(BOXES, VALID, jnp.ones(3)), "frame"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=rf"^{name}[ \[]"):
        call()
