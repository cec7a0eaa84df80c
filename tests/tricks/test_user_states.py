"""An optimiser state of a user's own, whatever its fields are called, trains like any other."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest
from small import bare, same

from jaxtricks import data
from jaxtricks.train import Plan, eval_params, fit

ONE = Plan(devices=(jax.devices()[0],))


class Counter(NamedTuple):
    skipped: jax.Array
    rejected: jax.Array


class Weights(NamedTuple):
    evaluated: optax.Params
    params: optax.Params


def counting(schedule):
    """SGD with a counter of its own, which rises at every step."""

    def update(updates, state, params=None):
        return updates, Counter(state.skipped + 1, state.rejected + 1)

    counter = optax.GradientTransformation(lambda params: Counter(jnp.int32(0), jnp.int32(0)), update)
    return optax.chain(counter, optax.sgd(schedule))


def remembering(schedule):
    """SGD with the weights of the start, which nobody is to evaluate."""
    keep = optax.GradientTransformation(
        lambda params: Weights(params, params), lambda u, state, params=None: (u, state)
    )
    return optax.chain(keep, optax.sgd(schedule))


@pytest.mark.parametrize("optimizer", [counting, remembering])
def test_names_of_fields_change_nothing(optimizer):
    source = data.fake(train=64, test=8, shape=(8, 8, 1))
    plain, own = (fit(bare(optimizer=tx), source, plan=ONE)[0] for tx in (optax.sgd, optimizer))
    same(own.state.params, plain.state.params)
    same(own.state.stats, plain.state.stats)
    same(eval_params(own.state), eval_params(plain.state))
    assert own.test == plain.test
    assert own.skipped == 0
