from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from jaxtricks import preprocess

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 200, (300, 5, 4, 3)).astype(np.uint8)
FLOATS = (IMAGES / 255).astype(np.float32)
IMAGE = FLOATS[0]
ROWS = IMAGES.reshape(300, -1) / 255
KEY = jax.random.key(0)


def over(apply, stats, images):
    return np.asarray(jax.jit(jax.vmap(apply, (None, 0)))(stats, images))


@pytest.mark.parametrize(
    ("fit", "scaler"),
    [
        (preprocess.center_fit, StandardScaler(with_std=False)),
        (preprocess.standardize_fit, StandardScaler()),
        (preprocess.min_max_fit, MinMaxScaler()),
    ],
)
def test_by_channel_equals_scikit_learn(fit, scaler):
    expected = scaler.fit_transform(IMAGES.reshape(-1, 3) / 255).reshape(IMAGES.shape)
    np.testing.assert_allclose(over(preprocess.standardize, fit(IMAGES), FLOATS), expected, atol=1e-5)


def test_mean_image_is_the_mean_of_each_pixel():
    stats = preprocess.mean_image_fit(IMAGES)
    np.testing.assert_allclose(stats.shift, (IMAGES / 255).mean(0), atol=1e-6)
    np.testing.assert_allclose(over(preprocess.standardize, stats, FLOATS).mean(0), 0, atol=1e-6)


def test_per_image_equals_its_formula():
    stats = preprocess.per_image_fit(IMAGES)
    expected = StandardScaler().fit_transform(ROWS.T).T.reshape(IMAGES.shape)
    np.testing.assert_allclose(over(preprocess.per_image, stats, FLOATS), expected, atol=1e-4)
    np.testing.assert_allclose(preprocess.per_image(stats, jnp.full((3, 3, 1), 0.7)), 0, atol=1e-6)


