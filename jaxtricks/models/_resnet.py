"""Residual networks, from 8x8 digits to ImageNet, with the ResNet-B, -C and -D tweaks as switches."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._materialize import materialized
from jaxtricks.layers._pooling import blur_pool
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm
from jaxtricks.models._plain import batch_norm


class Layout(NamedTuple):
    """What distinguishes one residual network from another.

    Fields:
      blocks: residual blocks of each stage; every stage but the first halves height and width.
      widths: channels inside the blocks of each stage; a bottleneck puts out four times as many.
      bottleneck: 1x1, 3x3, 1x1 convolutions in a block, instead of two 3x3.
      stem: (kernel, stride) of the input convolution, which has ``widths[0]`` channels.
      pool: a 3x3 max pool of stride 2 follows the stem.
      groups: of a bottleneck's 3x3 convolution, as in ResNeXt.
      base: its channels a group where the stage has a width of 64: 4 in ResNeXt 32x4d, 128 in a ResNet of twice the
        width.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    bottleneck: bool
    stem: tuple[int, int]
    pool: bool
    groups: int = 1
    base: int = 64


IMAGENET = partial(Layout, widths=(64, 128, 256, 512), stem=(7, 2), pool=True)
LAYOUTS = {
    "resnet18": IMAGENET((2, 2, 2, 2), bottleneck=False),
    "resnet34": IMAGENET((3, 4, 6, 3), bottleneck=False),
    "resnet50": IMAGENET((3, 4, 6, 3), bottleneck=True),
    "resnet101": IMAGENET((3, 4, 23, 3), bottleneck=True),
    "resnet152": IMAGENET((3, 8, 36, 3), bottleneck=True),
    "resnext50": IMAGENET((3, 4, 6, 3), bottleneck=True, groups=32, base=4),
    "resnext101": IMAGENET((3, 4, 23, 3), bottleneck=True, groups=32, base=8),
    "wide_resnet50": IMAGENET((3, 4, 6, 3), bottleneck=True, base=128),
    # CIFAR's own (He et al., section 4.2) and small bottleneck networks on which every tweak can act.
    "resnet20": Layout((3, 3, 3), (16, 32, 64), bottleneck=False, stem=(3, 1), pool=False),
    "resnet32": Layout((5, 5, 5), (16, 32, 64), bottleneck=False, stem=(3, 1), pool=False),
    "resnet56": Layout((9, 9, 9), (16, 32, 64), bottleneck=False, stem=(3, 1), pool=False),
    "resnet_digits": Layout((1, 1), (8, 16), bottleneck=True, stem=(5, 1), pool=False),
    "resnet_micro": Layout((1, 1, 1), (8, 16, 32), bottleneck=True, stem=(7, 2), pool=True),
    "resnet_mini": Layout((1, 1, 1), (8, 16, 32), bottleneck=True, stem=(7, 2), pool=False),
    "resnext_mini": Layout((1, 1, 1), (8, 16, 32), bottleneck=True, stem=(3, 1), pool=False, groups=4, base=32),
    "resnet_small": Layout((2, 2, 2), (16, 32, 64), bottleneck=True, stem=(5, 1), pool=False),
}


