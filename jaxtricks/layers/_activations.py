"""Activations with a learned or a random slope. The others are in ``jax.nn``, Mish included."""

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._stochastic import each


class PReLU(nnx.Module):
    r"""Leaky ReLU whose slope is learned: one for all channels, or one for each.

    .. math:: y = \max(x, 0) + a \min(x, 0)

    Parameter ``slope``, ``[]`` or ``[D]``, float32. Do not decay it: decay pulls towards ReLU. ``flax.nnx.PReLU`` has
    a single slope only.

    Args:
      features: D, the size of the last axis; None for a single slope.
      slope: a at first.

    Reference:
      He et al., Delving deep into rectifiers, arXiv 1502.01852.
    """

    def __init__(self, *, features: int | None = None, slope: float = 0.25):
        self.slope = nnx.Param(jnp.full(() if features is None else (features,), slope, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply to ``x[..., D]``; the result has its shape and dtype."""
        wide, slope = _along_last("x", x, self.slope[...])
        return jnp.where(wide >= 0, wide, slope * wide).astype(x.dtype)


class Swish(nnx.Module):
    r"""Swish with a learned beta: one for all channels, or one for each.

    .. math:: y = x \, \mathrm{sigmoid}(\beta x)

    beta 1 is ``jax.nn.silu``, 0 is x / 2, and to infinity ReLU. Parameter ``beta``, ``[]`` or ``[D]``, float32.

    Args:
      features: D, the size of the last axis; None for a single beta.
      beta: at first.

    Reference:
      Ramachandran et al., Searching for activation functions, arXiv 1710.05941.
    """

    def __init__(self, *, features: int | None = None, beta: float = 1.0):
        self.beta = nnx.Param(jnp.full(() if features is None else (features,), beta, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply to ``x[..., D]``; the result has its shape and dtype."""
        wide, beta = _along_last("x", x, self.beta[...])
        return (wide * jax.nn.sigmoid(beta * wide)).astype(x.dtype)


def rrelu(keys: jax.Array, x: jax.Array, *, lower: float = 1 / 8, upper: float = 1 / 3) -> jax.Array:
    r"""Leaky ReLU whose slope is drawn for every element, in training.

    .. math:: y = \max(x, 0) + a \min(x, 0), \quad a \sim U(\mathrm{lower}, \mathrm{upper})

    At evaluation use ``rrelu_mean``.

    Args:
      keys: a key, or ``[B]`` of them.
      x: ``[B, ...]``, any shape with one key; floating point.
      lower: minimum slope.
      upper: greatest slope, lower or more.

    Returns:
      The shape and dtype of x.

    Raises:
      ValueError: if keys are no keys, or neither one nor as many as the examples; if x is no floating point; if
        lower is greater than upper.

    Reference:
      Xu et al., Empirical evaluation of rectified activations in convolutional network, arXiv 1505.00853, which divides
      by a number from U(3, 8); here, as in torch, the slope itself is uniform.
    """
    check.floating("x", x)
    check.between("lower", lower, -float("inf"), upper)

    def draw(key, x):
        slope = jax.random.uniform(key, x.shape, x.dtype, lower, upper)
        return jnp.where(x >= 0, x, slope * x)

    return each(draw, keys, x)


def rrelu_mean(x: jax.Array, *, lower: float = 1 / 8, upper: float = 1 / 3) -> jax.Array:
    """``rrelu`` at evaluation: leaky ReLU of the mean slope, ``(lower + upper) / 2``.

    Args:
      x: any shape, floating point.
      lower: minimum slope.
      upper: greatest slope, lower or more.

    Returns:
      The shape and dtype of x.

    Raises:
      ValueError: if x is no floating point, or lower is greater than upper.
    """
    check.floating("x", x)
    check.between("lower", lower, -float("inf"), upper)
    return jax.nn.leaky_relu(x, (lower + upper) / 2)


def _along_last(name: str, x: jax.Array, values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Both in float32 or wider, where the gradient of the values is summed: x, and the values ready to multiply it."""
    check.floating(name, x)
    if values.ndim:
        check.min_rank(name, x, 1)
        check.shape(name, x, (None,) * (x.ndim - 1) + values.shape)
        values = values.reshape((1,) * (x.ndim - 1) + values.shape)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32)), values
