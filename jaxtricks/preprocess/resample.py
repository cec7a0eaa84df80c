"""Resampling along one axis, antialiased: what crops and the evaluation resize have in common."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp


def triangle(x: jax.Array) -> jax.Array:
    """The bilinear kernel, ``max(0, 1 - |x|)``."""
    return jnp.maximum(0, 1 - jnp.abs(x))


def cubic(x: jax.Array) -> jax.Array:
    """The bicubic kernel of Pillow, Keys' with a = -1/2; 0 from 2 on."""
    x = jnp.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return jnp.where(x < 1, near, jnp.where(x < 2, far, 0 * x))


REACH = {triangle: 1, cubic: 2}  # pixels on each side, at scales up to 1


def stored(function: Callable, x: jax.Array):
    """``function(x)``, by a loop over the two halves of x: what a loop gives is kept in memory.

    XLA computes what is cheap again wherever it is used: for each channel, and not always to the same last bit, so that
    a floor in an index may differ from the one in a weight.

    Args:
      function: ``[n] -> [n, ...]``, or several such, for each element by itself.
      x: ``[N]``.

    Returns:
      ``[N, ...]``.
    """
    size = x.shape[0]
    halves = jnp.concatenate([x, x[-1:]])[: size + size % 2].reshape(2, -1)
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:size], jax.lax.map(function, halves))


def along(
    image: jax.Array,
    axis: int,
    wanted: jax.Array,
    scale: jax.Array,
    span: tuple[jax.Array, jax.Array],
    *,
    most: float,
    kernel: Callable[[jax.Array], jax.Array] = triangle,
) -> jax.Array:
    """Each wanted place as a weighted mean of the pixels about it: weights ``kernel((p - wanted) / max(scale, 1))``.

    Args:
      image: ``[H, W, C]``, float32 or wider.
      axis: 0 or 1.
      wanted: places along it, ``[N]``, in pixels; the centre of the first is 0.5.
      scale: pixels from one place to the next; more than ``most`` and 1 gives NaN.
      span: start and stop of what counts, in pixels; where no pixel of the image lies in it the result is 0.
      most: static; it tells how many pixels a place may need.
      kernel: ``triangle`` or ``cubic``.

    Returns:
      The image with N pixels along the axis.
    """
    image = jnp.asarray(image)
    pixels = image.shape[axis]
    taps = math.ceil(2 * REACH[kernel] * max(1.0, most))
    start, stop = jnp.maximum(span[0], 0), jnp.minimum(span[1], pixels)
    wide = jnp.maximum(scale, 1)
    known = jnp.where((wide > max(1.0, most) * (1 + 1e-5)) & (start < stop), jnp.nan, 1)

    def weights(place):
        center = place + 0.5
        weight = kernel((center - wanted[:, None]) / wide)
        weight = jnp.where((center < start) | (center >= stop), 0, weight)
        total = weight.sum(1, keepdims=True)
        return known * weight / jnp.where(total == 0, 1, total)

    def dense(image):
        exact = jax.lax.Precision.HIGHEST  # else TF32 or bfloat16 on accelerators, an error of up to one grey level
        weight = weights(jnp.arange(pixels)[None, :])
        return jnp.einsum("ih,hwc->iwc" if axis == 0 else "jw,iwc->ijc", weight, image, precision=exact)

    def sparse(image):
        first = stored(lambda wanted: jnp.floor(wanted - REACH[kernel] * wide + 0.5), wanted)
        place = first[:, None] + jnp.arange(taps)[None, :]
        weight = weights(place)
        place = jnp.clip(place, 0, pixels - 1).astype(jnp.int32)
        out = 0.0
        for i in range(taps):
            row, factor = place[:, i], weight[:, i, None]
            taken = image.at[row].get(mode="clip") if axis == 0 else image.at[:, row].get(mode="clip")
            out = out + (factor[..., None] if axis == 0 else factor[None]) * taken
        return out

    if taps >= pixels:
        return dense(image)
    return jax.lax.platform_dependent(image, tpu=dense, default=sparse)  # a TPU multiplies faster than it gathers
