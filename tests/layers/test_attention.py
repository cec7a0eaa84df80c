"""Gates over channels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from jaxtricks import layers

X = jnp.asarray(np.random.default_rng(0).normal(0, 1, (2, 3, 4, 8)).astype(np.float32))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_squeeze_excite_equals_numpy():
    layer = layers.SqueezeExcite(8, ratio=4, rngs=nnx.Rngs(0))
    w1, w2 = np.asarray(layer.squeeze.kernel[...]), np.asarray(layer.excite.kernel[...])
    assert w1.shape == (8, 2)
    hidden = np.maximum(np.asarray(X).mean((1, 2)) @ w1, 0)
    np.testing.assert_allclose(layer(X), X * sigmoid(hidden @ w2)[:, None, None, :], rtol=1e-4, atol=1e-6)


def test_efficient_channel_attention_equals_numpy():
    layer = layers.EfficientChannelAttention(8, kernel=3, rngs=nnx.Rngs(0))
    taps = np.asarray(layer.conv.kernel[...]).ravel()
    assert taps.shape == (3,)
    mean = np.pad(np.asarray(X).mean((1, 2)), ((0, 0), (1, 1)))
    gate = sigmoid(sum(taps[i] * mean[:, i : i + 8] for i in range(3)))
    np.testing.assert_allclose(layer(X), X * gate[:, None, None, :], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("features", "kernel"), [(1, 1), (16, 3), (64, 3), (128, 5), (256, 5), (512, 5), (2048, 7)])
def test_kernel_of_efficient_channel_attention(features, kernel):
    # By hand: (log2(256) + 1) / 2 = 4.5, its whole part 4 is even, so 5.
    assert layers.EfficientChannelAttention(features, rngs=nnx.Rngs(0)).conv.kernel.shape == (kernel, 1, 1)


@pytest.mark.parametrize("make", [layers.SqueezeExcite, layers.EfficientChannelAttention])
def test_gates(make):
    layer = make(8, rngs=nnx.Rngs(0)) if make is not layers.SqueezeExcite else make(8, ratio=2, rngs=nnx.Rngs(0))
    graph, params = nnx.split(layer, nnx.Param)

    def apply(params, x):
        return nnx.merge(graph, params)(x)

    y = apply(params, X)
    np.testing.assert_allclose(jax.jit(apply)(params, X), y, rtol=1e-5)
    np.testing.assert_allclose(apply(params, X[1:]), y[1:], rtol=1e-5)  # examples do not mix
    turned = apply(params, X[:, ::-1])
    np.testing.assert_allclose(turned, y[:, ::-1], rtol=1e-4, atol=1e-6)  # nor do positions
    ratio = np.asarray(y / X)
    assert (ratio > 0).all()
    assert (ratio < 1).all()
    zero = jax.tree.map(jnp.zeros_like, params)
    np.testing.assert_allclose(apply(zero, X), X / 2, rtol=1e-6)
    check_grads(jax.jit(apply), (params, X), 1, modes=["rev"], rtol=2e-2, atol=2e-2)
    assert jax.eval_shape(apply, params, X.astype(jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: layers.SqueezeExcite(8, ratio=9, rngs=nnx.Rngs(0)), "ratio"),
        (lambda: layers.SqueezeExcite(8, ratio=2, rngs=nnx.Rngs(0))(X[0]), "x"),
        (lambda: layers.SqueezeExcite(4, ratio=2, rngs=nnx.Rngs(0))(X), "x"),
        (lambda: layers.EfficientChannelAttention(8, kernel=4, rngs=nnx.Rngs(0)), "kernel"),
        (lambda: layers.EfficientChannelAttention(0, rngs=nnx.Rngs(0)), "features"),
        (lambda: layers.EfficientChannelAttention(4, rngs=nnx.Rngs(0))(X), "x"),
    ],
)
def test_bad_input(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
