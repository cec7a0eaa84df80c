import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from jaxtricks import augment

RAMP = np.arange(12, dtype=np.float32).reshape(3, 4, 1) / 12


def photo(height, width, channels=3, seed=0):
    """A smooth random image of whole grey levels."""
    noise = np.random.default_rng(seed).random((height // 4 + 2, width // 4 + 2, channels))
    bands = [Image.fromarray(band).resize((width, height), Image.BICUBIC) for band in np.moveaxis(noise, -1, 0) * 255]
    return np.clip(np.round(np.stack(bands, -1)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("offset", [(0, 0), (1, 2), (4, 3), (2, 2)])
def test_pad_crop_is_a_window_of_the_padded_image(mode, offset):
    padded = np.pad(RAMP, ((2, 2), (2, 2), (0, 0)), mode=mode)
    top, left = offset
    got = augment.pad_crop(RAMP, jnp.array(offset), padding=2, mode=mode)
    np.testing.assert_array_equal(got, padded[top : top + 3, left : left + 4])


def test_pad_crop_with_the_padding_as_offset_is_the_identity():
    np.testing.assert_array_equal(augment.pad_crop(RAMP, jnp.array([2, 2]), padding=2), RAMP)


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.uint8])
def test_pad_crop_moves_an_offset_outside_to_the_nearest_inside(dtype):
    image, far = np.arange(16, dtype=np.float32).reshape(4, 4, 1), np.iinfo(dtype)
    corners = {(far.min, far.min): (0, 0), (far.max, 1): (2, 1), (0, 3): (0, 2)}
    for outside, inside in corners.items():
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        got = augment.pad_crop(image, jnp.array(outside, dtype), padding=1)
        np.testing.assert_array_equal(got, padded[inside[0] : inside[0] + 4, inside[1] : inside[1] + 4])
    np.testing.assert_array_equal(augment.pad_crop(image, np.array([-1, -1]), padding=1)[1:, 1:], image[:3, :3])
    assert augment.pad_crop(image, jnp.full(2, far.max, dtype), padding=200).shape == image.shape


def test_random_pad_crop_reaches_every_window_equally_often():
    image = np.zeros((3, 4, 1), np.float32)
    image[1, 1] = 1
    keys = jax.random.split(jax.random.key(0), 3000)
    out = np.asarray(jax.jit(jax.vmap(lambda k: augment.random_pad_crop(k, image, padding=1)))(keys))
    places = out.reshape(3000, -1).argmax(1)
    counts = np.bincount(places, minlength=12).reshape(3, 4)
    assert (counts[:, 3] == 0).all()
    assert stats.chisquare(counts[:, :3].ravel()).pvalue > 1e-3


BOXES = [(0, 0, 40, 30), (3, 5, 33, 25), (0, 0, 1, 1), (10, 2, 12, 29), (39, 29, 40, 30), (7, 0, 8, 30)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("size", [(16, 16), (7, 50)])
def test_resized_crop_equals_pil_crop_and_resize(box, size):
    """PIL resamples float images without rounding, so the agreement is far below a grey level."""
    image = photo(30, 40)
    got = augment.resized_crop(image / np.float32(255), jnp.array(box, jnp.float32), size=size)
    for channel in range(3):
        band = Image.fromarray(image[..., channel].astype(np.float32)).crop(box)
        expected = np.asarray(band.resize(size[::-1], Image.BILINEAR)) / 255
        np.testing.assert_allclose(got[..., channel], expected, atol=1e-5)


def test_resized_crop_of_the_whole_at_its_own_size_is_the_identity():
    np.testing.assert_allclose(augment.resized_crop(RAMP, jnp.array([0, 0, 4, 3.0]), size=(3, 4)), RAMP, atol=1e-7)


def test_resized_crop_by_hand():
    """Two pixels of 0 and 1 become four: at 0.25, 0.75, 1.25 and 1.75 pixels, clamped beyond the centres."""
    image = jnp.array([0.0, 1.0]).reshape(1, 2, 1)
    got = augment.resized_crop(image, jnp.array([0, 0, 2, 1.0]), size=(1, 4))
    np.testing.assert_allclose(got.ravel(), [0, 0.25, 0.75, 1], atol=1e-7)


def test_resized_crop_without_a_pixel_is_zero_not_nan():
    for box in ([5, 5, 5, 5], [-9, -9, -2, -2], [1.6, 0, 2.4, 3], [3, 3, 1, 1]):
        out = augment.resized_crop(jnp.ones((3, 4, 1)), jnp.array(box, jnp.float32), size=4)
        np.testing.assert_array_equal(out, 0)


def test_resized_crop_gradient_is_its_transpose():
    """The map is linear in the image: <A x, y> = <x, A^T y>."""
    x, y = (jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate([(6, 5, 2), (3, 4, 2)]))

    def crop(image):
        return augment.resized_crop(image, jnp.array([1, 1, 5, 4.0]), size=(3, 4))

    out, back = jax.vjp(crop, x)
    np.testing.assert_allclose((out * y).sum(), (x * back(y)[0]).sum(), rtol=1e-5)


def draw(count, size, area, aspect):
    keys = jax.random.split(jax.random.key(1), count)
    boxes = np.asarray(jax.jit(jax.vmap(lambda k: augment.random_box(k, size, area=area, aspect=aspect)))(keys))
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= size[1]).all()
    assert (boxes[:, 3] <= size[0]).all()
    assert (width >= 1).all()
    assert (height >= 1).all()
    np.testing.assert_array_equal(boxes, np.round(boxes))
    return boxes, width, height


def test_random_box_area_and_aspect_have_their_distributions():
    """Boxes small enough to fit always, in an image large enough that rounding does not show."""
    _, width, height = draw(4000, (4000, 4000), (0.1, 0.4), (0.5, 1.2))
    area = width * height / 4000**2
    assert stats.kstest(area, stats.uniform(0.1, 0.3).cdf).pvalue > 1e-3
    ratio = np.log(width / height)
    assert stats.kstest(ratio, stats.uniform(np.log(0.5), np.log(2.4)).cdf).pvalue > 1e-3


def test_random_box_place_is_uniform():
    boxes, width, height = draw(4000, (4000, 3000), (0.1, 0.3), (1.0, 1.0))
    for corner, free in ((boxes[:, 0], 3000 - width), (boxes[:, 1], 4000 - height)):
        assert stats.kstest((corner + 0.5) / (free + 1), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("size", "expected"),
    [((10, 100), (43, 0, 56, 10)), ((100, 10), (0, 43, 10, 56)), ((1, 1), (0, 0, 1, 1))],
)
def test_random_box_falls_back_to_the_centre(size, expected):
    """A whole area with ratio near 1 never fits a long image: torchvision's centre crop, by hand."""
    boxes, _, _ = draw(5, size, (1.0, 1.0), (3 / 4, 4 / 3))
    np.testing.assert_array_equal(boxes, np.tile(expected, (5, 1)))


def test_random_resized_crop_of_everything_is_a_resize():
    image = photo(24, 24)[..., :1] / np.float32(255)
    got = augment.random_resized_crop(jax.random.key(0), image, size=12, area=(1.0, 1.0), aspect=(1.0, 1.0))
    expected = np.asarray(Image.fromarray(image[..., 0]).resize((12, 12), Image.BILINEAR))
    np.testing.assert_allclose(got[..., 0], expected, atol=1e-6)


def test_random_scaled_crop_keeps_size_and_draws_its_scale():
    """The mean of a horizontal ramp over the crop tells its width: the slope of the result is the scale."""
    ramp = np.broadcast_to(np.arange(200, dtype=np.float32)[None, :, None], (100, 200, 1))
    keys = jax.random.split(jax.random.key(0), 500)
    out = np.asarray(jax.jit(jax.vmap(lambda k: augment.random_scaled_crop(k, ramp, size=(4, 10))))(keys))
    side = np.mean(np.diff(out[:, 0, :, 0]), axis=1) * 10 / 200
    assert stats.kstest(side, stats.uniform(0.6, 0.4).cdf).pvalue > 1e-3
    assert augment.random_scaled_crop(keys[0], ramp).shape == ramp.shape


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.pad_crop(RAMP[..., 0], jnp.zeros(2, int), padding=1), "image"),
        (lambda: augment.pad_crop(RAMP, jnp.zeros(2), padding=1), "offset"),
        (lambda: augment.pad_crop(RAMP, jnp.zeros(3, int), padding=1), "offset"),
        (lambda: augment.pad_crop(RAMP, jnp.zeros(2, int), padding=-1), "padding"),
        (lambda: augment.pad_crop(RAMP, jnp.zeros(2, int), padding=1, mode="zeros"), "mode"),
        (lambda: augment.random_pad_crop(jax.random.key(0), RAMP, padding=1.5), "padding"),
        (lambda: augment.resized_crop(RAMP.astype(np.int32), jnp.zeros(4), size=2), "image"),
        (lambda: augment.resized_crop(RAMP, jnp.zeros(3), size=2), "box"),
        (lambda: augment.resized_crop(RAMP, jnp.zeros(4), size=0), "size"),
        (lambda: augment.resized_crop(RAMP, jnp.zeros(4), size=(2, 3, 4)), "size"),
        (lambda: augment.random_resized_crop(jax.random.key(0), RAMP, size=2, area=(0.5, 0.1)), "area"),
        (lambda: augment.random_resized_crop(jax.random.key(0), RAMP, size=2, area=(0.5, 1.1)), "area"),
        (lambda: augment.random_resized_crop(jax.random.key(0), RAMP, size=2, aspect=(0, 1)), "aspect"),
        (lambda: augment.random_box(jax.random.key(0), (4, 4), area=(0, 1), aspect=(1, 1), tries=0), "tries"),
        (lambda: augment.random_scaled_crop(jax.random.key(0), RAMP, scale=(0.5, 1.5)), "scale"),
        (lambda: augment.random_scaled_crop(jax.random.key(0), np.zeros((0, 3, 1), np.float32)), "image"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
