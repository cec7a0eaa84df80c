"""Pooling beyond ``flax.nnx.max_pool`` and ``flax.nnx.avg_pool``.

``avg_pool`` counts the zeros of its padding: pass ``count_include_pad=False`` where they must not count.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._conv import check_map, im2col, pair
from jaxtricks.layers._stochastic import each


def global_average_pool(x: jax.Array) -> jax.Array:
    r"""The mean of each channel over the positions, summed in float32.

    .. math:: y_d = \frac{1}{H W} \sum_{h, w} x_{h w d}

    Args:
      x: ``[B, H, W, D]``, floating point.

    Returns:
      ``[B, D]``, the dtype of x.

    Raises:
      ValueError: if x has another rank, no position or no floating point.

    Reference:
      Lin et al., Network in network, arXiv 1312.4400.
    """
    check_map(x)
    return x.mean((1, 2), dtype=_wide(x)).astype(x.dtype)


def first_largest(x: jax.Array, axis: int) -> jax.Array:
    """The maximum along an axis, whose gradient goes to the first of equal numbers.

    So does that of ``flax.nnx.max_pool``; that of ``jnp.max`` goes to all of them in equal parts.

    Args:
      x: an array.
      axis: 0 to its rank.

    Returns:
      The array without that axis.
    """
    return jnp.take_along_axis(x, jnp.argmax(x, axis, keepdims=True), axis).squeeze(axis)


def spatial_pyramid_pool(x: jax.Array, *, levels: tuple[int, ...] = (1, 2, 4)) -> jax.Array:
    r"""Max pooling into grids of n x n bins: the same length for every size of input.

    Bin i of n covers the rows from ``floor(i H / n)`` to ``ceil((i + 1) H / n)``; the columns likewise. On maps smaller
    than the grid, bins overlap.

    Args:
      x: ``[B, H, W, D]``, floating point.
      levels: n of each grid, 1 or more.

    Returns:
      ``[B, D * sum(n**2)]``, ordered level, row, column, channel.

    Raises:
      ValueError: if x has another rank, no position or no floating point, or levels is empty or holds anything but
        integers of 1 or more.

    Reference:
      He et al., Spatial pyramid pooling, arXiv 1406.4729.
    """
    check_map(x)
    if not isinstance(levels, (tuple, list)) or not levels:
        raise ValueError(f"levels is {levels!r}; allowed: one or more integers of 1 or more.")
    levels = tuple(check.at_least("levels", n, minimum=1) for n in levels)

    def bins(x, axis, n):
        size = x.shape[axis]
        edges = [(i * size // n, math.ceil((i + 1) * size / n)) for i in range(n)]
        return jnp.stack(
            [first_largest(jax.lax.slice_in_dim(x, low, high, axis=axis), axis) for low, high in edges], axis
        )

    return jnp.concatenate([bins(bins(x, 1, n), 2, n).reshape(len(x), n * n * x.shape[-1]) for n in levels], axis=1)


def stochastic_pool(
    keys: jax.Array, x: jax.Array, *, window: int | tuple[int, int], strides: int | tuple[int, int]
) -> jax.Array:
    r"""Pool a window into one of its activations, drawn in proportion to its size, in training.

    .. math:: y = a_i, \quad P(i) = a_i / \sum_j a_j, \quad a = \max(x, 0)

    Where no activation is positive, y is 0. At evaluation use ``stochastic_pool_mean``.

    Args:
      keys: a key, or ``[B]`` of them.
      x: ``[B, H, W, D]``, floating point, usually after a ReLU: what is negative counts as 0.
      window: rows and columns.
      strides: of the window; without padding.

    Returns:
      ``[B, H', W', D]``, the dtype of x.

    Raises:
      ValueError: if keys are no keys, or neither one nor as many as the examples; if x has another rank or no
        floating point; if an option is neither one integer nor two, or the window does not fit.

    Reference:
      Zeiler and Fergus, Stochastic pooling, arXiv 1301.3557.
    """
    windows = _windows(jax.nn.relu(x), window, strides)

    def draw(key, windows):
        chosen = jax.random.categorical(key, jnp.log(windows), axis=-2)
        return jnp.take_along_axis(windows, chosen[..., None, :], axis=-2).squeeze(-2)

    return each(draw, keys, windows)


def stochastic_pool_mean(x: jax.Array, *, window: int | tuple[int, int], strides: int | tuple[int, int]) -> jax.Array:
    r"""``stochastic_pool`` at evaluation: the mean of the draw.

    .. math:: y = \sum_i a_i^2 / \sum_j a_j, \quad a = \max(x, 0)

    Args:
      x: ``[B, H, W, D]``, floating point.
      window: rows and columns.
      strides: of the window; without padding.

    Returns:
      ``[B, H', W', D]``, the dtype of x; 0 where no activation is positive.

    Raises:
      ValueError: if x has another rank or no floating point, an option is neither one integer nor two, or the
        window does not fit.
    """
    windows = _windows(x, window, strides).astype(_wide(x))
    relative, top = _relative(jax.nn.relu(windows), -2)
    mean = (relative**2).sum(-2, keepdims=True) / relative.sum(-2, keepdims=True)
    return (top * mean).squeeze(-2).astype(x.dtype)


def lp_pool(x: jax.Array, *, p: float, window: int | tuple[int, int], strides: int | tuple[int, int]) -> jax.Array:
    r"""The power mean of a window: between average pooling of the absolute values (p = 1) and max (p to infinity).

    .. math:: y = (\frac{1}{n} \sum_i |x_i|^p)^{1 / p}

    torch's LPPool2d has the sum instead of the mean, and no absolute value.

    Args:
      x: ``[B, H, W, D]``, floating point and finite.
      p: 1 or more, infinity included; a Python number.
      window: rows and columns, n elements.
      strides: of the window; without padding.

    Returns:
      ``[B, H', W', D]``, the dtype of x. It does not overflow; its gradient is 0 where the window is 0.

    Raises:
      ValueError: if x has another rank or no floating point, p is less than 1, an option is neither one integer
        nor two, or the window does not fit.

    Reference:
      Sermanet et al., Convolutional neural networks applied to house numbers digit classification, arXiv 1204.3968.
    """
    check.between("p", p, 1.0, float("inf"))
    windows = jnp.abs(_windows(x, window, strides))
    if p == math.inf:  # of which the power below has no derivative
        return first_largest(windows, windows.ndim - 2)
    return _power_mean(windows.astype(_wide(x)), p, -2).astype(x.dtype)


class GeM(nnx.Module):
    r"""Generalised-mean pooling of each channel over the positions, its power learned.

    .. math:: y_d = (\frac{1}{H W} \sum_{h, w} \max(x_{h w d}, \epsilon)^{p})^{1 / p}

    p = 1 is the average, infinity the maximum. Parameter ``p``, ``[]`` or ``[D]``, float32; it is not kept from falling
    to 0, where the mean is undefined.

    Args:
      features: D, for a power for each channel; None for a single one.
      p: at first, greater than 0.
      epsilon: the minimum of activations, greater than 0.

    Raises:
      ValueError: if p or epsilon is not positive.

    Reference:
      Radenovic et al., Fine-tuning CNN image retrieval with no human annotation, arXiv 1711.02512.
    """

    def __init__(self, *, features: int | None = None, p: float = 3.0, epsilon: float = 1e-6):
        check.positive("p", p)
        check.positive("epsilon", epsilon)
        self.p = nnx.Param(jnp.full(() if features is None else (features,), p, jnp.float32))
        self.epsilon = epsilon

    def __call__(self, x: jax.Array) -> jax.Array:
        """Pool ``x[B, H, W, D]`` to ``[B, D]``, in its dtype."""
        check_map(x)
        p = self.p[...]
        if p.ndim:
            check.shape("x", x, (None, None, None, *p.shape))
        batch, height, width, channels = x.shape
        flat = x.reshape(batch, height * width, channels).astype(_wide(x))
        return _power_mean(jnp.maximum(flat, self.epsilon), p.reshape(1, 1, -1), 1).astype(x.dtype)


def blur_pool(x: jax.Array, *, size: int = 3, stride: int = 2) -> jax.Array:
    """Blur with a binomial filter, then take every stride-th position: less aliasing than the stride alone.

    Put it in the place of a stride: after a max pool or a convolution of stride 1. The border is reflected.

    Args:
      x: ``[B, H, W, D]``, floating point.
      size: side of the filter, 1 or more; 3 is ``[1, 2, 1] / 4`` in both directions.
      stride: 1 or more.

    Returns:
      ``[B, ceil(H / stride), ceil(W / stride), D]``, the dtype of x.

    Raises:
      ValueError: if x has another rank or no floating point, size or stride is no integer of 1 or more, or the
        filter is too large for x to be reflected.

    Reference:
      Zhang, Making convolutional networks shift-invariant again, arXiv 1904.11486.
    """
    check_map(x)
    size, stride = check.at_least("size", size, minimum=1), check.at_least("stride", stride, minimum=1)
    if size // 2 >= min(x.shape[1:3]):
        raise ValueError(f"size is {size}; allowed: less than twice height and width of x, {x.shape[1:3]}.")
    around = ((size - 1) // 2, size // 2)
    padded = jnp.pad(x, ((0, 0), around, around, (0, 0)), mode="reflect")
    weights = jnp.array([math.comb(size - 1, i) for i in range(size)], x.dtype) / 2 ** (size - 1)
    kernel = jnp.broadcast_to((weights[:, None] * weights[None, :])[..., None, None], (size, size, 1, x.shape[-1]))
    return jax.lax.conv_general_dilated(
        padded,
        kernel,
        (stride, stride),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def _wide(x: jax.Array) -> jnp.dtype:
    """The dtype for sums."""
    return jnp.promote_types(x.dtype, jnp.float32)


def _windows(x: jax.Array, window, strides) -> jax.Array:
    """``[B, H', W', n, D]``: the n elements of every window, channel by channel."""
    check_map(x)
    rows, columns = pair("window", window)
    patches = im2col(x, window=window, strides=strides)
    return patches.reshape(*patches.shape[:3], rows * columns, x.shape[-1])


def _power_mean(x: jax.Array, p, axis: int) -> jax.Array:
    """The power mean of what is not negative."""
    relative, top = _relative(x, axis)
    return (top * (relative**p).mean(axis, keepdims=True) ** (1 / p)).squeeze(axis)


def _relative(x: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """What is not negative over its greatest element, so that no power overflows, and that; ones where all are 0."""
    top = jax.lax.stop_gradient(x.max(axis, keepdims=True))
    return jnp.where(top == 0, 1.0, x / jnp.where(top == 0, 1.0, top)), top
