"""Which weights are evaluated: the run's, a moving or uniform average, or what the optimiser names."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import bare

from jaxtricks import data, optim, tasks
from jaxtricks.models import Model
from jaxtricks.train import Plan, Precision, RecipeError, eval_params, fit, mean_of
from jaxtricks.train.program import Program

ONE = Plan(devices=(jax.devices()[0],))
SOURCE = data.fake(train=128, test=8, shape=(4, 4, 1))
TASK = tasks.classification(10)


def weight(*, classes, channels, dtype, axis_name):
    """One weight w; the loss of every image is (w - 1)^2 / 2, so that the gradient is w - 1."""

    def apply(params, stats, image, *, train, key=None):
        out = jnp.broadcast_to(params["w"], (image.shape[0], 10)) + 0 * image.mean((1, 2, 3))[:, None]
        return (out, {}), stats

    return Model(lambda key: ({"w": jnp.float32(3)}, {}), apply)


def made(**changes):
    settings = {
        "model": weight,
        "loss": lambda params, out, batch: 0.5 * (out[0][:, 0] - 1) ** 2,
        "task": replace(TASK, metrics={"loss": mean_of(lambda out, batch: out[0][:, 0])}, headline="loss"),
        "optimizer": lambda schedule: optax.sgd(0.1),
        "epochs": 2.0,
    }
    return bare(**(settings | changes))


def trained(**changes):
    return fit(made(**changes), SOURCE, plan=ONE)[0]


def path():
    """The weight after each of eight steps of plain SGD."""
    return 1 + 2 * 0.9 ** np.arange(1, 9)


@pytest.mark.parametrize(
    ("ema", "expected"),
    [
        (None, path()[-1]),
        (partial(optim.swa_decay, start=5), path()[5:].mean()),
        (partial(optim.swa_decay, start=0), path().mean()),
        (partial(optim.swa_decay, start=100), path()[-1]),
    ],
)
def test_uniform_average_from_a_step_on(ema, expected):
    run = trained(ema=ema)
    assert float(eval_params(run.state)[0]["w"]) == pytest.approx(expected, rel=1e-5)
    assert run.test["loss"] == pytest.approx(expected, rel=1e-5)
    assert float(run.state.params["w"]) == pytest.approx(path()[-1], rel=1e-5)


@pytest.mark.parametrize(("dtype", "given"), [("bfloat16", False), ("float16", True)])
def test_an_average_of_narrow_weights_does_not_stand_still(dtype, given):
    """The weight is 3 and stays there; the average is put to 2, and comes nearer at its own pace."""
    still = {"optimizer": lambda schedule: optax.set_to_zero(), "precision": Precision(dtype)}
    initial = ({"w": jnp.array(3, dtype)}, {}) if given else None
    program = Program(made(ema=lambda step: 0.999, **still), SOURCE, ONE, initial=initial)
    state = program.create((0,))
    assert state.ema[0]["w"].dtype == jnp.float32
    state = state._replace(ema=jax.tree.map(lambda a: a - 1, state.ema))
    batch = {"index": jnp.arange(32), "label": jnp.zeros(32, jnp.int32), "epoch": jnp.zeros(32, jnp.int32)}

    @jax.jit
    def step(state):
        rows = program.prepare(state.key, state.step, batch, program.constants)
        return program.update(state, rows, program.constants)[0]

    for _ in range(10):
        state = step(state)
    assert float(state.ema[0]["w"]) == pytest.approx(3 - 0.999**10, rel=1e-5)
    assert eval_params(state)[0]["w"].dtype == dtype


def test_schedule_free_trains_at_one_point_and_is_evaluated_at_another():
    def optimizer(schedule):
        inner = optax.contrib.schedule_free(optax.sgd(0.1), 0.1, b1=0.9)
        return optim.evaluate_at(inner, optax.contrib.schedule_free_eval_params)

    run = trained(optimizer=optimizer)
    x = y = z = 3.0
    for step in range(8):  # z takes the steps, x is the mean of z, the gradient is taken between them
        z = z - 0.1 * (y - 1)
        x = x + (z - x) / (step + 1)
        y = 0.1 * z + 0.9 * x
    assert abs(x - y) > 1e-3
    assert float(run.state.params["w"]) == pytest.approx(y, rel=1e-5)
    assert float(eval_params(run.state)[0]["w"]) == pytest.approx(x, rel=1e-5)
    assert run.test["loss"] == pytest.approx(x, rel=1e-5)


def test_a_moving_average_and_weights_that_the_optimiser_names_are_refused_together():
    tx = optim.evaluate_at(optax.sgd(0.1), lambda state, params: params)
    with pytest.raises(RecipeError, match=r"^recipe\.ema is given, and recipe\.optimizer names weights to evaluate"):
        trained(optimizer=lambda schedule: tx, ema=0.5)
    twice = optim.evaluate_at(tx, lambda state, params: params)
    with pytest.raises(RecipeError, match=r"^recipe\.optimizer names two sets of weights to evaluate"):
        trained(optimizer=lambda schedule: twice)


def test_evaluate_at_needs_the_parameters():
    tx = optim.evaluate_at(optax.sgd(0.1), lambda state, params: params)
    with pytest.raises(ValueError, match="params is None"):
        tx.update({"w": jnp.ones(2)}, tx.init({"w": jnp.ones(2)}))


def test_the_decay_of_a_uniform_average():
    np.testing.assert_allclose([optim.swa_decay(t, start=3) for t in (0, 3, 4, 5, 13)], [0, 0, 1 / 2, 2 / 3, 10 / 11])
    for option in ({"step": -1, "start": 0}, {"step": 0, "start": -1}):
        with pytest.raises(ValueError, match="allowed: 0 to inf"):
            optim.swa_decay(option.pop("step"), **option)
