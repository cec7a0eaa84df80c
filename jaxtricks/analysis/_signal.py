"""What an initialiser does to the signal: its variance from layer to layer, and the rank of what a layer learns."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxtricks import check


class Variances(NamedTuple):
    """Variances by layer.

    Fields:
      forward: of the activations behind each layer, ``[depth]``.
      backward: of the gradient with respect to them, ``[depth]``, relative to that of the last layer.
    """

    forward: jax.Array
    backward: jax.Array


def variance_by_depth(
    key: jax.Array,
    initializer: Callable,
    *,
    depth: int = 20,
    width: int = 256,
    batch: int = 256,
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
) -> Variances:
    r"""Variance of activations and gradients through a stack of square dense layers without biases.

    .. math:: x_l = f(x_{l-1} W_l), \quad x_0 \sim N(0, 1); \quad
              g_L \sim N(0, 1), \quad g_{l-1} = \partial (g_L \cdot x_L) / \partial x_{l-1}

    With ReLU, He's variance 2 / D keeps :math:`E[x^2]` in expectation, Xavier's 1 / D halves it in each layer; with
    tanh near 0 Xavier's keeps it.

    Args:
      key: a typed key.
      initializer: ``(key, shape, dtype) -> W [D, D]``.
      depth: L, layers, 1 or more.
      width: D, 1 or more.
      batch: examples, 1 or more.
      activation: f.

    Returns:
      Two variances a layer, float32.

    Raises:
      ValueError: if depth, width or batch is no integer of 1 or more.

    Reference:
      Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010; He et al.,
      arXiv 1502.01852.
    """
    for name, value in (("depth", depth), ("width", width), ("batch", batch)):
        check.at_least(name, value, minimum=1)
    inputs, grads, weights = jax.random.split(key, 3)
    kernels = jax.vmap(lambda k: initializer(k, (width, width), jnp.float32))(jax.random.split(weights, depth))

    def through(x, kernel):
        x = activation(x @ kernel)
        return x, x

    def behind(offsets):
        """The last output, where each layer's output may be moved a little: the gradient of that is g."""

        def layer(x, kernel_and_offset):
            kernel, offset = kernel_and_offset
            x = activation(x @ kernel) + offset
            return x, None

        return jax.lax.scan(layer, start, (kernels, offsets))[0]

    start = jax.random.normal(inputs, (batch, width), jnp.float32)
    _, outputs = jax.lax.scan(through, start, kernels)
    _, pullback = jax.vjp(behind, jnp.zeros_like(outputs))
    (gradients,) = pullback(jax.random.normal(grads, start.shape, start.dtype))
    variance = gradients.var((1, 2))
    return Variances(outputs.var((1, 2)), variance / variance[-1])


def gradient_rank(gradient: jax.Array, *, tolerance: float = 1e-3) -> jax.Array:
    r"""Number of singular values of a matrix above a share of the largest; 0 for a matrix of zeros.

    Units that start equal get equal gradients: their columns stay the same, and the rank of the layer's gradient is 1.

    Args:
      gradient: ``[M, N]``, floating point.
      tolerance: share of the largest singular value, 0 to 1.

    Returns:
      int32, 0 to min(M, N); -1 where the matrix holds a number that is not finite.

    Raises:
      ValueError: if gradient is no matrix, no floating point, or tolerance lies outside 0 to 1.
    """
    check.rank("gradient", gradient, 2)
    check.floating("gradient", gradient)
    check.between("tolerance", tolerance, 0.0, 1.0)
    values = jnp.linalg.svd(gradient, compute_uv=False)
    rank = (values > tolerance * values.max(initial=0)).sum(dtype=jnp.int32)
    return jnp.where(jnp.isfinite(gradient).all(), rank, -1)
