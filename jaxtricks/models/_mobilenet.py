"""MobileNet v1 and v2: depthwise convolutions, and 1x1 ones between them."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm, divisible
from jaxtricks.models._plain import batch_norm


class MobileLayout(NamedTuple):
    """What distinguishes one MobileNet from another.

    Fields:
      stages: (channels, blocks, stride of the first, expansion) of each; expansion 0 is v1's block.
      width: channels of the first convolution.
      stride: of the first convolution.
      last: channels of a 1x1 convolution behind the stages; 0 for none.
      multiplier: of all channels, rounded to multiples of 8.
    """

    stages: tuple[tuple[int, int, int, int], ...]
    width: int = 32
    stride: int = 2
    last: int = 0
    multiplier: float = 1.0


V1 = MobileLayout(((64, 1, 1, 0), (128, 2, 2, 0), (256, 2, 2, 0), (512, 6, 2, 0), (1024, 2, 2, 0)))
V2 = MobileLayout(
    ((16, 1, 1, 1), (24, 2, 2, 6), (32, 3, 2, 6), (64, 4, 2, 6), (96, 3, 1, 6), (160, 3, 2, 6), (320, 1, 1, 6)),
    last=1280,
)
MOBILE_LAYOUTS = {
    "mobilenet_v1": V1,
    "mobilenet_v1_half": V1._replace(multiplier=0.5),
    "mobilenet_v1_mini": MobileLayout(((16, 1, 1, 0), (32, 1, 2, 0), (64, 2, 2, 0)), width=8, stride=1),
    "mobilenet_v2": V2,
    "mobilenet_v2_half": V2._replace(multiplier=0.5),
    "mobilenet_v2_mini": MobileLayout(((8, 1, 1, 1), (16, 2, 2, 3), (24, 2, 2, 3)), width=8, stride=1, last=64),
}


def mobilenet(
    layout: MobileLayout,
    *,
    classes: int,
    channels: int = 3,
    dropout_rate: float = 0.0,
    norm: Callable | None = batch_norm,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu6,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """A MobileNet: few multiply-accumulates for its accuracy; the third network of the bag of tricks, table 6.

    Args:
      layout: one of ``MOBILE_LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      dropout_rate: before the classifier, 0 to 1; 0.2 is torchvision's for v2.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for biases.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ... ``[B, H, W, D]``, and ``features`` ``[B, D]``. In v2 the last
      normalisation of every block that adds its input is ``last_bn``: what ``init.zero_gamma`` sets to 0.

    Raises:
      ValueError: if a number of the layout, a rate or ``classes`` is out of range; when called, if the image is too
        small.

    Reference:
      Howard et al., MobileNets, arXiv 1704.04861; Sandler et al., MobileNetV2, arXiv 1801.04381.
    """
    nets.positive_widths("layout.stages without expansion", tuple(stage[:3] for stage in layout.stages))
    check.positive("layout.multiplier", layout.multiplier)
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
    return functional(partial(_MobileNet, shared, layout, classes, channels, dropout_rate))


class _Separable(nnx.Module):
    """Depthwise 3x3, then 1x1, each with its activation."""

    def __init__(self, parts, inputs, outputs, stride, rngs):
        self.depthwise = ConvNorm(parts, inputs, inputs, 3, stride=stride, groups=inputs, rngs=rngs)
        self.pointwise = ConvNorm(parts, inputs, outputs, 1, rngs=rngs)

    def __call__(self, x, train):
        return self.pointwise(self.depthwise(x, train), train)


class _Inverted(nnx.Module):
    """1x1 to more channels, depthwise 3x3, linear 1x1 back; the input is added where shapes agree."""

    def __init__(self, parts, inputs, outputs, stride, expansion, rngs):
        middle = inputs * expansion
        self.expand = None if expansion == 1 else ConvNorm(parts, inputs, middle, 1, rngs=rngs)
        self.depthwise = ConvNorm(parts, middle, middle, 3, stride=stride, groups=middle, rngs=rngs)
        self.last_conv = parts.conv(middle, outputs, (1, 1), padding=0, use_bias=parts.norm is None, rngs=rngs)
        norm = None if parts.norm is None else parts.norm(outputs, rngs=rngs)
        self.adds = stride == 1 and inputs == outputs
        if self.adds:
            self.last_bn = norm
        else:
            self.linear_bn = norm

    def __call__(self, x, train):
        y = x if self.expand is None else self.expand(x, train)
        y = self.last_conv(self.depthwise(y, train))
        norm = self.last_bn if self.adds else self.linear_bn
        y = y if norm is None else norm(y, train=train)
        return x + y if self.adds else y


class _MobileNet(nnx.Module):
    def __init__(self, parts, layout, classes, channels, dropout_rate, rngs):
        self.parts, self.layout, self.channels, self.rate = parts, layout, channels, dropout_rate
        inputs = divisible(layout.width * layout.multiplier)
        self.stem = ConvNorm(parts, channels, inputs, 3, stride=layout.stride, rngs=rngs)
        for number, (width, count, stride, expansion) in enumerate(layout.stages, 1):
            outputs, blocks = divisible(width * layout.multiplier), []
            for i in range(count):
                step = stride if i == 0 else 1
                if expansion:
                    blocks.append(_Inverted(parts, inputs, outputs, step, expansion, rngs))
                else:
                    blocks.append(_Separable(parts, inputs, outputs, step, rngs))
                inputs = outputs
            setattr(self, f"stage{number}", nnx.List(blocks))
        outputs = divisible(layout.last * max(1.0, layout.multiplier)) if layout.last else inputs
        self.last = ConvNorm(parts, inputs, outputs, 1, rngs=rngs) if layout.last else None
        self.head = parts.dense(outputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        x = taps["stem"] = self.stem(x, train)
        for number in range(1, len(self.layout.stages) + 1):
            x = taps[f"stage{number}"] = nets.through(x, getattr(self, f"stage{number}"), train)
        if self.last is not None:
            x = self.last(x, train)
        features = taps["features"] = nets.global_average(x)
        return nets.logits_of(self.head, nets.dropped(key, "head", features, self.rate, train)), taps
