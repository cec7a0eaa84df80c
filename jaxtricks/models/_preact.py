"""Residual networks whose blocks normalise first: pre-activation ResNets and wide ones."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, NormAct
from jaxtricks.models._plain import batch_norm


class PreactLayout(NamedTuple):
    """What distinguishes one pre-activation network from another.

    Fields:
      blocks: of each stage; every stage but the first halves height and width.
      widths: channels inside the blocks of each stage; a bottleneck puts out four times as many.
      bottleneck: 1x1, 3x3, 1x1 convolutions in a block, instead of two 3x3.
      width: of the first convolution.
      stem: (kernel, stride) of the first convolution.
      pool: a 3x3 max pool of stride 2 follows the stem.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    bottleneck: bool
    width: int
    stem: tuple[int, int]
    pool: bool


def _wide(depth, factor):
    count = (depth - 4) // 6
    widths = tuple(factor * width for width in (16, 32, 64))
    return PreactLayout((count,) * 3, widths, False, 16, (3, 1), False)


PREACT_LAYOUTS = {
    "preact50": PreactLayout((3, 4, 6, 3), (64, 128, 256, 512), True, 64, (7, 2), True),
    "preact_mini": PreactLayout((1, 1, 1), (8, 16, 32), True, 16, (3, 1), False),
    "wrn_28_10": _wide(28, 10),
    "wrn_16_4": _wide(16, 4),
    "wrn_10_1": _wide(10, 1),
}


def preact(
    layout: PreactLayout,
    *,
    classes: int,
    channels: int = 3,
    dropout_rate: float = 0.0,
    depth_rate: float = 0.0,
    norm: Callable | None = batch_norm,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """A pre-activation ResNet, or a wide one for small images: nothing stands on the path of the identity.

    Args:
      layout: one of ``PREACT_LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      dropout_rate: before the last convolution of every block, 0 to 1; 0.3 in wide networks.
      depth_rate: stochastic depth of the last block, rising from 0 at the first, 0 to 1.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for biases.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ... ``[B, H, W, D]`` before the last normalisation, ``features``
      ``[B, D]``.

    Raises:
      ValueError: if a number of the layout, a rate or ``classes`` is out of range.

    Reference:
      He et al., Identity mappings in deep residual networks, arXiv 1603.05027; Zagoruyko and Komodakis, Wide residual
      networks, arXiv 1605.07146.
    """
    for name in ("blocks", "widths"):
        nets.positive_widths(f"layout.{name}", getattr(layout, name))
    if len(layout.blocks) != len(layout.widths):
        raise ValueError(f"layout.widths has {len(layout.widths)} stages; allowed: {len(layout.blocks)}, as blocks.")
    check.between("dropout_rate", dropout_rate, 0.0, 1.0)
    check.between("depth_rate", depth_rate, 0.0, 1.0)
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    return functional(partial(_Preact, shared, layout, classes, channels, dropout_rate, depth_rate))


class _Block(nnx.Module):
    def __init__(self, parts, inputs, width, stride, bottleneck, rngs):
        conv = partial(parts.conv, use_bias=parts.norm is None, rngs=rngs)
        outputs = 4 * width if bottleneck else width
        kernels = ((1, 1), (3, stride), (1, 1)) if bottleneck else ((3, stride), (3, 1))
        widths = (inputs, *[width] * (len(kernels) - 1), outputs)
        self.norms = nnx.List([NormAct(parts, w, rngs=rngs) for w in widths[:-1]])
        self.convs = nnx.List(
            [
                conv(widths[i], widths[i + 1], (k, k), strides=step, padding=(k - 1) // 2)
                for i, (k, step) in enumerate(kernels)
            ]
        )
        moves = stride > 1 or inputs != outputs
        self.shortcut = conv(inputs, outputs, (1, 1), strides=stride, padding=0) if moves else None

    def __call__(self, x, train, drop):
        """``drop`` comes before the last convolution."""
        y = self.norms[0](x, train)
        if self.shortcut is not None:
            x = self.shortcut(y)
        for i, conv in enumerate(self.convs):
            y = y if i == 0 else self.norms[i](y, train)
            y = conv(drop(y) if i == len(self.convs) - 1 else y)
        return x, y


class _Preact(nnx.Module):
    def __init__(self, parts, layout, classes, channels, dropout_rate, depth_rate, rngs):
        self.parts, self.layout, self.channels = parts, layout, channels
        self.rate, self.depth_rate = dropout_rate, depth_rate
        kernel, stride = layout.stem
        self.stem = parts.conv(
            channels,
            layout.width,
            (kernel, kernel),
            strides=stride,
            padding=(kernel - 1) // 2,
            use_bias=parts.norm is None,
            rngs=rngs,
        )
        inputs = layout.width
        for number, (count, width) in enumerate(zip(layout.blocks, layout.widths, strict=True), 1):
            blocks = []
            for i in range(count):
                step = 2 if i == 0 and number > 1 else 1
                blocks.append(_Block(parts, inputs, width, step, layout.bottleneck, rngs))
                inputs = 4 * width if layout.bottleneck else width
            setattr(self, f"stage{number}", nnx.List(blocks))
        self.last = NormAct(parts, inputs, rngs=rngs)
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        x = taps["stem"] = self.stem(x)
        if self.layout.pool:
            x = nets.max_pool(x, 3, 2, padding=1)
        rates = iter(nets.rising(self.depth_rate, sum(self.layout.blocks)))
        for number in range(1, len(self.layout.blocks) + 1):
            for i, block in enumerate(getattr(self, f"stage{number}")):
                name = f"stage{number}/{i}"
                x, y = block(x, train, partial(_drop, key, name, self.rate, train))
                x = x + nets.branch_dropped(key, name + "/depth", y, next(rates), train)
            taps[f"stage{number}"] = x
        features = taps["features"] = nets.global_average(self.last(x, train))
        return nets.logits_of(self.head, features), taps


def _drop(key, name, rate, train, x):
    return nets.dropped(key, name, x, rate, train)
