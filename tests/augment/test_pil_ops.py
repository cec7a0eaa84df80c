import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy import ndimage
from skimage import exposure

from jaxtricks import augment
from jaxtricks.augment import _pil_ops as pil_ops

RNG = np.random.default_rng(0)
SMOOTH = ndimage.gaussian_filter(RNG.random((37, 41, 3)), (3, 3, 0))
SMOOTH = (SMOOTH - SMOOTH.min()) / (SMOOTH.max() - SMOOTH.min())
PICTURES = {
    "noise": RNG.integers(0, 256, (37, 41, 3)).astype(np.uint8),
    "smooth": np.round(255 * SMOOTH).astype(np.uint8),
    "dark": np.round(90 * SMOOTH + 20).astype(np.uint8),
    "two levels": np.where(SMOOTH > 0.5, 200, 30).astype(np.uint8),
    "constant": np.full((37, 41, 3), 77, np.uint8),
    "tiny": RNG.integers(0, 256, (3, 5, 3)).astype(np.uint8),
    "one pixel": np.array([[[3, 200, 255]]], np.uint8),
}
pictures = pytest.mark.parametrize("levels", PICTURES.values(), ids=PICTURES)


def floats(levels):
    return (levels / 255).astype(np.float32)


def to_levels(image):
    got = 255 * np.asarray(image, np.float64)
    np.testing.assert_allclose(got, np.round(got), atol=1e-3)
    return np.round(got)


@pictures
@pytest.mark.parametrize("threshold", [0, 1, 100, 255, 256])
def test_solarize_equals_pillow(levels, threshold):
    got = augment.solarize(floats(levels), np.float32(threshold / 255))
    np.testing.assert_array_equal(to_levels(got), ImageOps.solarize(Image.fromarray(levels), threshold))


@pictures
@pytest.mark.parametrize("bits", range(9))
def test_posterize_equals_pillow(levels, bits):
    """Which refuses to keep no bit: that is black, as in torchvision."""
    expected = ImageOps.posterize(Image.fromarray(levels), bits) if bits else 0 * levels
    np.testing.assert_array_equal(to_levels(augment.posterize(floats(levels), bits)), expected)
    np.testing.assert_array_equal(augment.posterize(levels, bits), expected)


@pytest.mark.parametrize(("bits", "nearest"), [(-3, 0), (-(2**31), 0), (9, 8), (40, 8), (2**31 - 1, 8)])
@pytest.mark.parametrize("image", [PICTURES["noise"], floats(PICTURES["noise"])], ids=["uint8", "float"])
def test_bits_that_nobody_sees_are_moved_to_the_nearest(image, bits, nearest):
    got = jax.jit(augment.posterize)(image, jnp.int32(bits))
    np.testing.assert_allclose(got, 0 if nearest == 0 else image, atol=1e-7)


@pictures
def test_equalize_equals_pillow(levels):
    got = augment.equalize(floats(levels))
    np.testing.assert_array_equal(to_levels(got), ImageOps.equalize(Image.fromarray(levels)))


@pictures
def test_autocontrast_equals_pillow_and_skimage(levels):
    """Pillow truncates to whole levels, after its own rounding: 84 for what is 85 exactly."""
    got = np.asarray(augment.autocontrast(floats(levels)), np.float64)
    over = 255 * got - np.asarray(ImageOps.autocontrast(Image.fromarray(levels)))
    assert over.min() > -1e-3
    assert over.max() < 1 + 1e-3
    for channel in range(3):
        band = floats(levels)[..., channel]
        if np.ptp(band):
            np.testing.assert_allclose(got[..., channel], exposure.rescale_intensity(band, out_range=(0, 1)), atol=1e-5)


@pictures
def test_invert_equals_pillow(levels):
    np.testing.assert_array_equal(to_levels(augment.invert(floats(levels))), ImageOps.invert(Image.fromarray(levels)))


