import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

from jaxtricks import augment

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 4, 5, 3)).astype(np.uint8)
IMAGES[..., 1] = IMAGES[..., 0] // 2 + IMAGES[..., 1] // 3
FITTED = augment.fit_color_pca(IMAGES)


def test_fit_equals_scikit_learn():
    pixels = IMAGES.reshape(-1, 3) / 255
    pca = PCA().fit(pixels)
    values = pca.explained_variance_ * (len(pixels) - 1) / len(pixels)
    np.testing.assert_allclose(FITTED.values[::-1], values, rtol=1e-5)
    aligned = np.abs(np.asarray(FITTED.vectors)[:, ::-1].T @ pca.components_.T)
    np.testing.assert_allclose(aligned, np.eye(3), atol=1e-4)


def test_fit_of_a_stream_and_of_floats_is_the_same():
    stream = augment.fit_color_pca(part for part in np.array_split(IMAGES, 7))
    floats = augment.fit_color_pca((IMAGES / 255).astype(np.float32))
    for other in (stream, floats):
        np.testing.assert_allclose(other.values, FITTED.values, rtol=1e-5)


def test_noise_has_the_covariance_of_the_formula():
    """Cov = std^2 V diag(values^2) V^T, on mid-grey, where nothing is clipped."""
    keys = jax.random.split(jax.random.key(0), 20000)
    image = jnp.full((1, 1, 3), 0.5)
    out = jax.vmap(lambda k: augment.pca_noise(k, image, FITTED, std=0.2))(keys)
    vectors, values = np.asarray(FITTED.vectors, np.float64), np.asarray(FITTED.values, np.float64)
    expected = 0.2**2 * vectors @ np.diag(values**2) @ vectors.T
    np.testing.assert_allclose(np.cov(np.asarray(out)[:, 0, 0].T), expected, atol=0.05 * expected.max())


def test_one_colour_for_all_pixels_and_none_at_zero():
    image = jnp.linspace(0.4, 0.6, 4 * 5 * 3).reshape(4, 5, 3)
    difference = augment.pca_noise(jax.random.key(3), image, FITTED) - image
    np.testing.assert_allclose(difference, np.broadcast_to(difference[0, 0], image.shape), atol=1e-6)
    np.testing.assert_array_equal(augment.pca_shift(image, FITTED, jnp.zeros(3)), image)
    np.testing.assert_array_equal(augment.pca_noise(jax.random.key(3), image, FITTED, std=0.0), image)


def test_shift_by_hand_and_clipped():
    pca = augment.ColorPCA(jnp.array([0.1, 0.5]), jnp.array([[0.0, 1.0], [1.0, 0.0]]))
    got = augment.pca_shift(jnp.full((1, 1, 2), 0.5), pca, jnp.array([2.0, -4.0]))
    np.testing.assert_allclose(got.ravel(), [0.0, 0.7], atol=1e-6)


def test_grey_images_have_one_colour():
    pca = augment.fit_color_pca(IMAGES[..., :1])
    np.testing.assert_allclose(pca.values, [np.var(IMAGES[..., 0] / 255)], rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.fit_color_pca(IMAGES[0]), "images"),
        (lambda: augment.fit_color_pca(IMAGES[:0]), "images"),
        (lambda: augment.fit_color_pca([IMAGES, IMAGES[..., :1]]), "images"),
        (lambda: augment.pca_noise(jax.random.key(0), jnp.ones((2, 2, 1)), FITTED), "pca.values"),
        (lambda: augment.pca_noise(jax.random.key(0), jnp.ones((2, 2, 3)), FITTED, std=-1.0), "std"),
        (lambda: augment.pca_noise(jax.random.key(0), IMAGES[0].astype(np.int32), FITTED), "image"),
        (lambda: augment.pca_shift(jnp.ones((2, 2, 3)), FITTED, jnp.ones(2)), "amount"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
