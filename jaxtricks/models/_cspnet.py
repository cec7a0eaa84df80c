"""CSPNet: half of the channels of a stage go around its blocks."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._materialize import materialized
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm
from jaxtricks.models._plain import batch_norm


class CspLayout(NamedTuple):
    """What distinguishes one CSP-ResNet from another.

    Fields:
      blocks: of each stage; every stage but the first halves height and width.
      widths: channels of each stage's output.
      width: of the first convolution.
      stem: (kernel, stride) of the first convolution.
      pool: a 3x3 max pool of stride 2 follows the stem.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    width: int = 64
    stem: tuple[int, int] = (7, 2)
    pool: bool = True


CSP_LAYOUTS = {
    "cspresnet50": CspLayout((3, 3, 5, 2), (128, 256, 512, 1024)),
    "csp_mini": CspLayout((1, 1, 1), (16, 32, 64), width=16, stem=(3, 1), pool=False),
}


def cspnet(
    layout: CspLayout,
    *,
    classes: int,
    channels: int = 3,
    norm: Callable | None = batch_norm,
    act: Callable[[jax.Array], jax.Array] = jax.nn.leaky_relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """A cross-stage partial ResNet: its blocks see half of the channels, with fewer multiply-accumulates.

    Args:
      layout: one of ``CSP_LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for biases.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ... ``[B, H, W, D]``, and ``features`` ``[B, D]``.

    Raises:
      ValueError: if a number of the layout or ``classes`` is out of range.

    Reference:
      Wang et al., CSPNet, arXiv 1911.11929.
    """
    nets.positive_widths("layout.blocks", layout.blocks)
    nets.positive_widths("layout.widths", layout.widths)
    if len(layout.blocks) != len(layout.widths):
        raise ValueError(f"layout.widths has {len(layout.widths)} stages; allowed: {len(layout.blocks)}, as blocks.")
    check.at_least("layout.width", layout.width, minimum=1)
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    return functional(partial(_CspNet, shared, layout, classes, channels))


class _Block(nnx.Module):
    def __init__(self, parts, width, rngs):
        layer = partial(ConvNorm, parts, rngs=rngs)
        middle = max(1, width // 2)
        self.inner = nnx.List([layer(width, middle, 1), layer(middle, middle, 3)])
        self.last_conv = parts.conv(middle, width, (1, 1), padding=0, use_bias=parts.norm is None, rngs=rngs)
        self.last_bn = None if parts.norm is None else parts.norm(width, rngs=rngs)
        self.act = parts.act

    def __call__(self, x, train):
        y = self.last_conv(nets.through(x, self.inner, train))
        return materialized(self.act(x + (y if self.last_bn is None else self.last_bn(y, train=train))))


class _Stage(nnx.Module):
    def __init__(self, parts, inputs, outputs, count, stride, rngs):
        layer = partial(ConvNorm, parts, rngs=rngs)
        self.down = layer(inputs, inputs, 3, stride=stride) if stride > 1 else None
        self.expand = layer(inputs, 2 * outputs, 1, linear=True)
        self.blocks = nnx.List([_Block(parts, outputs, rngs) for _ in range(count)])
        self.transition = layer(outputs, outputs, 1)
        self.merge = layer(2 * outputs, outputs, 1)

    def __call__(self, x, train):
        if self.down is not None:
            x = self.down(x, train)
        around, inner = jnp.split(self.expand(x, train), 2, axis=-1)
        inner = self.transition(nets.through(inner, self.blocks, train), train)
        return self.merge(jnp.concatenate([around, inner], axis=-1), train)


class _CspNet(nnx.Module):
    def __init__(self, parts, layout, classes, channels, rngs):
        self.parts, self.layout, self.channels = parts, layout, channels
        kernel, stride = layout.stem
        self.stem = ConvNorm(parts, channels, layout.width, kernel, stride=stride, rngs=rngs)
        inputs, stages = layout.width, []
        for number, (count, width) in enumerate(zip(layout.blocks, layout.widths, strict=True)):
            stages.append(_Stage(parts, inputs, width, count, 1 if number == 0 else 2, rngs))
            inputs = width
        self.stages = nnx.List(stages)
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        x = taps["stem"] = self.stem(x, train)
        if self.layout.pool:
            x = nets.max_pool(x, 3, 2, padding=1)
        for number, stage in enumerate(self.stages, 1):
            x = taps[f"stage{number}"] = stage(x, train)
        features = taps["features"] = nets.global_average(x)
        return nets.logits_of(self.head, features), taps
