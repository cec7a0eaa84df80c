"""Network in network: 1x1 convolutions as a small perceptron at every position, and no dense layer."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm

NIN_CIFAR = ((5, (192, 160, 96)), (5, (192, 192, 192)), (3, (192, 192)))  # 966,986 parameters for 10 classes
NIN_MINI = ((5, (24, 20, 12)), (5, (24, 24, 24)), (3, (24, 24)))


def nin(
    stages: tuple[tuple[int, tuple[int, ...]], ...],
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
    """Network in network, for images of 32x32: the class scores are global averages of one map a class.

    Args:
      stages: kernel and widths of each; its first convolution has the kernel, the others are 1x1. ``NIN_CIFAR`` is the
        paper's; the convolution to the classes is added to the last stage. Max pooling of 3x3, stride 2, follows the
        first, average pooling the others.
      classes: number of classes, C >= 1.
      channels: of the input image.
      dropout_rate: behind every pool, 0 to 1.
      norm: ``(features, axis_name=, rngs=) -> layer``, such as ``models.batch_norm``; None for biases.
      act: the activation, also of the class maps, as published.
      kernel_init: of every convolution.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stage1``, ... ``[B, H, W, D]`` before pooling; ``maps``, one a class; ``features`` ``[B, D]``,
      averages of the last stage.

    Raises:
      ValueError: if a width, a rate or ``classes`` is out of range; when called, if the image is too small.

    Reference:
      Lin et al., Network in network, arXiv 1312.4400.
    """
    nets.positive_widths("stages", tuple(widths for _, widths in stages))
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
    return functional(partial(_NiN, shared, stages, classes, channels, dropout_rate))


class _NiN(nnx.Module):
    def __init__(self, parts, stages, classes, channels, dropout_rate, rngs):
        self.parts, self.channels, self.rate, self.stages = parts, channels, dropout_rate, len(stages)
        inputs = channels
        for number, (kernel, widths) in enumerate(stages, 1):
            convs = []
            for i, width in enumerate(widths):
                convs.append(ConvNorm(parts, inputs, width, kernel if i == 0 else 1, rngs=rngs))
                inputs = width
            setattr(self, f"stage{number}", nnx.List(convs))
        self.head = ConvNorm(parts._replace(norm=None), inputs, classes, 1, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        for number in range(1, self.stages + 1):
            x = taps[f"stage{number}"] = nets.through(x, getattr(self, f"stage{number}"), train)
            if number < self.stages:
                pool = nets.max_pool if number == 1 else nets.average_pool
                x = pool(x, 3, 2, padding=0, ceil=True)
                x = nets.dropped(key, f"pool{number}", x, self.rate, train)
        taps["features"] = nets.global_average(x)
        maps = taps["maps"] = self.head(x, train)
        return nets.global_average(maps), taps
