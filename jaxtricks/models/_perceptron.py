"""Fully connected networks, down to logistic regression."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.models._functional import Model, functional

HE_NORMAL = jax.nn.initializers.variance_scaling(2.0, "fan_in", "normal")


def perceptron(
    widths: tuple[int, ...],
    *,
    size: int,
    classes: int,
    channels: int = 1,
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    layer: Callable | None = None,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """Dense layers on the flattened image; without a hidden one, logistic regression.

    Args:
      widths: of the hidden layers; empty for logistic regression.
      size: height times width of the image.
      classes: number of classes, C >= 1.
      channels: of the image.
      activation: after each hidden layer.
      kernel_init: of every layer; biases start at 0.
      layer: of the hidden layers, ``(inputs, outputs, rngs=) -> module``, such as ``layers.Circulant``, which draws its
        own parameters; None for dense ones.
      dtype: of the computation; parameters and logits are float32.
      axis_name: not needed: no example sees another.

    Returns:
      The model. Parameters ``hidden/0``, ..., ``head``. Taps: ``hidden1``, ... ``[B, D]``, and ``features`` ``[B, D]``.

    Raises:
      ValueError: if a width, size, channels or classes is less than 1.
    """
    for name, value in (("size", size), ("classes", classes), ("channels", channels)):
        if value < 1:
            raise ValueError(f"{name} is {value}; allowed: 1 or more.")
    if widths and min(widths) < 1:
        raise ValueError(f"widths is {widths}; allowed: integers of 1 or more.")
    return functional(partial(_Perceptron, (size * channels, *widths), classes, activation, kernel_init, layer, dtype))


class _Perceptron(nnx.Module):
    def __init__(self, sizes, classes, activation, kernel_init, layer, dtype, rngs):
        dense = partial(nnx.Linear, kernel_init=kernel_init, dtype=dtype)
        self.hidden = nnx.List([(layer or dense)(i, o, rngs=rngs) for i, o in pairwise(sizes)])
        self.head = dense(sizes[-1], classes, rngs=rngs)
        self.activation = activation
        self.inputs = sizes[0]
        self.dtype = dtype

    def __call__(self, image, *, train, key=None):
        check.rank("image", image, 4)
        check.floating("image", image)
        if math.prod(image.shape[1:]) != self.inputs:
            raise ValueError(f"image has shape {image.shape}; allowed: {self.inputs} values in each.")
        x = image.astype(self.dtype).reshape(image.shape[0], self.inputs)
        taps = {}
        for number, layer in enumerate(self.hidden, 1):
            x = taps[f"hidden{number}"] = self.activation(layer(x))
        taps["features"] = x
        return self.head(x).astype(jnp.float32), taps
