"""An XNOR network: convolutions of signs between a first and a last layer of real numbers."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks.layers._structured import XnorConv
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm
from jaxtricks.models._plain import batch_norm


def xnor(
    widths: tuple[int, ...],
    *,
    classes: int,
    channels: int = 3,
    packed: bool = False,
    norm: Callable | None = batch_norm,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """Stages as of ``plain``, whose convolutions multiply signs: 1 bit a weight, for the smallest files.

    The first convolution and the classifier are of real numbers. Every other stage is normalisation, signs,
    convolution of signs, in the paper's order, between pools of 2 x 2.

    Args:
      widths: channels of each stage, two or more.
      classes: number of classes, C >= 1.
      channels: of the input image.
      packed: for inference, on the parameters that ``compress.packed_params`` makes; the logits are the same.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for none before the signs, and a bias in the first layer.
      act: the activation of the first layer.
      kernel_init: of every convolution and of the classifier.
      dtype: of the first convolution and of the classifier; signs, scales and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Parameters ``stem``, ``stages/0/norm``, ``stages/0/conv``, ..., ``head``. Taps: ``stem``,
      ``stage1``, ... ``[B, H, W, D]`` before pooling, and ``features`` ``[B, D]``.

    Raises:
      ValueError: if there are fewer than two widths, or one of them or ``classes`` is less than 1.

    Reference:
      Rastegari et al., XNOR-Net, arXiv 1603.05279.
    """
    nets.positive_widths("widths", widths)
    if len(widths) < 2:
        raise ValueError(f"widths is {widths}; allowed: two or more, since the first one has no signs.")
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    return functional(partial(_Xnor, shared, widths, classes, channels, packed, kernel_init))


class _Stage(nnx.Module):
    def __init__(self, parts, inputs, outputs, packed, kernel_init, rngs):
        self.norm = None if parts.norm is None else parts.norm(inputs, rngs=rngs)
        self.conv = XnorConv(inputs, outputs, packed=packed, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x, train):
        x = x if self.norm is None else self.norm(x, train=train)
        return self.conv(x.astype(jnp.float32))


class _Xnor(nnx.Module):
    def __init__(self, parts, widths, classes, channels, packed, kernel_init, rngs):
        self.parts, self.channels = parts, channels
        first, *others = widths
        self.stem = ConvNorm(parts, channels, first, 3, rngs=rngs)
        stages, inputs = [], first
        for width in others:
            stages.append(_Stage(parts, inputs, width, packed, kernel_init, rngs))
            inputs = width
        self.stages = nnx.List(stages)
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps = {}
        x = taps["stem"] = self.stem(x, train)
        for number, stage in enumerate(self.stages, 1):
            x = taps[f"stage{number}"] = stage(nets.max_pool(x, 2, 2), train)
        features = taps["features"] = nets.global_average(x)
        return nets.logits_of(self.head, features), taps
