"""Eight bits a number: symmetric, one scale for each output of a kernel; after training, or simulated in training.

Of what cannot be an integer, a NaN becomes 0; the rest is rounded to the nearest.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.compress._binary import straight_through

LARGEST = 127


def int8_scale(x: jax.Array, *, axes: Sequence[int] | None = None) -> jax.Array:
    r"""The scale at which the largest magnitude becomes 127.

    .. math:: s = \max |x| / 127

    Args:
      x: floating point.
      axes: over which the largest is taken, such as the inputs of a kernel; all of them if None.

    Returns:
      float32, of the rank of x; 1 where x is 0.

    Raises:
      ValueError: if the dtype or an axis is wrong, or x is empty.
    """
    check.floating("x", x)
    if not jnp.size(x):
        raise ValueError("x is empty; allowed: one number or more.")
    if axes is not None:
        rank = jnp.ndim(x)
        if not hasattr(axes, "__len__") or not all(isinstance(a, int | np.integer) and -rank <= a < rank for a in axes):
            raise ValueError(f"axes is {axes!r}; allowed: axes of an array of rank {rank}, in a tuple.")
        axes = tuple(sorted({a % rank for a in axes}))
    largest = jnp.max(jnp.abs(jnp.asarray(x, jnp.float32)), axis=axes, keepdims=True)
    return jnp.where(largest == 0, 1.0, largest / LARGEST)


def to_int8(x: jax.Array, scale: jax.Array) -> jax.Array:
    """Numbers as multiples of a scale, to the nearest, ties to even; what is beyond 127 multiples becomes 127.

    Args:
      x: floating point; a NaN becomes 0.
      scale: > 0, of the rank of x, such as of ``int8_scale``.

    Returns:
      int8, -127 to 127.

    Raises:
      ValueError: if a dtype is wrong, or the scale has another shape.

    Example:
      >>> print(to_int8(jnp.array([1.0, -0.26, 9.0]), jnp.array([0.05])))
      [ 20  -5 127]
    """
    check.floating("x", x)
    check.floating("scale", scale)
    check.rank("scale", scale, jnp.ndim(x))
    if any(b not in (1, a) for a, b in zip(jnp.shape(x), jnp.shape(scale), strict=True)):
        raise ValueError(f"scale has shape {jnp.shape(scale)}; allowed: {jnp.shape(x)}, or 1 along its axes.")
    rounded = jnp.round(jnp.asarray(x, jnp.float32) / scale)
    return jnp.nan_to_num(jnp.clip(rounded, -LARGEST, LARGEST), nan=0.0).astype(jnp.int8)


def int8_dense(x: jax.Array, kernel: jax.Array, scale: jax.Array) -> jax.Array:
    r"""A dense layer on int8 with 32-bit sums; every example has a scale of its own, found as it comes.

    .. math:: y_{bd} = s_b s_d \sum_c \lfloor x_{bc} / s_b \rceil \, k_{cd}

    Args:
      x: ``[B, C]``, floating point.
      kernel: int8 ``[C, D]``, of ``to_int8``.
      scale: float32 ``[1, D]``, of ``int8_scale(kernel, axes=(0,))``.

    Returns:
      float32 ``[B, D]``.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Reference:
      Jacob et al., Quantization and training of neural networks for efficient integer-arithmetic-only inference,
      arXiv 1712.05877.
    """
    check.rank("x", x, 2)
    check.rank("kernel", kernel, 2)
    check.shape("x", x, (None, kernel.shape[0]))
    check.shape("scale", scale, (1, kernel.shape[1]))
    if kernel.dtype != jnp.int8:
        raise ValueError(f"kernel has dtype {kernel.dtype}; allowed: int8.")
    of_rows = int8_scale(x, axes=(1,))
    sums = jax.lax.dot(to_int8(x, of_rows), kernel, preferred_element_type=jnp.int32)
    return sums.astype(jnp.float32) * of_rows * scale


def fake_int8(x: jax.Array, *, axes: Sequence[int] | None = None) -> jax.Array:
    """Round to int8 and back, gradient straight through: training that knows of the rounding.

    Args:
      x: floating point.
      axes: as for ``int8_scale``.

    Returns:
      Like x, within half a scale of it.

    Raises:
      ValueError: if the dtype is wrong or x is empty.

    Reference:
      Jacob et al., arXiv 1712.05877.
    """
    scale = int8_scale(x, axes=axes)

    def rounded(x):
        return (to_int8(x, scale).astype(jnp.float32) * scale).astype(x.dtype)

    return straight_through(rounded)(jnp.asarray(x))
