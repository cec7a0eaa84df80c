"""Batch normalisation: over which examples the statistics go, and how they are kept."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from jax.test_util import check_grads

from jaxtricks import layers

X = np.random.default_rng(0).normal(2, 3, (8, 5, 4, 3)).astype(np.float32)
MESH = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
SCALE, BIAS = np.float32([1, 2, 3]), np.float32([0, -1, 1])


def norm(**options):
    """Two pure functions of one layer: (stats, x) -> (y, stats), and the stats at first."""
    module = layers.BatchNorm(3, rngs=nnx.Rngs(0), **options)
    module.scale[...], module.bias[...] = jnp.asarray(SCALE), jnp.asarray(BIAS)
    graph, params, stats = nnx.split(module, nnx.Param, nnx.BatchStat)

    def apply(stats, x, train=True):
        module = nnx.merge(graph, params, jax.tree.map(jnp.copy, stats))
        return module(x, train=train), nnx.state(module, nnx.BatchStat)

    return apply, stats


def reference(x, epsilon=1e-5):
    """NumPy, channel by channel: output, mean, biased variance."""
    y, means, variances = np.empty(x.shape, np.float64), [], []
    for d in range(x.shape[-1]):
        values = x[..., d].astype(np.float64)
        means.append(values.mean())
        variances.append(((values - means[-1]) ** 2).sum() / values.size)
        y[..., d] = SCALE[d] * (values - means[-1]) / np.sqrt(variances[-1] + epsilon) + BIAS[d]
    return y, np.array(means), np.array(variances)


def assert_stats(stats, mean, var):
    np.testing.assert_allclose(stats["mean"][...], 0.1 * mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(stats["var"][...], 0.9 + 0.1 * var, rtol=1e-5)


def test_names_shapes_and_dtypes_of_parameters_and_statistics():
    state = nnx.to_pure_dict(nnx.state(layers.BatchNorm(3, rngs=nnx.Rngs(0))))
    assert {k: (v.shape, v.dtype) for k, v in state.items()} == dict.fromkeys(
        ("scale", "bias", "mean", "var"), ((3,), jnp.float32)
    )
    np.testing.assert_array_equal(jnp.stack([state[k] for k in ("scale", "bias", "mean", "var")])[:, 0], [1, 0, 0, 1])


@pytest.mark.parametrize("shape", [(8, 5, 4, 3), (160, 3), (8, 20, 3)])
def test_training_equals_numpy_and_evaluation_uses_the_running_statistics(shape):
    x = X.reshape(shape)
    apply, stats = norm()
    expected, mean, var = reference(x)
    for f in (apply, jax.jit(apply)):
        y, after = f(stats, x)
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
        assert_stats(after, mean, var)
    y, same = apply(after, x, train=False)
    running = np.sqrt(0.9 + 0.1 * var + 1e-5)
    np.testing.assert_allclose(y, SCALE * (x - 0.1 * mean) / running + BIAS, rtol=1e-4, atol=1e-5)
    assert_stats(same, mean, var)


def test_hand_computed():
    apply, stats = norm(momentum=0.5, epsilon=1.25)
    y, after = apply(stats, jnp.array([[1.0] * 3, [2.0] * 3, [3.0] * 3, [4.0] * 3]))  # mean 2.5, variance 1.25
    root = 2.5**0.5
    np.testing.assert_allclose(y[:, 0], [-1.5 / root, -0.5 / root, 0.5 / root, 1.5 / root], rtol=1e-6)
    np.testing.assert_allclose(after["mean"][...], 1.25, rtol=1e-6)
    np.testing.assert_allclose(after["var"][...], 1.125, rtol=1e-6)


def test_half_precision_is_normalised_in_float32():
    for dtype in (jnp.bfloat16, jnp.float16):
        x = jnp.asarray(X + 500, dtype)
        y, after = norm()[0](norm()[1], x)
        assert y.dtype == dtype
        assert after["var"].dtype == jnp.float32
        expected, mean, var = reference(np.asarray(x.astype(jnp.float32)))
        np.testing.assert_allclose(y.astype(jnp.float32), expected, atol=0.05)
        assert_stats(after, mean, var)


def test_a_large_mean_does_not_swallow_the_variance():
    _, after = norm()[0](norm()[1], X + 3e4)
    np.testing.assert_allclose(after["var"][...], 0.9 + 0.1 * X.var((0, 1, 2)), rtol=1e-3)


def test_gradient_by_finite_differences():
    weights = jnp.asarray(np.random.default_rng(1).normal(size=X.shape).astype(np.float32))
    for options in ({}, {"groups": 2}, {"frozen": True}):
        apply, stats = norm(**options)
        check_grads(
            jax.jit(lambda x, f=apply, s=stats: (f(s, x)[0] * weights).sum()), (X,), 1, modes=["rev"], rtol=2e-2
        )


def by_definition(x, scale, bias, groups=1):
    parts = x.reshape(groups, -1, x.shape[-1])
    unit = (parts - parts.mean(1, keepdims=True)) / jnp.sqrt(parts.var(1, keepdims=True) + 1e-5)
    return (unit * scale.reshape(1, 1, -1) + bias.reshape(1, 1, -1)).reshape(x.shape)


@pytest.mark.parametrize("groups", [None, 2])
def test_every_derivative_is_that_of_the_definition(groups):
    x, weights = jnp.asarray(X[:4, :2]), jnp.asarray(X[4:, :2])
    parameters = (x, jnp.asarray(SCALE), jnp.asarray(BIAS))
    graph, _, stats = nnx.split(layers.BatchNorm(3, groups=groups, rngs=nnx.Rngs(0)), nnx.Param, nnx.BatchStat)

    def layer(x, scale, bias):
        params = nnx.State({"scale": nnx.Param(scale), "bias": nnx.Param(bias)})
        return nnx.merge(graph, params, jax.tree.map(jnp.copy, stats))(x, train=True)

    def derivatives(function):
        f = lambda *args: jnp.sum(jnp.sin(function(*args)) * weights)  # noqa: E731
        gradient = jax.grad(f, (0, 1, 2))
        along = jax.tree.map(lambda a: a[::-1], parameters)
        squares = lambda *args: sum(jnp.sum(g**2) for g in gradient(*args))  # noqa: E731
        return (
            gradient(*parameters),
            jax.jvp(f, parameters, along)[1],
            jax.jvp(gradient, parameters, along)[1],
            jax.grad(squares, (0, 1, 2))(*parameters),
        )

    ours = jax.jit(lambda: derivatives(layer))()
    theirs = jax.jit(lambda: derivatives(partial(by_definition, groups=groups or 1)))()
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


def test_the_gradient_goes_through_the_statistics_of_all_replicas():
    apply, stats = norm(axis_name="data")
    weights = jnp.asarray(np.random.default_rng(1).normal(size=X.shape).astype(np.float32))

    @partial(jax.shard_map, mesh=MESH, in_specs=(P("data"), P("data")), out_specs=P("data"))
    def gradient(x, weights):
        return jax.grad(lambda x: (apply(stats, x)[0] * weights).sum())(x)

    expected = jax.grad(lambda x: (by_definition(x, SCALE, BIAS) * weights).sum())(X)
    np.testing.assert_allclose(jax.jit(gradient)(X, weights), expected, rtol=1e-4, atol=1e-5)


def test_the_statistics_have_derivatives_too():
    apply, stats = norm(momentum=0.0)
    for name, of in (("mean", jnp.mean), ("var", jnp.var)):
        ours = jax.grad(lambda x, n=name: (apply(stats, x)[1][n][...] ** 2).sum())(X)
        theirs = jax.grad(lambda x, f=of: (f(x, axis=(0, 1, 2)) ** 2).sum())(X)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("spread", [False, True])
def test_jit_takes_the_statistics_of_the_whole_batch_however_it_is_sharded(spread):
    apply, stats = norm()
    x = jax.device_put(X, NamedSharding(MESH, P("data"))) if spread else X
    y, after = jax.jit(apply)(stats, x)
    expected, mean, var = reference(X)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    assert_stats(after, mean, var)


@pytest.mark.parametrize("axis_name", [None, "data"])
@pytest.mark.parametrize("how", ["shard_map", "pmap", "vmap"])
def test_axis_name_averages_over_replicas_and_without_it_each_is_alone(how, axis_name):
    apply, stats = norm(axis_name=axis_name)
    parts = X.reshape(4, 2, *X.shape[1:])
    if how == "shard_map":

        @partial(jax.shard_map, mesh=MESH, in_specs=(P(), P("data")), out_specs=(P("data"), P("data")))
        def step(stats, x):
            if axis_name is None:
                stats = jax.tree.map(lambda s: jax.lax.pcast(s, "data", to="varying"), stats)
            y, after = apply(stats, x)
            return y, jax.tree.map(lambda s: s[None], after)

        y, after = jax.jit(step)(stats, X)
    elif how == "pmap":
        y, after = jax.pmap(apply, axis_name="data", in_axes=(None, 0))(stats, parts)
    else:
        y, after = jax.jit(jax.vmap(apply, axis_name="data", in_axes=(None, 0)))(stats, parts)
    y = np.asarray(y).reshape(parts.shape)
    for i, part in enumerate(parts):
        expected, mean, var = reference(X if axis_name else part)
        np.testing.assert_allclose(y[i], expected.reshape(4, *part.shape)[i] if axis_name else expected, atol=1e-4)
        assert_stats({k: v[...][i] for k, v in after.items()}, mean, var)


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_groups_are_normalised_apart(groups, spread):
    apply, stats = norm(groups=groups)
    x = jax.device_put(X, NamedSharding(MESH, P("data"))) if spread else X
    y, after = jax.jit(apply)(stats, x)
    parts = [reference(part) for part in np.split(X, groups)]
    np.testing.assert_allclose(y, np.concatenate([p[0] for p in parts]), rtol=1e-4, atol=1e-5)
    assert_stats(after, np.mean([p[1] for p in parts], axis=0), np.mean([p[2] for p in parts], axis=0))
    y, same = apply(after, X, train=False)
    assert_stats(same, np.mean([p[1] for p in parts], axis=0), np.mean([p[2] for p in parts], axis=0))
    assert y.shape == X.shape


def test_frozen_keeps_its_statistics_and_normalises_by_them():
    apply, stats = norm(frozen=True)
    stats = jax.tree.map(lambda s: s + 1, stats)  # mean 1, variance 2
    y, after = jax.jit(apply)(stats, X)
    np.testing.assert_allclose(y, SCALE * (X - 1) / np.sqrt(2 + 1e-5) + BIAS, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(after["mean"][...], 1)
    np.testing.assert_array_equal(after["var"][...], 2)


def test_recalibration_finds_the_statistics_of_all_batches():
    plain, stats = norm()
    frozen, frozen_stats = norm(frozen=True)
    stats = {
        "block": {"0": nnx.to_pure_dict(jax.tree.map(lambda s: s * 7 + 5, stats))},
        "frozen": nnx.to_pure_dict(jax.tree.map(lambda s: s + 3, frozen_stats)),
    }
    _, spec = norm()

    def wrapped(apply, tree, x):
        _, after = apply(nnx.State({k: spec[k].replace(v) for k, v in tree.items()}), x)
        return nnx.to_pure_dict(after)

    @jax.jit
    def update(stats, x):
        return {"block": {"0": wrapped(plain, stats["block"]["0"], x)}, "frozen": wrapped(frozen, stats["frozen"], x)}

    found = layers.recalibrate(update, stats, iter(X.reshape(4, 2, *X.shape[1:])))
    _, mean, var = reference(X)
    np.testing.assert_allclose(found["block"]["0"]["mean"], mean, rtol=1e-4)
    np.testing.assert_allclose(found["block"]["0"]["var"], var, rtol=1e-4)
    np.testing.assert_allclose(found["frozen"]["mean"], 3, rtol=1e-5)
    np.testing.assert_allclose(found["frozen"]["var"], 4, rtol=1e-5)
    once = layers.recalibrate(update, stats, [X])
    np.testing.assert_allclose(once["block"]["0"]["var"], var, rtol=1e-4)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("momentum", [0.0, 0.6, 0.9, 0.999])
@pytest.mark.parametrize(("mean", "var"), [(0.0, 1e4), (1e3, 1.0), (-1e3, 1e4), (0.0, 1.0)])
def test_recalibration_forgets_statistics_however_far_off(mean, var, momentum, told):
    """A frozen layer, whose statistics must be used and kept, before one with a batch variance of about 1e-3."""
    kept = {"mean": jnp.float32([0.1, 1 / 3, -2.7]), "var": jnp.float32([0.3, 1e-7, 7e5])}
    old = {"frozen": kept, "bn": {"mean": jnp.full(3, mean), "var": jnp.full(3, var)}}
    scale = np.sqrt(np.float32([1e-3, 2e-3, 0.0]))  # and a channel that is dead

    @jax.jit
    def update(stats, x):
        x = (x - stats["frozen"]["mean"][None]) / jnp.sqrt(stats["frozen"]["var"])[None] * scale[None]
        new = {"mean": x.mean(0), "var": x.var(0)}
        return {
            "frozen": stats["frozen"],
            "bn": jax.tree.map(lambda o, n: momentum * o + (1 - momentum) * n, stats["bn"], new),
        }

    unit = np.random.default_rng(3).normal(size=(7, 16, 3))  # seven: a mean of equal numbers is not always that number
    batches = (unit * np.sqrt(np.asarray(kept["var"], float)) + np.asarray(kept["mean"], float)).astype(np.float32)
    found = layers.recalibrate(update, old, batches, momentum=momentum if told else None)
    for name, value in kept.items():
        np.testing.assert_array_equal(found["frozen"][name], value)
    true = (unit * scale).reshape(-1, 3)
    near = 1e-4 if told or momentum < 0.99 else 5e-4  # of 1 - momentum, seven digits of momentum leave four
    np.testing.assert_allclose(found["bn"]["mean"], true.mean(0), rtol=10 * near, atol=1e-6)
    np.testing.assert_allclose(found["bn"]["var"], true.var(0), rtol=near)


def test_layers_of_different_momentum_are_recalibrated_by_their_own():
    """A mean that is 0 in the first batch and not in the second, a dead channel, and a layer that is dead at first."""
    momenta = {"slow": 0.99, "fast": 0.1, "none": 0.0, "dead": 0.9, "dead at first": 0.6}
    batches = np.random.default_rng(5).normal(size=(3, 16, 2)).astype(np.float32) * np.float32([1e-3, 10])
    batches[0] -= batches[0].mean(0)

    @jax.jit
    def update(stats, x):
        of = {"mean": x.mean(0).round(7), "var": x.var(0)}
        new = {name: of for name in momenta} | {"dead": {"mean": 0 * x[0], "var": 0 * x[0]}}
        new["dead at first"] = jax.tree.map(lambda leaf: jnp.where((x == batches[0]).all(), 0, leaf), of)
        step = lambda momentum, old, new: momentum * old + (1 - momentum) * new  # noqa: E731
        return {name: jax.tree.map(partial(step, momenta[name]), stats[name], new[name]) for name in momenta}

    stats = {name: {"mean": jnp.zeros(2), "var": jnp.ones(2)} for name in momenta}
    found = layers.recalibrate(update, stats, batches)
    for name in ("slow", "fast", "none"):
        np.testing.assert_allclose(found[name]["mean"], batches.mean((0, 1)), rtol=1e-4, atol=2e-7)
        np.testing.assert_allclose(found[name]["var"], batches.reshape(-1, 2).var(0), rtol=1e-4)
    np.testing.assert_array_equal(found["dead"]["var"], 0)
    late = [np.zeros(2), *(batch.mean(0) for batch in batches[1:])]
    np.testing.assert_allclose(found["dead at first"]["mean"], np.mean(late, 0), rtol=1e-4, atol=2e-7)
    spread = np.mean([np.zeros(2), *(batch.var(0) for batch in batches[1:])], 0) + np.var(late, 0)
    np.testing.assert_allclose(found["dead at first"]["var"], spread, rtol=1e-4)


def running(momentum):
    """``update`` of one layer, whose batches are ``[n, D]``."""

    def update(stats, x):
        new = {"mean": x.mean(0), "var": x.var(0)}
        return {"bn": jax.tree.map(lambda o, n: (momentum * o + (1 - momentum) * n).astype(o.dtype), stats["bn"], new)}

    return jax.jit(update)


@pytest.mark.parametrize("momentum", [0.6, 0.9])
def test_statistics_that_are_those_of_the_first_batch_are_recalibrated_by_the_others_too(momentum):
    batches = np.random.default_rng(6).normal(size=(3, 16, 2)).astype(np.float32)
    batches[1:] *= 3
    mean, var = batches[0].mean(0), batches[0].var(0)
    for old in (
        {"mean": mean, "var": var},
        {"mean": mean, "var": 0 * var},
        {"mean": np.nan * mean, "var": var},
        {"mean": mean + 3e38, "var": 3e38 + var},
    ):
        found = layers.recalibrate(running(momentum), {"bn": jax.tree.map(jnp.asarray, old)}, batches)
        np.testing.assert_allclose(found["bn"]["mean"], batches.mean((0, 1)), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found["bn"]["var"], batches.reshape(-1, 2).var(0), rtol=1e-4)


def test_a_channel_that_is_infinite_leaves_the_others_alone():
    batches = np.random.default_rng(6).normal(size=(2, 16, 3)).astype(np.float32)
    batches[..., 1] = np.inf
    found = layers.recalibrate(running(0.9), {"bn": {"mean": jnp.zeros(3), "var": jnp.ones(3)}}, batches)
    np.testing.assert_allclose(found["bn"]["var"][::2], batches[..., ::2].reshape(-1, 2).var(0), rtol=1e-4)


def test_seeds_on_devices_of_their_own_are_recalibrated_without_a_word_between_them():
    """A CPU's devices wait for one another, and can wait for ever, where several collectives are in flight."""
    tree = {"bn": {"mean": jnp.arange(12.0).reshape(4, 3), "var": jnp.ones((4, 3))}}
    tree = jax.device_put(tree, NamedSharding(MESH, P("data")))
    moves = jax.tree.map(jnp.isfinite, tree)
    text = jax.jit(layers._recalibrate._momenta).lower(moves, tree, tree, tree).compile().as_text()
    assert not any(word in text for word in ("all-gather", "all-reduce", "collective", "all-to-all"))
    found = layers.recalibrate(
        lambda stats, batch: jax.tree.map(lambda s, b: 0.9 * s + 0.1 * b, stats, batch), tree, [tree]
    )
    np.testing.assert_allclose(found["bn"]["mean"], tree["bn"]["mean"], rtol=1e-5)
    assert found["bn"]["mean"].sharding.is_equivalent_to(tree["bn"]["mean"].sharding, 2)


