"""Layers that draw."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import layers

KEY = jax.random.key(3)
X = jax.random.uniform(jax.random.key(0), (6, 8, 8, 4), minval=-1, maxval=2)

EVERY = {
    "dropout": partial(layers.dropout, rate=0.4),
    "dropout_plain": partial(layers.dropout_plain, rate=0.4),
    "stochastic_depth": partial(layers.stochastic_depth, rate=0.4),
    "drop_block": partial(layers.drop_block, rate=0.3, block=3),
    "classifier_noise": partial(layers.classifier_noise, std=0.5),
    "rrelu": layers.rrelu,
    "stochastic_pool": partial(layers.stochastic_pool, window=2, strides=2),
}


@pytest.mark.parametrize("name", EVERY)
def test_eager_jit_and_gradient(name):
    layer = EVERY[name]
    keys = jax.random.split(KEY, len(X))
    np.testing.assert_allclose(jax.jit(layer)(keys, X), layer(keys, X), rtol=1e-5, atol=1e-6)
    for key in (KEY, keys):
        assert jnp.isfinite(jax.jit(jax.grad(lambda x, key=key: layer(key, x).sum()))(X)).all()
        for dtype in (jnp.float32, jnp.bfloat16):
            assert jax.eval_shape(layer, key, X.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("name", EVERY)
def test_an_example_with_its_own_key_does_not_see_the_others(name):
    layer = EVERY[name]
    keys = jax.random.split(KEY, len(X))
    whole = jax.jit(layer)(keys, X)
    np.testing.assert_allclose(jax.jit(layer)(keys[2:4], X[2:4]), whole[2:4], rtol=1e-5, atol=1e-6)
    assert not np.allclose(jax.jit(layer)(keys[::-1], X), whole)


@pytest.mark.parametrize("name", EVERY)
def test_the_batch_may_be_sharded(name):
    layer = EVERY[name]
    keys = jax.random.split(KEY, 8)
    x = jnp.concatenate([X, X[:2]])
    mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.device_put((keys, x), jax.NamedSharding(mesh, jax.P("data")))
    np.testing.assert_allclose(jax.jit(layer)(*spread), jax.jit(layer)(keys, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "keys", [jax.random.split(KEY, 5), jax.random.PRNGKey(0)[:1], jax.random.split(KEY, (6, 2)), None, 3]
)
def test_other_keys_are_refused(name, keys):
    with pytest.raises(ValueError, match="keys"):
        EVERY[name](keys, X)
    if name == "stochastic_depth":
        with pytest.raises(ValueError, match="keys"):
            EVERY[name](keys, X, per="batch")


@pytest.mark.parametrize("layer", [layers.dropout, layers.dropout_plain, layers.stochastic_depth])
@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_share_and_scale_of_what_is_dropped(layer, rate):
    x = jnp.full((40_000, 1), 3.0)
    y = np.asarray(layer(KEY, x, rate=rate))
    assert abs((y == 0).mean() - rate) < 0.012
    kept = 3.0 if layer is layers.dropout_plain else 3.0 / max(1 - rate, 1e-9)
    np.testing.assert_allclose(y[y != 0], kept, rtol=1e-5, atol=1e-6)


def test_dropout_draws_every_element_of_every_example():
    y = layers.dropout(jax.random.split(KEY, 50), jnp.ones((50, 40)), rate=0.5)
    assert 0 < (y == 0).mean(1).min()
    assert len(np.unique(np.asarray(y), axis=0)) == 50
    assert len(np.unique(np.asarray(y), axis=1).T) == 40


def test_plain_dropout_has_the_mean_that_evaluation_uses():
    mean = jnp.stack([layers.dropout_plain(k, X, rate=0.3) for k in jax.random.split(KEY, 400)]).mean()
    np.testing.assert_allclose(mean, layers.dropout_plain_mean(X, rate=0.3).mean(), rtol=5e-3)
    np.testing.assert_allclose(layers.dropout_plain_mean(jnp.array([2.0, -1.0]), rate=0.25), [1.5, -0.75])


def test_stochastic_depth_drops_whole_examples_or_the_whole_batch():
    x = jnp.ones((200, 5, 3))
    for keys in (KEY, jax.random.split(KEY, 200)):
        sample = np.asarray(layers.stochastic_depth(keys, x, rate=0.5)).reshape(200, -1)
        assert (sample == sample[:, :1]).all()
        assert 60 < (sample[:, 0] == 0).sum() < 140
    batch = [np.asarray(layers.stochastic_depth(k, x, rate=0.5, per="batch")) for k in jax.random.split(KEY, 40)]
    assert {v for y in batch for v in np.unique(y)} == {0.0, 2.0}
    assert all(len(np.unique(y)) == 1 for y in batch)
    keys = jax.random.split(KEY, 200)
    several = layers.stochastic_depth(keys, x, rate=0.5, per="batch")
    np.testing.assert_array_equal(several, layers.stochastic_depth(keys[0], x, rate=0.5, per="batch"))


def test_drop_block_drops_blocks():
    x = jnp.ones((1, 9, 7, 1))
    found = 0
    for key in jax.random.split(KEY, 60):
        y = np.asarray(layers.drop_block(key, x, rate=0.05, block=3))[0, :, :, 0]
        hit = y == 0
        # Every zero lies in a 3x3 block of zeros, by brute force over the blocks that fit.
        covered = np.zeros_like(hit)
        for i in range(7):
            for j in range(5):
                if hit[i : i + 3, j : j + 3].all():
                    covered[i : i + 3, j : j + 3] = True
        np.testing.assert_array_equal(covered, hit)
        found += hit.any()
        if not hit.all():
            np.testing.assert_allclose(y.sum(), 63, rtol=1e-5)
    assert 0 < found < 60


def test_drop_block_of_one_pixel_is_dropout_and_its_rate_is_about_right():
    x = jnp.ones((400, 8, 8, 4))
    share = {b: float((layers.drop_block(KEY, x, rate=0.2, block=b) == 0).mean()) for b in (1, 3)}
    assert abs(share[1] - 0.2) < 5e-3
    # A pixel stays if none of the blocks over it starts: counted by hand for blocks of 3 on 8x8.
    over = np.array([1, 2, 3, 3, 3, 3, 2, 1])
    gamma = 0.2 / 9 * 64 / 36
    assert abs(share[3] - (1 - (1 - gamma) ** np.outer(over, over)).mean()) < 5e-3
    np.testing.assert_array_equal(layers.drop_block(KEY, x, rate=0.0, block=3), x)
    np.testing.assert_array_equal(layers.drop_block(KEY, x, rate=1.0, block=8), jnp.zeros_like(x))


def test_drop_block_of_channels_is_independent():
    y = layers.drop_block(KEY, jnp.ones((1, 6, 6, 30)), rate=0.2, block=2)
    assert len(np.unique(np.asarray(y == 0).reshape(36, 30), axis=1).T) > 20


def test_classifier_noise_has_the_deviation_asked_for():
    noise = layers.classifier_noise(jax.random.split(KEY, 400), jnp.full((400, 100), 7.0), std=2.0) - 7
    np.testing.assert_allclose([noise.mean(), noise.std()], [0, 2], atol=0.03)
    np.testing.assert_array_equal(layers.classifier_noise(KEY, X, std=0.0), X)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: layers.dropout(KEY, X, rate=1.1), "rate"),
        (lambda: layers.dropout(KEY, X, rate=float("nan")), "rate"),
        (lambda: layers.dropout(KEY, jnp.ones((2, 2), int), rate=0.1), "x"),
        (lambda: layers.dropout(jax.random.split(KEY, 2), jnp.float32(1.0), rate=0.1), "x"),
        (lambda: layers.dropout_plain(KEY, X, rate=-0.1), "rate"),
        (lambda: layers.dropout_plain_mean(X, rate=2), "rate"),
        (lambda: layers.stochastic_depth(KEY, X, rate=0.1, per="example"), "per"),
        (lambda: layers.stochastic_depth(KEY, jnp.float32(1.0), rate=0.1), "x"),
        (lambda: layers.stochastic_depth(KEY, X, rate=2), "rate"),
        (lambda: layers.drop_block(KEY, X[0], rate=0.1, block=2), "x"),
        (lambda: layers.drop_block(KEY, X, rate=0.1, block=9), "block"),
        (lambda: layers.drop_block(KEY, X, rate=0.1, block=0), "block"),
        (lambda: layers.classifier_noise(KEY, X, std=-1.0), "std"),
    ],
)
def test_bad_input(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
