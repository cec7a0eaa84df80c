"""RepVGG: three branches in training, one 3x3 convolution afterwards, with the same outputs."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._materialize import materialized
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm, Parts
from jaxtricks.models._plain import batch_norm

EPSILON = 1e-5
Tree = dict[str, Any]


class RepLayout(NamedTuple):
    """What distinguishes one RepVGG from another.

    Fields:
      blocks: of each stage; the first of each has a stride.
      widths: channels of each stage.
      width: of the first block.
      stride: of the first block.
      strides: of each stage.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    width: int
    stride: int = 2
    strides: tuple[int, ...] = (2, 2, 2, 2)


REP_LAYOUTS = {
    "repvgg_a0": RepLayout((2, 4, 14, 1), (48, 96, 192, 1280), 48),
    "repvgg_a1": RepLayout((2, 4, 14, 1), (64, 128, 256, 1280), 64),
    "repvgg_a2": RepLayout((2, 4, 14, 1), (96, 192, 384, 1408), 64),
    "repvgg_b1": RepLayout((4, 6, 16, 1), (128, 256, 512, 2048), 64),
    "repvgg_mini": RepLayout((1, 2, 2), (16, 24, 32), 16, stride=1, strides=(1, 2, 2)),
}


def repvgg(
    layout: RepLayout,
    *,
    classes: int,
    channels: int = 3,
    merged: bool = False,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """A RepVGG: trained with a 3x3, a 1x1 and an identity branch, used as a plain stack of 3x3 convolutions.

    Args:
      layout: one of ``REP_LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      merged: the network for use, whose parameters ``merge_branches`` makes of those of the other.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ... ``[B, H, W, D]``, and ``features`` ``[B, D]``.

    Raises:
      ValueError: if a number of the layout or ``classes`` is out of range.

    Reference:
      Ding et al., RepVGG: making VGG-style ConvNets great again, arXiv 2101.03697.
    """
    for name in ("blocks", "widths", "strides"):
        nets.positive_widths(f"layout.{name}", getattr(layout, name))
    check.at_least("layout.width", layout.width, minimum=1)
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=None if merged else partial(batch_norm, epsilon=EPSILON),
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    return functional(partial(_RepVgg, shared, layout, classes, channels))


def merge_branches(params: Tree, stats: Tree) -> tuple[Tree, Tree]:
    r"""Parameters of the plain network that computes what a trained RepVGG computes at evaluation.

    .. math:: K' = \sum_b \frac{\gamma_b}{\sqrt{v_b + \epsilon}} K_b, \quad
        c' = \sum_b \beta_b - \frac{\gamma_b \mu_b}{\sqrt{v_b + \epsilon}}

    over the branches b, where the 1x1 kernel sits in the middle of a 3x3 one, and the identity is a kernel too. Sums
    are in float32, so that logits agree to rounding.

    Args:
      params: of ``repvgg(..., merged=False)``.
      stats: its batch statistics.

    Returns:
      ``(params, stats)`` of ``repvgg(..., merged=True)``; it has no statistics.

    Raises:
      ValueError: if there is no block with branches.
    """
    count = 0

    def merge(tree, rest):
        nonlocal count
        if "conv3" not in tree:
            return {k: merge(v, rest.get(k, {})) if isinstance(v, dict) else v for k, v in tree.items()}
        count += 1
        inputs, outputs = tree["conv3"]["conv"]["kernel"].shape[2:]
        kernel, bias = jnp.zeros((3, 3, inputs, outputs)), jnp.zeros(outputs)
        for name, branch in tree.items():
            norm, seen = (branch["bn"], rest[name]["bn"]) if name != "identity" else (branch, rest[name])
            scale = norm["scale"] * jax.lax.rsqrt(seen["var"] + EPSILON)
            if name == "conv3":
                kernel += branch["conv"]["kernel"] * scale.reshape(1, 1, 1, -1)
            elif name == "conv1":
                kernel = kernel.at[1, 1].add(branch["conv"]["kernel"][0, 0] * scale.reshape(1, -1))
            else:
                kernel = kernel.at[1, 1].add(jnp.diag(scale))
            bias += norm["bias"] - seen["mean"] * scale
        return {"conv3": {"conv": {"kernel": kernel, "bias": bias}}}

    out = merge(params, stats)
    if not count:
        raise ValueError(f"params has {sorted(params)} and no block with branches; allowed: those of a RepVGG.")
    return out, {}


class _Block(nnx.Module):
    def __init__(self, parts: Parts, inputs, outputs, stride, rngs):
        layer = partial(ConvNorm, parts, inputs, outputs, linear=True, rngs=rngs)
        self.conv3 = layer(3, stride=stride)
        self.conv1 = None if parts.norm is None else layer(1, stride=stride)
        passes = inputs == outputs and stride == 1
        self.identity = parts.norm(outputs, rngs=rngs) if passes and parts.norm else None
        self.act = parts.act

    def __call__(self, x, train):
        y = self.conv3(x, train)
        if self.conv1 is not None:
            y = y + self.conv1(x, train)
        if self.identity is not None:
            y = y + self.identity(x, train=train)
        return materialized(self.act(y))


class _RepVgg(nnx.Module):
    def __init__(self, parts, layout, classes, channels, rngs):
        self.parts, self.channels, self.stages = parts, channels, len(layout.blocks)
        self.stem = _Block(parts, channels, layout.width, layout.stride, rngs)
        inputs = layout.width
        for number, (count, width) in enumerate(zip(layout.blocks, layout.widths, strict=True), 1):
            blocks = []
            for i in range(count):
                blocks.append(_Block(parts, inputs, width, layout.strides[number - 1] if i == 0 else 1, rngs))
                inputs = width
            setattr(self, f"stage{number}", nnx.List(blocks))
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        x = taps["stem"] = self.stem(x, train)
        for number in range(1, self.stages + 1):
            x = taps[f"stage{number}"] = nets.through(x, getattr(self, f"stage{number}"), train)
        features = taps["features"] = nets.global_average(x)
        return nets.logits_of(self.head, features), taps
