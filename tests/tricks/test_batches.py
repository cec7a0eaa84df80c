"""How many images a step sees: sizes at equal epochs and steps, and the same update in other parts."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from jaxtricks import data, models, optim, tasks, train
from jaxtricks.tricks import bare, batches
from jaxtricks.tricks import optimizers as o

ONE = train.Plan(devices=(jax.devices()[0],))
SOURCE = data.fake(train=64, test=8, shape=(4, 4, 1))
GIVEN = {"task": tasks.classification(10), "augmented": None, "lr": 0.1, "batch": 16, "epochs": 3}


def base():
    return replace(bare(model=partial(models.NETWORKS["logistic"], size=16), **GIVEN), warmup=None)


def test_sizes_at_equal_epochs_and_at_equal_steps():
    more, equal = (batches.sized(base(), batch=64, equal=equal) for equal in ("epochs", "steps"))
    assert (more.batch, more.epochs, equal.epochs) == (64, 3, 12)
    assert more.lr == equal.lr == pytest.approx(0.2)  # the root of four times as many
    assert [train.epoch_steps(r, SOURCE) * r.epochs for r in (base(), more, equal)] == [12, 3, 12]
    assert len(batches.exactly(SOURCE, images=48).train) == 48
    warmed = replace(base(), warmup=partial(optim.with_warmup, epochs=0.5))
    assert batches.sized(warmed, batch=64, equal="steps").warmup.keywords["epochs"] == 2
    assert batches.sized(warmed, batch=64, equal="epochs").warmup.keywords["epochs"] == 0.5
    with pytest.raises(ValueError, match=r"^equal is 'images'"):
        batches.sized(base(), batch=8, equal="images")


def test_parts_of_a_batch_give_the_update_of_the_batch():
    """By microbatches in a step, and by small steps of which every fourth updates; measuring changes nothing."""
    runs = [
        train.fit(change(base()), SOURCE, plan=ONE, test=False)[0]
        for change in (
            lambda recipe: recipe,
            partial(batches.accumulated, parts=4),
            partial(batches.several_steps, steps=4),
            o.watched,
        )
    ]
    wanted, *others = (jax.tree.leaves(run.state.params) for run in runs)
    for found in others:
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-6)
    record, smaller = runs[3].history[-1], runs[2]
    assert record["gradient_norm"] > record["gradient_norm/head"] > 0
    assert smaller.history[-1]["step"] == 4 * runs[0].history[-1]["step"]
    with pytest.raises(ValueError, match=r"^steps is 3; allowed: a divisor of the batch, 16"):
        batches.several_steps(base(), steps=3)


def test_the_decay_of_a_full_batch_is_in_its_loss():
    recipe = batches.full_batch(replace(base(), batch=64))
    assert recipe.optimizer.weight == 0
    assert recipe.loss.keywords["weight"] == pytest.approx(1e-4)
