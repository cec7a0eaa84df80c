"""Residual networks, from 8x8 digits to ImageNet, with the ResNet-B, -C and -D tweaks as switches."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._conv import check_map
from jaxtricks.layers._conv_gradient import conv as convolve
from jaxtricks.layers._norms import BatchNorm
from jaxtricks.layers._stochastic import dropout
from jaxtricks.models._functional import Model, functional


class Layout(NamedTuple):
    """What distinguishes one residual network from another.

    Fields:
      blocks: residual blocks of each stage; every stage but the first halves height and width.
      widths: channels inside the blocks of each stage; a bottleneck puts out four times as many.
      bottleneck: 1x1, 3x3, 1x1 convolutions in a block, instead of two 3x3.
      stem: (kernel, stride) of the input convolution, which has ``widths[0]`` channels.
      pool: a 3x3 max pool of stride 2 follows the stem.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    bottleneck: bool
    stem: tuple[int, int]
    pool: bool


HE_NORMAL = jax.nn.initializers.variance_scaling(2.0, "fan_out", "normal")  # torchvision's
IMAGENET = partial(Layout, widths=(64, 128, 256, 512), stem=(7, 2), pool=True)
LAYOUTS = {
    "resnet18": IMAGENET((2, 2, 2, 2), bottleneck=False),
    "resnet34": IMAGENET((3, 4, 6, 3), bottleneck=False),
    "resnet50": IMAGENET((3, 4, 6, 3), bottleneck=True),
    "resnet101": IMAGENET((3, 4, 23, 3), bottleneck=True),
    "resnet152": IMAGENET((3, 8, 36, 3), bottleneck=True),
    # CIFAR's own (He et al., section 4.2) and small bottleneck networks on which every tweak can act.
    "resnet20": Layout((3, 3, 3), (16, 32, 64), bottleneck=False, stem=(3, 1), pool=False),
    "resnet56": Layout((9, 9, 9), (16, 32, 64), bottleneck=False, stem=(3, 1), pool=False),
    "resnet_digits": Layout((1, 1), (8, 16), bottleneck=True, stem=(5, 1), pool=False),
    "resnet_mini": Layout((1, 1, 1), (8, 16, 32), bottleneck=True, stem=(7, 2), pool=False),
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
    dropout_rate: float = 0.0,
    frozen_bn: bool = False,
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
      dropout_rate: before the classifier, 0 to 1.
      frozen_bn: use and keep the running statistics of every batch normalisation in training too, as in fine-tuning;
        gamma and beta are trained all the same.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ... ``[B, H, W, D]``, and ``features`` ``[B, D]`` before the classifier.

    Raises:
      ValueError: if b is asked of a network without bottlenecks, c of one whose stem is already 3x3, or d of one with a
        single stage: the switch would change nothing.

    Reference:
      He et al., arXiv 1512.03385; He et al., Bag of tricks, arXiv 1812.01187, figure 2.
    """
    for name in ("blocks", "widths"):
        if not getattr(layout, name) or min(getattr(layout, name)) < 1:
            raise ValueError(f"layout.{name} is {getattr(layout, name)}; allowed: integers of 1 or more.")
    if len(layout.blocks) != len(layout.widths):
        raise ValueError(f"layout.widths has {len(layout.widths)} stages; allowed: {len(layout.blocks)}, as blocks.")
    if classes < 1:
        raise ValueError(f"classes is {classes}; allowed: 1 or more.")
    check.between("dropout_rate", dropout_rate, 0.0, 1.0)
    strided = len(layout.blocks) > 1
    if b and not (layout.bottleneck and strided):
        raise ValueError("b is True; allowed: only with bottleneck blocks and two or more stages; it moves the stride.")
    if c and layout.stem[0] <= 3:
        raise ValueError(f"c is True; allowed: only with a stem larger than 3x3; this one is {layout.stem[0]}.")
    if d and not strided:
        raise ValueError("d is True; allowed: only with two or more stages; it changes the shortcuts that halve.")
    conv = partial(nnx.Conv, use_bias=False, kernel_init=kernel_init, dtype=dtype, conv_general_dilated=convolve)
    norm = partial(BatchNorm, frozen=True) if frozen_bn else partial(BatchNorm, axis_name=axis_name)
    return functional(
        partial(_ResNet, layout, classes, channels, b, c, d, dropout_rate, kernel_init, conv, norm, dtype)
    )


class _ConvNorm(nnx.Module):
    """Convolution with torch's explicit padding, then batch normalisation."""

    def __init__(self, conv, norm, inputs, outputs, kernel, stride, rngs):
        self.conv = conv(inputs, outputs, (kernel, kernel), strides=stride, padding=(kernel - 1) // 2, rngs=rngs)
        self.bn = norm(outputs, rngs=rngs)

    def __call__(self, x, train):
        return self.bn(self.conv(x), train=train)


class _Block(nnx.Module):
    """A residual block. ``last_bn`` is the normalisation whose gamma the zero-gamma trick sets to 0."""

    def __init__(self, inputs, width, stride, bottleneck, b, d, conv, norm, rngs):
        layer = partial(_ConvNorm, conv, norm, rngs=rngs)
        outputs = width * 4 if bottleneck else width
        if bottleneck:
            first, second = (1, stride) if b else (stride, 1)
            self.inner = nnx.List([layer(inputs, width, 1, first), layer(width, width, 3, second)])
        else:
            self.inner = nnx.List([layer(inputs, width, 3, stride)])
        self.last_conv = conv(
            width, outputs, (1, 1) if bottleneck else (3, 3), padding=0 if bottleneck else 1, rngs=rngs
        )
        self.last_bn = norm(outputs, rngs=rngs)
        self.pool = stride if d and stride > 1 else 1
        if stride > 1 or inputs != outputs:
            self.shortcut = layer(inputs, outputs, 1, 1 if self.pool > 1 else stride)
        else:
            self.shortcut = None

    def __call__(self, x, train):
        y = x
        for layer in self.inner:
            y = jax.nn.relu(layer(y, train))
        y = self.last_bn(self.last_conv(y), train=train)
        if self.pool > 1:
            x = _ceil_average_pool(x, self.pool)
        if self.shortcut is not None:
            x = self.shortcut(x, train)
        return jax.nn.relu(x + y)


class _ResNet(nnx.Module):
    def __init__(self, layout, classes, channels, b, c, d, dropout_rate, kernel_init, conv, norm, dtype, rngs):
        layer = partial(_ConvNorm, conv, norm, rngs=rngs)
        kernel, stride = layout.stem
        width = layout.widths[0]
        if c:
            stem = [
                layer(channels, width // 2, 3, stride),
                layer(width // 2, width // 2, 3, 1),
                layer(width // 2, width, 3, 1),
            ]
        else:
            stem = [layer(channels, width, kernel, stride)]
        self.stem = nnx.List(stem)
        self.pool = layout.pool
        self.stages = len(layout.blocks)
        self.dropout_rate = dropout_rate
        self.dtype = dtype
        self.channels = channels
        inputs = width
        for number, (count, width) in enumerate(zip(layout.blocks, layout.widths, strict=True), 1):
            blocks = []
            for i in range(count):
                step = 2 if i == 0 and number > 1 else 1
                blocks.append(_Block(inputs, width, step, layout.bottleneck, b, d, conv, norm, rngs))
                inputs = width * 4 if layout.bottleneck else width
            setattr(self, f"stage{number}", nnx.List(blocks))
        self.head = nnx.Linear(inputs, classes, kernel_init=kernel_init, dtype=dtype, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        check_map(image, self.channels, name="image")
        x = image.astype(self.dtype)
        taps = {}
        for layer in self.stem:
            x = jax.nn.relu(layer(x, train))
        taps["stem"] = x
        if self.pool:
            x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))  # pyright: ignore[reportArgumentType]
        for number in range(1, self.stages + 1):
            for block in getattr(self, f"stage{number}"):
                x = block(x, train)
            taps[f"stage{number}"] = x
        features = x.mean((1, 2), dtype=jnp.float32)
        taps["features"] = features
        if train and self.dropout_rate:
            if key is None:
                raise ValueError(
                    "key is None; allowed: a key, or one for each image, when dropout_rate > 0 in training."
                )
            features = dropout(key, features, rate=self.dropout_rate)
        return self.head(features).astype(jnp.float32), taps


def _ceil_average_pool(x, window):
    """Average pooling whose last windows may hang over the edge; what hangs over is not counted."""
    over = [(0, math.ceil(size / window) * window - size) for size in x.shape[1:3]]
    size = (window, window)
    return nnx.avg_pool(x, size, strides=size, padding=over, count_include_pad=False)  # pyright: ignore[reportArgumentType]
