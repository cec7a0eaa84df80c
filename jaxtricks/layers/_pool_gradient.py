"""Pooling as networks use it: XLA's, with forms and gradients that an accelerator computes fast."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxtricks.layers._sharding import explicit

Around = tuple[tuple[int, int], tuple[int, int]]


def max_pool(x: jax.Array, size: int, stride: int, around: Around) -> jax.Array:
    """The maximum of square windows, whose gradient goes to the first of equal numbers.

    XLA computes that gradient by scattering, which takes longer than a convolution on a GPU. Where every window starts
    in a cell of its own of a grid of stride x stride cells, the number of the largest element is kept instead, and
    each element of x looks for it in the windows that hold it. Elsewhere, where windows are fewer, or
    on a mesh with explicit axes, it is XLA's.

    Args:
      x: ``[B, H, W, D]``, floating point.
      size: of a window.
      stride: of the windows.
      around: padding of rows and columns, which never is the maximum.

    Returns:
      ``[B, H', W', D]``.
    """
    if (
        explicit(x)
        or size > 15
        or not all(_covers(n, size, stride, pad) for n, pad in zip(x.shape[1:3], around, strict=True))
    ):
        return _by_xla(size, stride, around, x)
    return _max_pool(size, stride, around, x)


def average_pool(x: jax.Array, size: int, stride: int, around: Around, *, count_padding: bool) -> jax.Array:
    """The mean of square windows; of windows that tile x a mean over two axes on a GPU.

    Args:
      x: ``[B, H, W, D]``, floating point.
      size: of a window.
      stride: of the windows.
      around: padding of rows and columns, zeros.
      count_padding: whether the padding counts.

    Returns:
      ``[B, H', W', D]``.
    """
    batch, height, width, channels = x.shape

    def windows(x: jax.Array) -> jax.Array:
        options = {"strides": (stride, stride), "padding": around, "count_include_pad": count_padding}
        return nnx.avg_pool(x, (size, size), **options).astype(x.dtype)

    def tiles(x: jax.Array) -> jax.Array:
        wide = jnp.promote_types(x.dtype, jnp.float32)
        parts = x.reshape(batch, height // size, size, width // size, size, channels)
        return parts.mean((2, 4), dtype=wide).astype(x.dtype)

    if explicit(x) or size != stride or any(map(any, around)) or height % size or width % size:
        return windows(x)
    return lax.platform_dependent(x, cuda=tiles, default=windows)


def _covers(n: int, size: int, stride: int, padding: tuple[int, int]) -> bool:
    """Whether the windows are as many as the grid's cells."""
    return n % stride == 0 and (n + sum(padding) - size) // stride + 1 == n // stride


def _by_xla(size: int, stride: int, around: Around, x: jax.Array) -> jax.Array:
    return nnx.max_pool(x, (size, size), strides=(stride, stride), padding=around)  # pyright: ignore[reportArgumentType]


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _max_pool(size: int, stride: int, around: Around, x: jax.Array) -> jax.Array:
    return _by_xla(size, stride, around, x)


@_max_pool.defjvp
def _max_pool_jvp(size, stride, around, primals, tangents):
    xla = partial(_by_xla, size, stride, around)
    return lax.platform_dependent(
        *primals,
        *tangents,
        cuda=partial(_numbered, size, stride, around),
        default=lambda x, dx: jax.jvp(xla, (x,), (dx,)),
    )


def _numbered(size: int, stride: int, around: Around, x: jax.Array, dx: jax.Array):
    """The maximum, its number in the window, and the tangent of that number."""
    offsets = [(i, j) for i in range(size) for j in range(size)]
    outside = jnp.pad(x, ((0, 0), *around, (0, 0)), constant_values=-jnp.inf)
    rows, columns = (n // stride for n in x.shape[1:3])

    def element(i: int, j: int) -> jax.Array:  # of all windows
        end = (x.shape[0], i + (rows - 1) * stride + 1, j + (columns - 1) * stride + 1, x.shape[3])
        return lax.slice(outside, (0, i, j, 0), end, (1, stride, stride, 1))

    largest = element(0, 0)
    chosen = jnp.zeros(largest.shape, jnp.uint8)
    for number, (i, j) in enumerate(offsets[1:], 1):
        here = element(i, j)
        larger = (here > largest) | (here != here)  # what is not a number stays so
        largest, chosen = jnp.where(larger, here, largest), jnp.where(larger, jnp.uint8(number), chosen)
    cells = dx.reshape(x.shape[0], rows, stride, columns, stride, x.shape[3])
    tangent = jnp.zeros_like(largest)
    for number, (i, j) in enumerate(offsets):
        (down, in_row), (right, in_column) = (divmod(k - pad[0], stride) for k, pad in zip((i, j), around, strict=True))
        cell = lax.pad(
            cells[:, :, in_row, :, in_column],
            jnp.zeros((), dx.dtype),
            ((0, 0, 0), (-down, down, 0), (-right, right, 0), (0, 0, 0)),
        )
        tangent += jnp.where(chosen == number, cell, 0)
    return largest, tangent