FITS = {
    "center": preprocess.center_fit,
    "standardize": preprocess.standardize_fit,
    "min max": preprocess.min_max_fit,
    "mean image": preprocess.mean_image_fit,
    "pca": partial(preprocess.pca_fit, epsilon=0.01),
    "zca": partial(preprocess.zca_fit, epsilon=0.01),
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_fit_of_a_stream_or_of_floats_is_the_same(fit):
    for images in (np.array_split(IMAGES, 4), (part for part in np.array_split(IMAGES, 3)), FLOATS):
        for got, expected in zip(fit(images), fit(IMAGES), strict=True):
            if fit is not FITS["pca"]:  # eigenvectors may turn round
                np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
            else:
                np.testing.assert_allclose(np.abs(got), np.abs(expected), rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize("channels", [(3, 1), (1, 3)])
def test_batches_of_other_channels_are_refused(fit, channels):
    batches = [IMAGES[:4, ..., :c] for c in channels]
    with pytest.raises(ValueError, match=rf"^images has .*; allowed: {channels[0]} channels, as before"):
        fit(batches)
    with pytest.raises(ValueError, match=r"^images has .*; allowed: 3 channels, as before"):
        fit([IMAGES[:4], IMAGES[:0, ..., :1]])


def test_whole_numbers_of_numpy_are_those_of_python():
    few, eight = preprocess.pca_fit(IMAGES, epsilon=0.1, components=2), np.int64(8)
    np.testing.assert_array_equal(preprocess.pca_fit(IMAGES, epsilon=0.1, components=np.int64(2)).forward, few.forward)
    for size, same in ((6, np.int8(6)), ((6, 5), (np.int64(6), np.uint8(5)))):
        expected = preprocess.resize_center_crop(IMAGE, shorter=8, size=size)
        np.testing.assert_array_equal(preprocess.resize_center_crop(IMAGE, shorter=eight, size=same), expected)


def test_images_of_bfloat16_are_floating_point():
    low = jnp.asarray(FLOATS, jnp.bfloat16)
    stats = preprocess.standardize_fit([np.asarray(low)])
    np.testing.assert_allclose(stats.shift, np.asarray(low, np.float64).mean((0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize("name", ["center", "standardize", "min max", "mean image"])
def test_standardize_inverse(name):
    stats = FITS[name](IMAGES)
    there = preprocess.standardize(stats, IMAGE)
    np.testing.assert_allclose(preprocess.standardize_inverse(stats, there), IMAGE, atol=1e-6)


@pytest.mark.parametrize("name", ["standardize", "min max"])
def test_a_constant_channel_becomes_zero(name):
    flat = np.full((3, 2, 2, 1), 77, np.uint8)
    out = preprocess.standardize(FITS[name](flat), flat[0] / np.float32(255))
    np.testing.assert_allclose(out, 0, atol=1e-6)


def test_pca_equals_scikit_learn():
    """scikit-learn divides by n - 1."""
    got = over(preprocess.pca, preprocess.pca_fit(IMAGES, epsilon=0.0), FLOATS)
    expected = PCA(whiten=True).fit_transform(ROWS) * np.sqrt(300 / 299)
    np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=2e-3)


@pytest.mark.parametrize("name", ["pca", "zca"])
def test_whitened_images_have_the_identity_as_covariance(name):
    fit, apply = {"pca": (preprocess.pca_fit, preprocess.pca), "zca": (preprocess.zca_fit, preprocess.zca)}[name]
    rows = over(apply, fit(IMAGES, epsilon=0.0), FLOATS).reshape(300, -1)
    np.testing.assert_allclose(np.cov(rows.T, bias=True), np.eye(60), atol=1e-4)
    epsilon = 0.02
    values = np.sort(np.linalg.eigvalsh(np.cov(ROWS.T, bias=True)))
    damped = np.linalg.eigvalsh(np.cov(over(apply, fit(IMAGES, epsilon=epsilon), FLOATS).reshape(300, -1).T, bias=True))
    np.testing.assert_allclose(np.sort(damped), values / (values + epsilon), atol=1e-4)


def test_zca_moves_images_least():
    """Its matrix is symmetric and positive: of all whitenings it is the nearest to the identity."""
    forward = np.asarray(preprocess.zca_fit(IMAGES, epsilon=1e-3).forward)
    np.testing.assert_allclose(forward, forward.T, atol=1e-5)
    assert np.linalg.eigvalsh(forward).min() > 0


def test_whitening_inverse():
    pca, zca = preprocess.pca_fit(IMAGES, epsilon=0.01), preprocess.zca_fit(IMAGES, epsilon=0.01)
    np.testing.assert_allclose(preprocess.pca_inverse(pca, preprocess.pca(pca, IMAGE)), IMAGE, atol=1e-5)
    np.testing.assert_allclose(preprocess.zca_inverse(zca, preprocess.zca(zca, IMAGE)), IMAGE, atol=1e-5)


def test_what_does_not_vary_needs_an_epsilon():
    flat = FLOATS.copy()
    flat[:, 0, 0, 0] = 0.5
    for fit in (preprocess.pca_fit, preprocess.zca_fit):
        with pytest.raises(ValueError, match=r"^epsilon is 0; allowed: greater than 0, for 1 of \d+ directions"):
            fit(flat, epsilon=0.0)
    assert np.isfinite(preprocess.zca_fit(flat, epsilon=1e-6).forward).all()
    assert np.isfinite(preprocess.pca_fit(flat, epsilon=0.0, components=3).forward).all()


def test_few_components_keep_what_varies_most():
    """Images on a line: one component gives them back."""
    line = RNG.random((50, 1, 1, 1)) * np.linspace(0.2, 1, 12).reshape(1, 2, 2, 3)
    stats = preprocess.pca_fit(line, epsilon=1e-9, components=1)
    image = jnp.asarray(line[7], jnp.float32)
    assert preprocess.pca(stats, image).shape == (1,)
    np.testing.assert_allclose(preprocess.pca_inverse(stats, preprocess.pca(stats, image)), image, atol=1e-4)


def test_zca_of_a_direction_that_does_not_vary_stays_finite():
    flat = np.full((4, 2, 2, 1), 77, np.uint8)
    stats = preprocess.zca_fit(flat, epsilon=1e-3)
    np.testing.assert_allclose(preprocess.zca(stats, flat[0] / np.float32(255)), 0, atol=1e-5)


PHOTO = ndimage.gaussian_filter(RNG.random((75, 110, 3)), (2, 2, 0))
PICTURES = {
    "landscape": np.round(255 * (PHOTO - PHOTO.min()) / np.ptp(PHOTO)).astype(np.uint8),
    "noise": RNG.integers(0, 256, (110, 75, 3)).astype(np.uint8),
    "small": RNG.integers(0, 256, (20, 31, 3)).astype(np.uint8),
    "square": np.where(RNG.random((64, 64, 3)) < 0.5, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [28, (32, 21), 1])
def test_resize_center_crop_equals_pillow(picture, method, size):
    height, width = picture.shape[:2]
    least = min(height, width)
    resized = (int(32 * width / least), int(32 * height / least))
    whole = Image.fromarray(picture).resize(resized, {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}[method])
    h, w = (size, size) if isinstance(size, int) else size
    top, left = round((resized[1] - h) / 2), round((resized[0] - w) / 2)
    expected = np.asarray(whole)[top : top + h, left : left + w] / 255
    got = jax.jit(partial(preprocess.resize_center_crop, shorter=32, size=size, method=method))(
        picture / np.float32(255)
    )
    # Pillow rounds to whole levels after each pass; bicubic weights, some negative, may blow half a level up to 0.7.
    slack = 1.2 if method == "bicubic" and picture is not PICTURES["landscape"] else 1.0
    np.testing.assert_allclose(got, expected, atol=slack / 255)
    if method == "bilinear":  # its float images are not rounded
        for channel in range(3):
            band = Image.fromarray(picture[..., channel].astype(np.float32)).resize(resized, Image.BILINEAR)
            expected = np.asarray(band)[top : top + h, left : left + w] / 255
            np.testing.assert_allclose(got[..., channel], expected, atol=1e-5)


def test_resize_center_crop_of_imagenet_size():
    """The defaults: 256, 224, bilinear; the size torchvision's formula gives, and what Pillow gives."""
    picture = np.asarray(Image.fromarray(PICTURES["landscape"]).resize((500, 375), Image.BICUBIC))
    whole = np.asarray(Image.fromarray(picture).resize((341, 256), Image.BILINEAR))
    got = jax.jit(preprocess.resize_center_crop)(picture / np.float32(255))
    np.testing.assert_allclose(got, whole[16:240, 58:282] / 255, atol=1 / 255)


def test_resize_to_its_own_size_is_the_identity():
    np.testing.assert_allclose(preprocess.resize_center_crop(IMAGE, shorter=4, size=(5, 4)), IMAGE, atol=1e-6)
    half = jnp.asarray(IMAGE, jnp.bfloat16)
    assert preprocess.resize_center_crop(half, shorter=4, size=2).dtype == jnp.bfloat16


PCA_STATS = preprocess.pca_fit(IMAGES, epsilon=0.01)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: preprocess.standardize_fit(IMAGES[0]), "images"),
        (lambda: preprocess.standardize_fit(IMAGES[:0]), "images"),
        (lambda: preprocess.min_max_fit(IMAGES[:0]), "images"),
        (lambda: preprocess.mean_image_fit([IMAGES, IMAGES[:, :2]]), "images"),
        (lambda: preprocess.zca_fit([IMAGES, IMAGES[:, :2]], epsilon=0.1), "images"),
        (lambda: preprocess.zca_fit(IMAGES, epsilon=-0.1), "epsilon"),
        (lambda: preprocess.pca_fit(IMAGES, epsilon=0.1, components=61), "components"),
        (lambda: preprocess.standardize(preprocess.standardize_fit(IMAGES), IMAGES[0]), "image"),
        (lambda: preprocess.standardize(preprocess.standardize_fit(IMAGES), IMAGE[..., :1]), "stats.shift"),
        (lambda: preprocess.standardize(preprocess.mean_image_fit(IMAGES), IMAGE[:2]), "stats.shift"),
        (lambda: preprocess.per_image((), IMAGES[0]), "image"),
        (lambda: preprocess.pca(PCA_STATS, IMAGE[:2]), "image"),
        (lambda: preprocess.pca_inverse(PCA_STATS, jnp.ones(3)), "components"),
        (lambda: preprocess.zca(PCA_STATS, IMAGES[0]), "image"),
        (lambda: preprocess.resize_center_crop(IMAGE, shorter=4, size=6), "size"),
        (lambda: preprocess.resize_center_crop(IMAGE, shorter=4, size=2.5), "size"),
        (lambda: preprocess.resize_center_crop(IMAGE, shorter=0, size=2), "shorter"),
        (lambda: preprocess.resize_center_crop(IMAGE[:0]), "image"),
        (lambda: preprocess.resize_center_crop(IMAGES[0].astype(np.int32)), "image"),
        (lambda: preprocess.resize_center_crop(IMAGE, method="nearest"), "method"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()


def test_by_the_pixel_equals_scikit_learn():
    flat, other = FLOATS.reshape(300, -1), preprocess.min_max_fit(IMAGES, low=-1.0, high=1.0, per="pixel")
    expected = MinMaxScaler((-1, 1)).fit_transform(flat).reshape(IMAGES.shape)
    np.testing.assert_allclose(over(preprocess.standardize, other, FLOATS), expected, atol=1e-5)
    stats = preprocess.standardize_fit(np.array_split(IMAGES, 3), per="pixel")
    expected = StandardScaler().fit_transform(flat).reshape(IMAGES.shape)
    np.testing.assert_allclose(over(preprocess.standardize, stats, FLOATS), expected, atol=1e-4)
    for wrong in ({"low": 1.0, "high": 1.0}, {"high": np.inf}, {"per": "image"}):
        with pytest.raises(ValueError, match=r"^(low is|per is)"):
            preprocess.min_max_fit(IMAGES, **wrong)


def test_components_that_are_not_scaled_turn_the_axes_only():
    stats = preprocess.pca_fit(IMAGES, epsilon=0.0, scaled=False)
    expected = PCA().fit_transform(ROWS)
    np.testing.assert_allclose(np.abs(over(preprocess.pca, stats, FLOATS)), np.abs(expected), atol=1e-4)
    np.testing.assert_allclose(preprocess.pca_inverse(stats, preprocess.pca(stats, IMAGE)), IMAGE, atol=1e-5)
    with pytest.raises(ValueError, match=r"^epsilon is 0.1; allowed: 0"):
        preprocess.pca_fit(IMAGES, epsilon=0.1, scaled=False)
