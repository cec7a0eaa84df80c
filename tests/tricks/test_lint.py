"""Every conflict that the checker knows, one recipe each, and the recipes that it must leave alone."""

import warnings
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxtricks import augment, init, layers, losses, models, optim, preprocess, tasks, train
from jaxtricks.tricks import bag, lint, objectives
from jaxtricks.tricks.lint import conflicts


def recipe(**changes):
    given = {
        "task": tasks.classification(3),
        "augmented": None,
        "model": partial(models.plain, (4,)),
        "lr": 0.1,
        "batch": 8,
        "epochs": 2,
    }
    return replace(bag.modern(**given), **changes)


def shapes(recipe):
    return jax.eval_shape(recipe.model(classes=3, dtype=jnp.float32, axis_name=None).init, jax.random.key(0))


def found(recipe):
    return {c.fields: c.why for c in conflicts(recipe, shapes(recipe))}


def one_hot_first(key, batch):
    return {**batch, "target": jax.nn.one_hot(batch["label"], 3)}


MIXED = augment.chain(target=one_hot_first, mix=partial(augment.mixup, alpha=0.2))
SMOOTH = partial(optax.smooth_labels, alpha=0.1)
BINARY = partial(objectives.on_classes, loss=optax.sigmoid_binary_cross_entropy)
BARE = partial(models.plain, (4,), norm=None)


def decay_after_freezing(schedule):
    return optax.chain(optim.freeze(optax.sgd(schedule), "^head/"), optax.add_decayed_weights(-1e-2))


def decay_inside(schedule):
    return optim.freeze(optax.chain(optax.add_decayed_weights(1e-2), optax.sgd(schedule)), "^head/")


def by_layer(schedule):
    return optim.layerwise_decay(optax.adamw(schedule, weight_decay=0.1), ("^stages/", "^head/"), decay=0.5)


def slow_statistics(momentum):
    return partial(models.plain, (4,), norm=partial(models.batch_norm, momentum=momentum))


def looking_ahead(schedule):
    return optim.lookahead(optax.sgd(schedule), sync_period=5, slow_step_size=0.5)


