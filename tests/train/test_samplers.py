"""A recipe's sampler through the loop: the rows of an epoch, its length, stages, resuming, and what does not fit."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import Stopped, bare, stop_at

from jaxtricks import data
from jaxtricks.ablation import progress
from jaxtricks.ablation.range_test import step_at_rate
from jaxtricks.models import Model
from jaxtricks.train import Plan, RecipeError, epoch_steps, fit, session, total_steps

ONE = Plan(devices=(jax.devices()[0],))
LABELS = np.repeat([0, 1, 2], [30, 8, 2])


def source():
    whole = data.from_arrays("tail", np.zeros((40, 4, 4, 1), np.uint8), LABELS, np.zeros((6, 4, 4), np.uint8), [0] * 6)
    return replace(whole, validation=whole.test)


SOURCE = source()


def one_number():
    """A weight, and a loss whose mean over an epoch tells which classes it read."""

    def init(key):
        return {"w": jnp.float32(1)}, {}

    def apply(params, stats, image, *, train, key=None):
        return (params["w"] * jnp.ones((len(image), 10)), {}), {}

    return Model(init, apply)


def recipe(**changes):
    def loss(params, out, batch):
        return 10.0 ** batch["label"] + 0 * out[0][:, 0]

    given = {"model": lambda **_: one_number(), "loss": loss, "optimizer": optax.sgd, "batch": 10, "epochs": 3}
    return bare(**given | changes)


def means(sampler, epochs, rows=None):
    """The mean loss of each epoch, from the order itself."""
    orders = [sampler(3, epoch, LABELS)[:rows] for epoch in epochs]
    return [float((10.0 ** LABELS[order]).mean()) for order in orders]


def losses_of(run):
    return [record["train_loss"] for record in run.history]


def permuted(seed, epoch, labels):
    return data.epoch_permutation(seed, epoch, len(labels))


def test_an_epoch_is_what_the_sampler_draws(monkeypatch):
    shuffle = recipe(sampler=data.label_shuffle)
    assert (epoch_steps(shuffle, SOURCE), total_steps(shuffle, SOURCE), total_steps(recipe(), SOURCE)) == (9, 27, 12)
    monkeypatch.setattr(progress, "forward_cost", lambda *_: {"macs": 7})
    assert [progress.work(r, SOURCE) for r in (shuffle, recipe())] == [3 * 90 * 7, 3 * 40 * 7]
    run = fit(shuffle, SOURCE, seeds=(3,), plan=ONE, test=False)[0]
    np.testing.assert_allclose(losses_of(run), means(data.label_shuffle, range(3)), rtol=1e-5)
    assert [record["step"] for record in run.history] == [9, 18, 27]


def test_each_stage_has_its_own_sampler_and_a_stopped_run_goes_on(tmp_path, monkeypatch):
    stages = [(1, recipe()), (1, recipe(sampler=data.square_root)), (1, recipe(sampler=data.class_balanced))]
    wanted = [means(s, [e])[0] for e, s in enumerate((permuted, data.square_root, data.class_balanced))]
    run = fit(stages, SOURCE, seeds=(3,), plan=ONE, test=False)[0]
    np.testing.assert_allclose(losses_of(run), wanted, rtol=1e-5)
    monkeypatch.setattr(session, "PROGRESS", 0.0)
    given = {"seeds": (3,), "plan": ONE, "folder": tmp_path, "save_every": 1, "test": False}
    with pytest.raises(Stopped):
        fit(stages, SOURCE, **given, log=[stop_at(6)])
    assert losses_of(fit(stages, SOURCE, **given)[0]) == losses_of(run)


def test_the_range_test_takes_the_sampler_s_batches():
    loss = []
    for sampler in (None, data.class_balanced):
        step, state = step_at_rate(recipe(sampler=sampler), SOURCE, seed=3)
        loss.append(float(step(state, 0.1)[1]))
    np.testing.assert_allclose(loss, [means(s, [0], 10)[0] for s in (permuted, data.class_balanced)], rtol=1e-5)


@pytest.mark.parametrize(
    ("stages", "error", "words"),
    [
        ([(1, recipe()), (1, recipe(sampler=data.over_sample))], ValueError, r"gives \[40, 90\] rows an epoch"),
        (recipe(sampler=lambda seed, epoch: [0]), RecipeError, "recipe.sampler raised TypeError"),
        (recipe(sampler=lambda *_: np.arange(41)), RecipeError, "sampler gives rows 0 to 40; allowed: 0 to 39"),
        (recipe(sampler=partial(data.class_balanced, rows=9)), ValueError, "batch is 10; allowed: 1 to the 9"),
    ],
)
def test_a_sampler_that_does_not_fit_is_refused_before_anything_is_compiled(stages, error, words, monkeypatch):
    monkeypatch.setattr(Plan, "compile_step", None)
    with pytest.raises(error, match=words):
        fit(stages, SOURCE, plan=ONE)


def test_a_sampler_by_name_is_refused():
    with pytest.raises(TypeError, match=r"recipe.sampler is 'class_balanced'; allowed: a function or None"):
        recipe(sampler="class_balanced")
