import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxtricks import optim

START = {"w": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "b": jnp.array([0.1, 0.2])}


def gradient(params):
    return jax.tree.map(lambda p: p + 0.3 * p**2, params)


def walk(tx, params, steps, state=None):
    """The parameters after each step, and the last state."""
    state = tx.init(params) if state is None else state
    seen = []
    for _ in range(steps):
        updates, state = tx.update(gradient(params), state, params)
        params = optax.apply_updates(params, updates)
        seen.append(params)
    return seen, state


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), a, b)


def test_switch_by_hand():
    tx = optim.switch(2, optax.sgd(1.0), optax.sgd(optax.linear_schedule(0.5, 0.0, 5), momentum=0.5))
    state, one = tx.init(jnp.float32(0)), jnp.float32(1)
    seen = []
    for _ in range(5):
        update, state = tx.update(one, state, one)
        seen.append(float(update))
    np.testing.assert_allclose(seen, [-1, -1, -0.5 * 1, -0.4 * 1.5, -0.3 * 1.75], rtol=1e-6)


def test_switch_is_two_runs_one_after_the_other():
    first, then = optax.adam(0.1), optax.sgd(0.05, momentum=0.9)
    ours, _ = walk(optim.switch(3, first, then), START, 7)
    before, _ = walk(first, START, 3)
    after, _ = walk(then, before[-1], 4)
    close(ours, before + after)


def test_switch_starts_the_second_from_the_parameters_of_the_moment():
    then = optim.lookahead(optax.sgd(0.1), sync_period=2, slow_step_size=0.5)  # remembers where it began
    ours, _ = walk(optim.switch(3, optax.sgd(0.2), then), START, 7)
    before, _ = walk(optax.sgd(0.2), START, 3)
    after, _ = walk(then, before[-1], 4)
    close(ours, before + after)


def test_alternate_by_hand():
    tx = optax.chain(optim.alternate(optax.add_decayed_weights(0.5), optax.identity(), every=2), optax.sgd(1.0))
    params = {"w": jnp.float32(2.0)}
    state, seen = tx.init(params), []
    for _ in range(7):
        update, state = tx.update({"w": jnp.float32(1.0)}, state, params)
        seen.append(float(update["w"]))
    np.testing.assert_allclose(seen, [-2, -2, -1, -1, -2, -2, -1])


def test_alternate_with_itself_is_itself():
    tx = optax.add_decayed_weights(0.1)
    ours, _ = walk(optax.chain(optim.alternate(tx, tx, every=2), optax.adam(0.1)), START, 6)
    close(ours, walk(optax.chain(tx, optax.adam(0.1)), START, 6)[0])


def test_alternate_rests_the_state_that_is_off():
    tx = optim.alternate(optax.trace(0.5), optax.trace(0.5), every=2)
    state, seen = tx.init(jnp.float32(0)), []
    for _ in range(6):
        update, state = tx.update(jnp.float32(1), state)
        seen.append(float(update))
    np.testing.assert_allclose(seen, [1, 1.5, 1, 1.5, 1.75, 1.875])


TRANSFORMS = {
    "switch": optim.switch(2, optax.adam(0.1), optax.sgd(0.05, momentum=0.9)),
    "alternate": optim.alternate(optax.sgd(0.1), optax.adam(0.1), every=2),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_eager_jit_and_vmap_agree(name):
    def five(params):
        return walk(TRANSFORMS[name], params, 5)[0][-1]

    close(five(START), jax.jit(five)(START))
    many = jax.vmap(five)(jax.tree.map(lambda p: jnp.stack([p, 2 * p]), START))
    close(five(START), jax.tree.map(lambda x: x[0], many))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_each_device_may_have_a_state_of_its_own(name):
    """As with one seed a device; there, a branch with fresh zeros is of another type than one with a state."""
    tx, mesh = TRANSFORMS[name], jax.make_mesh((2,), ("seed",), axis_types=(AxisType.Auto,))
    params = jax.tree.map(lambda p: jnp.stack([p, 2 * p]), START)
    state = jax.vmap(tx.init)(params)

    def one(params, state):
        new = tx.update(params, *jax.tree.map(lambda x: x[0], (state, params)))
        return jax.tree.map(lambda x: x[None], new)

    def own(params, state):
        return one(jax.tree.map(lambda x: x[0], params), state)

    spread = jax.jit(jax.shard_map(own, mesh=mesh, in_specs=P("seed"), out_specs=P("seed")))
    together = jax.vmap(tx.update)
    states = [state, state]
    for _ in range(4):
        ours, states[0] = spread(params, states[0])
        theirs, states[1] = together(params, states[1], params)
        close(ours, theirs)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_extra_arguments_reach_both(name):
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=1)
    tx = {"switch": lambda a, b: optim.switch(1, a, b), "alternate": lambda a, b: optim.alternate(a, b, every=1)}[name]
    tx = tx(plateau, plateau)
    state = tx.init(START)
    for _ in range(4):
        updates, state = tx.update(START, state, START, value=jnp.float32(1.0))
    assert float(updates["b"][0]) < 0.1


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("at", lambda: optim.switch(0, optax.sgd(1.0), optax.sgd(1.0))),
        ("at", lambda: optim.switch(2.5, optax.sgd(1.0), optax.sgd(1.0))),
        ("every", lambda: optim.alternate(optax.sgd(1.0), optax.sgd(1.0), every=0)),
        ("params", lambda: TRANSFORMS["switch"].update(START, TRANSFORMS["switch"].init(START))),
    ],
)
def test_bad_arguments(name, call):
    with pytest.raises(ValueError, match=f"^{name} (is|has)"):
        call()
