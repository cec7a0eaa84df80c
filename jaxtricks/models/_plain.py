"""A plain convolutional network whose activation, normalisation and pooling are arguments."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.keys import named
from jaxtricks.layers._conv import check_map
from jaxtricks.layers._conv_gradient import conv
from jaxtricks.layers._norms import BatchNorm
from jaxtricks.layers._pooling import global_average_pool
from jaxtricks.models._functional import Model, TooSmallError, functional

HE_NORMAL = jax.nn.initializers.variance_scaling(2.0, "fan_in", "normal")
WIDTHS = {"plain_mini": (8, 16, 32), "plain_small": (16, 32, 64), "plain_wide": (32, 64, 128)}
Layer = Callable[..., jax.Array]


def fixed(function: Callable[[jax.Array], jax.Array]) -> Callable[[int], Layer]:
    """A function of an array as a layer of ``plain``.

    Args:
      function: ``x -> array``, such as ``jax.nn.relu``.

    Returns:
      ``features -> layer``, where ``layer(x, train=, key=)`` is ``function(x)``.
    """
    return partial(_later, partial(_fixed, function))


def drawn(draw: Callable, mean: Callable) -> Callable[[int], Layer]:
    """A layer of ``plain`` that draws in training.

    Args:
      draw: ``(key, x) -> array``, in training; ``key`` is one, or one for each example.
      mean: ``x -> array``, at evaluation.

    Returns:
      ``features -> layer``, called as ``layer(x, train=, key=)``.
    """
    return partial(_later, partial(_drawn, draw, mean))


def learned(module: type, **options: Any) -> Callable[[int], Layer]:
    """A layer of ``plain`` with parameters.

    Args:
      module: an ``nnx.Module`` class whose constructor takes ``features=``, such as ``layers.PReLU``, and
        ``rngs=`` if it draws its parameters.
      options: other arguments of its constructor.

    Returns:
      ``features -> layer``, called as ``layer(x, train=, key=)``.
    """
    return partial(_Learned, module, options)


def batch_norm(features: int, *, axis_name: str | None, rngs: nnx.Rngs, **options: Any) -> Layer:
    """``layers.BatchNorm`` as the normalisation of ``plain``.

    Args:
      features: channels.
      axis_name: mesh axis over which the statistics are averaged; left out where ``groups`` or ``frozen`` is given.
      rngs: as flax.nnx wants it.
      options: ``momentum``, ``epsilon``, ``groups``, ``frozen``, ``use_scale``.

    Returns:
      The layer, called as ``layer(x, train=)``.
    """
    without_axis = {"groups", "frozen"} & {name for name, value in options.items() if value}
    return BatchNorm(features, axis_name=None if without_axis else axis_name, rngs=rngs, **options)


def stateless_norm(features: int, *, axis_name: str | None, rngs: nnx.Rngs, module: Callable, **options: Any) -> Layer:
    """A normalisation of Flax that keeps no statistics, or a function, as the normalisation of ``plain``.

    Args:
      features: channels.
      axis_name: not needed: each example is normalised by itself.
      rngs: as flax.nnx wants it.
      module: ``nnx.LayerNorm``, ``nnx.InstanceNorm``, ``nnx.GroupNorm``, or a class with the same constructor.
      options: other arguments of its constructor.

    Returns:
      The layer, called as ``layer(x, train=)``.
    """
    return _Ungated(module(features, rngs=rngs, **options))


def _later(layer, features):
    return layer


def _fixed(function, x, *, train, key):
    return function(x)


def _drawn(draw, mean, x, *, train, key):
    return draw(key, x) if train else mean(x)


RELU = fixed(jax.nn.relu)
MAX_POOL = fixed(partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)))
GLOBAL_AVERAGE = fixed(global_average_pool)


def plain(
    widths: tuple[int, ...],
    *,
    classes: int,
    channels: int = 3,
    activation: Callable[[int], Layer] = RELU,
    norm: Callable[..., Layer] | None = batch_norm,
    pool: Callable[[int], Layer] = MAX_POOL,
    after: Callable[[int], Layer] | None = None,
    readout: Callable[[int], Layer] = GLOBAL_AVERAGE,
    head: Callable[[int], Layer] | None = None,
    block: Callable | None = None,
    kernel: Callable[[jax.Array], jax.Array] | None = None,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """Stages of 3x3 convolution, normalisation, activation and pooling, then a readout and a classifier.

    Args:
      widths: channels of each stage.
      classes: number of classes, C >= 1.
      channels: of the input image.
      activation: ``features -> layer``; see ``fixed``, ``drawn`` and ``learned``.
      norm: ``(features, axis_name=, rngs=) -> layer``, called as ``layer(x, train=)``; None for biases instead.
      pool: ``features -> layer`` after each stage but the last.
      after: ``features -> layer`` at the end of each stage, such as DropBlock; None for nothing.
      readout: ``features -> layer`` from ``[B, H, W, D]`` to ``[B, E]`` after the last stage.
      head: ``features -> layer`` on ``[B, E]`` before the classifier, such as dropout; None for nothing.
      block: ``(outputs, inputs=, use_bias=, kernel_init=, dtype=, rngs=) -> layer`` in the place of the 3x3 convolution
        of every stage, such as ``partial(layers.Convolutions, kernels=((5, 5),))``; None for that convolution.
      kernel: a function that every convolution's kernel passes through, such as ``layers.standardize_weight``.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, readout and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``stage1``, ... ``[B, H, W, D]`` before pooling, and ``features`` ``[B, E]`` before the head.

    Raises:
      ValueError: if a width, ``classes`` or ``channels`` is less than 1, or both block and kernel are given.
    """
    if block is not None and kernel is not None:
        raise ValueError("block and kernel are given; allowed: one of them, for a block has kernels of its own.")
    if not widths or min(widths) < 1:
        raise ValueError(f"widths is {widths}; allowed: integers of 1 or more.")
    check.at_least("classes", classes, minimum=1)
    check.at_least("channels", channels, minimum=1)
    parts = (activation, norm, pool, after, readout, head, kernel, block)
    return functional(partial(_Plain, widths, classes, channels, parts, kernel_init, dtype, axis_name))


class _Learned(nnx.Module):
    def __init__(self, module, options, features, rngs=None):
        draws = rngs is not None and "rngs" in inspect.signature(module.__init__).parameters
        self.inner = module(features=features, **options, **({"rngs": rngs} if draws else {}))

    def __call__(self, x, *, train, key):
        return self.inner(x)


class _Ungated(nnx.Module):
    def __init__(self, inner):
        self.inner = inner

    def __call__(self, x, *, train):
        return self.inner(x)


class _Stage(nnx.Module):
    def __init__(self, inputs, outputs, parts, kernel_init, dtype, axis_name, rngs):
        activation, norm, _, after, _, _, kernel, block = parts
        common = {"use_bias": norm is None, "kernel_init": kernel_init, "dtype": dtype, "rngs": rngs}
        if block is None:
            self.conv = nnx.Conv(inputs, outputs, (3, 3), padding=1, conv_general_dilated=conv, **common)
        else:
            self.conv = block(outputs, inputs=inputs, **common)
        self.kernel = kernel
        self.norm = None if norm is None else norm(outputs, axis_name=axis_name, rngs=rngs)
        self.activation = _layer(activation, outputs, rngs)
        self.after = None if after is None else _layer(after, outputs, rngs)

    def __call__(self, x, *, train, key):
        x = self.conv(x) if self.kernel is None else self._transformed(x)
        x = x if self.norm is None else self.norm(x, train=train)
        x = self.activation(x, train=train, key=_own(key, "activation"))
        return x if self.after is None else self.after(x, train=train, key=_own(key, "after"))

    def _transformed(self, x):
        """The convolution with its kernel passed through ``self.kernel`` in float32."""
        kernel = self.kernel(self.conv.kernel[...]).astype(x.dtype)
        y = conv(x, kernel, (1, 1), ((1, 1), (1, 1)))
        return y if self.conv.bias is None else y + self.conv.bias[...].astype(x.dtype).reshape(1, 1, 1, -1)


class _Plain(nnx.Module):
    def __init__(self, widths, classes, channels, parts, kernel_init, dtype, axis_name, rngs):
        _, _, pool, _, readout, head, _, _ = parts
        self.dtype = dtype
        self.channels = channels
        inputs = (channels, *widths[:-1])
        self.stages = nnx.List(
            [_Stage(i, o, parts, kernel_init, dtype, axis_name, rngs) for i, o in zip(inputs, widths, strict=True)]
        )
        self.pools = nnx.List([_layer(pool, width, rngs) for width in widths[:-1]])
        self.readout = readout(widths[-1])
        probe = jax.ShapeDtypeStruct((1, 8, 8, widths[-1]), jnp.float32)
        size = nnx.eval_shape(lambda x: readout(widths[-1])(x, train=False, key=None), probe).shape[-1]
        self.before = None if head is None else head(size)
        self.head = nnx.Linear(size, classes, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        check_map(image, self.channels, name="image")
        x = image.astype(self.dtype)
        taps = {}
        for number, stage in enumerate(self.stages, 1):
            x = taps[f"stage{number}"] = stage(x, train=train, key=_own(key, f"stage{number}"))
            if number < len(self.stages):
                x = self.pools[number - 1](x, train=train, key=_own(key, f"pool{number}"))
                if 0 in x.shape[1:3]:
                    raise TooSmallError(f"the map behind pool {number} has no position; allowed: 1 x 1 or more.")
        features = self.readout(x, train=train, key=_own(key, "readout")).astype(jnp.float32)
        taps["features"] = features
        if self.before is not None:
            features = self.before(features, train=train, key=_own(key, "head"))
        return self.head(features), taps


def _layer(factory, features, rngs):
    """The layer of a factory; one with parameters may draw them."""
    learns = isinstance(factory, partial) and factory.func is _Learned
    return factory(features, rngs=rngs) if learns else factory(features)


def _own(key, name):
    """The key, or the keys of all examples, of one named layer."""
    if key is None:
        return None
    return named(key, name) if key.ndim == 0 else jax.vmap(lambda k: named(k, name))(key)
