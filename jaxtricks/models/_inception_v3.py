"""Inception-v3: convolutions factorised into smaller and into asymmetric ones."""

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


class InceptionV3Layout(NamedTuple):
    """What distinguishes one Inception-v3 from another.

    Fields:
      stem: True for the six layers of 299x299, which make 35x35 of it; False for two 3x3 convolutions.
      pooled: channels of the pooled branch of each block of the first stage (5x5 as two 3x3).
      sevens: channels inside each block of the second stage (7x7 as 1x7 and 7x1).
      last: blocks of the third stage (3x3 as 1x3 beside 3x1).
      width: multiplies all channels.
      auxiliary: a classifier behind the second stage, whose logits are a tap.
    """

    stem: bool = True
    pooled: tuple[int, ...] = (32, 64, 64)
    sevens: tuple[int, ...] = (128, 160, 160, 192)
    last: int = 2
    width: float = 1.0
    auxiliary: bool = False


INCEPTION_V3_LAYOUTS = {
    "inception_v3": InceptionV3Layout(),
    "inception_v3_torchvision": InceptionV3Layout(auxiliary=True),
    "inception_v3_mini": InceptionV3Layout(stem=False, pooled=(32,), sevens=(128,), last=1, width=0.0625),
}


def inception_v3(
    layout: InceptionV3Layout,
    *,
    classes: int,
    channels: int = 3,
    dropout_rate: float = 0.5,
    norm: Callable | None = NORM,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """Inception-v3, the second network of the bag of tricks, table 6.

    Args:
      layout: one of ``INCEPTION_V3_LAYOUTS``, or your own.
      classes: number of classes, C >= 1.
      channels: of the input image.
      dropout_rate: before the classifier, 0 to 1.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for biases.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ``stage2``, ``stage3`` ``[B, H, W, D]``, ``features`` ``[B, D]``, and,
      in training, ``auxiliary1`` ``[B, C]`` if the layout has it: logits that a loss may add with a weight of 0.4.

    Raises:
      ValueError: if a width, a rate or ``classes`` is out of range; when called, if the image is too small.

    Reference:
      Szegedy et al., Rethinking the Inception architecture for computer vision, arXiv 1512.00567.
    """
    nets.positive_widths("layout.pooled", layout.pooled)
    nets.positive_widths("layout.sevens", layout.sevens)
    check.at_least("layout.last", layout.last, minimum=1)
    check.positive("layout.width", layout.width)
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
    return functional(partial(_InceptionV3, shared, layout, classes, channels, dropout_rate))


# A convolution is (channels, kernel) or (channels, kernel, stride), the last without padding. A branch is a pool or
# None, its convolutions, and the convolutions that see its output side by side.
AVERAGE, MAX = "average", "max"


def _first(pooled):
    return (
        (None, ((64, 1),), ()),
        (None, ((48, 1), (64, 5)), ()),
        (None, ((64, 1), (96, 3), (96, 3)), ()),
        (AVERAGE, ((pooled, 1),), ()),
    )


def _second(c):
    return (
        (None, ((192, 1),), ()),
        (None, ((c, 1), (c, (1, 7)), (192, (7, 1))), ()),
        (None, ((c, 1), (c, (7, 1)), (c, (1, 7)), (c, (7, 1)), (192, (1, 7))), ()),
        (AVERAGE, ((192, 1),), ()),
    )


FIRST_HALVING = ((None, ((384, 3, 2),), ()), (None, ((64, 1), (96, 3), (96, 3, 2)), ()), (MAX, (), ()))
SECOND_HALVING = (
    (None, ((192, 1), (320, 3, 2)), ()),
    (None, ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)), ()),
    (MAX, (), ()),
)
THIRD = (
    (None, ((320, 1),), ()),
    (None, ((384, 1),), ((384, (1, 3)), (384, (3, 1)))),
    (None, ((448, 1), (384, 3)), ((384, (1, 3)), (384, (3, 1)))),
    (AVERAGE, ((192, 1),), ()),
)


