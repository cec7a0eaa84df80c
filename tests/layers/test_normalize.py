"""Local response normalisation, vectors of length 1, standardised weights."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from jaxtricks import layers

X = np.random.default_rng(0).normal(0, 2, (2, 3, 2, 6)).astype(np.float32)


def lrn_loops(x, size, k, alpha, beta):
    y = np.empty(x.shape, np.float64)
    for at in np.ndindex(*x.shape):
        total = 0.0
        for j in range(at[-1] - size // 2, at[-1] + (size - 1) // 2 + 1):
            if 0 <= j < x.shape[-1]:
                total += float(x[(*at[:-1], j)]) ** 2
        y[at] = x[at] / (k + alpha * total) ** beta
    return y


@pytest.mark.parametrize("options", [{}, {"size": 4}, {"size": 1}, {"size": 15, "k": 1.0, "alpha": 0.5, "beta": 0.5}])
def test_local_response_norm_equals_loops(options):
    expected = lrn_loops(X, **{"size": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75, **options})
    np.testing.assert_allclose(layers.local_response_norm(X, **options), expected, rtol=1e-5)
    np.testing.assert_allclose(layers.local_response_norm(X[0, 0, 0], **options), expected[0, 0, 0], rtol=1e-5)


def test_local_response_norm_by_hand_and_in_its_limits():
    y = layers.local_response_norm(jnp.array([1.0, 2.0, 3.0]), size=3, k=1.0, alpha=1.0, beta=1.0)
    np.testing.assert_allclose(y, [1 / 6, 2 / 15, 3 / 14], rtol=1e-6)
    np.testing.assert_allclose(layers.local_response_norm(X, alpha=0.0, k=4.0, beta=0.5), X / 2, rtol=1e-6)


def standardized(kernel):
    flat = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
    return ((flat - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5)).reshape(kernel.shape)


def test_l2_normalize():
    np.testing.assert_allclose(layers.l2_normalize(jnp.array([3.0, -4.0])), [0.6, -0.8], rtol=1e-6)
    np.testing.assert_allclose(jnp.linalg.norm(layers.l2_normalize(X), axis=-1), np.ones((2, 3, 2)), rtol=1e-6)
    np.testing.assert_allclose(layers.l2_normalize(X, axis=(1, 2, 3))[1], X[1] / np.linalg.norm(X[1]), rtol=1e-5)
    np.testing.assert_allclose(layers.l2_normalize(X * 50), layers.l2_normalize(X), rtol=1e-5)
    zero = jnp.zeros(3)
    assert jnp.isfinite(jax.jacobian(layers.l2_normalize)(zero)).all()
    np.testing.assert_array_equal(layers.l2_normalize(zero), zero)
    half = layers.l2_normalize(jnp.full(4, 1e4, jnp.float16))
    np.testing.assert_allclose(half, np.full(4, 0.5), rtol=1e-3)


def test_feature_norm_gives_every_position_the_learned_length():
    layer = layers.FeatureNorm(6)
    np.testing.assert_allclose(jnp.linalg.norm(layer(jnp.asarray(X)), axis=-1), np.full((2, 3, 2), 20), rtol=1e-5)
    layer.scale[...] = jnp.arange(6.0)
    expected = X / np.linalg.norm(X, axis=-1, keepdims=True) * np.arange(6)
    np.testing.assert_allclose(layer(jnp.asarray(X)), expected, rtol=1e-5, atol=1e-6)
    assert set(nnx.to_pure_dict(nnx.state(layer, nnx.Param))) == {"scale"}


@pytest.mark.parametrize("shape", [(3, 3, 4, 5), (20, 6)])
def test_standardized_weights_equal_numpy(shape):
    kernel = np.random.default_rng(1).normal(3, 2, shape).astype(np.float32)
    np.testing.assert_allclose(layers.standardize_weight(kernel), standardized(kernel), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layers.standardize_weight(kernel * 5 + 1), standardized(kernel), atol=1e-3)
    constant = jnp.ones(shape)
    np.testing.assert_array_equal(layers.standardize_weight(constant), jnp.zeros(shape))
    assert jnp.isfinite(jax.grad(lambda k: (layers.standardize_weight(k) ** 3).sum())(constant)).all()


EVERY = {
    "local_response_norm": partial(layers.local_response_norm, alpha=0.1),
    "l2_normalize": layers.l2_normalize,
    "standardize_weight": layers.standardize_weight,
}


@pytest.mark.parametrize("name", EVERY)
def test_eager_jit_vmap_gradient_and_dtype(name):
    f = EVERY[name]
    eager = np.stack([f(x) for x in X])
    np.testing.assert_allclose(jax.jit(jax.vmap(f))(X), eager, rtol=1e-5, atol=1e-6)
    check_grads(jax.jit(f), (X[0],), 1, modes=["rev"], rtol=2e-2, atol=2e-2)
    assert jax.eval_shape(f, jnp.asarray(X, jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: layers.local_response_norm(1.0), "x"),
        (lambda: layers.local_response_norm(X.astype(int)), "x"),
        (lambda: layers.local_response_norm(X, size=0), "size"),
        (lambda: layers.local_response_norm(X, size=2.5), "size"),
        (lambda: layers.local_response_norm(X, k=0.0), "k"),
        (lambda: layers.local_response_norm(X, alpha=-1.0), "alpha"),
        (lambda: layers.l2_normalize(jnp.float32(1.0)), "x"),
        (lambda: layers.l2_normalize(X.astype(int)), "x"),
        (lambda: layers.l2_normalize(X, epsilon=0.0), "epsilon"),
        (lambda: layers.FeatureNorm(6, epsilon=0.0), "epsilon"),
        (lambda: layers.FeatureNorm(5)(X), "x"),
        (lambda: layers.standardize_weight(X[0, 0, 0]), "kernel"),
        (lambda: layers.standardize_weight(X.astype(int)), "kernel"),
        (lambda: layers.standardize_weight(X, epsilon=-1.0), "epsilon"),
    ],
)
def test_bad_input(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
