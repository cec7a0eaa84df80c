"""Circulant and Toeplitz matrices: D or 2 D - 1 numbers for D x D, and products by FFT in D log D."""

import jax
import jax.numpy as jnp

from jaxtricks import check


def circulant_product(column: jax.Array, x: jax.Array) -> jax.Array:
    r"""The product of a circulant matrix, which shifts one column, with rows of vectors; a dense layer of D numbers.

    .. math:: y = F^{-1}(F c \cdot F x), \quad C_{ij} = c_{(i - j) \bmod D}

    Args:
      column: c, ``[D]``, the first column, floating point.
      x: ``[..., D]``, floating point.

    Returns:
      C x for each vector, ``[..., D]``, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(np.asarray(circulant_product(jnp.array([0.0, 1.0, 0.0]), jnp.array([1.0, 2.0, 3.0]))).round(3))
      [3. 1. 2.]

    Reference:
      Cheng et al., An exploration of parameter redundancy in deep networks with circulant projections,
      arXiv 1502.03436.
    """
    column, x = _wide("column", column, 1), _wide("x", x)
    check.shape("x", x, (*x.shape[:-1], column.size))
    spectrum = jnp.fft.rfft(column).reshape(*(1,) * (x.ndim - 1), -1)
    return jnp.fft.irfft(spectrum * jnp.fft.rfft(x), n=column.size)


def circulant(column: jax.Array) -> jax.Array:
    """The circulant matrix of a column; ``circulant(c).T`` is the kernel of a dense layer that multiplies with it.

    Args:
      column: c, ``[D]``, the first column, floating point.

    Returns:
      ``[D, D]`` with ``c[(i - j) % D]`` at row i, column j; float32 or wider.

    Raises:
      ValueError: if the shape or the dtype is wrong.
    """
    column = _wide("column", column, 1)
    places = jnp.arange(column.size)
    return column[(places[:, None] - places[None]) % column.size]


def nearest_circulant(matrix: jax.Array) -> jax.Array:
    """The column of the circulant matrix that is nearest to a square one: the means along its wrapped diagonals.

    Args:
      matrix: ``[D, D]``, floating point.

    Returns:
      c, ``[D]``, which minimises the sum of squared differences; float32 or wider.

    Raises:
      ValueError: if the matrix is not square, or the dtype is wrong.
    """
    matrix = _wide("matrix", matrix, 2)
    check.shape("matrix", matrix, (matrix.shape[0], matrix.shape[0]))
    places = jnp.arange(matrix.shape[0])
    return matrix[(places[:, None] + places[None]) % matrix.shape[0], places[None]].mean(axis=1)


def toeplitz_product(column: jax.Array, row: jax.Array, x: jax.Array) -> jax.Array:
    r"""The product of a Toeplitz matrix, constant along its diagonals, with rows of vectors; D + E - 1 numbers.

    .. math:: y_i = \sum_j t_{i - j} x_j

    The matrix is a block of a circulant one of D + E - 1 rows.

    Args:
      column: ``t_0 .. t_(E-1)``, ``[E]``, the first column, floating point.
      row: ``t_0, t_-1 .. t_-(D-1)``, ``[D]``, the first row; its first number is not read, as in ``scipy.linalg``.
      x: ``[..., D]``, floating point.

    Returns:
      T x for each vector, ``[..., E]``, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Reference:
      Sindhwani et al., Structured transforms for small-footprint deep learning, arXiv 1510.01722.
    """
    column, row, x = _wide("column", column, 1), _wide("row", row, 1), _wide("x", x)
    check.shape("x", x, (*x.shape[:-1], row.size))
    around = jnp.concatenate([column, row[:0:-1].astype(column.dtype)])
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, column.size - 1)])
    return circulant_product(around, padded)[..., : column.size]


def _wide(name: str, x, ndim: int | None = None) -> jax.Array:
    """The array in float32 or wider, of this rank, or of rank 1 or more."""
    if ndim is None:
        check.min_rank(name, x, 1)
    else:
        check.rank(name, x, ndim)
    check.floating(name, x)
    if x.shape[-1] == 0:
        raise ValueError(f"{name} has shape {x.shape}; allowed: a last axis of 1 or more.")
    return jnp.asarray(x, jnp.promote_types(jnp.asarray(x).dtype, jnp.float32))
