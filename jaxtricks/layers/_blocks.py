"""Several small convolutions in the place of a large one."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._conv import check_map
from jaxtricks.layers._conv_gradient import conv

HE_NORMAL = jax.nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class Convolutions(nnx.Module):
    """Convolutions one after another, with ReLU between: two of 3x3 see as much as one of 5x5, with fewer weights.

    Between I and O channels two of 3x3 have ``9 I O + 9 O^2`` weights, one of 5x5 has ``25 I O``; 1x7 and 7x1 have
    ``7 I O + 7 O^2`` for the ``49 I O`` of 7x7. With a stride it takes the place of pooling.

    Args:
      features: channels of the result, and of the input where ``inputs`` is None.
      inputs: channels of the input.
      kernels: heights and widths, odd; the padding keeps the size at stride 1.
      stride: of the first, 1 or more.
      last: whether ReLU follows the last one too.
      use_bias: add a bias after each.
      kernel_init: of all kernels.
      dtype: of the computation; None takes the wider of input and kernel.
      rngs: for the kernels.

    Raises:
      ValueError: if there is no kernel, one is even, or a size is no integer of 1 or more.

    Reference:
      Simonyan and Zisserman, arXiv 1409.1556; 1x7 and 7x1: Szegedy et al., arXiv 1512.00567; with a stride in the place
      of pooling: Springenberg et al., Striving for simplicity: the all convolutional net, arXiv 1412.6806.
    """

    def __init__(
        self,
        features: int,
        *,
        inputs: int | None = None,
        kernels: Sequence[tuple[int, int]] = ((3, 3), (3, 3)),
        stride: int = 1,
        last: bool = False,
        use_bias: bool = True,
        kernel_init: Callable = HE_NORMAL,
        dtype: jnp.dtype | None = None,
        rngs: nnx.Rngs,
    ):
        stride = check.at_least("stride", stride, minimum=1)
        sizes = [check.at_least("kernels", side, minimum=1) for kernel in kernels for side in kernel]
        if not sizes or any(side % 2 == 0 for side in sizes):
            raise ValueError(f"kernels is {tuple(kernels)}; allowed: one or more pairs of odd numbers.")
        self.channels = features if inputs is None else inputs
        self.last = last
        self.layers = nnx.List([])
        channels = [self.channels, *[features] * len(kernels)]
        for i, ((before, after), (height, width)) in enumerate(zip(pairwise(channels), kernels, strict=True)):
            self.layers.append(
                nnx.Conv(
                    before,
                    after,
                    (height, width),
                    strides=stride if i == 0 else 1,
                    padding=((height // 2, height // 2), (width // 2, width // 2)),
                    use_bias=use_bias,
                    kernel_init=kernel_init,
                    dtype=dtype,
                    conv_general_dilated=conv,
                    rngs=rngs,
                )
            )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolve ``x[B, H, W, I]``."""
        check_map(x, self.channels)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i + 1 < len(self.layers) or self.last:
                x = jax.nn.relu(x)
        return x
