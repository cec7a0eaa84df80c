"""Hue, saturation, value: conversions, and the jitter by powers."""

import math

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.preprocess._levels import in_float32


def rgb_to_hsv(image: jax.Array) -> jax.Array:
    """Hue, saturation, value: ``V = max``, ``S = (max - min) / max``, H by sixths of a circle from red.

    Args:
      image: ``[H, W, 3]``, floating point in [0, 1].

    Returns:
      ``[H, W, 3]``, hue in [0, 1); hue is 0 where the pixel is grey, saturation is 0 where it is black, to 1e-18.

    Raises:
      ValueError: on a wrong rank, dtype or number of channels.

    Example:
      >>> print(np.asarray(rgb_to_hsv(jnp.array([[[0.0, 0.5, 0.0]]]))).squeeze().round(3))
      [0.333 1.    0.5  ]
    """
    _checks.image("image", image, channels=(3,))
    _checks.unit("image", image)
    r, g, b = image[..., 0], image[..., 1], image[..., 2]
    value, minimum = jnp.maximum(jnp.maximum(r, g), b), jnp.minimum(jnp.minimum(r, g), b)
    spread = value - minimum
    # What is left below would have a square of 0, and so no gradient.
    spread, value = (jnp.where(jnp.abs(x) < 1e-18, 0 * x, x) for x in (spread, value))
    divisor = jnp.where(spread == 0, 1, spread)
    hue = jnp.where(value == r, (g - b) / divisor, jnp.where(value == g, 2 + (b - r) / divisor, 4 + (r - g) / divisor))
    saturation = spread / jnp.where(value == 0, 1, value)
    hue = _turn(hue / 6)
    hue = jnp.where(hue >= 1, hue - 1, hue)  # a hair below 0 is rounded to 1
    return jnp.stack([hue, saturation, value], -1)


def hsv_to_rgb(image: jax.Array) -> jax.Array:
    """The inverse of rgb_to_hsv: ``V - V S max(0, min(k, 4 - k, 1))``, ``k = (n + 6 H) mod 6``, n = 5, 3, 1.

    Args:
      image: ``[H, W, 3]``, floating point: hue in turns, any number; saturation and value in [0, 1].

    Returns:
      ``[H, W, 3]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype or number of channels.

    Example:
      >>> print(np.asarray(hsv_to_rgb(jnp.array([[[1 / 3, 1.0, 0.5]]]))).squeeze().round(3))
      [0.  0.5 0. ]
    """
    _checks.image("image", image, channels=(3,))
    hue, saturation, value = image[..., 0:1], image[..., 1:2], image[..., 2:3]
    k = 6 * _turn(jnp.array([[[5, 3, 1]]], image.dtype) / 6 + hue)
    return value - value * saturation * jnp.clip(jnp.minimum(k, 4 - k), 0, 1)


@in_float32
def hsv_power(
    image: jax.Array, power: jax.Array, factor: jax.Array, shift: jax.Array, hue: jax.Array | float
) -> jax.Array:
    """Change saturation and value by a power, a factor and a shift, and turn the hue.

    ``S <- clip(factor_s * S^power_s + shift_s, 0, 1)``, V likewise, ``H <- (H + hue) mod 1``.

    Args:
      image: ``[H, W, 3]``, uint8 or floats in [0, 1].
      power: of saturation and value, ``[2]``, greater than 0.
      factor: of saturation and value, ``[2]``.
      shift: of saturation and value, ``[2]``.
      hue: part of the colour circle.

    Returns:
      ``[H, W, 3]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, shape, dtype or number of channels.
    """
    for name, argument in (("power", power), ("factor", factor), ("shift", shift)):
        _checks.vector(name, argument, 2)
    _checks.scalar("hue", hue)
    hsv = rgb_to_hsv(image)
    power, factor, shift = (jnp.asarray(a, image.dtype)[None, None, :] for a in (power, factor, shift))
    rest = hsv[..., 1:]
    none = rest <= 0  # 0 to a power has no derivative
    raised = jnp.where(none, 0, jnp.where(none, 1, rest) ** power)
    rest = jnp.clip(factor * raised + shift, 0, 1)
    return hsv_to_rgb(jnp.concatenate([hsv[..., :1] + hue, rest], -1))


@in_float32
def random_hsv_power(
    key: jax.Array,
    image: jax.Array,
    *,
    power: float = 4.0,
    factor: tuple[float, float] = (0.7, 1.4),
    shift: float = 0.1,
    hue: float = 0.1,
) -> jax.Array:
    """Draw a power, a factor and a shift for saturation and for value, and a shift of the hue.

    Args:
      key: a typed key.
      image: ``[H, W, 3]``, uint8 or floats in [0, 1].
      power: p >= 1; powers are uniform in the logarithm from 1/p to p, so that raising and lowering are as likely.
      factor: minimum and maximum, uniform.
      shift: uniform from -shift to shift, 0 to 1.
      hue: uniform from -hue to hue, 0 to 0.5.

    Returns:
      ``[H, W, 3]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype, number of channels or range.

    Reference:
      Dosovitskiy et al., Discriminative unsupervised feature learning with exemplar convolutional neural networks,
      arXiv 1406.6909.
    """
    _checks.image("image", image, channels=(3,))
    check.between("power", power, 1.0, math.inf)
    _checks.interval("factor", factor, 0.0, math.inf)
    check.between("shift", shift, 0.0, 1.0)
    check.between("hue", hue, 0.0, 0.5)
    keys = jax.random.split(key, 4)
    exponent = jax.random.uniform(keys[0], (2,), image.dtype, -math.log(power), math.log(power))
    return hsv_power(
        image,
        jnp.exp(exponent),
        jax.random.uniform(keys[1], (2,), image.dtype, *factor),
        jax.random.uniform(keys[2], (2,), image.dtype, -shift, shift),
        jax.random.uniform(keys[3], (), image.dtype, -hue, hue),
    )


def _turn(x: jax.Array) -> jax.Array:
    """``x mod 1``; many times faster on CPU than ``%``, which is fmod and two corrections."""
    return x - jnp.floor(x)
