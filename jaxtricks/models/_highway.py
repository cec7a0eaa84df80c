"""Highway networks: a gate at every layer decides how much of the input goes on unchanged."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm

HIGHWAY_MINI = ((16, 2), (24, 2), (32, 2))


def highway(
    stages: tuple[tuple[int, int], ...],
    *,
    classes: int,
    channels: int = 3,
    gate_bias: float = -2.0,
    norm: Callable | None = None,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    r"""A convolutional highway network, the forerunner of the residual one.

    .. math:: y = H(x) \, T(x) + x \, (1 - T(x)), \quad T(x) = \mathrm{sigmoid}(W_T x + b_T)

    H is a 3x3 convolution with its activation; T another. T = 1 is a plain layer, T = 0 the identity.

    Args:
      stages: (channels, highway layers) of each, all of 1 or more; a plain 3x3 convolution leads to the channels, and
        a 2x2 max pool follows every stage but the last.
      classes: number of classes, C >= 1.
      channels: of the input image.
      gate_bias: b_T at first: -1 to -4 lets the input through, so that deep ones begin to learn.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for biases.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stage1``, ... ``[B, H, W, D]`` before pooling, ``features`` ``[B, D]``, and ``gates``
      ``[layers]``, the mean of T in each.

    Raises:
      ValueError: if a number of stages or ``classes`` is out of range; when called, if the image is too small.

    Reference:
      Srivastava et al., Highway networks, arXiv 1505.00387.
    """
    nets.positive_widths("stages", stages)
    check.between("gate_bias", gate_bias, float("-inf"), float("inf"))
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    return functional(partial(_Highway, shared, stages, classes, channels, gate_bias))


class _Gated(nnx.Module):
    def __init__(self, parts, width, gate_bias, rngs):
        self.plain = ConvNorm(parts, width, width, 3, rngs=rngs)
        self.gate = parts.conv(
            width, width, (3, 3), padding=1, bias_init=jax.nn.initializers.constant(gate_bias), rngs=rngs
        )

    def __call__(self, x, train):
        gate = jax.nn.sigmoid(self.gate(x))
        return gate * self.plain(x, train) + (1 - gate) * x, gate.mean(dtype=jnp.float32)


class _Highway(nnx.Module):
    def __init__(self, parts, stages, classes, channels, gate_bias, rngs):
        self.parts, self.channels, self.stages = parts, channels, len(stages)
        inputs, entries = channels, []
        for number, (width, count) in enumerate(stages, 1):
            entries.append(ConvNorm(parts, inputs, width, 3, rngs=rngs))
            inputs = width
            setattr(self, f"stage{number}", nnx.List([_Gated(parts, width, gate_bias, rngs) for _ in range(count)]))
        self.entries = nnx.List(entries)
        self.head = parts.dense(inputs, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        taps, gates = {}, []
        for number in range(1, self.stages + 1):
            x = self.entries[number - 1](x, train)
            for layer in getattr(self, f"stage{number}"):
                x, gate = layer(x, train)
                gates.append(gate)
            taps[f"stage{number}"] = x
            if number < self.stages:
                x = nets.max_pool(x, 2, 2)
        features = taps["features"] = nets.global_average(x)
        taps["gates"] = jnp.stack(gates)
        return nets.logits_of(self.head, features), taps
