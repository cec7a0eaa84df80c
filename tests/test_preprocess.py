import jax
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from jaxtricks import preprocess

IMAGES = np.random.default_rng(0).integers(0, 200, (300, 5, 4, 3)).astype(np.uint8)
FLOATS = (IMAGES / 255).astype(np.float32)
IMAGE = FLOATS[0]


def over(apply, stats, images):
    return np.asarray(jax.jit(jax.vmap(apply, (None, 0)))(stats, images))


def test_standardize_equals_scikit_learn():
    stats = preprocess.standardize_fit(IMAGES)
    expected = StandardScaler().fit_transform(IMAGES.reshape(-1, 3) / 255).reshape(IMAGES.shape)
    np.testing.assert_allclose(over(preprocess.standardize, stats, FLOATS), expected, atol=1e-5)


FITS = [preprocess.standardize_fit]


@pytest.mark.parametrize("fit", FITS)
def test_fit_of_a_stream_or_of_floats_is_the_same(fit):
    for images in (np.array_split(IMAGES, 4), (part for part in np.array_split(IMAGES, 3)), FLOATS):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), fit(images), fit(IMAGES))


def test_standardize_inverse():
    stats = preprocess.standardize_fit(IMAGES)
    np.testing.assert_allclose(
        preprocess.standardize_inverse(stats, preprocess.standardize(stats, IMAGE)), IMAGE, atol=1e-6
    )


def test_a_constant_channel_becomes_zero():
    flat = np.full((3, 2, 2, 1), 77, np.uint8)
    stats = preprocess.standardize_fit(flat)
    np.testing.assert_allclose(preprocess.standardize(stats, flat[0] / np.float32(255)), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: preprocess.standardize_fit(IMAGES[0]), "images"),
        (lambda: preprocess.standardize_fit(IMAGES[:0]), "images"),
        (lambda: preprocess.standardize(preprocess.standardize_fit(IMAGES), IMAGES[0]), "image"),
        (lambda: preprocess.standardize(preprocess.standardize_fit(IMAGES), IMAGE[..., :1]), "stats.mean"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
