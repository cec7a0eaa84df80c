"""What all families of networks are built from: the one place where convolution and classifier are chosen."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxtricks import check
from jaxtricks.keys import named
from jaxtricks.layers import _pool_gradient as pools
from jaxtricks.layers._conv import check_map
from jaxtricks.layers._conv_gradient import conv
from jaxtricks.layers._materialize import materialized
from jaxtricks.layers._norms import BatchNorm
from jaxtricks.layers._stochastic import dropout, stochastic_depth
from jaxtricks.models._functional import TooSmallError
from jaxtricks.models._plain import batch_norm

HE_NORMAL = jax.nn.initializers.variance_scaling(2.0, "fan_out", "normal")  # torchvision's
Keys = jax.Array | None


class Parts(NamedTuple):
    """What every layer of one network shares.

    Fields:
      conv: ``(inputs, outputs, kernel_size, ..., rngs=)`` -> convolution.
      dense: ``(inputs, outputs, rngs=)`` -> dense layer.
      norm: ``(features, rngs=)`` -> layer, called as ``layer(x, train=)``; None for biases instead.
      act: the activation.
      dtype: of the computation.
    """

    conv: Callable
    dense: Callable
    norm: Callable | None
    act: Callable[[jax.Array], jax.Array]
    dtype: Any


def parts(
    *,
    classes: int,
    channels: int,
    norm: Callable | None = batch_norm,
    act: Callable = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
) -> Parts:
    """The layers of a network of these arguments, which all families share; they are checked here.

    Every family hands its ``norm``, ``act``, ``kernel_init``, ``dtype`` and ``axis_name`` on to this function.
    """
    check.at_least("classes", classes, minimum=1)
    check.at_least("channels", channels, minimum=1)
    for name, value in (("norm", norm or batch_norm), ("act", act), ("kernel_init", kernel_init)):
        if not callable(value):
            raise TypeError(f"{name} is {value!r}; allowed: a function.")
    return Parts(
        partial(nnx.Conv, kernel_init=kernel_init, dtype=dtype, conv_general_dilated=conv),
        partial(nnx.Linear, kernel_init=kernel_init, dtype=dtype),
        None if norm is None else partial(norm, axis_name=axis_name),
        act,
        dtype,
    )


class NormAct(nnx.Module):
    """Normalisation and activation, before a convolution; without a normalisation the activation alone."""

    def __init__(self, parts: Parts, features: int, *, rngs: nnx.Rngs):
        self.bn = None if parts.norm is None else parts.norm(features, rngs=rngs)
        self.act = parts.act

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return normed(self.bn, self.act, x, train)


class ConvNorm(nnx.Module):
    """A convolution with torch's explicit padding, its normalisation or bias, and its activation.

    ``padding`` is (kernel - 1) // 2 of rows and columns unless said; ``linear`` leaves the activation out; ``bias``
    adds one before the normalisation, where it changes nothing but is in some weights.
    """

    def __init__(
        self,
        parts: Parts,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] | None = None,
        groups: int = 1,
        dilation: int = 1,
        linear: bool = False,
        bias: bool = False,
        rngs: nnx.Rngs,
    ):
        rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        if padding is None:
            padding = (dilation * (rows - 1) // 2, dilation * (columns - 1) // 2)
        above, left = padding if isinstance(padding, tuple) else (padding, padding)
        self.conv = parts.conv(
            inputs,
            outputs,
            (rows, columns),
            strides=stride,
            padding=((above, above), (left, left)),
            kernel_dilation=dilation,
            feature_group_count=groups,
            use_bias=bias or parts.norm is None,
            rngs=rngs,
        )
        self.bn = None if parts.norm is None else parts.norm(outputs, rngs=rngs)
        self.act = identity if linear else parts.act
        self.span = (dilation * (rows - 1) + 1 - 2 * above, dilation * (columns - 1) + 1 - 2 * left)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        fits(x, self.span)
        return normed(self.bn, self.act, self.conv(x), train)


def identity(x: jax.Array) -> jax.Array:
    """No activation."""
    return x


def normed(bn: Callable | None, act: Callable, x: jax.Array, train: bool) -> jax.Array:
    """Normalisation, if there is one, and activation; of ``BatchNorm`` and ReLU as one function with one derivative."""
    if type(bn) is BatchNorm and act is jax.nn.relu:
        return bn(x, train=train, relu=True)
    y = act(x if bn is None else bn(x, train=train))
    return materialized(y) if train and act is not identity else y


def fits(x: jax.Array, span: tuple[int, int]) -> None:
    """Raise TooSmallError unless a window of so many rows and columns fits into x."""
    if x.shape[1] < span[0] or x.shape[2] < span[1]:
        raise TooSmallError(f"a map has {x.shape[1]} x {x.shape[2]} positions; allowed: {span[0]} x {span[1]} or more.")


def begin(image: jax.Array, channels: int, dtype: Any) -> jax.Array:
    """The image in the dtype of the computation, once its shape and channels are checked."""
    check_map(image, channels, name="image")
    return image.astype(dtype)


def through(x: jax.Array, layers: Sequence, train: bool) -> jax.Array:
    """One layer after another."""
    for layer in layers:
        x = layer(x, train)
    return x


def max_pool(x: jax.Array, size: int, stride: int, *, padding: int = 0, ceil: bool = False) -> jax.Array:
    """Max pooling with torch's padding; with ceil the last windows may hang over the edge."""
    return pools.max_pool(x, size, stride, _around(x, size, stride, padding, ceil))


