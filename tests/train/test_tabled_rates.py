"""Learning rates come from a table that a step reads: schedules make no programs of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import dataset, recipe

from jaxtricks import train
from jaxtricks.data import Feed
from jaxtricks.train import Plan, Precision, fit
from jaxtricks.train.program import Program

SOURCE = dataset()


def rising(peak, *, steps, steps_per_epoch):
    return lambda step: peak * (step + 1) / steps


def falling(peak, *, steps, steps_per_epoch):
    return lambda step: peak * (steps - step) / steps


def lowered(recipe):
    program = Program(recipe, SOURCE, Plan())
    state = program.create((0,))
    program.compile(state, feed := Feed(SOURCE.train, (0,), recipe.batch))
    batch = program.plan.put_rows(next(iter(feed.steps(0, 1))))
    batch = program.prepare(state.key, state.step, batch, program.constants)
    return jax.jit(program.update).lower(state, batch, program.constants).as_text()


def test_recipes_that_differ_in_their_schedules_are_one_program():
    assert lowered(recipe(schedule=rising)) == lowered(recipe(schedule=falling))
    assert lowered(recipe(schedule=rising)) != lowered(recipe(schedule=rising, optimizer=optax.adam))


@pytest.mark.parametrize("precision", [Precision(), pytest.param(Precision(param="bfloat16"), marks=pytest.mark.slow)])
def test_the_rates_of_a_run_are_those_of_the_schedule(precision):
    """The same few steps by an optimiser that knows its rates by itself; in many the last bit would become a lot."""
    short = {"epochs": 0.5, "precision": precision}
    tabled = recipe(schedule=rising, optimizer=lambda rate: optax.sgd(rate, momentum=0.9), **short)
    rate = rising(tabled.lr, steps=train.total_steps(tabled, SOURCE), steps_per_epoch=1)
    direct = recipe(optimizer=lambda _: optax.sgd(rate, momentum=0.9), **short)
    assert train.total_steps(tabled, SOURCE) == 4
    (one,), (two,) = fit(tabled, SOURCE), fit(direct, SOURCE)
    for a, b in zip(jax.tree.leaves(one.state.params), jax.tree.leaves(two.state.params), strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float32), np.asarray(b, np.float32), rtol=1e-5, atol=1e-6)
    start = jax.tree.leaves(Program(tabled, SOURCE, Plan()).create((0,)).params)
    assert any(jnp.any(a != b) for a, b in zip(start, jax.tree.leaves(one.state.params), strict=True))
