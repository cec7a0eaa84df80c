from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxtricks import optim

ROWS = 24


def objective(params, stats, batch):
    """A small network with running statistics, a tree of sums, and a draw for each row."""
    hidden = jnp.tanh(batch["image"] @ params["in"]["kernel"] + params["in"]["bias"][None])
    draw = jax.vmap(jax.random.normal)(batch["key"])
    each = jnp.square(hidden @ params["out"]["kernel"] - batch["target"] + 0.1 * draw)
    stats = {"mean": 0.9 * stats["mean"] + 0.1 * hidden.mean(0)}
    return each.mean(), (stats, {"loss": each.sum(), "count": jnp.int32(each.shape[0])})


def normalised(params, stats, batch):
    """The same kind of network with batch normalisation: a row's loss depends on its companions."""
    hidden = batch["image"] @ params["in"]["kernel"] + params["in"]["bias"][None]
    hidden = (hidden - hidden.mean(0, keepdims=True)) / jnp.sqrt(hidden.var(0, keepdims=True) + 1e-5)
    each = jnp.square(jnp.tanh(hidden) @ params["out"]["kernel"] - batch["target"])
    return each.mean(), (stats, {"loss": each.sum(), "count": jnp.int32(each.shape[0])})


PLAIN = jax.value_and_grad(objective, has_aux=True)
STATS = {"mean": jnp.zeros(5)}


def params_and_batch(rows=ROWS):
    draws = np.random.default_rng(0)

    def array(*shape):
        return jnp.asarray(draws.normal(size=shape), jnp.float32)

    params = {"in": {"kernel": array(3, 5), "bias": array(5)}, "out": {"kernel": array(5)}}
    batch = {"image": array(rows, 3), "target": array(rows), "key": jax.random.split(jax.random.key(1), rows)}
    return params, batch


def close(a, b, *, rtol=1e-5, atol=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), a, b)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 24])
def test_accumulation_is_the_large_batch(n):
    params, batch = params_and_batch()
    (loss, (_, sums)), gradients = jax.jit(PLAIN)(params, STATS, batch)
    (ours, (_, our_sums)), our_gradients = jax.jit(optim.accumulate(PLAIN, n))(params, STATS, batch)
    close((ours, our_sums, our_gradients), (loss, sums, gradients), rtol=1e-6, atol=1e-6)
    assert our_sums["count"] == ROWS
    assert our_sums["count"].dtype == jnp.int32


def test_accumulation_by_a_loop():
    params, batch = params_and_batch()
    (_, (stats, _)), gradients = optim.accumulate(PLAIN, 3)(params, STATS, batch)
    running, total = STATS, jax.tree.map(jnp.zeros_like, params)
    for i in range(3):
        (_, (running, _)), part = PLAIN(params, running, jax.tree.map(lambda x, i=i: x[i::3], batch))
        total = jax.tree.map(jnp.add, total, part)
    close(stats, running)
    close(gradients, jax.tree.map(lambda g: g / 3, total))


def test_batch_normalisation_sees_one_microbatch():
    params, batch = params_and_batch()
    plain = jax.value_and_grad(normalised, has_aux=True)
    whole, parts = plain(params, STATS, batch)[1], optim.accumulate(plain, 4)(params, STATS, batch)[1]
    difference = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), whole, parts)
    assert max(jax.tree.leaves(difference)) > 1e-2


def test_sam_of_a_quadratic_by_hand():
    scale = jnp.array([1.0, 4.0])

    def quadratic(params, stats, batch):
        loss = 0.5 * (scale * params**2).sum()
        return loss, (stats + 1, {"loss": loss})

    w = jnp.array([3.0, 1.0])  # the gradient is (3, 4), of norm 5; the neighbour (3.3, 1.4)
    (loss, (stats, sums)), gradient = optim.sam(jax.value_and_grad(quadratic, has_aux=True), rho=0.5)(w, 0, None)
    np.testing.assert_allclose(gradient, [3.3, 5.6], rtol=1e-6)
    assert (float(loss), stats, float(sums["loss"])) == (6.5, 1, 6.5)


def test_sam_takes_what_value_and_grad_takes():
    w, x = jnp.array([3.0, 4.0]), jnp.array([1.0, 2.0])
    loss = lambda w, x, *, power: jnp.sum(x * w**power)  # noqa: E731
    value, gradient = optim.sam(jax.value_and_grad(loss), rho=0.1)(w, x, power=2)
    first = np.array([6.0, 16.0])
    assert value == 41
    np.testing.assert_allclose(gradient, 2 * x * (w + 0.1 * first / np.linalg.norm(first)), rtol=1e-6)


def test_sam_is_the_gradient_at_the_neighbour():
    params, batch = params_and_batch()
    (loss, aux), gradients = PLAIN(params, STATS, batch)
    norm = np.sqrt(sum((np.asarray(g, np.float64) ** 2).sum() for g in jax.tree.leaves(gradients)))
    there = jax.tree.map(lambda p, g: p + 0.3 * g / norm, params, gradients)
    (our_loss, our_aux), ours = optim.sam(PLAIN, rho=0.3)(params, STATS, batch)
    close((our_loss, our_aux), (loss, aux))  # statistics of the first pass
    close(ours, PLAIN(there, STATS, batch)[1])
    assert max(jax.tree.leaves(jax.tree.map(lambda a, b: jnp.abs(a - b).max(), ours, gradients))) > 1e-2


