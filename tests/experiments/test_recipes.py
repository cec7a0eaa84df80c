"""Recipe cards: as they were published with the preset paper, and each of them runs."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import recipes as table_of_recipes
from jaxtricks import data, recipes, tasks, train
from jaxtricks.ablation import cli
from jaxtricks.tricks import bag, published

# of a run, as the sources have them: epochs of the data, views of an image, images a step, peak rate, warm-up in epochs
PUBLISHED = {
    "Bag of Tricks, efficient": (120, 1, 1024, 0.4, 5),
    "Bag of Tricks, refined": (200, 1, 1024, 0.4, 5),
    "torchvision V1": (90, 1, 256, 0.1, 0),
    "torchvision V2": (600, 4, 1024, 0.5, 5),
    "RSB A1": (600, 3, 2048, 0.005, 5),
    "RSB A2": (300, 3, 2048, 0.005, 5),
    "RSB A3": (100, 1, 2048, 0.008, 5),
    "airbench94": (9.9, 1, 1024, 1.5, 0),
}
SLOW = ("torchvision V2", "RSB A3")  # policies compile long; test_tables traces a step of every card
IMAGENET = data.fake(train=40_000, test=8, shape=(1, 1, 3))


def made(name, *, source=IMAGENET, preset="paper", model="resnet50"):
    size = {"lr": (chosen := table_of_recipes.PRESETS[preset]).lr, "batch": chosen.batch, "epochs": chosen.epochs}
    base = bag.standard(
        task=tasks.classification(10), augmented=bag.augmentation(source), model=cli.network(model, source), **size
    )
    return recipes.CARDS[name].change(base)


@pytest.mark.parametrize("name", recipes.CARDS)
def test_a_card_is_what_was_published(name):
    epochs, views, images, rate, warm = PUBLISHED[name]
    recipe = made(name)
    assert recipe.epochs * views == pytest.approx(epochs)
    assert recipe.batch * views == pytest.approx(images, rel=0.005)
    assert recipe.batch % 8 == 0
    assert recipe.lr == pytest.approx(rate)
    schedule, steps = train.build_schedule(recipe, IMAGENET), train.total_steps(recipe, IMAGENET)
    rates = np.array([schedule(step) for step in range(0, steps, max(1, steps // 400))])
    assert rates.max() == pytest.approx(rate, rel=0.03)
    top = round(warm * steps / epochs)
    if warm:
        assert float(schedule(0)) == 0
        assert float(schedule(top)) == pytest.approx(rate, rel=0.03)
        assert float(schedule(top // 2)) == pytest.approx(rate / 2, rel=0.1)


def test_the_rates_of_v1_and_airbench_by_hand():
    v1, steps = made("torchvision V1"), train.total_steps(made("torchvision V1"), IMAGENET)
    schedule = train.build_schedule(v1, IMAGENET)
    found = [float(schedule(int(share * steps))) for share in (0.0, 0.32, 0.34, 0.65, 0.68, 0.99)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)
    schedule = published.lopsided(2.0, steps=100, steps_per_epoch=10, start=0.2, peak_at=0.23, end=0.07)
    np.testing.assert_allclose([schedule(t) for t in (0, 23, 100)], [0.4, 2.0, 0.14], rtol=1e-5)


def test_biases_of_normalisation_take_larger_steps_and_decay_alike():
    params = {"conv": {"kernel": jnp.ones((1, 1, 2, 2))}, "bn": {"bias": jnp.ones(2), "scale": jnp.ones(2)}}
    tx = published.faster_biases(lambda step: 0.1, momentum=0.0, weight_decay=0.3, times=64)
    flat = jax.tree.map(jnp.zeros_like, params)
    steep = jax.tree.map(jnp.ones_like, params)
    for gradient, expected in ((flat, (-0.03, -0.03)), (steep, (-0.13, -6.43))):
        updates, _ = tx.update(gradient, tx.init(params), params)
        np.testing.assert_allclose(updates["conv"]["kernel"], expected[0], rtol=1e-5)
        np.testing.assert_allclose(updates["bn"]["bias"], expected[1], rtol=1e-5)


def test_views_are_shuffled_and_keep_their_labels():
    image = jnp.arange(6.0)[:, None, None, None] * jnp.ones((6, 2, 2, 1))
    out = published.views(None, 3)(jax.random.key(0), {"image": image, "label": jnp.arange(6)})
    np.testing.assert_array_equal(out["image"][:, 0, 0, 0], out["label"])
    assert sorted(out["label"].tolist()) == sorted(3 * list(range(6)))
    assert (np.diff(np.asarray(out["label"]).reshape(6, 3), axis=1) != 0).any()


def test_classes_of_a_mixture_are_there_from_a_fifth_on():
    target = jnp.array([[0.7, 0.3, 0.0], [0.9, 0.1, 0.0]])
    logits = jnp.zeros((2, 3)).at[:, 1].set(2.0)
    loss = published.all_or_nothing(None, (logits, {}), {"target": target})
    one, zero = np.log1p(np.exp(-2.0)), 2 + np.log1p(np.exp(-2.0))
    np.testing.assert_allclose(loss, [(2 * np.log(2) + one) / 3, (2 * np.log(2) + zero) / 3], rtol=1e-6)


@pytest.mark.parametrize("name", ["airbench94", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_a_card_runs(name):
    source = data.fake(train=4096 if name in SLOW else 64, test=16, shape=(8, 8, 1))  # enough for a step of warm-up
    recipe = made(name, source=source, preset="quick", model="resnet_digits")
    (run,) = train.fit(recipe, source, plan=train.Plan(devices=(jax.devices()[0],)))
    assert run.skipped == 0
    assert np.isfinite(run.history[-1]["train_loss"])


def test_the_docstring_and_the_cards_have_the_same_numbers():
    table = table_of_recipes.__doc__.split("\n\n")[1]
    rows = {re.split(r"\s{2,}", line.strip())[0]: line for line in table.splitlines()[1:]}
    for name, card in {"Bag of Tricks": recipes.BASELINE, **recipes.CARDS}.items():
        assert re.search(rf"\b{card.published:g}0*\b", row := rows[name])
        assert row.endswith("not run")
        assert "arxiv" in card.source.lower() or "https://" in card.source
