"""Activations with a learned or random slope."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from jaxtricks import layers

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(0, 3, (4, 5, 3)).astype(np.float32))


def pure(module):
    """``(params, x) -> y`` and the parameters of a module."""
    graph, params = nnx.split(module, nnx.Param)
    return lambda params, x: nnx.merge(graph, params)(x), params


@pytest.mark.parametrize("features", [None, 3])
def test_prelu(features):
    layer = layers.PReLU(features=features)
    np.testing.assert_allclose(layer(jnp.array([[-2.0, 0.0, 3.0]])), [[-0.5, 0.0, 3.0]])
    slopes = np.float32(0.3) if features is None else np.float32([0.0, 1.0, -2.0])
    layer.slope[...] = jnp.asarray(slopes)
    np.testing.assert_allclose(layer(X), np.where(np.asarray(X) >= 0, X, slopes * np.asarray(X)), rtol=1e-6)
    apply, params = pure(layer)
    gradient = jax.grad(lambda p: apply(p, X).sum())(params)["slope"][...]
    negative = np.minimum(X, 0)
    np.testing.assert_allclose(gradient, negative.sum() if features is None else negative.sum((0, 1)), rtol=1e-5)


@pytest.mark.parametrize("features", [None, 3])
def test_swish(features):
    layer = layers.Swish(features=features)
    np.testing.assert_allclose(layer(X), jax.nn.silu(X), rtol=1e-5)
    betas = np.float32(0.5) if features is None else np.float32([0.0, 1.0, 1000.0])
    layer.beta[...] = jnp.asarray(betas)
    x = np.asarray(X, np.float64)
    np.testing.assert_allclose(layer(X), x / (1 + np.exp(np.clip(-betas * x, -500, 500))), rtol=1e-4, atol=1e-6)
    if features:
        np.testing.assert_allclose(layer(X)[..., 0], X[..., 0] / 2, rtol=1e-6)
        np.testing.assert_allclose(layer(X)[..., 2], np.maximum(X[..., 2], 0), atol=1e-6)


@pytest.mark.parametrize("layer", [layers.PReLU(features=3), layers.Swish(features=3), layers.PReLU(), layers.Swish()])
def test_eager_jit_vmap_gradient_and_dtype(layer):
    apply, params = pure(layer)
    eager = apply(params, X)
    np.testing.assert_allclose(jax.jit(apply)(params, X), eager, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(apply, in_axes=(None, 0))(params, X), eager, rtol=1e-5)
    check_grads(jax.jit(apply), (params, X), 1, modes=["rev"], rtol=2e-2, atol=2e-2)
    assert jax.eval_shape(apply, params, X.astype(jnp.bfloat16)).dtype == jnp.bfloat16


def test_extreme_values():
    x = jnp.array([-1e4, 1e4])
    for layer in (layers.PReLU(), layers.Swish()):
        assert jnp.isfinite(jax.grad(lambda x, f=layer: f(x).sum())(x)).all()
    np.testing.assert_allclose(layers.Swish()(x), [0, 1e4])


def test_rrelu_draws_slopes_between_the_bounds():
    x = jnp.full((100, 100), -1.0)
    slopes = -np.asarray(layers.rrelu(KEY, x))
    assert 1 / 8 <= slopes.min() < 0.127
    assert 0.33 < slopes.max() <= 1 / 3
    np.testing.assert_allclose(slopes.mean(), -layers.rrelu_mean(x).mean(), atol=2e-3)
    np.testing.assert_array_equal(layers.rrelu(KEY, -x), -x)
    np.testing.assert_allclose(layers.rrelu(KEY, X, lower=0.2, upper=0.2), jax.nn.leaky_relu(X, 0.2), rtol=1e-6)
    np.testing.assert_allclose(layers.rrelu_mean(jnp.array([-48.0, 2.0])), [-11, 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: layers.PReLU(features=2)(X), "x"),
        (lambda: layers.PReLU()(jnp.arange(3)), "x"),
        (lambda: layers.Swish(features=2)(X), "x"),
        (lambda: layers.Swish(features=2)(jnp.float32(1.0)), "x"),
        (lambda: layers.rrelu(KEY, X, lower=0.5, upper=0.25), "lower"),
        (lambda: layers.rrelu(KEY, jnp.arange(3)), "x"),
        (lambda: layers.rrelu_mean(X, lower=0.5), "lower"),
        (lambda: layers.rrelu_mean(jnp.arange(3)), "x"),
    ],
)
def test_bad_input(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
