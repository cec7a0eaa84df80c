"""Oracles: torchvision's documented formulas in NumPy loops, colorsys, Pillow, scikit-image."""

import colorsys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from jaxtricks import augment

LEVELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
IMAGE = (LEVELS / 255).astype(np.float32)
GREY = IMAGE[..., :1]
KEYS = jax.random.split(jax.random.key(0), 400)


def grey(image):
    return 0.2989 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]


def blended(image, other, factor):
    return np.clip(factor * image + (1 - factor) * other, 0, 1)


FACTORS = [0.0, 0.4, 1.0, 1.7, 5.0]


@pytest.mark.parametrize("factor", FACTORS)
def test_adjustments_equal_their_formulas(factor):
    image = IMAGE.astype(np.float64)
    expected = {
        augment.adjust_brightness: blended(image, 0, factor),
        augment.adjust_contrast: blended(image, grey(image).mean(), factor),
        augment.adjust_saturation: blended(image, grey(image)[..., None], factor),
    }
    for adjust, value in expected.items():
        np.testing.assert_allclose(adjust(IMAGE, factor), value, atol=1e-6)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(
    ("adjust", "enhance"),
    [
        (augment.adjust_brightness, ImageEnhance.Brightness),
        (augment.adjust_contrast, ImageEnhance.Contrast),
        (augment.adjust_saturation, ImageEnhance.Color),
    ],
)
def test_adjustments_are_near_pillow(adjust, enhance, factor):
    """Pillow truncates to whole levels, its grey too: each step of that may move a level, times the factor."""
    expected = np.asarray(enhance(Image.fromarray(LEVELS)).enhance(factor)) / 255
    np.testing.assert_allclose(adjust(IMAGE, factor), expected, atol=(1.01 + abs(1 - factor)) / 255)


@pytest.mark.parametrize("shift", [-0.5, -0.2, 0.0, 0.1, 0.5])
def test_hue_equals_colorsys(shift):
    expected = np.empty_like(IMAGE)
    for place in np.ndindex(IMAGE.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*IMAGE[place].tolist())
        expected[place] = colorsys.hsv_to_rgb((h + shift) % 1, s, v)
    np.testing.assert_allclose(augment.adjust_hue(IMAGE, shift), expected, atol=2e-6)


def test_hue_by_a_third_turns_red_into_green():
    red = jnp.array([1.0, 0, 0]).reshape(1, 1, 3)
    np.testing.assert_allclose(augment.adjust_hue(red, 1 / 3).ravel(), [0, 1, 0], atol=1e-6)


@pytest.mark.parametrize("adjust", [augment.adjust_brightness, augment.adjust_contrast, augment.adjust_saturation])
def test_factor_one_is_the_identity_and_more_is_further(adjust):
    np.testing.assert_allclose(adjust(IMAGE, 1.0), IMAGE, atol=1e-6)
    distance = [float(np.abs(adjust(IMAGE, 1 + m) - IMAGE).mean()) for m in (0, 0.1, 0.2, 0.4)]
    assert distance == sorted(distance)
    assert distance[1] > distance[0] + 1e-3


def test_contrast_of_one_channel_moves_from_its_mean():
    np.testing.assert_allclose(augment.adjust_contrast(GREY, 0.5), blended(GREY, GREY.mean(), 0.5), atol=1e-6)


def test_adjustments_have_right_gradients():
    inside = 0.25 + 0.5 * IMAGE[:2, :2].astype(np.float32)
    for adjust in (augment.adjust_contrast, augment.adjust_saturation):
        chex.assert_numerical_grads(lambda x, f=adjust: f(x, 0.8), (jnp.asarray(inside),), order=1, eps=1e-2, rtol=2e-2)
    grad = jax.grad(lambda x: augment.adjust_hue(x, 0.1).sum())(jnp.full((2, 2, 3), 0.5))
    assert np.isfinite(grad).all(), "grey pixels"


def reference_factors(strength):
    return max(0.0, 1 - strength), 1 + strength


