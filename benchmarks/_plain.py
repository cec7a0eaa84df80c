"""Other forms of a step's derivatives: those that XLA and JAX derive by themselves, and one that was not taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks.layers import BatchNorm
from jaxtricks.layers import _pool_gradient as pools
from jaxtricks.models import _layers, _resnet

Plain = Literal["conv", "norm", "pool", "written"]


@contextmanager
def plain_gradients(*names: Plain) -> Iterator[None]:
    """What is traced inside takes these operations as they come: convolution, normalisation with ReLU, pools, sums."""
    plain = {
        "conv": [(_layers, "conv", jax.lax.conv_general_dilated)],
        "norm": [(BatchNorm, "__call__", _norm)],
        "pool": [(pools, "max_pool", _max_pool), (pools, "average_pool", _average_pool)],
        "written": [(file, "materialized", lambda x: x) for file in (_layers, _resnet)],
    }
    chosen = [replaced for name in dict.fromkeys(names) for replaced in plain[name]]
    before = [(place, name, getattr(place, name)) for place, name, _ in chosen]
    try:
        for place, name, function in chosen:
            setattr(place, name, function)
        yield
    finally:
        for place, name, function in before:
            setattr(place, name, function)


def _norm(self, x, *, train, relu=False):
    y = nnx.BatchNorm.__call__(self, x, use_running_average=not train).astype(x.dtype)
    return jax.nn.relu(y) if relu else y


def _max_pool(x, size, stride, around):
    return nnx.max_pool(x, (size, size), strides=(stride, stride), padding=around)


def _average_pool(x, size, stride, around, *, count_padding):
    options = {"strides": (stride, stride), "padding": around, "count_include_pad": count_padding}
    return nnx.avg_pool(x, (size, size), **options).astype(x.dtype)


@contextmanager
def masks_from_results() -> Iterator[None]:
    """What is traced inside has the derivative of the ReLU after a residual sum in its result, not in the sum."""
    before = _resnet._Block.__call__

    def call(self, x, train, drop):
        act, self.act = self.act, _masked if self.act is jax.nn.relu else self.act
        try:
            return before(self, x, train, drop)
        finally:
            self.act = act

    _resnet._Block.__call__ = call
    try:
        yield
    finally:
        _resnet._Block.__call__ = before


@jax.custom_jvp
def _masked(x):
    return jnp.maximum(x, 0)


@_masked.defjvp
def _masked_jvp(primals, tangents):
    y = _masked(*primals)
    return y, jnp.where(y > 0, tangents[0], 0)
