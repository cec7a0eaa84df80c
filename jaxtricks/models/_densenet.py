"""DenseNet: every layer sees the outputs of all before it in its block."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm, NormAct
from jaxtricks.models._plain import batch_norm


class DenseLayout(NamedTuple):
    """What distinguishes one DenseNet from another.

    Fields:
      blocks: layers of each dense block; a transition of half the channels and half the size lies between two.
      growth: channels that a layer adds.
      width: of the first convolution.
      stem: (kernel, stride) of the first convolution.
      pool: a 3x3 max pool of stride 2 follows the stem.
      bottleneck: channels of the 1x1 convolution of a layer, as a multiple of growth.
    """

    blocks: tuple[int, ...]
    growth: int = 32
    width: int = 64
    stem: tuple[int, int] = (7, 2)
    pool: bool = True
    bottleneck: int = 4


DENSE_LAYOUTS = {
    "densenet121": DenseLayout((6, 12, 24, 16)),
    "densenet169": DenseLayout((6, 12, 32, 32)),
    "densenet201": DenseLayout((6, 12, 48, 32)),
    "densenet161": DenseLayout((6, 12, 36, 24), growth=48, width=96),
    "densenet_bc100": DenseLayout((16, 16, 16), growth=12, width=24, stem=(3, 1), pool=False),  # CIFAR's
    "densenet_mini": DenseLayout((3, 3, 3), growth=8, width=16, stem=(3, 1), pool=False),
}


def densenet(
    layout: DenseLayout,
    *,
    classes: int,
    channels: int = 3,
    dropout_rate: float = 0.0,
    norm: Callable | None = batch_norm,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """A DenseNet-BC, whose layers are normalisation, activation, convolution in this order.

    Args:
      layout: one of ``DENSE_LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      dropout_rate: behind every layer, 0 to 1; 0.2 in the paper where images are not augmented.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for biases.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ... ``[B, H, W, D]`` before the transitions, ``features`` ``[B, D]``.

    Raises:
      ValueError: if a number of the layout, a rate or ``classes`` is out of range; when called, if the image is too
        small.

    Reference:
      Huang et al., Densely connected convolutional networks, arXiv 1608.06993.
    """
    nets.positive_widths("layout.blocks", layout.blocks)
    nets.positive_widths("layout.growth, width and bottleneck", (layout.growth, layout.width, layout.bottleneck))
    check.between("dropout_rate", dropout_rate, 0.0, 1.0)
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    return functional(partial(_DenseNet, shared, layout, classes, channels, dropout_rate))


class _Layer(nnx.Module):
    def __init__(self, parts, inputs, layout, rngs):
        middle = layout.bottleneck * layout.growth
        self.first = NormAct(parts, inputs, rngs=rngs)
        self.conv1 = parts.conv(inputs, middle, (1, 1), padding=0, use_bias=parts.norm is None, rngs=rngs)
        self.second = NormAct(parts, middle, rngs=rngs)
        self.conv2 = parts.conv(middle, layout.growth, (3, 3), padding=1, use_bias=parts.norm is None, rngs=rngs)

    def __call__(self, x, train):
        return self.conv2(self.second(self.conv1(self.first(x, train)), train))


class _Transition(nnx.Module):
    def __init__(self, parts, inputs, rngs):
        self.norm = NormAct(parts, inputs, rngs=rngs)
        self.conv = parts.conv(inputs, inputs // 2, (1, 1), padding=0, use_bias=parts.norm is None, rngs=rngs)

    def __call__(self, x, train):
        return nets.average_pool(self.conv(self.norm(x, train)), 2, 2)


class _DenseNet(nnx.Module):
    def __init__(self, parts, layout, classes, channels, dropout_rate, rngs):
        self.parts, self.layout, self.channels, self.rate = parts, layout, channels, dropout_rate
        kernel, stride = layout.stem
        inputs = layout.width
        conv = partial(parts.conv, channels, inputs, (kernel, kernel), strides=stride, padding=(kernel - 1) // 2)
        if layout.pool:
            self.stem = ConvNorm(parts, channels, inputs, kernel, stride=stride, rngs=rngs)
        else:  # the first layer of the first block normalises
            self.stem = conv(use_bias=parts.norm is None, rngs=rngs)
        transitions = []
        for number, count in enumerate(layout.blocks, 1):
            layers = [_Layer(parts, inputs + i * layout.growth, layout, rngs) for i in range(count)]
            setattr(self, f"stage{number}", nnx.List(layers))
            inputs += count * layout.growth
            if number < len(layout.blocks):
                transitions.append(_Transition(parts, inputs, rngs))
                inputs //= 2
        self.transitions = nnx.List(transitions)
        self.last = NormAct(parts, inputs, rngs=rngs)
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        x = taps["stem"] = self.stem(x, train) if isinstance(self.stem, ConvNorm) else self.stem(x)
        if self.layout.pool:
            x = nets.max_pool(x, 3, 2, padding=1)
        for number in range(1, len(self.layout.blocks) + 1):
            for i, layer in enumerate(getattr(self, f"stage{number}")):
                new = nets.dropped(key, f"stage{number}/{i}", layer(x, train), self.rate, train)
                x = jnp.concatenate([x, new], axis=-1)
            taps[f"stage{number}"] = x
            if number < len(self.layout.blocks):
                x = self.transitions[number - 1](x, train)
        features = taps["features"] = nets.global_average(self.last(x, train))
        return nets.logits_of(self.head, features), taps