@pytest.mark.parametrize(
    ("name", "adjust"),
    [
        ("brightness", augment.adjust_brightness),
        ("contrast", augment.adjust_contrast),
        ("saturation", augment.adjust_saturation),
    ],
)
@pytest.mark.parametrize("strength", [0.4, 1.5])
def test_jitter_draws_within_its_range(name, adjust, strength):
    """Half-bright images: the factor is read off the distance to what factor 0 gives."""
    image = 0.3 + 0.1 * IMAGE
    none = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    out = jax.vmap(lambda k: augment.color_jitter(k, image, **(none | {name: strength})))(KEYS)
    base = np.asarray(adjust(image, 0.0), np.float64)
    factors = ((np.asarray(out) - base) * (image - base)).sum((1, 2, 3)) / ((image - base) ** 2).sum()
    low, high = reference_factors(strength)
    assert low - 1e-3 <= factors.min() < low + 0.05 * (high - low)
    assert high + 1e-3 >= factors.max() > high - 0.05 * (high - low)


def test_jitter_leaves_the_draws_of_the_others_alone():
    """Brightness alone, then contrast with the same key, is both at once."""
    key = KEYS[0]
    both = augment.color_jitter(key, IMAGE, brightness=0.4, contrast=0.3, saturation=0, hue=0)
    one = augment.color_jitter(key, IMAGE, brightness=0.4, contrast=0, saturation=0, hue=0)
    two = augment.color_jitter(key, one, brightness=0, contrast=0.3, saturation=0, hue=0)
    np.testing.assert_allclose(both, two, atol=1e-6)


def test_jitter_of_strength_zero_is_the_identity():
    out = augment.color_jitter(KEYS[0], IMAGE, brightness=0, contrast=0, saturation=0, hue=0, shuffle=True)
    np.testing.assert_array_equal(out, IMAGE)


def test_jitter_shuffles_the_order():
    """With two adjustments there are two results, of which each key gives one, both about as often."""
    options = {"brightness": 0.9, "contrast": 0.9, "saturation": 0.0, "hue": 0.0}
    shuffled = jax.vmap(lambda k: augment.color_jitter(k, IMAGE, **options, shuffle=True))(KEYS)
    fixed = jax.vmap(lambda k: augment.color_jitter(k, IMAGE, **options))(KEYS)
    same = np.isclose(shuffled, fixed, atol=1e-5).all((1, 2, 3)).mean()
    assert 0.35 < same < 0.65


def test_luma_weights():
    np.testing.assert_allclose(augment.luma(IMAGE)[..., 0], grey(IMAGE), atol=1e-6)
    np.testing.assert_array_equal(augment.luma(GREY), GREY)


def jitter(image=IMAGE, **options):
    none = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    return augment.color_jitter(KEYS[0], image, **(none | options))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.adjust_brightness(LEVELS.astype(np.int32), 1.0), "image"),
        (lambda: augment.adjust_brightness(IMAGE, -0.1), "factor"),
        (lambda: augment.adjust_contrast(IMAGE[..., :2], 1.0), "image"),
        (lambda: augment.adjust_saturation(GREY, 1.0), "image"),
        (lambda: augment.adjust_hue(GREY, 0.1), "image"),
        (lambda: augment.adjust_hue(IMAGE, 0.6), "shift"),
        (lambda: augment.luma(IMAGE[None]), "image"),
        (lambda: jitter(brightness=-1.0), "brightness"),
        (lambda: jitter(hue=0.7), "hue"),
        (lambda: jitter(GREY, saturation=0.1), "image"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()


@pytest.mark.parametrize("shuffle", [False, True])
def test_grey_is_jittered_by_what_is_not_of_colour(shuffle):
    options = {"brightness": 0.4, "contrast": 0.3, "shuffle": shuffle}
    one = augment.color_jitter(KEYS[1], GREY, saturation=0.4, hue=0.1, **options)
    two = augment.color_jitter(KEYS[1], GREY, saturation=0.0, hue=0.0, **options)
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - GREY).max() > 1e-3


def test_saturation_leaves_grey_as_it_is_in_a_policy():
    only = {"saturation": augment.WIDE_OPS["saturation"]}
    np.testing.assert_array_equal(augment.rand_augment(KEYS[0], GREY, ops=only, strength=1.0), GREY)
