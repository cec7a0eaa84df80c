"""SqueezeNet: few parameters by 1x1 convolutions before and beside the 3x3 ones."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm

# (channels of the squeeze, of each of the two expansions) of the fire modules of each stage
SQUEEZENET = (((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256)))  # 1.1
SQUEEZENET_MINI = (((4, 16), (4, 16)), ((8, 32), (8, 32)))


def squeezenet(
    stages: tuple[tuple[tuple[int, int], ...], ...],
    *,
    classes: int,
    channels: int = 3,
    width: int = 64,
    stem: tuple[int, int] = (2, 0),
    dropout_rate: float = 0.5,
    norm: Callable | None = None,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """SqueezeNet 1.1 and smaller: 1,235,496 parameters for 1,000 classes.

    Args:
      stages: (squeeze, expansion) channels of the fire modules of each; a 3x3 max pool of stride 2 comes before each.
      classes: number of classes, C >= 1.
      channels: of the input image.
      width: channels of the first convolution.
      stem: stride and padding of the first, 3x3 convolution; (1, 1) for images of 32x32.
      dropout_rate: before the convolution to the classes, 0 to 1.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for biases.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stem``, ``stage1``, ... ``[B, H, W, D]``; ``maps``, one a class; ``features`` ``[B, D]``,
      averages of the last stage.

    Raises:
      ValueError: if a width, a rate or ``classes`` is out of range; when called, if the image is too small.

    Reference:
      Iandola et al., SqueezeNet, arXiv 1602.07360.
    """
    nets.positive_widths("stages", tuple(fire for stage in stages for fire in stage))
    check.at_least("width", width, minimum=1)
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
    return functional(partial(_SqueezeNet, shared, stages, classes, channels, width, stem, dropout_rate))


class _Fire(nnx.Module):
    def __init__(self, parts, inputs, squeeze, expansion, rngs):
        layer = partial(ConvNorm, parts, rngs=rngs)
        self.squeeze = layer(inputs, squeeze, 1)
        self.expand1 = layer(squeeze, expansion, 1)
        self.expand3 = layer(squeeze, expansion, 3)

    def __call__(self, x, train):
        x = self.squeeze(x, train)
        return jnp.concatenate([self.expand1(x, train), self.expand3(x, train)], axis=-1)


class _SqueezeNet(nnx.Module):
    def __init__(self, parts, stages, classes, channels, width, stem, dropout_rate, rngs):
        self.parts, self.channels, self.stages, self.rate = parts, channels, len(stages), dropout_rate
        stride, padding = stem
        self.stem = ConvNorm(parts, channels, width, 3, stride=stride, padding=padding, rngs=rngs)
        inputs = width
        for number, stage in enumerate(stages, 1):
            fires = []
            for squeeze, expansion in stage:
                fires.append(_Fire(parts, inputs, squeeze, expansion, rngs))
                inputs = 2 * expansion
            setattr(self, f"stage{number}", nnx.List(fires))
        self.head = ConvNorm(parts._replace(norm=None), inputs, classes, 1, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        x = taps["stem"] = self.stem(x, train)
        for number in range(1, self.stages + 1):
            x = nets.max_pool(x, 3, 2, ceil=True)
            x = taps[f"stage{number}"] = nets.through(x, getattr(self, f"stage{number}"), train)
        taps["features"] = nets.global_average(x)
        maps = taps["maps"] = self.head(nets.dropped(key, "head", x, self.rate, train), train)
        return nets.global_average(maps), taps
