"""Attention over channels: a gate between 0 and 1 for each, from the global average of all."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._pooling import global_average_pool


class SqueezeExcite(nnx.Module):
    r"""Gate channels by two dense layers on their averages.

    .. math:: y = x \, \mathrm{sigmoid}(W_2 \, \mathrm{relu}(W_1 \bar{x} + b_1) + b_2)

    Args:
      features: D, channels.
      ratio: the hidden layer has ``D // ratio`` units.
      dtype: of the dense layers; None takes the wider of input and kernel.
      rngs: for the kernels.

    Raises:
      ValueError: if features or ratio is no integer, or ratio lies outside 1 to features.

    Reference:
      Hu et al., Squeeze-and-excitation networks, arXiv 1709.01507.
    """

    def __init__(self, features: int, *, ratio: int = 16, dtype: jnp.dtype | None = None, rngs: nnx.Rngs):
        features, ratio = check.at_least("features", features, minimum=1), check.at_least("ratio", ratio, minimum=1)
        check.between("ratio", ratio, 1, features)
        self.features = features
        self.squeeze = nnx.Linear(features, features // ratio, dtype=dtype, rngs=rngs)
        self.excite = nnx.Linear(features // ratio, features, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Gate ``x[B, H, W, D]``; the result has its shape and dtype."""
        check.shape("x", x, (None, None, None, self.features))
        gate = jax.nn.sigmoid(self.excite(jax.nn.relu(self.squeeze(global_average_pool(x)))))
        return _gated(x, gate[:, None, None, :])


class EfficientChannelAttention(nnx.Module):
    r"""Gate channels by a convolution over neighbouring channels' averages: k weights in all.

    .. math:: y = x \, \mathrm{sigmoid}(\mathrm{conv}_k(\bar{x}))

    Args:
      features: D, channels.
      kernel: k, odd; None for the paper's: the integer part of ``(log2(D) + 1) / 2``, or the number after it if even.
      dtype: of the convolution; None takes the wider of input and kernel.
      rngs: for the kernel.

    Raises:
      ValueError: if features or kernel is no integer of 1 or more, or kernel is even.

    Reference:
      Wang et al., ECA-Net, arXiv 1910.03151.
    """

    def __init__(self, features: int, *, kernel: int | None = None, dtype: jnp.dtype | None = None, rngs: nnx.Rngs):
        features = check.at_least("features", features, minimum=1)
        if kernel is None:
            kernel = int((math.log2(features) + 1) / 2)
            kernel += kernel % 2 == 0
        kernel = check.at_least("kernel", kernel, minimum=1)
        if kernel % 2 == 0:
            raise ValueError(f"kernel is {kernel}; allowed: None, or an odd number of 1 or more.")
        self.features = features
        self.conv = nnx.Conv(1, 1, (kernel,), padding=kernel // 2, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Gate ``x[B, H, W, D]``; the result has its shape and dtype."""
        check.shape("x", x, (None, None, None, self.features))
        gate = jax.nn.sigmoid(self.conv(global_average_pool(x)[:, :, None]))
        return _gated(x, gate[:, None, None, :, 0])


def _gated(x: jax.Array, gate: jax.Array) -> jax.Array:
    """The product in the dtype of x, multiplied in float32 or wider: there the gradient of the gate is summed."""
    return (x.astype(jnp.promote_types(x.dtype, jnp.float32)) * gate).astype(x.dtype)
