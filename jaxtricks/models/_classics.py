"""AlexNet, VGG: convolutions, pools, and dense layers behind them."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._normalize import local_response_norm
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm, Parts


class ConvLayout(NamedTuple):
    """A stack of convolutions and pools, with dense layers behind it.

    Fields:
      stages: widths of the convolutions of each stage; a max pool follows each.
      kernels: of each stage's convolutions.
      groups: of each stage's convolutions, one number each.
      stem: (stride, padding) of the first convolution.
      pool: (window, stride) of every max pool.
      hidden: widths of the dense layers between the features and the classifier; none for small images.
      grid: rows and columns of the averages that the dense layers see; 1 is global average pooling.
      lrn: local response normalisation before the pools of the first two stages.
    """

    stages: tuple[tuple[int, ...], ...]
    kernels: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    stem: tuple[int, int]
    pool: tuple[int, int]
    hidden: tuple[int, ...]
    grid: int
    lrn: bool = False


def _vgg(counts, widths=(64, 128, 256, 512, 512), hidden=(4096, 4096), grid=7):
    stages = tuple((width,) * count for count, width in zip(counts, widths, strict=True))
    groups = tuple((1,) * count for count in counts)
    return ConvLayout(stages, (3,) * len(counts), groups, (1, 1), (2, 2), hidden, grid)


ALEXNET_GROUPS = ((1,), (2,), (1, 2, 2))
ALEXNET = ConvLayout(
    ((64,), (192,), (384, 256, 256)), (11, 5, 3), ((1,), (1,), (1, 1, 1)), (4, 2), (3, 2), (4096, 4096), 6
)
CONV_LAYOUTS = {
    # one tower, without LRN (Krizhevsky, arXiv 1404.5997; torchvision's), and the two of the first paper
    "alexnet": ALEXNET,
    "alexnet_2012": ALEXNET._replace(stages=((96,), (256,), (384, 384, 256)), groups=ALEXNET_GROUPS, lrn=True),
    "alexnet_mini": ConvLayout(
        ((16,), (32,), (48, 32)), (5, 5, 3), ((1,), (1,), (1, 1)), (1, 2), (3, 2), (64,), 3, True
    ),
    "vgg11": _vgg((1, 1, 2, 2, 2)),
    "vgg13": _vgg((2, 2, 2, 2, 2)),
    "vgg16": _vgg((2, 2, 3, 3, 3)),
    "vgg19": _vgg((2, 2, 4, 4, 4)),
    "vgg11_small": _vgg((1, 1, 2, 2, 2), hidden=(), grid=1),
    "vgg16_small": _vgg((2, 2, 3, 3, 3), hidden=(), grid=1),
    "vgg_mini": _vgg((1, 1, 2), (8, 16, 32), hidden=(), grid=1),
}


def stacked(
    layout: ConvLayout,
    *,
    classes: int,
    channels: int = 3,
    dropout_rate: float = 0.5,
    norm: Callable | None = None,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """AlexNet and VGG: stages of convolutions with a max pool each, then dense layers.

    AlexNet's pools overlap (3x3 of stride 2); VGG has only 3x3 convolutions. ``norm=models.batch_norm`` makes VGG-BN.
    A deep one may start from a trained shallow one, as the paper's did: ``init.grown``.

    Args:
      layout: one of ``CONV_LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      dropout_rate: before every dense layer but the classifier (AlexNet) or behind each (VGG: the same places, one
        later); 0 to 1. It acts where the layout has hidden layers.
      norm: ``(features, axis_name=, rngs=) -> layer``, such as ``models.batch_norm``; None for biases.
      act: the activation.
      kernel_init: of every convolution and dense layer.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stage1``, ... ``[B, H, W, D]`` before pooling, and ``features`` ``[B, D]``.

    Raises:
      ValueError: if a width, a rate or ``classes`` is out of range; when called, if the image is too small.

    Reference:
      Krizhevsky et al., ImageNet classification with deep convolutional neural networks, NeurIPS 2012;
      Simonyan and Zisserman, Very deep convolutional networks, arXiv 1409.1556.
    """
    nets.positive_widths("layout.stages", layout.stages)
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
    return functional(partial(_Stacked, shared, layout, classes, channels, dropout_rate))


class _Stacked(nnx.Module):
    def __init__(self, parts: Parts, layout: ConvLayout, classes, channels, dropout_rate, rngs):
        self.parts, self.layout, self.channels, self.rate = parts, layout, channels, dropout_rate
        inputs = channels
        stride, padding = layout.stem
        for number, (widths, kernel, groups) in enumerate(
            zip(layout.stages, layout.kernels, layout.groups, strict=True), 1
        ):
            convs = []
            for i, (width, split) in enumerate(zip(widths, groups, strict=True)):
                step, pad = (stride, padding) if number == 1 and i == 0 else (1, None)
                conv = partial(ConvNorm, parts, inputs, width, kernel, groups=split, bias=True)
                convs.append(conv(stride=step, padding=pad, rngs=rngs))
                inputs = width
            setattr(self, f"stage{number}", nnx.List(convs))
        inputs *= layout.grid**2
        hidden = []
        for width in layout.hidden:
            hidden.append(parts.dense(inputs, width, rngs=rngs))
            inputs = width
        self.hidden = nnx.List(hidden)
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps: dict[str, Any] = {}
        for number in range(1, len(self.layout.stages) + 1):
            x = taps[f"stage{number}"] = nets.through(x, getattr(self, f"stage{number}"), train)
            if self.layout.lrn and number < 3:
                x = local_response_norm(x)
            x = nets.max_pool(x, *self.layout.pool)
        if self.layout.grid == 1:
            x = nets.global_average(x).astype(x.dtype)
        else:
            x = nets.adaptive_average_pool(x, self.layout.grid)
            x = jnp.moveaxis(x, -1, 1).reshape(
                x.shape[0], math.prod(x.shape[1:])
            )  # channels first, as the weights of others have it
        for number, dense in enumerate(self.hidden, 1):
            x = nets.dropped(key, f"hidden{number}", x, self.rate, train)
            x = self.parts.act(dense(x))
        taps["features"] = x
        return nets.logits_of(self.head, x), taps
