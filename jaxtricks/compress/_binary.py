"""Weights of one bit or two, trained through a rounding whose gradient is taken as 1.

The sign of 0 is 1 here, so that one bit tells it. Keep the real-valued weights as parameters and put these functions in
front of the network, as with ``through``; the file then has the signs alone.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxtricks import check


def straight_through(f: Callable, *, limit: float | None = None) -> Callable:
    r"""A function of the same shape whose gradient is taken as 1: for rounding and signs, whose own is 0.

    .. math:: y = f(x), \quad \frac{\partial y}{\partial x} := 1 \text{ or, with a limit, } [|x| \le l]

    Args:
      f: ``array -> array`` of its shape, by elements.
      limit: l, > 0, beyond which the gradient is 0, as in binary networks; none if None.

    Returns:
      The function.

    Raises:
      TypeError: if f is no function.
      ValueError: if the limit is not greater than 0.

    Example:
      >>> print(jax.grad(straight_through(jnp.round))(2.7))
      1.0

    Reference:
      Bengio et al., Estimating or propagating gradients through stochastic neurons, arXiv 1308.3432.
    """
    if not callable(f):
        raise TypeError(f"f is {f!r}; allowed: a function.")
    if limit is not None:
        check.positive("limit", limit)

    def forward(x):
        passes = jnp.isfinite(x) if limit is None else jnp.abs(x) <= limit
        slope_one = jnp.where(passes, x - jax.lax.stop_gradient(x), 0)  # 0, and its gradient is 1
        return jax.lax.stop_gradient(f(x)) + slope_one

    return forward


def sign(x: jax.Array) -> jax.Array:
    """1 where x is 0 or more, else -1; a NaN stays.

    Args:
      x: floating point.

    Returns:
      An array like x.

    Raises:
      ValueError: if the dtype is wrong.
    """
    check.floating("x", x)
    x = jnp.asarray(x)
    return jnp.where(jnp.isnan(x), x, jnp.where(x >= 0, 1, -1).astype(x.dtype))


def binary_connect(kernel: jax.Array) -> jax.Array:
    """The signs of the weights, gradient straight through: BinaryConnect; keep weights within 1 by ``stay_within``.

    Args:
      kernel: floating point.

    Returns:
      -1 and 1, like kernel.

    Raises:
      ValueError: if the dtype is wrong.

    Reference:
      Courbariaux et al., BinaryConnect, arXiv 1511.00363.
    """
    check.floating("kernel", kernel)
    return straight_through(sign)(jnp.asarray(kernel))


def binary_connect_stochastic(key: jax.Array, kernel: jax.Array, *, scale: float = 1.0) -> jax.Array:
    r"""Signs that are drawn, whose mean is the weight clipped to 1: BinaryConnect's regularising form, for training.

    .. math:: P(1) = \mathrm{clip}((w / s + 1) / 2, 0, 1)

    Args:
      key: one key.
      kernel: floating point.
      scale: s, > 0, of weights that begin small, whose signs would be drawn like those of coins: the authors' code has
        ``sqrt(1.5 / (fan in + fan out))``.

    Returns:
      -1 and 1, like kernel; gradient straight through.

    Raises:
      ValueError: if the dtype is wrong, or the scale is not greater than 0.

    Reference:
      Courbariaux et al., BinaryConnect, arXiv 1511.00363.
    """
    check.floating("kernel", kernel)
    check.positive("scale", scale)
    noise = jax.random.uniform(key, kernel.shape)

    def drawn(w):
        return jnp.where(jnp.isnan(w), w, jnp.where(noise < 0.5 * (w / scale + 1.0), 1, -1).astype(w.dtype))

    return straight_through(drawn)(jnp.asarray(kernel))


def binary_weights(kernel: jax.Array) -> jax.Array:
    r"""Signs times the mean magnitude of each filter, the nearest such kernel: a binary weight network (BWN).

    .. math:: \hat W_d = \frac{1}{n} \|W_d\|_1 \operatorname{sign}(W_d)

    The gradient goes through the mean, and through the sign as 1 where the weight is within 1.

    Args:
      kernel: ``[..., D]``, floating point; the filters are its last axis.

    Returns:
      Like kernel.

    Raises:
      ValueError: if the shape or the dtype is wrong.

    Reference:
      Rastegari et al., XNOR-Net, arXiv 1603.05279.
    """
    return filter_scales(kernel) * straight_through(sign, limit=1.0)(kernel)


def filter_scales(kernel: jax.Array) -> jax.Array:
    """The mean magnitude of each filter, which keeps the rank of the kernel.

    Args:
      kernel: ``[..., D]``, floating point, rank 2 or more.

    Returns:
      ``[1, ..., D]``.

    Raises:
      ValueError: if the shape or the dtype is wrong.
    """
    check.min_rank("kernel", kernel, 2)
    check.floating("kernel", kernel)
    if not kernel.size:
        raise ValueError(f"kernel has shape {kernel.shape}; allowed: one weight or more.")
    return jnp.mean(jnp.abs(kernel), axis=tuple(range(kernel.ndim - 1)), keepdims=True)


def ternary(kernel: jax.Array, *, ratio: float = 0.7) -> jax.Array:
    r"""-a, 0 and a: two bits a weight, at a smaller error than signs alone.

    .. math:: \Delta = r \, \overline{|W|}, \quad a = \text{mean of } |W_i| \text{ above } \Delta

    for each filter; weights within the threshold are 0. The gradient goes straight through.

    Args:
      kernel: ``[..., D]``, floating point; the filters are its last axis.
      ratio: r, 0 or more.

    Returns:
      Like kernel.

    Raises:
      ValueError: if the shape, the dtype or the ratio is wrong.

    Reference:
      Li et al., Ternary weight networks, arXiv 1605.04711.
    """
    check.between("ratio", ratio, 0.0, float("inf"))
    filter_scales(kernel)

    def rounded(w):
        size = jnp.abs(w)
        large = size > ratio * filter_scales(w)
        axes = tuple(range(w.ndim - 1))
        total = jnp.sum(jnp.where(large, size, 0), axis=axes, keepdims=True)
        a = total / jnp.maximum(jnp.sum(large, axis=axes, keepdims=True), 1).astype(w.dtype)
        return jnp.where(jnp.isnan(w), w, jnp.where(large, a * sign(w), 0))

    return straight_through(rounded)(jnp.asarray(kernel))
