"""Every conflict that the checker knows, one recipe each, and the recipes that it must leave alone."""

import re
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import optax
import pytest

from experiments import _objectives, _tricks
from jaxtricks import augment, init, losses, models, optim, preprocess, train
from jaxtricks.train.conflicts import conflicts


def recipe(**changes):
    given = {"augmented": None, "model": partial(models.plain, (4,)), "lr": 0.1, "batch": 8, "epochs": 2}
    return replace(_tricks.modern(**given), **changes)


def found(recipe):
    variables = jax.eval_shape(recipe.model(classes=3, dtype=jnp.float32, axis_name=None).init, jax.random.key(0))
    return {c.fields: c.why for c in conflicts(recipe, variables)}


def one_hot_first(key, batch):
    return {**batch, "target": jax.nn.one_hot(batch["label"], 3)}


MIXED = augment.chain(target=one_hot_first, mix=partial(augment.mixup, alpha=0.2))
SMOOTH = partial(optax.smooth_labels, alpha=0.1)
BINARY = partial(_objectives.on_classes, loss=optax.sigmoid_binary_cross_entropy)
BARE = partial(models.plain, (4,), norm=None)


def smooth_after(key, batch):
    return {**batch, "target": SMOOTH(batch["target"])}


def decay_after_freezing(schedule):
    return optax.chain(optim.freeze(optax.sgd(schedule), "^head/"), optax.add_decayed_weights(-1e-2))


def decay_inside(schedule):
    return optim.freeze(optax.chain(optax.add_decayed_weights(1e-2), optax.sgd(schedule)), "^head/")


def cut(stats, image):
    return augment.flip_left_right(preprocess.standardize(stats, image))


WRONG = {
    "smoothing of mixed targets": (recipe(augment=MIXED, targets=SMOOTH), ("augment", "targets"), "smoothed after"),
    "smoothing inside mix": (
        recipe(mix=augment.chain(mix=partial(augment.mixup, alpha=0.2), smooth=partial(smooth_after))),
        None,
        None,
    ),
    "binary with smoothing": (recipe(loss=BINARY, targets=SMOOTH), ("loss", "targets"), "bce_targets"),
    "averaged weights": (
        recipe(optimizer=partial(optax.contrib.schedule_free_sgd)),
        ("optimizer", "model"),
        "recalibrate",
    ),
    "SAM with fp16": (
        recipe(gradient=(partial(optim.sam, rho=0.05),), precision=train.FLOAT16),
        ("gradient", "precision"),
        "infinity",
    ),
    "accumulation": (recipe(gradient=(partial(optim.accumulate, n=2),)), ("gradient", "model"), "microbatch"),
    "zero gamma": (recipe(init=init.zero_gamma), ("init", "model"), "no residual blocks"),
    "decay of a frozen leaf": (recipe(optimizer=decay_after_freezing), ("optimizer",), "head/bias, head/kernel"),
    "augmentation in evaluation": (
        recipe(preprocess=(preprocess.standardize_fit, partial(augment.flip_left_right))),
        ("preprocess", "augment"),
        "evaluation too",
    ),
}
WRONG.pop("smoothing inside mix")  # a function of one's own has no name that tells: see the next test


@pytest.mark.parametrize("name", WRONG)
def test_each_conflict_is_named_with_its_fields(name):
    wrong, fields, words = WRONG[name]
    assert list(found(wrong)) == [fields]
    assert words in found(wrong)[fields]


def test_smoothing_inside_mix_is_seen():
    def both(key, batch):
        return smooth(augment.mixup(key, batch, alpha=0.2)["target"])

    smooth = SMOOTH
    assert list(found(recipe(mix=both))) == [("targets", "mix")]


GOOD = {
    "nothing": recipe(),
    "smoothing, then mixup": recipe(targets=SMOOTH, mix=partial(augment.mixup, alpha=0.2)),
    "binary with its own targets": recipe(loss=BINARY, targets=losses.bce_targets),
    "averages with statistics": recipe(ema=0.99),
    "SAM in bfloat16": recipe(gradient=(partial(optim.sam, rho=0.05),), precision=train.BFLOAT16),
    "accumulation without statistics": recipe(model=BARE, gradient=(partial(optim.accumulate, n=2),)),
    "zero gamma of residual blocks": recipe(
        model=partial(models.resnet, models.LAYOUTS["resnet_digits"]), init=init.zero_gamma
    ),
    "decay inside": recipe(optimizer=decay_inside),
    "no bias decay": _tricks.no_bias_decay(recipe()),
    "unfreezing": recipe(optimizer=lambda s: optim.unfreeze_at(optax.adamw(s), {"^stages/": 5})),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_belongs_together_is_left_alone(name):
    assert found(GOOD[name]) == {}


def test_a_conflict_is_a_sentence():
    wrong, _, _ = WRONG["accumulation"]
    variables = jax.eval_shape(wrong.model(classes=3, dtype=jnp.float32, axis_name=None).init, jax.random.key(0))
    (told,) = conflicts(wrong, variables)
    assert re.fullmatch(r"recipe.gradient and recipe.model: .*\.", str(told))
