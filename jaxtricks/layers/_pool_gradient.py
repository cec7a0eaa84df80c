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

    XLA computes that gradient by scattering, which takes longer than a convolution on a GPU, and on a CPU three to
    fifteen times as long as what is done here: the number of the largest element of each window is kept, and each
    element of x looks for its own in the windows that hold it. On a mesh with explicit axes, and for
    windows of more than 15 x 15, it is XLA's.

    Args:
      x: ``[B, H, W, D]``, floating point.
      size: of a window.
      stride: of the windows.
      around: padding of rows and columns, which never is the maximum.

    Returns:
      ``[B, H', W', D]``.
    """
    none = any(n + sum(pad) < size for n, pad in zip(x.shape[1:3], around, strict=True))
    if explicit(x) or size > 15 or none or not x.size:
        return _by_xla(size, stride, around, x)
    return _max_pool(size, stride, around, x)


def average_pool(x: jax.Array, size: int, stride: int, around: Around, *, count_padding: bool) -> jax.Array:
    """The mean of square windows; of windows that tile x a mean over two axes on a GPU and on a CPU.

    A CPU takes up to ten times as long for XLA's windows, most of all in a narrow type. It sums the four elements of
    windows of 2 x 2 as four slices, and larger windows over two axes.

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
    rows, columns = height // size, width // size
    wide = _wide(x)

    def windows(x: jax.Array) -> jax.Array:
        options = {"strides": (stride, stride), "padding": around, "count_include_pad": count_padding}
        return nnx.avg_pool(x, (size, size), **options).astype(x.dtype)

    def tiles(x: jax.Array) -> jax.Array:
        parts = x[:, : rows * size, : columns * size].reshape(batch, rows, size, columns, size, channels)
        return parts.mean((2, 4), dtype=wide).astype(x.dtype)

    def slices(x: jax.Array) -> jax.Array:
        dtype, x = x.dtype, x[:, : rows * 2, : columns * 2].astype(wide)
        top, bottom = x[:, ::2], x[:, 1::2]
        return ((top[:, :, ::2] + top[:, :, 1::2] + bottom[:, :, ::2] + bottom[:, :, 1::2]) / 4).astype(dtype)

    if explicit(x) or size != stride or any(map(any, around)) or not rows * columns * x.size:
        return windows(x)
    return lax.platform_dependent(x, cuda=tiles, cpu=slices if size == 2 else tiles, default=windows)


def _wide(x: jax.Array):
    """Single precision, or the type of x where that is wider."""
    return x.dtype if x.dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


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
        cpu=partial(_numbered_wide, size, stride, around),
        default=lambda x, dx: jax.jvp(xla, (x,), (dx,)),
    )


def _numbered_wide(size, stride, around, x, dx):
    """The same in single precision, which a CPU compares and adds faster than a narrower type."""
    largest, tangent = _numbered(size, stride, around, *(a.astype(_wide(a)) for a in (x, dx)))
    return largest.astype(x.dtype), tangent.astype(x.dtype)


@partial(jax.jit, static_argnums=(0, 1, 2), inline=True)  # one call where nothing around it is compiled
def _numbered(size: int, stride: int, around: Around, x: jax.Array, dx: jax.Array):
    """The maximum, its number in the window, and the tangent of that number."""
    offsets = [(i, j) for i in range(size) for j in range(size)]
    outside = jnp.pad(x, ((0, 0), *around, (0, 0)), constant_values=-jnp.inf)
    rows, columns = ((n - size) // stride + 1 for n in outside.shape[1:3])

    def element(i: int, j: int) -> jax.Array:  # of all windows
        end = (x.shape[0], i + (rows - 1) * stride + 1, j + (columns - 1) * stride + 1, x.shape[3])
        return lax.slice(outside, (0, i, j, 0), end, (1, stride, stride, 1))

    largest = element(0, 0)
    chosen = jnp.zeros(largest.shape, jnp.uint8)
    for number, (i, j) in enumerate(offsets[1:], 1):
        here = element(i, j)
        larger = (here > largest) | (here != here)  # what is not a number stays so
        largest, chosen = jnp.where(larger, here, largest), jnp.where(larger, jnp.uint8(number), chosen)
    above, left = (-(-n // stride) for n in x.shape[1:3])
    rest = ((0, 0), *((0, n * stride - m) for n, m in zip((above, left), x.shape[1:3], strict=True)), (0, 0))

    @partial(jax.checkpoint, prevent_cse=False)  # or what chose each element would be kept, not the numbers alone
    def of_chosen(chosen: jax.Array, dx: jax.Array) -> jax.Array:
        cells = jnp.pad(dx, rest).reshape(x.shape[0], above, stride, left, stride, x.shape[3])
        tangent = jnp.zeros(chosen.shape, dx.dtype)
        for number, at in enumerate(offsets):
            (down, in_row), (right, in_column) = (divmod(k - pad[0], stride) for k, pad in zip(at, around, strict=True))
            cell = lax.pad(
                cells[:, :, in_row, :, in_column],
                jnp.zeros((), dx.dtype),
                ((0, 0, 0), (-down, rows + down - above, 0), (-right, columns + right - left, 0), (0, 0, 0)),
            )
            tangent += jnp.where(chosen == number, cell, 0)
        return tangent

    return largest, of_chosen(chosen, dx)
