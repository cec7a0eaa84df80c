"""A step with the gradients that XLA and JAX derive by themselves, to see what those in closed form are worth."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import jax
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