SAM = (partial(optim.sam, rho=0.05),)
CUT_FIRST = augment.chain(target=one_hot_first, mix=partial(augment.cutmix, alpha=1.0))
EXCLUSIVE = partial(losses.smooth_labels_exclusive, alpha=0.1)
WRONG = {
    "smoothing of mixed targets": (recipe(augment=MIXED, targets=SMOOTH), ("augment", "targets"), "smoothed after"),
    "the other smoothing, the other mixing": (
        recipe(augment=CUT_FIRST, targets=EXCLUSIVE),
        ("augment", "targets"),
        "smoothed after",
    ),
    "binary with smoothing": (recipe(loss=BINARY, targets=SMOOTH), ("loss", "targets"), "bce_targets"),
    "averaged weights": (
        recipe(optimizer=partial(optax.contrib.schedule_free_sgd)),
        ("optimizer", "model"),
        "recalibrate",
    ),
    "slow weights": (recipe(optimizer=looking_ahead), ("optimizer", "model"), "recalibrate"),
    "statistics slower than the average": (
        recipe(ema=0.99, model=slow_statistics(0.999)),
        ("ema", "model"),
        "more slowly",
    ),
    "SAM with fp16": (recipe(gradient=SAM, precision=train.FLOAT16), ("gradient", "precision"), "float16"),
    "SAM with fp16, unscaled": (
        recipe(gradient=SAM, precision=train.Precision(compute="float16")),
        ("gradient", "precision"),
        "vanishes",
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
    "statistics as fast as the average": recipe(ema=0.999, model=slow_statistics(0.99)),
    "statistics that are faster still": recipe(ema=0.99, model=slow_statistics(1e-1)),
    "slow statistics without an average": recipe(model=slow_statistics(0.999)),
    "averaged weights without statistics": recipe(model=BARE, optimizer=looking_ahead),
    "slow weights with statistics of their own": recipe(optimizer=looking_ahead, recalibrate=layers.recalibrate),
    "an average with statistics of its own": recipe(
        ema=0.9, model=slow_statistics(0.999), recalibrate=layers.recalibrate
    ),
    "SAM in bfloat16": recipe(gradient=SAM, precision=train.BFLOAT16),
    "fp16 without SAM": recipe(precision=train.FLOAT16),
    "accumulation without statistics": recipe(model=BARE, gradient=(partial(optim.accumulate, n=2),)),
    "zero gamma of residual blocks": recipe(
        model=partial(models.resnet, models.LAYOUTS["resnet_digits"]), init=init.zero_gamma
    ),
    "decay inside": recipe(optimizer=decay_inside),
    "no bias decay": bag.no_bias_decay(recipe()),
    "decay of what trains by layer": recipe(optimizer=by_layer),
    "augmentation where it belongs": recipe(augment=augment.each(augment.random_flip)),
    "mixing before the targets are smoothed": recipe(augment=MIXED),
    "a small limit of the norms": recipe(optimizer=lambda s: optax.chain(optax.sgd(s), optim.max_norm(0.3))),
    "unfreezing": recipe(optimizer=lambda s: optim.unfreeze_at(optax.adamw(s), {"^stages/": 5})),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_belongs_together_is_left_alone(name):
    assert found(GOOD[name]) == {}


def test_a_conflict_is_a_sentence():
    wrong, _, _ = WRONG["accumulation"]
    assert str(conflicts(wrong, shapes(wrong))[0]).startswith("recipe.gradient and recipe.model: ")


def test_warnings_are_of_their_own_type_one_for_each_conflict():
    wrong = replace(WRONG["accumulation"][0], loss=BINARY, targets=SMOOTH)
    with pytest.warns(lint.RecipeWarning) as caught:
        lint.warn(wrong, shapes(wrong))
    assert [str(one.message).split(":")[0] for one in caught] == [
        "recipe.loss and recipe.targets",
        "recipe.gradient and recipe.model",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lint.warn(recipe(), shapes(recipe()))


def soften(targets):
    """Smoothing of a user's own."""
    return 0.9 * targets + 0.1 / targets.shape[-1]


def smooth_labels(targets):
    """Called as the one that smooths, and does nothing of the sort."""
    return targets


class Mean(NamedTuple):
    """State of an average of a user's own."""

    mean: dict


def averaging(schedule):
    return optax.GradientTransformation(Mean, lambda updates, state, params=None: (updates, state))


def test_what_counts_is_the_function_and_not_its_name(monkeypatch):
    monkeypatch.setattr(lint, "TAGS", dict(lint.TAGS))
    assert found(recipe(loss=BINARY, targets=smooth_labels)) == {}
    ways = soften, partial(soften), jax.jit(soften), (lambda inner: lambda targets: inner(targets))(soften)
    for own in ways:
        assert found(recipe(loss=BINARY, targets=own)) == {}
    assert found(recipe(optimizer=averaging)) == {}
    lint.declare(soften, "smooths")
    lint.declare(Mean, "averages")
    for own in ways:
        assert list(found(recipe(loss=BINARY, targets=own))) == [("loss", "targets")]
    assert list(found(recipe(optimizer=averaging))) == [("optimizer", "model")]
    with pytest.raises(ValueError, match=r"^names is smoothes; allowed: augments, averages, binary"):
        lint.declare(soften, "smoothes")


def test_tags_are_found_however_deep_a_function_is():
    for part in (
        augment.mixup,
        {"a": [augment.mixup]},
        (partial(partial(augment.mixup, alpha=0.1)),),
        augment.chain(crop=augment.each(augment.random_flip), mix=augment.mixup),
        lint.Conflict(augment.mixup, "in a dataclass"),
    ):
        assert lint.tags(part) >= {"mixes", "augments"}
    assert lint.tags(augment.chain(flip=augment.each(augment.random_flip))) == {"augments"}
    assert lint.tags(jnp.ones(3)) == lint.tags(None) == frozenset()


@pytest.mark.parametrize(("trick", "field"), [(bag.smoothing, "targets"), (bag.mixup, "mix")])
def test_a_second_trick_of_targets_or_mixing_is_refused_and_drops_nothing(trick, field):
    once = trick(recipe())
    with pytest.raises(ValueError, match=rf"^recipe\.{field} is .*; allowed: None, for it would be dropped"):
        trick(once)
