"""Resampling along one axis, antialiased: what crops and the evaluation resize have in common."""

import math
import operator
from collections.abc import Callable
from functools import partial, reduce

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


REACH: dict[Callable, int] = {triangle: 1, cubic: 2}  # pixels on each side, at scales up to 1


def stored(function: Callable, x):
    """``function(x)``, by a loop over the two halves of x: what a loop gives is kept in memory.

    XLA computes what is cheap again wherever it is used: for each channel, and not always to the same last bit, so that
    a floor in an index may differ from the one in a weight.

    Args:
      function: ``[n, ...] -> [n, ...]``, or several such, for each row by itself.
      x: ``[N, ...]``, or several with the same N.

    Returns:
      ``[N, ...]``, or several.
    """
    size = len(jax.tree.leaves(x)[0])
    half = (size + 1) // 2

    def part(start):
        return function(jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, start, half), x))

    def blank(a):  # of the type of what comes in, which shard_map distinguishes by device; the compiler drops a
        return jnp.broadcast_to(jnp.where(False, a.ravel()[0], jnp.zeros((), a.dtype)), (size, *a.shape[1:]))

    def fill(i, out):
        start = i * (size - half)
        return jax.tree.map(lambda o, p: jax.lax.dynamic_update_slice_in_dim(o, p, start, 0), out, part(start))

    return jax.lax.fori_loop(0, 2, fill, jax.tree.map(blank, part(0)))


@partial(jax.jit, static_argnames=("axis", "most", "kernel"))  # so that its loops are compiled once, outside jit too
def along(
    image: jax.Array,
    wanted: jax.Array,
    scale: jax.Array,
    span: tuple[jax.Array, jax.Array],
    *,
    axis: int,
    most: float,
    kernel: Callable[[jax.Array], jax.Array] = triangle,
) -> jax.Array:
    """Each wanted place as a weighted mean of the pixels about it: weights ``kernel((p - wanted) / max(scale, 1))``.

    Args:
      image: ``[H, W, C]``; integers are taken for what they are.
      wanted: places along it, ``[N]``, in pixels; the centre of the first is 0.5.
      scale: pixels from one place to the next; more than ``most`` and 1 gives NaN.
      span: start and stop of what counts, in pixels; where no pixel of the image lies in it the result is 0.
      axis: 0 or 1.
      most: static; it says how many pixels a place may need.
      kernel: ``triangle`` or ``cubic``.

    Returns:
      The image with N pixels along the axis, float32 or wider.
    """
    image = jnp.asarray(image)
    pixels, dtype = image.shape[axis], jnp.promote_types(image.dtype, jnp.float32)
    taps = math.ceil(2 * REACH[kernel] * max(1.0, most))
    start, stop = jnp.maximum(span[0], 0), jnp.minimum(span[1], pixels)
    spread = jnp.maximum(scale, 1)
    nan_or_one = jnp.where((spread > max(1.0, most) * (1 + 1e-5)) & (start < stop), jnp.nan, 1)

    def weights(place, wanted):
        center = place.astype(wanted.dtype) + 0.5
        weight = kernel((center - wanted[:, None]) / spread)
        weight = jnp.where((center < start) | (center >= stop), 0, weight)
        total = weight.sum(1, keepdims=True)
        return nan_or_one * weight / jnp.where(total == 0, 1, total)

    def dense(image):
        exact = jax.lax.Precision.HIGHEST  # else TF32 or bfloat16 on accelerators, an error of up to one grey level
        weight = weights(jnp.arange(pixels)[None, :], wanted)
        rule = "ih,hwc->iwc" if axis == 0 else "jw,iwc->ijc"
        return jnp.einsum(rule, weight, image.astype(dtype), precision=exact)

    def sparse(image):
        first = stored(lambda wanted: jnp.floor(wanted - REACH[kernel] * spread + 0.5), wanted)

        def table(grid):
            first, wanted = grid
            place = first[:, None] + jnp.arange(taps, dtype=first.dtype)[None, :]
            return jnp.clip(place, 0, pixels - 1).astype(jnp.int32), weights(place, wanted)

        def mean(place, weight, image):
            taken = (image.at[place[:, i]] if axis == 0 else image.at[:, place[:, i]] for i in range(taps))
            factors = (weight[:, i, None] if axis == 0 else weight[None, :, i, None] for i in range(taps))
            weighted = (f * t.get(mode="clip").astype(dtype) for f, t in zip(factors, taken, strict=True))
            return reduce(operator.add, weighted)

        place, weight = stored(table, (first, wanted))
        if axis == 1:
            return stored(lambda rows: mean(place, weight, rows), image)
        flat = image.reshape(pixels, -1)  # one axis, so that a processor takes many values at once
        return mean(place, weight, flat).reshape(-1, *image.shape[1:])

    if taps >= pixels:
        return dense(image)
    return jax.lax.platform_dependent(image, tpu=dense, default=sparse)  # a TPU multiplies faster than it gathers
