"""Stages over one state: equal to the same steps by hand, resumed bit for bit, refused by the name of the leaf."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import Stopped, recipe, same, stop_at

from jaxtricks import data, init, optim
from jaxtricks.checkpoint import CheckpointMismatchError
from jaxtricks.data import Feed
from jaxtricks.models import Model
from jaxtricks.train import EarlyStopping, Plan, RecipeError, create_state, fit, make_step, session

ONE = Plan(devices=(jax.devices()[0],))
SOURCE = data.fake(train=160, test=20, shape=(6, 6, 1)).hold_out(0.2)
STEPS = 4  # of an epoch: 128 images in batches of 32


def dense():
    """One layer, with batch statistics."""

    def init(key):
        return {"kernel": 0.1 * jax.random.normal(key, (36, 10))}, {"mean": jnp.zeros(36)}

    def apply(params, stats, image, *, train, key=None):
        x = image.reshape(len(image), -1)
        mean = 0.9 * stats["mean"] + 0.1 * x.mean(0)
        logits = (x - (x.mean(0) if train else stats["mean"])[None]) @ params["kernel"]
        return (logits, {}), {"mean": mean} if train else stats

    return Model(init, apply)


def made(**changes):
    settings = {"model": lambda **_: dense(), "augment": None, "epochs": 4.5, "lr": 0.5}
    return recipe(**(settings | changes))


MIXED = made()
BARE = replace(MIXED, mix=None, optimizer=partial(optim.coupled_sgd, weight_decay=1e-2))
STAGES = [(2, MIXED), (2.5, BARE)]


@pytest.fixture(scope="module")
def whole():
    return fit(STAGES, SOURCE, seeds=(3,), plan=ONE)[0]


def test_stages_set_the_epochs_of_their_recipes(whole):
    run = fit([(n, replace(part, epochs=1.0)) for n, part in STAGES], SOURCE, seeds=(3,), plan=ONE)[0]
    same(run.state, whole.state)


def test_two_stages_are_the_same_steps_by_hand(whole):
    model, key = dense(), jax.random.key(3)
    rates = optim.cosine(MIXED.lr, steps=18, steps_per_epoch=STEPS)
    constants = {
        "preprocess": MIXED.preprocess[0](SOURCE.train["image"]),
        "data": {"image": jnp.asarray(SOURCE.train["image"]), "label": jnp.asarray(SOURCE.train["label"])},
    }
    steps = []
    for each in (MIXED, BARE):
        tx = optax.with_extra_args_support(each.optimizer(rates))
        prepare, update = make_step(each, model, tx)
        both = lambda s, b, p=prepare, u=update: u(s, p(s.key, s.step, b, constants), constants)[0]  # noqa: E731
        steps.append(jax.jit(both))
    state = create_state(MIXED, model, optax.with_extra_args_support(MIXED.optimizer(rates)), key)
    for n, batch in enumerate(Feed(SOURCE.train, (3,), MIXED.batch).steps(0, 18)):
        state = steps[0 if n < 2 * STEPS else 1](state, batch)
    for name in ("params", "stats", "opt", "ema"):
        found, wanted = (jax.tree.leaves(getattr(s, name)) for s in (whole.state, state))
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=name)
    assert int(whole.state.step) == 18
    assert [r["step"] for r in whole.history] == [4, 8, 12, 16, 18]
    alone = fit(MIXED, SOURCE, seeds=(3,), plan=ONE, test=False)[0]  # the second stage is not the first
    assert [r["train_loss"] for r in alone.history[:2]] == [r["train_loss"] for r in whole.history[:2]]
    assert abs(alone.history[2]["train_loss"] - whole.history[2]["train_loss"]) > 1e-3


@pytest.mark.parametrize(("step", "every"), [(3, 2), (13, None)])
def test_resumed_in_either_stage_is_unbroken_bit_for_bit(whole, tmp_path, monkeypatch, step, every):
    monkeypatch.setattr(session, "PROGRESS", 0.0)
    given = {"seeds": (3,), "plan": ONE, "folder": tmp_path, "save_every": every}
    with pytest.raises(Stopped):
        fit(STAGES, SOURCE, **given, log=[stop_at(step)])
    run = fit(STAGES, SOURCE, **given)[0]
    same(run.state, whole.state)
    assert run.test == whole.test
    assert [r["train_loss"] for r in run.history] == [r["train_loss"] for r in whole.history]
    again = fit(STAGES, SOURCE, **given)[0]  # finished: nothing is trained
    same(again.state, whole.state)
    assert again.test == whole.test


def test_other_stages_are_another_run(tmp_path):
    fit(STAGES, SOURCE, plan=ONE, folder=tmp_path, test=False)
    with pytest.raises(CheckpointMismatchError, match=r"recipe.stage 0.epochs is 2; wanted: 3"):
        fit([(3, MIXED), (1.5, BARE)], SOURCE, plan=ONE, folder=tmp_path, test=False)


def test_early_stopping_ends_the_run_in_any_stage():
    still = made(epochs=6.0)
    run = fit(
        [(2, still), (4, replace(still, mix=None))],
        SOURCE,
        plan=ONE,
        stop=EarlyStopping(patience=2, min_delta=10.0),
        test=False,
    )[0]
    assert len(run.history) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ema": None}, r"stage 1 has ema/0/kernel: nothing; allowed: float32\[36, 10\]"),
        ({"optimizer": optax.adam}, r"stage 1 has opt/.*trace/kernel: nothing; allowed: float32"),
        ({"optimizer": lambda s: optax.chain(optim.coupled_sgd(s), optax.identity())}, r"stage 1 has opt/"),
    ],
)
def test_states_that_differ_are_refused_before_anything_is_compiled(change, words, monkeypatch):
    def compiled(*args):
        raise AssertionError("compiled")

    monkeypatch.setattr(Plan, "compile_step", compiled)
    monkeypatch.setattr(Plan, "jit_create", lambda *_: compiled)
    with pytest.raises(RecipeError, match=words):
        fit([(2, MIXED), (2.5, replace(MIXED, **change))], SOURCE, plan=ONE)


@pytest.mark.parametrize(
    ("stages", "error", "words"),
    [
        ([], ValueError, "without stages"),
        ([(1.5, MIXED), (3, BARE)], ValueError, "stage 0 has 1.5 epochs; allowed: an integer"),
        ([(0, MIXED), (4.5, BARE)], ValueError, "stage 0 has 0 epochs"),
        ([(2, MIXED), (float("nan"), BARE)], ValueError, "stage 1 has nan epochs"),
        ([(2, MIXED), (2.5, replace(BARE, batch=16))], ValueError, "recipe.batch is 16; allowed: 32"),
        ([(1, MIXED), (0.01, BARE)], ValueError, "stage 1 has 0.01 epochs, no step; allowed: one step or more"),
        (
            [(2, MIXED), (2, replace(BARE, init=partial(init.zero_last, pattern="kernel")))],
            RecipeError,
            r"stage 1: recipe.init is .*; allowed: as in stage 0, None",
        ),
        ([MIXED, BARE], TypeError, "allowed: a Recipe, or a list of"),
        ("MIXED", TypeError, "allowed: a Recipe, or a list of"),
    ],
)
def test_stages_that_do_not_fit_are_refused(stages, error, words):
    with pytest.raises(error, match=words):
        fit(stages, SOURCE, plan=ONE)
