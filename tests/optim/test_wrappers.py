import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import optim

START = {"w": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "b": jnp.array([0.1, -0.0])}


def gradient(params):
    return jax.tree.map(lambda p: p + 0.3 * p**2, params)


def bits(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def test_lookahead_by_hand():
    tx = optim.lookahead(optax.sgd(1.0), sync_period=2, slow_step_size=0.25)
    params, seen = jnp.float32(8.0), []
    state = tx.init(params)
    for _ in range(4):
        updates, state = tx.update(jnp.float32(1.0), state, params)
        params = optax.apply_updates(params, updates)
        seen.append(float(params))
    assert seen == [7.0, 7.5, 6.5, 7.0]  # 8 + (6 - 8) / 4, then 7.5 + (5.5 - 7.5) / 4


@pytest.mark.parametrize("tx", [optax.sgd(0.1), optax.adam(0.1)], ids=["sgd", "adam"])
def test_lookahead_is_optax_s_on_plain_parameters(tx):
    ours, peer = optim.lookahead(tx, sync_period=3, slow_step_size=0.4), optax.lookahead(tx, 3, 0.4)
    params, pair = START, optax.LookaheadParams.init_synced(START)
    state, peer_state = ours.init(params), peer.init(pair)
    for _ in range(8):
        updates, state = ours.update(gradient(params), state, params)
        params = optax.apply_updates(params, updates)
        updates, peer_state = peer.update(gradient(pair.fast), peer_state, pair)
        pair = optax.apply_updates(pair, updates)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), params, pair.fast)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), state.slow, pair.slow)


def test_lookahead_parameters_are_the_slow_weights_after_a_sync():
    tx = optim.lookahead(optax.adam(0.1), sync_period=2, slow_step_size=0.3)
    params, state = START, tx.init(START)
    for step in range(1, 7):
        updates, state = tx.update(gradient(params), state, params)
        params = optax.apply_updates(params, updates)
        assert (bits(params) == bits(state.slow)) == (step % 2 == 0)


def test_lookahead_all_the_way_is_the_optimiser():
    tx = optax.adam(0.1)
    ours = optim.lookahead(tx, sync_period=2, slow_step_size=1.0)
    params, plain = START, START
    state, plain_state = ours.init(params), tx.init(plain)
    for _ in range(5):
        updates, state = ours.update(gradient(params), state, params)
        params = optax.apply_updates(params, updates)
        updates, plain_state = tx.update(gradient(plain), plain_state, plain)
        plain = optax.apply_updates(plain, updates)
    assert bits(params) == bits(plain)


def follow(losses, *, window=4, deviations=2.0):
    """Which of the steps with these losses are taken, and the last state."""
    tx = optim.skip_spikes(optax.sgd(0.1, momentum=0.5), window=window, deviations=deviations)
    state, taken = tx.init(START), []
    update = jax.jit(tx.update)
    for loss in losses:
        updates, new = update(gradient(START), state, START, loss=jnp.float32(loss))
        taken.append(bits(optax.apply_updates(START, updates)) != bits(START))
        if not taken[-1]:
            assert bits(new.inner.inner) == bits(state.inner.inner)
        state = new
    return taken, state


def reference(losses, *, window=4, deviations=2.0):
    known, taken = [], []
    for loss in losses:
        last = known[-window:]
        calm = len(last) < window or loss <= np.mean(last) + deviations * np.std(last)
        taken.append(bool(np.isfinite(loss) and calm))
        known += [loss] if np.isfinite(loss) else []
    return taken


def test_skip_spikes_by_hand():
    taken, state = follow([1.0, 3.0, 1.0, 3.0, 4.5, 3.9])  # mean 2, deviation 1: the limit is 4
    assert taken == [True] * 4 + [False, True]
    assert int(state.rejected) == 1
    assert int(state.inner.count) == 6


@pytest.mark.parametrize("seed", range(4))
def test_skip_spikes_is_the_loop(seed):
    draws = np.random.default_rng(seed)
    losses = draws.exponential(size=40).astype(np.float32)
    losses[draws.integers(0, 40, 5)] = [50, np.nan, np.inf, 30, -np.inf]
    taken, state = follow(losses)
    assert taken == reference(losses)
    assert int(state.rejected) == taken.count(False) > 0


def test_a_lasting_rise_is_accepted():
    taken, _ = follow([1.0, 1.1] * 5 + [9.0] * 8)
    assert not taken[10]
    assert all(taken[-4:])


def test_without_spikes_it_is_the_optimiser():
    tx = optax.adam(0.1)
    ours = optim.skip_spikes(tx, window=3, deviations=1e6)
    params, plain = START, START
    state, plain_state = ours.init(params), tx.init(plain)
    for step in range(6):
        updates, state = ours.update(gradient(params), state, params, loss=jnp.float32(step % 3))
        params = optax.apply_updates(params, updates)
        updates, plain_state = tx.update(gradient(plain), plain_state, plain)
        plain = optax.apply_updates(plain, updates)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), params, plain)


TRANSFORMS = {
    "lookahead": optim.lookahead(optax.adam(0.1), sync_period=2, slow_step_size=0.5),
    "skip_spikes": optim.skip_spikes(optax.adam(0.1), window=2, deviations=1.0),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_eager_jit_and_vmap_agree(name):
    tx = optax.with_extra_args_support(TRANSFORMS[name])

    def run(params):
        state = tx.init(params)
        for loss in (1.0, 2.0, 9.0, 1.5):
            updates, state = tx.update(gradient(params), state, params, loss=params["b"][0] * 0 + loss)
            params = optax.apply_updates(params, updates)
        return params

    many = jax.vmap(run)(jax.tree.map(lambda p: jnp.stack([p, 2 * p]), START))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), run(START), jax.jit(run)(START))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[0], rtol=1e-5), run(START), many)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("sync_period", lambda: optim.lookahead(optax.sgd(1.0), sync_period=0, slow_step_size=0.5)),
        ("slow_step_size", lambda: optim.lookahead(optax.sgd(1.0), sync_period=2, slow_step_size=1.5)),
        ("params", lambda: TRANSFORMS["lookahead"].update(START, TRANSFORMS["lookahead"].init(START))),
        ("window", lambda: optim.skip_spikes(optax.sgd(1.0), window=1, deviations=2.0)),
        ("window", lambda: optim.skip_spikes(optax.sgd(1.0), window=2.5, deviations=2.0)),
        ("deviations", lambda: optim.skip_spikes(optax.sgd(1.0), window=5, deviations=0.0)),
        (
            "loss",
            lambda: TRANSFORMS["skip_spikes"].update(
                START, TRANSFORMS["skip_spikes"].init(START), START, loss=jnp.ones(3)
            ),
        ),
    ],
)
def test_bad_arguments(name, call):
    with pytest.raises(ValueError, match=f"^{name} (is|has)"):
        call()