GOOD = {"mean": jnp.zeros(3), "var": jnp.ones(3)}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: norm(momentum=1.5), "momentum"),
        (lambda: norm(epsilon=0.0), "epsilon"),
        (lambda: norm(groups=0), "groups"),
        (lambda: norm(groups=2.0), "groups"),
        (lambda: norm(groups=2, axis_name="data"), "groups"),
        (lambda: norm(groups=2, frozen=True), "groups"),
        (lambda: norm(groups=3)[0](norm()[1], X), "x"),
        (lambda: norm()[0](norm()[1], X[..., :2]), "x"),
        (lambda: norm()[0](norm()[1], X[0, 0, 0]), "x"),
        (lambda: norm()[0](norm()[1], X.astype(int)), "x"),
        (lambda: norm()[0](norm()[1], X[:0]), "x"),
        (lambda: layers.recalibrate(lambda stats, x: stats, GOOD, []), "batches"),
        (lambda: layers.recalibrate(lambda stats, x: stats, GOOD, [X], momentum=1.0), "momentum"),
        (lambda: layers.recalibrate(running(0.99999), {"bn": GOOD}, [X[0, 0]]), "momentum"),
        (lambda: layers.recalibrate(running(0.9), {"bn": GOOD}, [X[0, 0]], momentum=0.9999999), "momentum"),
        (lambda: layers.recalibrate(running(0.9), {"bn": jax.tree.map(jnp.bfloat16, GOOD)}, [X[0, 0]]), "momentum"),
        (lambda: layers.recalibrate(lambda stats, x: stats, {"mean": jnp.ones(()), "var": jnp.ones(())}, [X]), "mean"),
        (lambda: layers.recalibrate(lambda stats, x: stats, {}, [X]), "stats"),
        (lambda: layers.recalibrate(lambda stats, x: stats, {"bn": {"mean": jnp.ones(3)}}, [X]), "stats"),
    ],
)
def test_bad_input(call, name):
    with pytest.raises(ValueError, match=f"^{name}[ ,]"):
        call()


