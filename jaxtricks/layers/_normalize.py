"""Normalisation without statistics of a batch: of neighbouring channels, of feature vectors, of weights."""

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check


def local_response_norm(
    x: jax.Array, *, size: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> jax.Array:
    r"""Divide each channel by the activity of its neighbours.

    .. math:: y_i = x_i / (k + \alpha \sum_{j \in N(i)} x_j^2)^\beta

    where N(i) are the channels from ``i - n // 2`` to ``i + (n - 1) // 2`` that exist. torch divides alpha by n: pass
    it n times this alpha.

    Args:
      x: ``[..., D]``, floating point.
      size: n, neighbouring channels with the channel itself, 1 or more.
      k: greater than 0.
      alpha: 0 or more.
      beta: the power.

    Returns:
      The shape and dtype of x.

    Raises:
      ValueError: if x is a scalar or no floating point, or an option lies outside its range.

    Reference:
      Krizhevsky et al., ImageNet classification with deep convolutional neural networks, NeurIPS 2012.
    """
    check.min_rank("x", x, 1)
    check.floating("x", x)
    size = check.at_least("size", size, minimum=1)
    check.positive("k", k)
    check.between("alpha", alpha, 0.0, float("inf"))
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    alone = (1,) * (x.ndim - 1)
    around = [(0, 0)] * (x.ndim - 1) + [(size // 2, (size - 1) // 2)]
    activity = jax.lax.reduce_window(wide**2, 0.0, jax.lax.add, (*alone, size), (*alone, 1), around)
    return (wide / (k + alpha * activity) ** beta).astype(x.dtype)


def l2_normalize(x: jax.Array, *, axis: int | tuple[int, ...] = -1, epsilon: float = 1e-12) -> jax.Array:
    r"""Scale vectors to length 1.

    .. math:: y = x / \sqrt{\max(\sum_i x_i^2, \epsilon)}

    Args:
      x: any shape, floating point.
      axis: over which the vectors go.
      epsilon: minimum squared length, greater than 0.

    Returns:
      The shape and dtype of x; a zero vector stays zero, with the gradient ``1 / sqrt(epsilon)``, which float16 can
      hold from an epsilon of 1e-8 on.

    Raises:
      ValueError: if x is a scalar or no floating point, or epsilon is not positive.
    """
    check.min_rank("x", x, 1)
    check.floating("x", x)
    check.positive("epsilon", epsilon)
    return _unit(x, axis, epsilon).astype(x.dtype)


class FeatureNorm(nnx.Module):
    r"""Scale the feature vector at each position to a learned length: for maps of different depth used together.

    .. math:: y_d = \gamma_d \, x_d / \lVert x \rVert_2

    Parameter ``scale``, ``[D]``, float32.

    Args:
      features: D, the size of the last axis.
      scale: gamma at first.
      epsilon: minimum squared length, greater than 0.

    Raises:
      ValueError: if epsilon is not positive.

    Reference:
      Liu et al., ParseNet, arXiv 1506.04579; the length of 20 is that of SSD, arXiv 1512.02325.
    """

    def __init__(self, features: int, *, scale: float = 20.0, epsilon: float = 1e-12):
        check.positive("epsilon", epsilon)
        self.scale = nnx.Param(jnp.full((features,), scale, jnp.float32))
        self.epsilon = epsilon

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise ``x[..., D]``; the result has its shape and dtype."""
        scale = self.scale[...]
        check.floating("x", x)
        check.min_rank("x", x, 1)
        check.shape("x", x, (None,) * (x.ndim - 1) + scale.shape)
        scale = scale.reshape((1,) * (x.ndim - 1) + scale.shape)
        # multiplied before the dtype is that of x again: the gradient of scale is summed in float32
        return (_unit(x, -1, self.epsilon) * scale).astype(x.dtype)


def standardize_weight(kernel: jax.Array, *, epsilon: float = 1e-5) -> jax.Array:
    r"""Give the weights of each output channel mean 0 and variance 1, before the kernel is used.

    .. math:: W_d \leftarrow (W_d - \mu_d) / \sqrt{\sigma_d^2 + \epsilon}

    For convolutions that group normalisation follows. Call it in the forward pass, so that the gradient goes through.

    Args:
      kernel: ``[..., D]``, rank 2 or more, floating point; D output channels.
      epsilon: added to the variance, greater than 0.

    Returns:
      The shape and dtype of the kernel; a constant channel becomes 0.

    Raises:
      ValueError: if kernel is of lower rank or no floating point, or epsilon is not positive.

    Reference:
      Qiao et al., Weight standardization, arXiv 1903.10520.
    """
    check.min_rank("kernel", kernel, 2)
    check.floating("kernel", kernel)
    check.positive("epsilon", epsilon)
    axes = tuple(range(kernel.ndim - 1))
    wide = kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32))
    centred = wide - wide.mean(axes, keepdims=True)
    return (centred * jax.lax.rsqrt(wide.var(axes, keepdims=True) + epsilon)).astype(kernel.dtype)


def _unit(x: jax.Array, axis: int | tuple[int, ...], epsilon: float) -> jax.Array:
    """Vectors of length 1, in float32 or wider."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return wide * jax.lax.rsqrt(jnp.maximum((wide**2).sum(axis, keepdims=True), epsilon))