@pictures
def test_grayscale_is_near_pillow(levels):
    got = augment.grayscale(floats(levels))
    expected = np.asarray(Image.fromarray(levels).convert("L"))[..., None] / 255
    np.testing.assert_allclose(got, np.broadcast_to(expected, levels.shape), atol=1 / 255)


@pictures
@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.9])
def test_sharpness_is_near_pillow(levels, factor):
    """Pillow rounds the smoothed image and truncates the blend."""
    got = np.asarray(augment.adjust_sharpness(floats(levels), factor))
    expected = np.asarray(ImageEnhance.Sharpness(Image.fromarray(levels)).enhance(factor)) / 255
    np.testing.assert_allclose(got, expected, atol=(1.01 + 0.5 * abs(1 - factor)) / 255)


def test_smoothing_equals_pillow():
    picture = PICTURES["noise"]
    got = augment.adjust_sharpness(floats(picture), 0.0)
    expected = np.asarray(Image.fromarray(picture).filter(ImageFilter.SMOOTH)) / 255
    np.testing.assert_allclose(got, expected, atol=0.51 / 255)


def test_identities():
    image = floats(PICTURES["noise"])
    np.testing.assert_array_equal(augment.solarize(image, 1.01), image)
    np.testing.assert_allclose(augment.posterize(image, 8), image, atol=1e-7)
    np.testing.assert_array_equal(augment.adjust_sharpness(image, 1.0), image)
    np.testing.assert_allclose(augment.invert(augment.invert(image)), image, atol=1e-6)


def test_equalize_does_not_depend_on_the_place_of_pixels():
    levels = PICTURES["smooth"].reshape(-1, 3)
    order = RNG.permutation(len(levels))
    moved = floats(levels[order].reshape(37, 41, 3))
    expected = np.asarray(augment.equalize(floats(PICTURES["smooth"]))).reshape(-1, 3)[order]
    np.testing.assert_array_equal(np.asarray(augment.equalize(moved)).reshape(-1, 3), expected)


@pytest.mark.parametrize("count", [pil_ops._count_by_scatter, pil_ops._count_by_product])
def test_both_ways_of_counting_equal_numpy(count):
    """The one of TPUs as well."""
    levels = PICTURES["smooth"].astype(np.int32)
    expected = np.stack([np.bincount(levels[..., c].ravel(), minlength=256) for c in range(3)])
    np.testing.assert_array_equal(count(jnp.asarray(levels)), expected)


def test_equalize_in_a_batch_is_equalize_of_each():
    batch = np.stack([floats(PICTURES[name]) for name in ("noise", "smooth", "dark", "constant")])
    together = jax.jit(jax.vmap(augment.equalize))(batch)
    np.testing.assert_array_equal(together, np.stack([augment.equalize(image) for image in batch]))


def test_gradients():
    image = jnp.asarray(0.3 + 0.3 * floats(PICTURES["tiny"]))
    for smooth in (lambda x: augment.adjust_sharpness(x, 1.3), augment.grayscale, lambda x: augment.solarize(x, 0.9)):
        chex.assert_numerical_grads(smooth, (image,), order=1, eps=1e-2, rtol=2e-2)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.invert(PICTURES["noise"].astype(np.int32)), "image"),
        (lambda: augment.grayscale(np.ones((2, 2, 1), np.float32)), "image"),
        (lambda: augment.solarize(np.ones((2, 2), np.float32), 0.5), "image"),
        (lambda: augment.posterize(floats(PICTURES["tiny"]), -1), "bits"),
        (lambda: augment.posterize(floats(PICTURES["tiny"]), 9), "bits"),
        (lambda: augment.posterize(floats(PICTURES["tiny"]), 2.5), "bits"),
        (lambda: augment.autocontrast(PICTURES["noise"].astype(np.int32)), "image"),
        (lambda: augment.equalize(PICTURES["noise"].astype(bool)), "image"),
        (lambda: augment.adjust_sharpness(floats(PICTURES["tiny"]), -1.0), "factor"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
