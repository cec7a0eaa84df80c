import colorsys
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from skimage import color

from jaxtricks import augment

IMAGE = np.random.default_rng(0).random((6, 5, 3), dtype=np.float32)
ONE = jnp.ones(2)
ZERO = jnp.zeros(2)


def test_conversions_equal_skimage():
    hsv = color.rgb2hsv(IMAGE)
    np.testing.assert_allclose(augment.rgb_to_hsv(IMAGE), hsv, atol=1e-6)
    np.testing.assert_allclose(augment.hsv_to_rgb(jnp.asarray(hsv, jnp.float32)), IMAGE, atol=2e-6)


@pytest.mark.parametrize(
    "rgb", [(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (1, 0, 1), (0, 1, 0), (0.2, 0.2, 0.9), (1, 1, 0)]
)
def test_conversions_of_special_colours(rgb):
    pixel = jnp.array(rgb, jnp.float32).reshape(1, 1, 3)
    hsv = augment.rgb_to_hsv(pixel)
    np.testing.assert_allclose(hsv.ravel(), colorsys.rgb_to_hsv(*rgb), atol=1e-6)
    np.testing.assert_allclose(augment.hsv_to_rgb(hsv), pixel, atol=1e-6)


def test_the_circle_of_hues_is_open():
    """A red with a hair of blue: its hue is just below a whole turn, which is 0."""
    image = jnp.array([[[1.0, 0.0, 1e-30], [1.0, 0.0, 0.01]]])
    np.testing.assert_array_equal(augment.rgb_to_hsv(image)[0, 0], [0, 1, 1])
    np.testing.assert_allclose(augment.rgb_to_hsv(image)[0, 1, 0], 1 - 0.01 / 6, atol=1e-6)


def test_power_by_hand():
    """S = 0.5, V = 0.64: S <- 1.2 * 0.25 + 0.1, V <- 0.5 * 0.8 - 0.1; the hue by a tenth of the circle."""
    pixel = jnp.array(colorsys.hsv_to_rgb(0.3, 0.5, 0.64), jnp.float32).reshape(1, 1, 3)
    got = augment.hsv_power(pixel, jnp.array([2, 0.5]), jnp.array([1.2, 0.5]), jnp.array([0.1, -0.1]), 0.1)
    np.testing.assert_allclose(got.ravel(), colorsys.hsv_to_rgb(0.4, 0.4, 0.3), atol=1e-6)


def test_power_of_one_is_the_identity():
    np.testing.assert_allclose(augment.hsv_power(IMAGE, ONE, ONE, ZERO, 0.0), IMAGE, atol=2e-6)


def test_random_power_is_uniform_in_the_logarithm():
    """A grey pixel of value 0.5 shows the power of V alone."""
    keys = jax.random.split(jax.random.key(0), 2000)
    pixel = jnp.full((1, 1, 3), 0.5)
    out = jax.vmap(lambda k: augment.random_hsv_power(k, pixel, factor=(1.0, 1.0), shift=0.0, hue=0.0))(keys)
    power = np.log(np.asarray(out)[:, 0, 0, 0]) / math.log(0.5)
    assert stats.kstest(np.log(power) / math.log(4), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_random_hsv_power_in_its_narrowest_range_is_the_identity():
    out = augment.random_hsv_power(jax.random.key(0), IMAGE, power=1.0, factor=(1.0, 1.0), shift=0.0, hue=0.0)
    np.testing.assert_allclose(out, IMAGE, atol=2e-6)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.rgb_to_hsv(IMAGE[..., :1]), "image"),
        (lambda: augment.hsv_to_rgb(IMAGE[0]), "image"),
        (lambda: augment.hsv_power(IMAGE, jnp.ones(3), ONE, ZERO, 0.0), "power"),
        (lambda: augment.hsv_power(IMAGE, ONE, ONE, jnp.zeros(()), 0.0), "shift"),
        (lambda: augment.random_hsv_power(jax.random.key(0), IMAGE, power=0.5), "power"),
        (lambda: augment.random_hsv_power(jax.random.key(0), IMAGE, factor=(1.4, 0.7)), "factor"),
        (lambda: augment.random_hsv_power(jax.random.key(0), IMAGE, hue=0.6), "hue"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
