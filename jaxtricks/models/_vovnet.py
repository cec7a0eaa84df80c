"""VoVNet: the outputs of a block's layers are put beside each other once, at its end."""

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


class VovLayout(NamedTuple):
    """What distinguishes one VoVNet from another.

    Fields:
      blocks: of each stage; every stage but the first halves height and width.
      inner: channels of the layers inside the blocks of each stage.
      widths: channels of the blocks' outputs.
      layers: 3x3 convolutions in a block.
      stem: channels of the three 3x3 convolutions before the stages.
      strides: of these three.
      effective: version 2: a gate of one dense layer behind the last block of a stage, and the input added to the
        output of every block but the first of a stage.
    """

    blocks: tuple[int, ...]
    inner: tuple[int, ...]
    widths: tuple[int, ...]
    layers: int = 5
    stem: tuple[int, int, int] = (64, 64, 128)
    strides: tuple[int, int, int] = (2, 1, 2)
    effective: bool = False


VOVNET39 = VovLayout((1, 1, 2, 2), (128, 160, 192, 224), (256, 512, 768, 1024))
VOV_LAYOUTS = {
    "vovnet39": VOVNET39,
    "vovnet57": VOVNET39._replace(blocks=(1, 1, 4, 3)),
    "ese_vovnet39": VOVNET39._replace(effective=True),
    "vovnet_mini": VovLayout((1, 1), (8, 12), (24, 32), layers=3, stem=(8, 8, 16), strides=(1, 1, 1)),
}


def vovnet(
    layout: VovLayout,
    *,
    classes: int,
    channels: int = 3,
    norm: Callable | None = batch_norm,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """A VoVNet: what DenseNet does with less traffic of memory.

    Args:
      layout: one of ``VOV_LAYOUTS``, or your own.
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
      ValueError: if a number of the layout or ``classes`` is out of range; when called, if the image is too small.

    Reference:
      Lee et al., An energy and GPU-computation efficient backbone network, arXiv 1904.09730; version 2: Lee and Park,
      CenterMask, arXiv 1911.06667.
    """
    for name in ("blocks", "inner", "widths", "stem", "strides"):
        nets.positive_widths(f"layout.{name}", getattr(layout, name))
    check.at_least("layout.layers", layout.layers, minimum=1)
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    return functional(partial(_VovNet, shared, layout, classes, channels))


class _Block(nnx.Module):
    def __init__(self, parts, inputs, inner, outputs, layers, gated, adds, rngs):
        widths = [inputs, *[inner] * layers]
        self.layers = nnx.List([ConvNorm(parts, i, inner, 3, rngs=rngs) for i in widths[:-1]])
        self.merge = ConvNorm(parts, sum(widths), outputs, 1, rngs=rngs)
        self.gate = parts.dense(outputs, outputs, rngs=rngs) if gated else None
        self.adds = adds

    def __call__(self, x, train):
        outs = [x]
        for layer in self.layers:
            outs.append(layer(outs[-1], train))
        y = self.merge(jnp.concatenate(outs, axis=-1), train)
        if self.gate is not None:
            gate = jax.nn.hard_sigmoid(self.gate(nets.global_average(y)).astype(jnp.float32))
            y = (y * gate[:, None, None, :]).astype(y.dtype)
        return x + y if self.adds else y


class _VovNet(nnx.Module):
    def __init__(self, parts, layout, classes, channels, rngs):
        self.parts, self.channels, self.stages = parts, channels, len(layout.blocks)
        stem, inputs = [], channels
        for width, stride in zip(layout.stem, layout.strides, strict=True):
            stem.append(ConvNorm(parts, inputs, width, 3, stride=stride, rngs=rngs))
            inputs = width
        self.stem = nnx.List(stem)
        rows = zip(layout.blocks, layout.inner, layout.widths, strict=True)
        for number, (count, inner, width) in enumerate(rows, 1):
            blocks = []
            for i in range(count):
                gated, adds = layout.effective and i == count - 1, layout.effective and i > 0
                blocks.append(_Block(parts, inputs, inner, width, layout.layers, gated, adds, rngs))
                inputs = width
            setattr(self, f"stage{number}", nnx.List(blocks))
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        x = taps["stem"] = nets.through(x, self.stem, train)
        for number in range(1, self.stages + 1):
            if number > 1:
                x = nets.max_pool(x, 3, 2, ceil=True)
            x = taps[f"stage{number}"] = nets.through(x, getattr(self, f"stage{number}"), train)
        features = taps["features"] = nets.global_average(x)
        return nets.logits_of(self.head, features), taps