def resnet(
    layout: Layout,
    *,
    classes: int,
    channels: int = 3,
    b: bool = False,
    c: bool = False,
    d: bool = False,
    attention: Callable | None = None,
    blur: bool = False,
    dilated: int = 0,
    zero_gamma: bool = False,
    dropout_rate: float = 0.0,
    depth_rate: float = 0.0,
    frozen_bn: bool = False,
    norm: Callable | None = batch_norm,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """A residual network whose output is ``(logits, taps)``.

    What is not finite in an image may be lost on its way: on a CPU, XLA compiles maxima and averages after ReLU so
    that they can pass over a NaN. The training step's guard therefore looks at gradients and statistics too.

    Args:
      layout: one of ``LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      b: ResNet-B: the stride of a bottleneck sits in its 3x3 convolution, not in its first 1x1.
      c: ResNet-C: three 3x3 convolutions instead of the large one of the stem.
      d: ResNet-D: average pooling and a 1x1 convolution of stride 1 in the shortcut that halves the resolution.
      attention: ``(features, dtype=, rngs=) -> layer`` at the end of every branch, such as ``layers.SqueezeExcite``.
      blur: a blur before each stride: of the pool, and of the blocks that halve (not of their shortcuts).
      dilated: how many of the last stages keep the resolution, with dilated kernels, as in segmentation.
      zero_gamma: gamma of ``last_bn`` starts at 0, as ``init.zero_gamma`` makes it.
      dropout_rate: before the classifier, 0 to 1.
      depth_rate: stochastic depth of the last block, rising from 0 at the first, 0 to 1.
      frozen_bn: use and keep the running statistics of every batch normalisation in training too, as in fine-tuning;
        gamma and beta are trained all the same.
      norm: ``(features, axis_name=, rngs=) -> layer``, called as ``layer(x, train=)``; None for biases instead.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ... ``[B, H, W, D]``, and ``features`` ``[B, D]`` before the classifier.

    Raises:
      ValueError: if b is asked of a network without bottlenecks, c of one whose stem is already 3x3, d, blur or
        dilated of one without enough stages that halve, zero_gamma of one whose normalisation is None or has no scale:
        the switch would change nothing; if frozen_bn comes with another norm; if an option is out of range.

    Reference:
      He et al., arXiv 1512.03385; He et al., Bag of tricks, arXiv 1812.01187, figure 2; Xie et al., Aggregated
      residual transformations, arXiv 1611.05431.
    """
    for name in ("blocks", "widths"):
        if not getattr(layout, name) or min(getattr(layout, name)) < 1:
            raise ValueError(f"layout.{name} is {getattr(layout, name)}; allowed: integers of 1 or more.")
    if len(layout.blocks) != len(layout.widths):
        raise ValueError(f"layout.widths has {len(layout.widths)} stages; allowed: {len(layout.blocks)}, as blocks.")
    if not layout.bottleneck and (layout.groups, layout.base) != (1, 64):
        raise ValueError(
            f"layout.groups is {layout.groups}, base {layout.base}; allowed: 1 and 64 without bottlenecks."
        )
    check.between("dropout_rate", dropout_rate, 0.0, 1.0)
    check.between("depth_rate", depth_rate, 0.0, 1.0)
    strides = len(layout.blocks) - 1
    dilated = check.at_least("dilated", dilated)
    if b and not (layout.bottleneck and strides):
        raise ValueError("b is True; allowed: only with bottleneck blocks and two or more stages; it moves the stride.")
    if c and layout.stem[0] <= 3:
        raise ValueError(f"c is True; allowed: only with a stem larger than 3x3; this one is {layout.stem[0]}.")
    if d and not strides:
        raise ValueError("d is True; allowed: only with two or more stages; it changes the shortcuts that halve.")
    if blur and not (strides - dilated or layout.pool):
        raise ValueError("blur is True; allowed: only with a pool or a stage that halves.")
    if dilated > strides:
        raise ValueError(f"dilated is {dilated}; allowed: 0 to {strides}, the stages that halve.")
    if zero_gamma and norm is None:
        raise ValueError("zero_gamma is True; allowed: only with a normalisation.")
    if frozen_bn and norm is not batch_norm:
        raise ValueError("frozen_bn is True; allowed: only with norm=models.batch_norm.")
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=partial(batch_norm, frozen=True) if frozen_bn else norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    gate = None if attention is None else partial(attention, dtype=dtype)
    switches = _Switches(b, c, d, gate, blur, dilated, zero_gamma, dropout_rate, depth_rate)
    return functional(partial(_ResNet, shared, layout, switches, classes, channels))


class _Switches(NamedTuple):
    b: bool
    c: bool
    d: bool
    attention: Callable | None
    blur: bool
    dilated: int
    zero_gamma: bool
    dropout_rate: float
    depth_rate: float


class _Block(nnx.Module):
    """A residual block. ``last_bn`` is the normalisation whose gamma the zero-gamma trick sets to 0.

    The kernels before and in the 3x3 convolution that may have the stride have the dilation before it.
    """

    def __init__(self, parts, layout, switches, inputs, width, stride, dilations, rngs):
        layer = partial(ConvNorm, parts, rngs=rngs)
        outputs = width * 4 if layout.bottleneck else width
        before, after = dilations
        self.blur = stride if switches.blur and stride > 1 else 1
        step = 1 if self.blur > 1 else stride
        inner = width * layout.base // 64 * layout.groups
        if layout.bottleneck:
            first, second = (1, step) if switches.b or self.blur > 1 else (step, 1)
            middle = layer(inner, inner, 3, stride=second, groups=layout.groups, dilation=before)
            self.inner = nnx.List([layer(inputs, inner, 1, stride=first), middle])
        else:
            self.inner = nnx.List([layer(inputs, width, 3, stride=step, dilation=before)])
        kernel, dilation = (1, 1) if layout.bottleneck else (3, after)
        self.last_conv = parts.conv(
            inner,
            outputs,
            (kernel, kernel),
            padding=dilation * (kernel - 1) // 2,
            kernel_dilation=dilation,
            use_bias=parts.norm is None,
            rngs=rngs,
        )
        self.last_bn = None if parts.norm is None else parts.norm(outputs, rngs=rngs)
        if switches.zero_gamma and self.last_bn is not None:
            if getattr(self.last_bn, "scale", None) is None:
                raise ValueError("zero_gamma is True; allowed: only with a normalisation that has a scale.")
            self.last_bn.scale[...] = jnp.zeros_like(self.last_bn.scale[...])
        self.gate = None if switches.attention is None else switches.attention(outputs, rngs=rngs)
        self.pool = stride if switches.d and stride > 1 else 1
        moves = stride > 1 or inputs != outputs
        strided = 1 if self.pool > 1 else stride
        self.shortcut = layer(inputs, outputs, 1, stride=strided, linear=True) if moves else None
        self.act = parts.act

    def __call__(self, x, train, drop):
        """``drop`` is applied to the branch before it is added."""
        y = nets.through(x, self.inner, train)
        if self.blur > 1:
            y = blur_pool(y, stride=self.blur)
        y = self.last_conv(y)
        y = y if self.last_bn is None else self.last_bn(y, train=train)
        y = y if self.gate is None else self.gate(y)
        if self.pool > 1:
            x = nets.average_pool(x, self.pool, self.pool, ceil=True, count_padding=False)
        if self.shortcut is not None:
            x = self.shortcut(x, train)
        return materialized(self.act(x + drop(y)))


class _ResNet(nnx.Module):
    def __init__(self, parts, layout, switches, classes, channels, rngs):
        self.parts, self.layout, self.switches, self.channels = parts, layout, switches, channels
        layer = partial(ConvNorm, parts, rngs=rngs)
        kernel, stride = layout.stem
        width = layout.widths[0]
        if switches.c:
            half = width // 2
            stem = [layer(channels, half, 3, stride=stride), layer(half, half, 3), layer(half, width, 3)]
        else:
            stem = [layer(channels, width, kernel, stride=stride)]
        self.stem = nnx.List(stem)
        inputs, dilation = width, 1
        for number, (count, width) in enumerate(zip(layout.blocks, layout.widths, strict=True), 1):
            blocks = []
            for i in range(count):
                step, before = 2 if i == 0 and number > 1 else 1, dilation
                if step > 1 and number > len(layout.blocks) - switches.dilated:
                    step, dilation = 1, 2 * dilation
                dilations = (before, dilation)
                blocks.append(_Block(parts, layout, switches, inputs, width, step, dilations, rngs))
                inputs = width * 4 if layout.bottleneck else width
            setattr(self, f"stage{number}", nnx.List(blocks))
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        x = taps["stem"] = nets.through(x, self.stem, train)
        if self.layout.pool:
            x = nets.max_pool(x, 3, 1 if self.switches.blur else 2, padding=1)
            x = blur_pool(x) if self.switches.blur else x
        rates = iter(nets.rising(self.switches.depth_rate, sum(self.layout.blocks)))
        for number in range(1, len(self.layout.blocks) + 1):
            for i, block in enumerate(getattr(self, f"stage{number}")):
                x = block(x, train, partial(_drop, key, f"stage{number}/{i}", next(rates), train))
            taps[f"stage{number}"] = x
        features = taps["features"] = nets.global_average(x)
        features = nets.dropped(key, "head", features, self.switches.dropout_rate, train)
        return nets.logits_of(self.head, features), taps


def _drop(key, name, rate, train, y):
    return nets.branch_dropped(key, name, y, rate, train)
