"""LeNet: two convolutions with a pool each, a third one over what is left, and dense layers."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks._signatures import Table
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm


class LeNetLayout(NamedTuple):
    """What distinguishes one LeNet from another.

    Fields:
      convs: (channels, kernel) of each convolution, without padding; a pool of 2x2 follows all but the last.
      hidden: units of the dense layers before the classifier.
      padding: around the image.
      pool: ``"average"`` or ``"max"``.
      act: the activation.
    """

    convs: tuple[tuple[int, int], ...]
    hidden: tuple[int, ...]
    padding: int
    pool: str
    act: Callable[[jax.Array], jax.Array]


LENET_LAYOUTS: dict[str, LeNetLayout] = Table(
    {
        "lenet5": LeNetLayout(((6, 5), (16, 5), (120, 5)), (84,), 2, "average", jnp.tanh),
        # Caffe's, of papers on compression; its dense layer of 500 units on a map of 4x4 is the third convolution here
        "lenet_caffe": LeNetLayout(((20, 5), (50, 5), (500, 4)), (), 0, "max", jax.nn.relu),
    }
)


def lenet(
    layout: LeNetLayout,
    *,
    classes: int,
    channels: int = 1,
    norm: Callable | None = None,
    act: Callable[[jax.Array], jax.Array] | None = None,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """LeNet-5, for digits of 28x28: the paper's with 61,706 parameters, or Caffe's with 431,080, for 10 classes.

    The paper's third layer sees only some of the six maps, and its averages have weights: 60,000 parameters before its
    output layer. Here, as in all later copies, it sees all, and averages have none. On larger images the last
    convolution has several positions, which are averaged.

    Args:
      layout: one of ``LENET_LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      norm: ``(features, axis_name=, rngs=) -> layer``, such as ``models.batch_norm``; None for biases.
      act: the activation; the layout's if None.
      kernel_init: of every convolution and dense layer.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Parameters ``convs/0/conv``, ..., ``hidden/0``, ..., ``head``. Taps: ``stage1``, ... ``[B, H, W, D]``
      before pooling, ``features`` ``[B, D]``.

    Raises:
      ValueError: if an option is out of range; when called, if the image is too small.

    Reference:
      LeCun et al., Gradient-based learning applied to document recognition, Proceedings of the IEEE 86(11), 1998;
      Caffe's sizes: examples/mnist/lenet.prototxt.
    """
    nets.positive_widths("layout.convs", layout.convs)
    if layout.hidden:
        nets.positive_widths("layout.hidden", (layout.hidden,))
    check.at_least("layout.padding", layout.padding)
    check.option("layout.pool", layout.pool, ("average", "max"))
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=layout.act if act is None else act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    return functional(partial(_LeNet, shared, layout, classes, channels))


class _LeNet(nnx.Module):
    def __init__(self, parts, layout: LeNetLayout, classes, channels, rngs):
        self.parts, self.channels = parts, channels
        self.pool = nets.max_pool if layout.pool == "max" else nets.average_pool
        convs, dense, inputs = [], [], channels
        for number, (width, kernel) in enumerate(layout.convs):
            padding = 0 if number else layout.padding
            convs.append(ConvNorm(parts, inputs, width, kernel, padding=padding, rngs=rngs))
            inputs = width
        for units in layout.hidden:
            dense.append(parts.dense(inputs, units, rngs=rngs))
            inputs = units
        self.convs, self.hidden = nnx.List(convs), nnx.List(dense)
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        for number, conv in enumerate(self.convs, 1):
            x = taps[f"stage{number}"] = conv(x, train)
            if number < len(self.convs):
                x = self.pool(x, 2, 2)
        x = nets.global_average(x)
        for dense in self.hidden:
            x = self.parts.act(dense(x))
        taps["features"] = x
        return nets.logits_of(self.head, x), taps