def average_pool(
    x: jax.Array, size: int, stride: int, *, padding: int = 0, ceil: bool = False, count_padding: bool = True
) -> jax.Array:
    """Average pooling with torch's padding, whose zeros count unless said; with ceil nothing outside counts."""
    around = _around(x, size, stride, padding, ceil)
    return pools.average_pool(x, size, stride, around, count_padding=count_padding and not ceil)


def _around(x, size, stride, padding, ceil):
    fits(x, (size - 2 * padding,) * 2)
    over = []
    for n in x.shape[1:3]:
        rest = (n + 2 * padding - size) % stride
        starts_inside = (n + 2 * padding - size) // stride * stride + stride < n + padding
        over.append((padding, padding + (stride - rest if ceil and rest and starts_inside else 0)))
    return tuple(over)


def adaptive_average_pool(x: jax.Array, grid: int) -> jax.Array:
    """Averages over a grid of equal parts, which overlap where the size is no multiple, as torch's."""
    for axis in (1, 2):
        n = x.shape[axis]
        if n == grid:
            continue
        weights = np.zeros((grid, n), np.float32)
        for i in range(grid):
            low, high = i * n // grid, -(-(i + 1) * n // grid)
            weights[i, low:high] = 1 / (high - low)
        x = jnp.moveaxis(jnp.tensordot(x, jnp.asarray(weights, x.dtype), axes=((axis,), (1,))), -1, axis)
    return x


def global_average(x: jax.Array) -> jax.Array:
    """``[B, H, W, D]`` to ``[B, D]``, in float32."""
    return x.mean((1, 2), dtype=jnp.float32)


def dropped(key: Keys, name: str, x: jax.Array, rate: float, train: bool) -> jax.Array:
    """Dropout in training, with the key of the layer of this name."""
    if not (train and rate):
        return x
    return dropout(_needed(key, name), x, rate=rate)


def branch_dropped(key: Keys, name: str, x: jax.Array, rate: float, train: bool) -> jax.Array:
    """Stochastic depth in training, with the key of the block of this name."""
    if not (train and rate):
        return x
    return stochastic_depth(_needed(key, name), x, rate=rate)


def _needed(key: Keys, name: str) -> jax.Array:
    if key is None:
        raise ValueError(
            "key is None; allowed: a key, or one for each image, when a rate of dropping is > 0 in training."
        )
    return named(key, name) if key.ndim == 0 else jax.vmap(lambda k: named(k, name))(key)


def divisible(value: float, divisor: int = 8) -> int:
    """Channels of a network of another width: the nearest multiple, not below 90 % of the value."""
    near = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * value else near


def rising(rate: float, blocks: int) -> list[float]:
    """Rates of stochastic depth that rise linearly from the first block to the last."""
    return [rate * i / max(blocks - 1, 1) for i in range(blocks)]


def logits_of(head: Callable, features: jax.Array) -> jax.Array:
    """The classifier's scores, in float32."""
    return head(features).astype(jnp.float32)


def positive_widths(name: str, widths: Sequence[Any]) -> None:
    """Raise ValueError unless there are some, all integers of 1 or more."""
    flat = [w for row in widths for w in (row if isinstance(row, tuple) else (row,))]
    if not flat or any(isinstance(w, bool) or int(w) != w or w < 1 for w in flat):
        raise ValueError(f"{name} is {widths}; allowed: integers of 1 or more.")
