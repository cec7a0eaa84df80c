"""Pooling."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from jaxtricks import layers
from jaxtricks.tricks import parts

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(0, 1, (2, 7, 6, 3)).astype(np.float32)


def windows(x, window, strides):
    """Every window of a NumPy array, by loops: (output position, elements[rows, columns, D])."""
    (h, w), (sy, sx) = window, strides
    for i, y in enumerate(range(0, x.shape[1] - h + 1, sy)):
        for j, left in enumerate(range(0, x.shape[2] - w + 1, sx)):
            yield (slice(None), i, j), x[:, y : y + h, left : left + w].astype(np.float64)


def pooled(x, f, window, strides):
    found = dict(((at[1], at[2]), f(part.reshape(len(x), -1, x.shape[-1]))) for at, part in windows(x, window, strides))
    rows, columns = max(i for i, _ in found) + 1, max(j for _, j in found) + 1
    return np.stack([np.stack([found[i, j] for j in range(columns)], 1) for i in range(rows)], 1)


SHAPES = [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((3, 2), (1, 3)), ((7, 6), (1, 1))]


def test_flax_counts_the_padding_of_an_average_unless_told_not_to():
    ones = jnp.ones((1, 2, 2, 1))
    options = {"window_shape": (2, 2), "strides": (2, 2), "padding": ((1, 1), (1, 1))}
    np.testing.assert_allclose(nnx.avg_pool(ones, **options), np.full((1, 2, 2, 1), 0.25))
    np.testing.assert_allclose(nnx.avg_pool(ones, **options, count_include_pad=False), np.ones((1, 2, 2, 1)))


def test_global_average_pool():
    np.testing.assert_allclose(layers.global_average_pool(X), X.astype(np.float64).mean((1, 2)), rtol=1e-5, atol=1e-7)
    many = jnp.ones((1, 300, 300, 1), jnp.float16)  # the sum, 90,000, is more than float16 holds
    np.testing.assert_array_equal(layers.global_average_pool(many), [[1]])


@pytest.mark.parametrize("size", [(7, 6), (4, 4), (1, 1), (3, 13)])
def test_spatial_pyramid_pool_equals_loops(size):
    x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype(np.float32)
    expected = []
    for n in (1, 2, 4):
        for i in range(n):
            for j in range(n):
                top, bottom = math.floor(i * size[0] / n), math.ceil((i + 1) * size[0] / n)
                left, right = math.floor(j * size[1] / n), math.ceil((j + 1) * size[1] / n)
                expected.append(x[:, top:bottom, left:right].max((1, 2)))
    y = layers.spatial_pyramid_pool(x)
    assert y.shape == (2, 21 * 3)
    np.testing.assert_array_equal(y, np.concatenate(expected, 1))
    np.testing.assert_array_equal(layers.spatial_pyramid_pool(x, levels=(1,)), x.max((1, 2)))


@pytest.mark.parametrize(("window", "strides"), SHAPES)
@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_lp_pool_equals_loops(window, strides, p):
    expected = pooled(X, lambda part: (np.abs(part) ** p).mean(1) ** (1 / p), window, strides)
    np.testing.assert_allclose(layers.lp_pool(X, p=p, window=window, strides=strides), expected, rtol=1e-5)


def test_lp_pool_limits():
    largest = pooled(np.abs(X), lambda part: part.max(1), (3, 3), (2, 2))
    for p, tolerance in ((1e4, 1e-3), (math.inf, 1e-6)):
        np.testing.assert_allclose(layers.lp_pool(X, p=p, window=3, strides=2), largest, rtol=tolerance)
        slope = jax.grad(lambda x, p=p: layers.lp_pool(x, p=p, window=(1, 2), strides=1).sum())(
            jnp.array([2.0, -3.0]).reshape(1, 1, 2, 1)
        )
        np.testing.assert_allclose(slope.ravel(), [0.0, -1.0], rtol=tolerance)
    mean = nnx.avg_pool(jnp.abs(X), (3, 3), strides=(2, 2))
    np.testing.assert_allclose(layers.lp_pool(X, p=1.0, window=3, strides=2), mean, rtol=1e-5)
    pair = jnp.array([3.0, 4.0]).reshape(1, 1, 2, 1)
    np.testing.assert_allclose(layers.lp_pool(pair, p=2, window=(1, 2), strides=1).ravel(), [12.5**0.5], rtol=1e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, 30.0])
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e4, 1e30])
def test_lp_pool_neither_overflows_nor_loses_its_gradient(p, scale):
    f = jax.jit(partial(layers.lp_pool, p=p, window=2, strides=2))
    value, gradient = f(X * scale), jax.grad(lambda x: f(x).sum())(jnp.asarray(X * scale))
    np.testing.assert_allclose(value, scale * f(X), rtol=1e-4)
    assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("features", [None, 3])
def test_gem(features):
    layer = layers.GeM(features=features)
    x = np.abs(X) + 0.01
    np.testing.assert_allclose(layer(x), (x.astype(np.float64) ** 3).mean((1, 2)) ** (1 / 3), rtol=1e-5)
    powers = np.float32(1) if features is None else np.float32([1, 2, 400])
    layer.p[...] = jnp.asarray(powers)
    assert layer(x[:0]).shape == (0, 3)
    np.testing.assert_allclose(layer(x)[:, 0], x[..., 0].mean((1, 2)), rtol=1e-5)
    if features:
        np.testing.assert_allclose(layer(x)[:, 2], x[..., 2].max((1, 2)), rtol=1e-2)
    graph, params = nnx.split(layers.GeM(features=features), nnx.Param)
    apply = jax.jit(lambda params, x: nnx.merge(graph, params)(x))
    check_grads(apply, (params, jnp.asarray(x)), 1, modes=["rev"], rtol=2e-2, atol=2e-2)
    gradient = jax.grad(lambda p, x: apply(p, x).sum(), (0, 1))(params, jnp.zeros((1, 2, 2, 3)))
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(("window", "strides"), SHAPES)
def test_stochastic_pool_picks_elements_and_its_mean_equals_loops(window, strides):
    options = {"window": window, "strides": strides}
    y = np.asarray(layers.stochastic_pool(KEY, X, **options))
    for at, part in windows(X, window, strides):
        for b in range(len(X)):
            for d in range(X.shape[-1]):
                positive = np.maximum(part[b, ..., d].ravel(), 0).astype(np.float32)
                assert y[(b, *at[1:], d)] in (positive[positive > 0] if positive.any() else [0])

    def mean(part):
        part = np.maximum(part, 0)
        return (part**2).sum(1) / np.maximum(part.sum(1), 1e-30)

    np.testing.assert_allclose(layers.stochastic_pool_mean(X, **options), pooled(X, mean, window, strides), rtol=1e-5)


def test_stochastic_pool_draws_in_proportion():
    x = jnp.tile(jnp.array([1.0, 3.0, 0.0, 4.0]).reshape(1, 2, 2, 1), (4000, 1, 1, 1))
    for keys in (KEY, jax.random.split(KEY, 4000)):
        y = np.asarray(jax.jit(partial(layers.stochastic_pool, window=2, strides=2))(keys, x)).ravel()
        np.testing.assert_allclose([(y == v).mean() for v in (1, 3, 4)], [1 / 8, 3 / 8, 1 / 2], atol=0.03)
    np.testing.assert_allclose(layers.stochastic_pool_mean(x[:1], window=2, strides=2).ravel(), [26 / 8])
    zero = jnp.zeros((1, 2, 2, 1))
    for f in (partial(layers.stochastic_pool, KEY), layers.stochastic_pool_mean):
        f = partial(f, window=2, strides=2)
        np.testing.assert_array_equal(f(zero), zero[:, :1, :1])
        assert jnp.isfinite(jax.grad(lambda x, f=f: f(x).sum())(zero)).all()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_blur_pool_equals_loops(size, stride):
    weights = np.array([math.comb(size - 1, i) for i in range(size)]) / 2 ** (size - 1)
    before = (size - 1) // 2
    padded = np.pad(X, ((0, 0), (before, size // 2), (before, size // 2), (0, 0)), mode="reflect")
    rows, columns = -(-7 // stride), -(-6 // stride)
    expected = np.zeros((2, rows, columns, 3))
    for i, j in np.ndindex(rows, columns):
        for a, b in np.ndindex(size, size):
            expected[:, i, j] += weights[a] * weights[b] * padded[:, i * stride + a, j * stride + b]
    np.testing.assert_allclose(layers.blur_pool(X, size=size, stride=stride), expected, rtol=1e-4, atol=1e-6)


def test_blur_pool_keeps_a_constant_and_shifts_with_its_input():
    np.testing.assert_allclose(layers.blur_pool(jnp.full((1, 6, 6, 2), 3.0)), np.full((1, 3, 3, 2), 3), rtol=1e-6)
    y, shifted = layers.blur_pool(X), layers.blur_pool(np.roll(X, 2, axis=1))
    np.testing.assert_allclose(shifted[:, 2:-1], y[:, 1:-2], rtol=1e-5)


EVERY = {
    "global_average_pool": layers.global_average_pool,
    "spatial_pyramid_pool": partial(layers.spatial_pyramid_pool, levels=(1, 3)),
    "stochastic_pool_mean": partial(layers.stochastic_pool_mean, window=3, strides=2),
    "lp_pool": partial(layers.lp_pool, p=3.0, window=3, strides=2),
    "blur_pool": layers.blur_pool,
}


@pytest.mark.parametrize("name", EVERY)
def test_eager_jit_vmap_gradient_and_dtype(name):
    f = EVERY[name]
    eager = f(X)[:, None]
    np.testing.assert_allclose(jax.jit(jax.vmap(f))(X[:, None]), eager, rtol=1e-5, atol=1e-6)
    check_grads(jax.jit(f), (jnp.asarray(X),), 1, modes=["rev"], eps=1e-3, rtol=2e-2, atol=2e-2)
    assert jax.eval_shape(f, jnp.asarray(X, jnp.bfloat16)).dtype == jnp.bfloat16
    assert jax.eval_shape(f, X[:0]).shape == (0, *eager.shape[2:])


@pytest.mark.parametrize(
    "f", [*EVERY.values(), layers.GeM(), partial(layers.stochastic_pool, KEY, window=2, strides=2)]
)
@pytest.mark.parametrize("x", [X[0], X[:, :0], X.astype(int)])
def test_other_maps_are_refused(f, x):
    with pytest.raises(ValueError, match=r"^x has"):
        f(x)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: layers.spatial_pyramid_pool(X, levels=()), "levels"),
        (lambda: layers.spatial_pyramid_pool(X, levels=(0, 1)), "levels"),
        (lambda: layers.lp_pool(X, p=0.5, window=2, strides=2), "p"),
        (lambda: layers.lp_pool(X, p=2, window=8, strides=2), "window"),
        (lambda: layers.lp_pool(X, p=2, window=2.0, strides=2), "window"),
        (lambda: layers.lp_pool(X, p=2, window=(2, 2, 2), strides=2), "window"),
        (lambda: layers.lp_pool(X, p=2, window=2, strides=0), "strides"),
        (lambda: layers.stochastic_pool_mean(X, window=0, strides=2), "window"),
        (lambda: layers.stochastic_pool(KEY, X, window=2, strides=(1, 0)), "strides"),
        (lambda: layers.GeM(p=0.0), "p"),
        (lambda: layers.GeM(epsilon=0.0), "epsilon"),
        (lambda: layers.GeM(features=2)(X), "x"),
        (lambda: layers.blur_pool(X, size=0), "size"),
        (lambda: layers.blur_pool(X, size=13), "size"),
        (lambda: layers.blur_pool(X, stride=0), "stride"),
        (lambda: layers.blur_pool(X, size=2.5), "size"),
        (lambda: layers.blur_pool(X, stride=2.0), "stride"),
        (lambda: layers.spatial_pyramid_pool(X, levels=(1, 2.0)), "levels"),
        (lambda: layers.spatial_pyramid_pool(X, levels=2), "levels"),
    ],
)
def test_bad_input(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()


def test_the_gradient_of_a_maximum_goes_to_the_first_of_equal_numbers():
    """In windows, in a pyramid, and over all positions, as in torch; that of jnp.max goes to both, a half each."""
    x = jnp.array([3.0, 1.0, 3.0, 3.0]).reshape(1, 2, 2, 1)
    pools = (
        lambda x: nnx.max_pool(x, (2, 2), strides=(2, 2)),
        lambda x: layers.spatial_pyramid_pool(x, levels=(1,)),
        lambda x: layers.lp_pool(x, p=np.inf, window=2, strides=2),
        parts.global_max,
    )
    for pool in pools:
        np.testing.assert_array_equal(jax.grad(lambda x, pool=pool: pool(x).sum())(x).ravel(), [1, 0, 0, 0])
    np.testing.assert_allclose(jax.grad(lambda x: x.max())(x).ravel(), [1 / 3, 0, 1 / 3, 1 / 3], rtol=1e-6)
