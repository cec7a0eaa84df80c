"""What a loop learns from an optimiser's state: by the type of its parts, wherever they are, never by a name."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import optim
from jaxtricks.opt_states import Evaluates, Rejects, eval_params, named_twice, rejected

PARAMS = {"a": jnp.array([1.0, 2.0]), "b": jnp.array([3.0])}


def refusing(every):
    """Refuses the steps that ``every`` divides, the first one included."""

    def init(params):
        return Rejects(jnp.int32(0), jnp.int32(0))

    def update(updates, state, params=None):
        bad = state.inner % every == 0
        updates = jax.tree.map(lambda u: jnp.where(bad, -0.0, u), updates)
        return updates, Rejects(state.rejected + bad, state.inner + 1)

    return optax.GradientTransformation(init, update)


def doubled(tx):
    """Evaluates twice the parameters."""
    return optim.evaluate_at(tx, lambda state, params: jax.tree.map(lambda p: 2 * p, params))


def after(tx, steps=3):
    state = tx.init(PARAMS)
    for _ in range(steps):
        _, state = tx.update(jax.tree.map(jnp.ones_like, PARAMS), state, PARAMS)
    return state


PLACES = {
    "bare": lambda tx: tx,
    "in a chain": lambda tx: optax.chain(optax.trace(0.9), optax.chain(optax.identity(), tx)),
    "under a mask": lambda tx: optax.masked(tx, {"a": True, "b": False}),
    "in a partition": lambda tx: optim.by_path({"a": tx, "": optax.sgd(0.1)}),
    "frozen beside it": lambda tx: optim.freeze(tx, "b"),
    "under lookahead": lambda tx: optim.lookahead(tx, sync_period=2, slow_step_size=0.5),
    "by turns": lambda tx: optim.alternate(tx, optax.identity(), every=5),
}


@pytest.mark.parametrize("place", PLACES)
def test_rejected_steps_are_counted_wherever_the_state_is(place):
    state = after(PLACES[place](refusing(2)))
    assert int(rejected(state)) == 2
    assert rejected(state).dtype == jnp.int32
    assert int(jax.jit(rejected)(state)) == 2
    np.testing.assert_array_equal(jax.vmap(rejected)(jax.tree.map(lambda x: jnp.stack([x, x]), state)), [2, 2])


def test_counts_add_up_one_inside_another_too():
    skip = optim.skip_spikes(refusing(1), window=2, deviations=1.0)
    state, gradients = skip.init(PARAMS), jax.tree.map(jnp.ones_like, PARAMS)
    for loss in (1.0, 1.0, jnp.nan):  # the inner one refuses the two that the outer one passes on
        _, state = skip.update(gradients, state, PARAMS, loss=jnp.float32(loss))
    assert int(state.rejected) == 1
    assert int(rejected(state)) == 3
    assert int(rejected((after(refusing(1)), after(refusing(2))))) == 5


@pytest.mark.parametrize("place", PLACES)
def test_the_weights_to_evaluate_are_found_wherever_the_state_is(place):
    tx = PLACES[place](doubled(optax.set_to_zero()))
    state = after(tx)
    seen = jax.jit(eval_params)(state, PARAMS)
    np.testing.assert_array_equal(seen["a"], [2, 4])
    np.testing.assert_array_equal(seen["b"], [6] if place not in MASKED else [3])
    stack = jax.tree.map(lambda x: jnp.stack([x, 3 * x]), (state, PARAMS))
    np.testing.assert_array_equal(jax.vmap(eval_params)(*stack)["a"], [[2, 4], [6, 12]])


MASKED = ("under a mask", "in a partition", "frozen beside it")


@pytest.mark.parametrize("place", PLACES)
def test_leaves_that_a_mask_hides_need_the_parameters(place):
    state = after(PLACES[place](doubled(optax.set_to_zero())))
    if place in MASKED:
        with pytest.raises(ValueError, match=r"^params is None; allowed"):
            eval_params(state, None)
    else:
        jax.tree.map(np.testing.assert_array_equal, eval_params(state, None), eval_params(state, PARAMS))


def test_two_parts_of_the_tree_complete_each_other_and_the_outer_one_counts():
    parts = optim.by_path({"a": doubled(optax.set_to_zero()), "b": doubled(doubled(optax.sgd(1.0)))})
    seen = eval_params(after(parts), None)
    np.testing.assert_array_equal(seen["a"], [2, 4])
    np.testing.assert_array_equal(seen["b"], [4])
    state = Evaluates({"a": jnp.zeros(2), "b": jnp.zeros(1)}, Evaluates(PARAMS, ()))
    np.testing.assert_array_equal(eval_params(state, None)["a"], [0, 0])


class Counts(NamedTuple):
    """A state of a user's own, with the names that once meant something to the loop."""

    skipped: jax.Array
    rejected: jax.Array
    evaluated: dict
    params: dict


def test_the_names_of_fields_say_nothing():
    state = (Counts(jnp.int32(3), jnp.int32(3), PARAMS, PARAMS), optax.sgd(0.1).init(PARAMS))
    assert rejected(state) is None
    assert eval_params(state, None) is None
    assert eval_params(state, PARAMS) is None


def _evaluated(state, params):
    return params


PARTS = {"stem": {"kernel": jnp.ones(2), "bias": jnp.ones(2)}, "head": {"kernel": jnp.ones(2)}}
AT = optim.evaluate_at(optax.sgd(0.1), _evaluated)
STEM, HEAD = {"stem": True, "head": False}, {"stem": False, "head": True}


@pytest.mark.parametrize(
    ("tx", "twice"),
    [
        (AT, False),
        (optax.chain(optax.masked(AT, STEM), optax.masked(AT, HEAD)), False),
        (optax.multi_transform({"a": AT, "b": AT}, {"stem": "a", "head": "b"}), False),
        (optax.chain(AT, AT), True),
        (optim.evaluate_at(AT, _evaluated), True),
        (optax.chain(AT, optax.masked(AT, HEAD)), True),
        (optax.sgd(0.1), False),
    ],
)
def test_weights_that_are_named_twice(tx, twice):
    assert named_twice(jax.eval_shape(tx.init, PARTS), PARTS) is twice