def test_a_small_sam_is_the_gradient():
    params, batch = params_and_batch()
    close(optim.sam(PLAIN, rho=1e-7)(params, STATS, batch), PLAIN(params, STATS, batch))


def test_sam_at_a_flat_point_is_finite():
    flat = jax.value_and_grad(lambda params, stats, batch: ((params**2).sum(), (stats, {})), has_aux=True)
    with jax.debug_nans(True):
        np.testing.assert_array_equal(optim.sam(flat, rho=0.1)(jnp.zeros(3), 0, None)[1], 0)


def test_sam_keeps_the_dtypes():
    half = jax.value_and_grad(lambda params, stats, batch: ((params**2).sum(), (stats, {})), has_aux=True)
    assert optim.sam(half, rho=0.1)(jnp.ones(3, jnp.bfloat16), 0, None)[1].dtype == jnp.bfloat16


@pytest.mark.parametrize("order", ["sam of accumulate", "accumulate of sam"])
def test_composition(order):
    params, batch = params_and_batch()
    sam, accumulate = partial(optim.sam, rho=0.2), partial(optim.accumulate, n=4)
    if order == "sam of accumulate":
        ours = sam(accumulate(PLAIN))(params, STATS, batch)
        expected = sam(PLAIN)(params, STATS, batch)[1]
    else:
        ours = accumulate(sam(PLAIN))(params, STATS, batch)
        parts = [sam(PLAIN)(params, STATS, jax.tree.map(lambda x, i=i: x[i::4], batch))[1] for i in range(4)]
        expected = jax.tree.map(lambda *gradients: sum(gradients) / 4, *parts)
    close(ours[1], expected)


WRAPS = {"accumulate": partial(optim.accumulate, n=3), "sam": partial(optim.sam, rho=0.1)}


@pytest.mark.parametrize("name", WRAPS)
def test_eager_jit_and_vmap_agree(name):
    params, batch = params_and_batch()
    function = WRAPS[name](PLAIN)
    eager = function(params, STATS, batch)
    close(eager, jax.jit(function)(params, STATS, batch))
    stacked = jax.tree.map(lambda p: jnp.stack([p, 2 * p]), params)
    many = jax.vmap(function, (0, None, None))(stacked, STATS, batch)
    close(eager, jax.tree.map(lambda x: x[0], many))


@pytest.mark.parametrize("name", WRAPS)
def test_gradients_by_finite_differences(name):
    params, batch = params_and_batch()
    gradients = WRAPS[name](PLAIN)(params, STATS, batch)[1]
    point = params
    if name == "sam":
        first = PLAIN(params, STATS, batch)[1]
        norm = np.sqrt(sum(np.sum(np.square(g)) for g in jax.tree.leaves(first)))
        point = jax.tree.map(lambda p, g: p + 0.1 * g / norm, params, first)
    for index in range(5):
        step = 1e-2 * jax.nn.one_hot(index, 5)
        up, down = (
            objective(point | {"out": {"kernel": point["out"]["kernel"] + sign * step}}, STATS, batch)[0]
            for sign in (1, -1)
        )
        np.testing.assert_allclose(gradients["out"]["kernel"][index], (up - down) / 2e-2, rtol=1e-3, atol=1e-3)


def test_accumulation_on_four_devices():
    params, batch = params_and_batch(rows=48)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    rows, whole = PartitionSpec("data"), PartitionSpec()
    spread = jax.device_put(batch, NamedSharding(mesh, rows))
    accumulated = optim.accumulate(PLAIN, 3)
    expected = PLAIN(params, STATS, batch)[1]

    compiled = jax.jit(accumulated).lower(params, STATS, spread).compile()
    close(compiled(params, STATS, spread)[1], expected)
    assert not any(name in compiled.as_text() for name in ("all-to-all", "all-gather", "collective-permute"))

    def replica(params, stats, batch):
        params, stats = jax.lax.pcast((params, stats), "data", to="varying")
        return jax.lax.pmean(accumulated(params, stats, batch)[1], "data")

    sharded = jax.jit(jax.shard_map(replica, mesh=mesh, in_specs=(whole, whole, rows), out_specs=whole))
    close(sharded(params, STATS, spread), expected)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("n", lambda: optim.accumulate(PLAIN, 0)),
        ("n", lambda: optim.accumulate(PLAIN, 2.0)),
        ("n", lambda: optim.accumulate(PLAIN, 5)(params_and_batch()[0], STATS, params_and_batch()[1])),
        ("batch", lambda: optim.accumulate(PLAIN, 2)(params_and_batch()[0], STATS, {"image": jnp.float32(1)})),
        ("rho", lambda: optim.sam(PLAIN, rho=0.0)),
    ],
)
def test_bad_arguments(name, call):
    with pytest.raises(ValueError, match=f"^{name} (is|has)"):
        call()
