"""Colour: torchvision's adjustments and jitter. Results are clipped to [0, 1]."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment._hsv import hsv_to_rgb, rgb_to_hsv
from jaxtricks.preprocess._levels import in_float32, rounded

LUMA = (0.2989, 0.587, 0.114)  # torchvision's weights of R, G, B


def luma(image: jax.Array) -> jax.Array:
    """Brightness of each pixel: ``0.2989 R + 0.587 G + 0.114 B``, or the only channel.

    Args:
      image: ``[H, W, 3]`` or ``[H, W, 1]``, uint8 or floats in [0, 1].

    Returns:
      ``[H, W, 1]``.

    Raises:
      ValueError: on a wrong rank, dtype or number of channels.

    Example:
      >>> image = jnp.array([[[1.0, 0.0, 0.0]]])
      >>> print(np.asarray(luma(image)).squeeze().round(3))
      0.299
    """
    _checks.photo("image", image, channels=(1, 3))
    _checks.unit("image", image)
    image = jnp.asarray(image)
    if image.shape[-1] == 1:
        return image
    wide = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    red, green, blue = (weight * wide[..., i : i + 1] for i, weight in enumerate(LUMA))
    return rounded(red + green + blue, image.dtype)


def channelwise(reduce: Callable, image: jax.Array) -> jax.Array:
    """The mean, minimum or maximum value of each channel, ``[1, 1, C]``.

    By columns and then by rows: over both at once XLA takes twice as long on a CPU, and the barrier keeps it from that.
    """
    return reduce(jax.lax.optimization_barrier(reduce(image, 0)), 0)[None, None]


@in_float32
def adjust_brightness(image: jax.Array, factor: jax.Array | float) -> jax.Array:
    """Multiply: ``clip(factor * image, 0, 1)``.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1].
      factor: 0 gives black, 1 the image; 0 or more.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank or dtype, or a negative factor.

    Example:
      >>> image = jnp.array([[[0.25], [0.75]]])  # one row of two pixels
      >>> print(np.asarray(adjust_brightness(image, 0.5)).squeeze().round(3))
      [0.125 0.375]
    """
    _checks.image("image", image)
    _checks.unit("image", image)
    return _blend(image, jnp.zeros_like(image), factor)


@in_float32
def adjust_contrast(image: jax.Array, factor: jax.Array | float) -> jax.Array:
    """Move away from the mean brightness: ``clip(factor * image + (1 - factor) * mean(luma(image)), 0, 1)``.

    Args:
      image: ``[H, W, 3]`` or ``[H, W, 1]``, uint8 or floats in [0, 1].
      factor: 0 gives grey, 1 the image; 0 or more.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype or number of channels, or a negative factor.

    Example:
      >>> image = jnp.array([[[0.25], [0.75]]])  # one row of two pixels
      >>> print(np.asarray(adjust_contrast(image, 0.5)).squeeze().round(3))
      [0.375 0.625]
    """
    _checks.image("image", image, channels=(1, 3))
    _checks.unit("image", image)
    mean = luma(channelwise(jnp.mean, image))  # luma is linear: that of the mean is the mean of it
    return _blend(image, jnp.broadcast_to(mean, image.shape), factor)


@in_float32
def adjust_saturation(image: jax.Array, factor: jax.Array | float) -> jax.Array:
    """Move away from grey: ``clip(factor * image + (1 - factor) * luma(image), 0, 1)``.

    Args:
      image: ``[H, W, 3]``, uint8 or floats in [0, 1]; a grey image would not change, so one channel is refused.
      factor: 0 gives a grey image, 1 the image; 0 or more.

    Returns:
      ``[H, W, 3]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype or number of channels, or a negative factor.

    Example:
      >>> image = jnp.array([[[1.0, 0.0, 0.0]]])  # red, of luma 0.299
      >>> print(np.asarray(adjust_saturation(image, 0.0)).squeeze().round(3))
      [0.299 0.299 0.299]
    """
    _checks.image("image", image, channels=(3,))
    return _blend(image, jnp.broadcast_to(luma(image), image.shape), factor)


@in_float32
def adjust_hue(image: jax.Array, shift: jax.Array | float) -> jax.Array:
    """Turn the hue: ``H <- (H + shift) mod 1`` in HSV.

    Args:
      image: ``[H, W, 3]``, uint8 or floats in [0, 1]; a grey image would not change, so one channel is refused.
      shift: part of the colour circle, -0.5 to 0.5; 0 gives the image.

    Returns:
      ``[H, W, 3]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype or number of channels, or a shift outside -0.5 to 0.5.

    Example:
      >>> image = jnp.array([[[1.0, 0.0, 0.0]]])  # red
      >>> print(np.asarray(adjust_hue(image, 1 / 3)).squeeze().round(3))
      [0. 1. 0.]
    """
    _checks.scalar("shift", shift)
    check.between("shift", shift, -0.5, 0.5)
    hsv = rgb_to_hsv(image)
    return hsv_to_rgb(hsv + jnp.array([shift, 0, 0], image.dtype)[None, None, :])


@in_float32
def color_jitter(
    key: jax.Array,
    image: jax.Array,
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
    shuffle: bool = False,
) -> jax.Array:
    """Adjust brightness, contrast, saturation and hue by random amounts.

    Factors are uniform in ``[max(0, 1 - strength), 1 + strength]``, the shift of the hue in ``[-hue, hue]``. What has
    strength 0 is left out.

    Args:
      key: a typed key.
      image: ``[H, W, 3]`` or ``[H, W, 1]``, uint8 or floats in [0, 1]. Saturation and hue leave grey as it is, so that
        brightness or contrast must vary there.
      brightness: strength, 0 or more.
      contrast: strength, 0 or more.
      saturation: strength, 0 or more.
      hue: strength, 0 to 0.5.
      shuffle: draw the order too, as torchvision does; under vmap that costs as many times the work as there are
        adjustments. Else the order is that of the arguments.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype, number of channels or strength.
    """
    check.between("hue", hue, 0.0, 0.5)
    factors = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    for name, strength in factors.items():
        check.between(name, strength, 0.0, math.inf)
    _checks.image("image", image)
    _checks.unit("image", image)
    order_key, *keys = jax.random.split(key, 5)
    adjust = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
    ranges = [(max(0.0, 1.0 - s), 1.0 + s) for s in factors.values()] + [(-hue, hue)]
    strengths = (*factors.values(), hue)
    if image.shape[-1] == 1:
        if any(strengths) and not brightness and not contrast:
            raise ValueError(f"image has shape {image.shape}; allowed: 3 channels where only saturation or hue vary.")
        strengths = (brightness, contrast, 0.0, 0.0)
    # The key of an adjustment is its own: leaving one out does not shift the others.
    amounts = [jax.random.uniform(k, (), image.dtype, low, high) for k, (low, high) in zip(keys, ranges, strict=True)]
    steps = [lambda x, f=f, a=a: f(x, a) for f, a, s in zip(adjust, amounts, strengths, strict=True) if s != 0]
    if not shuffle:
        for step in steps:
            image = step(image)
        return image
    order = jax.random.permutation(order_key, len(steps))
    for i in range(len(steps)):
        image = jax.lax.switch(order[i], steps, image)
    return image


def _blend(image: jax.Array, other: jax.Array, factor: jax.Array | float) -> jax.Array:
    _checks.scalar("factor", factor)
    check.between("factor", factor, 0.0, math.inf)
    factor = jnp.asarray(factor, image.dtype)
    return jnp.clip(factor * image + (1 - factor) * other, 0, 1)
