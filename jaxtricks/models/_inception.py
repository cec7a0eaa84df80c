"""GoogLeNet: blocks of four branches, whose outputs are put beside each other."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm
from jaxtricks.models._plain import batch_norm

NORM = partial(batch_norm, epsilon=1e-3)  # torchvision's epsilon
Branches = tuple[int, int, int, int, int, int]  # 1x1; 3x3 reduced, 3x3; large reduced, large; pooled


class InceptionLayout(NamedTuple):
    """What distinguishes one GoogLeNet from another.

    Fields:
      stem: True for the 7x7, the 1x1 and the 3x3 of ImageNet, which divide the size by 8; False for one 3x3.
      widths: of the stem's convolutions.
      stages: branches of each block; the size halves between stages.
      large: kernel of the third branch: 5 in the paper, 3 in torchvision's copy.
      auxiliary: number of the blocks, counted from 1, behind which an auxiliary classifier sits.
    """

    stem: bool
    widths: tuple[int, ...]
    stages: tuple[tuple[Branches, ...], ...]
    large: int = 5
    auxiliary: tuple[int, ...] = ()


GOOGLENET = InceptionLayout(
    True,
    (64, 64, 192),
    (
        ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
        (
            (192, 96, 208, 16, 48, 64),
            (160, 112, 224, 24, 64, 64),
            (128, 128, 256, 24, 64, 64),
            (112, 144, 288, 32, 64, 64),
            (256, 160, 320, 32, 128, 128),
        ),
        ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
    ),
)
INCEPTION_LAYOUTS = {
    "googlenet": GOOGLENET,
    "googlenet_torchvision": GOOGLENET._replace(large=3, auxiliary=(3, 6)),
    "inception_mini": InceptionLayout(
        False, (16,), (((8, 8, 16, 4, 8, 8),), ((16, 16, 32, 4, 8, 8),), ((24, 16, 32, 4, 16, 8),))
    ),
}


def googlenet(
    layout: InceptionLayout,
    *,
    classes: int,
    channels: int = 3,
    dropout_rate: float = 0.2,
    norm: Callable | None = NORM,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """GoogLeNet, the first Inception network: much accuracy for few parameters.

    Args:
      layout: one of ``INCEPTION_LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      dropout_rate: before the classifier, 0 to 1; the auxiliary ones have 0.7, as published.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for biases, as in the paper, which came before it.
      act: the activation.
      kernel_init: of every convolution and dense layer.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ... ``[B, H, W, D]``, ``features`` ``[B, D]``, and, in training,
      ``auxiliary1``, ... ``[B, C]``, logits that a loss may add with a weight of 0.3.

    Raises:
      ValueError: if a width, a rate or ``classes`` is out of range; when called, if the image is too small.

    Reference:
      Szegedy et al., Going deeper with convolutions, arXiv 1409.4842.
    """
    nets.positive_widths("layout.stages", tuple(block for stage in layout.stages for block in stage))
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
    return functional(partial(_GoogLeNet, shared, layout, classes, channels, dropout_rate))


class _Block(nnx.Module):
    def __init__(self, parts, inputs, branches, large, rngs):
        layer = partial(ConvNorm, parts, rngs=rngs)
        plain, reduced, middle, narrow, wide, pooled = branches
        self.branch1 = layer(inputs, plain, 1)
        self.branch2 = nnx.List([layer(inputs, reduced, 1), layer(reduced, middle, 3)])
        self.branch3 = nnx.List([layer(inputs, narrow, 1), layer(narrow, wide, large)])
        self.branch4 = layer(inputs, pooled, 1)
        self.outputs = plain + middle + wide + pooled

    def __call__(self, x, train):
        pooled = nets.max_pool(x, 3, 1, padding=1)
        branches = [
            self.branch1(x, train),
            nets.through(x, self.branch2, train),
            nets.through(x, self.branch3, train),
            self.branch4(pooled, train),
        ]
        return jnp.concatenate(branches, axis=-1)


class _Auxiliary(nnx.Module):
    def __init__(self, parts, inputs, classes, rngs):
        self.conv = ConvNorm(parts, inputs, 128, 1, rngs=rngs)
        self.dense = parts.dense(128 * 16, 1024, rngs=rngs)
        self.head = parts.dense(1024, classes, rngs=rngs)
        self.act = parts.act

    def __call__(self, x, train, key, name):
        x = self.conv(nets.adaptive_average_pool(x, 4), train)
        x = self.act(self.dense(jnp.moveaxis(x, -1, 1).reshape(x.shape[0], math.prod(x.shape[1:]))))
        return nets.logits_of(self.head, nets.dropped(key, name, x, 0.7, train))


class _GoogLeNet(nnx.Module):
    def __init__(self, parts, layout, classes, channels, dropout_rate, rngs):
        self.parts, self.layout, self.channels, self.rate = parts, layout, channels, dropout_rate
        layer = partial(ConvNorm, parts, rngs=rngs)
        if layout.stem:
            first, second, inputs = layout.widths
            self.stem = nnx.List(
                [layer(channels, first, 7, stride=2), layer(first, second, 1), layer(second, inputs, 3)]
            )
        else:
            (inputs,) = layout.widths
            self.stem = nnx.List([layer(channels, inputs, 3)])
        number, auxiliary = 0, []
        for place, stage in enumerate(layout.stages, 1):
            blocks = []
            for branches in stage:
                number += 1
                blocks.append(_Block(parts, inputs, branches, layout.large, rngs))
                inputs = blocks[-1].outputs
                if number in layout.auxiliary:
                    auxiliary.append(_Auxiliary(parts, inputs, classes, rngs))
            setattr(self, f"stage{place}", nnx.List(blocks))
        self.auxiliary = nnx.List(auxiliary)
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        halve = partial(nets.max_pool, size=3, stride=2, ceil=True)
        if self.layout.stem:
            x = nets.through(halve(self.stem[0](x, train)), self.stem[1:], train)
        else:
            x = self.stem[0](x, train)
        taps["stem"] = x
        number, auxiliary = 0, list(self.auxiliary)
        for place in range(1, len(self.layout.stages) + 1):
            if place > 1:
                x = nets.max_pool(x, 2, 2, ceil=True) if place == len(self.layout.stages) else halve(x)
            elif self.layout.stem:
                x = halve(x)
            for block in getattr(self, f"stage{place}"):
                number += 1
                x = block(x, train)
                if train and number in self.layout.auxiliary:
                    name = f"auxiliary{1 + self.layout.auxiliary.index(number)}"
                    taps[name] = auxiliary.pop(0)(x, train, key, name)
            taps[f"stage{place}"] = x
        features = taps["features"] = nets.global_average(x)
        return nets.logits_of(self.head, nets.dropped(key, "head", features, self.rate, train)), taps
