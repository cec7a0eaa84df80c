"""Layers of few numbers or few bits: a dense layer that is circulant, a convolution of signs."""

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.compress._binary import filter_scales
from jaxtricks.compress._circulant import circulant_product
from jaxtricks.compress._hashing import hash_places
from jaxtricks.compress._xnor import pack_signs, packed_conv, xnor_conv

HE_NORMAL = jax.nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class Circulant(nnx.Module):
    r"""A dense layer of one circulant matrix: ``max(C, D)`` numbers in the place of C times D, and products by FFT.

    .. math:: y = (C (\xi \odot x))_{1 \ldots D} + b

    Inputs are filled up with zeros, and outputs cut, to the larger side. The signs :math:`\xi` are a fixed function of
    the seed, as a circulant matrix alone sees every shift of its inputs in the same way.

    Args:
      inputs: C.
      outputs: D.
      seed: of the signs, 0 to 2^32 - 1.
      rngs: for the column.

    Raises:
      ValueError: if inputs or outputs is less than 1.

    Reference:
      Cheng et al., An exploration of parameter redundancy in deep networks with circulant projections,
      arXiv 1502.03436.
    """

    def __init__(self, inputs: int, outputs: int, *, seed: int = 0, rngs: nnx.Rngs):
        self.inputs = check.at_least("inputs", inputs, minimum=1)
        self.outputs = check.at_least("outputs", outputs, minimum=1)
        self.seed = seed
        side = max(self.inputs, self.outputs)
        column = (2.0 / self.inputs) ** 0.5 * jax.random.normal(rngs.params(), (side,))
        self.column, self.bias = nnx.Param(column), nnx.Param(jnp.zeros(self.outputs))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``x[..., C]`` to ``[..., D]``."""
        check.min_rank("x", x, 1)
        check.shape("x", x, (*x.shape[:-1], self.inputs))
        _, signs = hash_places(self.inputs, buckets=1, seed=self.seed)
        x = x * signs.reshape(*(1,) * (x.ndim - 1), -1).astype(x.dtype)
        column = self.column[...].astype(x.dtype)
        padded = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, column.size - self.inputs)])
        y = circulant_product(column, padded)[..., : self.outputs]
        return (y + self.bias[...].reshape(*(1,) * (y.ndim - 1), -1)).astype(x.dtype)


class XnorConv(nnx.Module):
    """``compress.xnor_conv`` as a layer; packed, it holds one bit a weight and computes the same numbers from them.

    Args:
      inputs: C, channels.
      outputs: D, channels.
      kernel: height and width of the window.
      strides: of the window.
      padding: on every side.
      packed: hold ``words`` and ``scales``, as ``compress.packed_params`` makes them, in the place of ``kernel``.
      kernel_init: of the kernel.
      rngs: for the kernel.

    Raises:
      ValueError: if a size is less than 1.

    Reference:
      Rastegari et al., XNOR-Net, arXiv 1603.05279.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        strides: int = 1,
        padding: int = 1,
        packed: bool = False,
        kernel_init=HE_NORMAL,
        rngs: nnx.Rngs,
    ):
        for name, value in (("inputs", inputs), ("outputs", outputs), ("kernel", kernel)):
            check.at_least(name, value, minimum=1)
        weights = kernel_init(rngs.params(), (kernel, kernel, inputs, outputs), jnp.float32)
        self.strides, self.padding, self.packed = strides, padding, packed
        if packed:
            self.words, self.scales = nnx.Param(pack_signs(weights, axis=2)), nnx.Param(filter_scales(weights))
        else:
            self.kernel = nnx.Param(weights)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``x[B, H, W, C]`` to ``[B, H', W', D]``."""
        check.floating("x", x)
        options = {"strides": self.strides, "padding": self.padding}
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))  # sums of half precision would overflow
        if self.packed:
            return packed_conv(wide, self.words[...], self.scales[...], **options).astype(x.dtype)
        return xnor_conv(wide, self.kernel[...], **options).astype(x.dtype)