@pytest.mark.parametrize("groups", [None, 2])
def test_the_unbiased_running_variance_is_numpys(groups):
    apply, stats = norm(unbiased=True, **({} if groups is None else {"groups": groups}))
    _, after = apply(stats, jnp.asarray(X))
    parts = X.reshape(groups or 1, -1, 3)
    assert_stats(after, X.mean((0, 1, 2)), parts.var(1, ddof=1).mean(0))
    with pytest.raises(ValueError, match="a value a channel; allowed with unbiased: two or more"):
        norm(unbiased=True)[0](stats, jnp.ones((1, 1, 1, 3)))


@pytest.mark.parametrize("train", [True, False])
def test_without_a_scale_gamma_is_1_and_no_parameter(train):
    with_scale, without = (layers.BatchNorm(3, use_scale=use, rngs=nnx.Rngs(0)) for use in (True, False))
    for module in (with_scale, without):
        module.bias[...] = jnp.asarray(BIAS)
    assert set(nnx.state(without, nnx.Param)) == {"bias"}
    np.testing.assert_array_equal(without(X, train=train), with_scale(X, train=train))
    graph, params, rest = nnx.split(without, nnx.Param, ...)
    of_bias = lambda params: (nnx.merge(graph, params, rest, copy=True)(X, train=train) ** 2).sum()  # noqa: E731
    gradient = jax.grad(of_bias)(params)["bias"][...]
    np.testing.assert_allclose(gradient, 2 * np.asarray(without(X, train=train)).sum((0, 1, 2)), rtol=2e-4)
    with pytest.raises(ValueError, match=r"^use_scale is 'no'; allowed: True, False"):
        layers.BatchNorm(3, use_scale="no", rngs=nnx.Rngs(0))