class _Branch(nnx.Module):
    def __init__(self, parts, inputs, branch, width, rngs):
        self.pool, convs, fork = branch
        layers = []
        for conv in (*convs, *fork):
            outputs, kernel, stride = (*conv, 1)[:3]
            outputs = max(1, round(outputs * width))
            options = {"stride": stride, "padding": 0} if stride > 1 else {}
            layers.append(ConvNorm(parts, inputs, outputs, kernel, rngs=rngs, **options))
            inputs = outputs if len(layers) <= len(convs) else inputs
        self.convs = nnx.List(layers[: len(convs)])
        self.fork = nnx.List(layers[len(convs) :])
        self.outputs = inputs if not fork else 2 * max(1, round(fork[0][0] * width))

    def __call__(self, x, train):
        if self.pool == AVERAGE:
            x = nets.average_pool(x, 3, 1, padding=1)
        elif self.pool == MAX:
            x = nets.max_pool(x, 3, 2)
        x = nets.through(x, self.convs, train)
        return [layer(x, train) for layer in self.fork] or [x]


class _Mixed(nnx.Module):
    def __init__(self, parts, inputs, branches, width, rngs):
        self.branches = nnx.List([_Branch(parts, inputs, branch, width, rngs) for branch in branches])
        self.outputs = sum(branch.outputs for branch in self.branches)

    def __call__(self, x, train):
        return jnp.concatenate([part for branch in self.branches for part in branch(x, train)], axis=-1)


class _Auxiliary(nnx.Module):
    def __init__(self, parts, inputs, classes, width, rngs):
        middle, outputs = max(1, round(128 * width)), max(1, round(768 * width))
        self.convs = nnx.List(
            [
                ConvNorm(parts, inputs, middle, 1, rngs=rngs),
                ConvNorm(parts, middle, outputs, 5, padding=0, rngs=rngs),
            ]
        )
        self.head = parts.dense(outputs, classes, rngs=rngs)

    def __call__(self, x, train):
        x = nets.through(nets.average_pool(x, 5, 3), self.convs, train)
        return nets.logits_of(self.head, nets.global_average(x))


class _InceptionV3(nnx.Module):
    def __init__(self, parts, layout, classes, channels, dropout_rate, rngs):
        self.parts, self.layout, self.channels, self.rate = parts, layout, channels, dropout_rate
        widths = [max(1, round(n * layout.width)) for n in (32, 32, 64, 80, 192)]
        layer = partial(ConvNorm, parts, rngs=rngs)
        if layout.stem:
            a, b, c, d, inputs = widths
            stem = [
                layer(channels, a, 3, stride=2, padding=0),
                layer(a, b, 3, padding=0),
                layer(b, c, 3),
                layer(c, d, 1),
                layer(d, inputs, 3, padding=0),
            ]
        else:
            inputs = widths[-1]
            stem = [layer(channels, widths[0], 3), layer(widths[0], inputs, 3)]
        self.stem = nnx.List(stem)
        stages = (
            [_first(pooled) for pooled in layout.pooled],
            [FIRST_HALVING, *[_second(c) for c in layout.sevens]],
            [SECOND_HALVING, *[THIRD] * layout.last],
        )
        auxiliary = None
        for number, stage in enumerate(stages, 1):
            blocks = []
            for branches in stage:
                blocks.append(_Mixed(parts, inputs, branches, layout.width, rngs))
                inputs = blocks[-1].outputs
            setattr(self, f"stage{number}", nnx.List(blocks))
            if number == 2 and layout.auxiliary:
                auxiliary = _Auxiliary(parts, inputs, classes, layout.width, rngs)
        self.auxiliary = auxiliary
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        if self.layout.stem:
            x = nets.max_pool(nets.through(x, self.stem[:3], train), 3, 2)
            x = nets.max_pool(nets.through(x, self.stem[3:], train), 3, 2)
        else:
            x = nets.through(x, self.stem, train)
        taps["stem"] = x
        for number in (1, 2, 3):
            x = taps[f"stage{number}"] = nets.through(x, getattr(self, f"stage{number}"), train)
            if train and number == 2 and self.auxiliary is not None:
                taps["auxiliary1"] = self.auxiliary(x, train)
        features = taps["features"] = nets.global_average(x)
        return nets.logits_of(self.head, nets.dropped(key, "head", features, self.rate, train)), taps
