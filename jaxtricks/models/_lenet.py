"""LeNet: two convolutions and two dense layers, for images of 28 x 28."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks.layers._conv import check_map
from jaxtricks.layers._conv_gradient import conv
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._perceptron import HE_NORMAL


def lenet(
    widths: tuple[int, int, int],
    *,
    classes: int,
    size: int = 28,
    channels: int = 1,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """LeNet-5 as Caffe has it, the small network of papers on compression: 431,080 parameters at 28 x 28.

    Two convolutions of 5 x 5 without padding, each with a maximum of 2 x 2 behind it, and a dense layer with ReLU.

    Args:
      widths: channels of the convolutions and units of the dense layer; Caffe's are ``(20, 50, 500)``.
      classes: number of classes, C >= 1.
      size: height and width of the image, 16 or more, such that both maxima halve it.
      channels: of the image.
      kernel_init: of every layer; biases start at 0.
      dtype: of the computation; parameters and logits are float32.
      axis_name: not needed: no example sees another.

    Returns:
      The model. Parameters ``convs/0``, ``convs/1``, ``hidden/0``, ``head``. Taps: ``conv1``, ``conv2``
      ``[B, H, W, D]`` before pooling, and ``features`` ``[B, D]``.

    Raises:
      ValueError: if a width, channels or classes is less than 1, or the size does not fit.

    Reference:
      LeCun et al., Gradient-based learning applied to document recognition, 1998; the sizes: Caffe's examples/mnist.
    """
    for name, value in (("classes", classes), ("channels", channels), *(("a width", width) for width in widths)):
        if value < 1:
            raise ValueError(f"{name} is {value}; allowed: 1 or more.")
    if len(widths) != 3:
        raise ValueError(f"widths is {widths}; allowed: three integers.")
    if size < 16 or size % 4:
        raise ValueError(f"size is {size}; allowed: a multiple of 4, 16 or more.")
    return functional(partial(_LeNet, widths, classes, size, channels, kernel_init, dtype))


class _LeNet(nnx.Module):
    def __init__(self, widths, classes, size, channels, kernel_init, dtype, rngs):
        options = {"kernel_init": kernel_init, "dtype": dtype, "rngs": rngs}
        first, second, units = widths
        layers = ((channels, first), (first, second))
        layer = partial(nnx.Conv, kernel_size=(5, 5), padding="VALID", conv_general_dilated=conv, **options)
        self.convs = nnx.List([layer(i, o) for i, o in layers])
        left = ((size - 4) // 2 - 4) // 2
        self.hidden = nnx.List([nnx.Linear(left * left * second, units, **options)])
        self.head = nnx.Linear(units, classes, **options)
        self.size, self.channels, self.dtype = size, channels, dtype

    def __call__(self, image, *, train, key=None):
        check_map(image, self.channels, name="image")
        if image.shape[1:3] != (self.size, self.size):
            raise ValueError(f"image has shape {image.shape}; allowed: {self.size} x {self.size} pixels.")
        x, taps = image.astype(self.dtype), {}
        for number, layer in enumerate(self.convs, 1):
            x = taps[f"conv{number}"] = jax.nn.relu(layer(x))
            x = nnx.max_pool(x, (2, 2), strides=(2, 2))
        x = jax.nn.relu(self.hidden[0](x.reshape(x.shape[0], -1)))
        taps["features"] = x
        return self.head(x).astype(jnp.float32), taps
