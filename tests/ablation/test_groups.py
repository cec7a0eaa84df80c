"""Groups of networks without a training: who starts from whom, how long, at which rates, and what is kept from it."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import data, losses, tasks
from jaxtricks.ablation import cli, groups, members
from jaxtricks.tricks import bag

SOURCE = data.fake(train=400, test=40, shape=(6, 6, 1)).hold_out(0.2)
RECIPE = bag.modern(
    task=tasks.classification(10), augmented=None, model=cli.NETWORKS["plain_mini"], lr=0.1, batch=8, epochs=10
)


@pytest.fixture
def runs(monkeypatch):
    """What fit is called with."""
    calls = []

    def fit(recipe, dataset, *, seeds, initial, test):
        assert dataset.validation is None
        assert not test
        calls.append((recipe, dataset, seeds, initial))
        return [SimpleNamespace(variables=f"run {len(calls)}, seed {seed}") for seed in seeds]

    monkeypatch.setattr(groups.train, "fit", fit)
    return calls


def test_independent_members_have_seeds_of_their_own(runs):
    for seed in (0, 1, 2):
        found = groups.independent(RECIPE, SOURCE, seed, members=3)
    assert [seeds for _, _, seeds, _ in runs] == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
    assert [variables for _, variables, _ in found] == [f"run 3, seed {seed}" for seed in (6, 7, 8)]
    changed = groups.independent(RECIPE, SOURCE, 1, members=3, change=(bag.part, bag.smoothing))
    assert [member.recipe.targets is not None for member in changed] == [False, True, False]
    assert [seeds for _, _, seeds, _ in runs[3:]] == [(3,), (4,), (5,)]
    (short, *_) = groups.independent(RECIPE, SOURCE, 0, members=4, share=0.25)
    assert (short.recipe.epochs, short.recipe.warmup.keywords["epochs"]) == (2.5, pytest.approx(2.5 / 24))


def test_snapshots_are_one_run_in_parts(runs):
    found = groups.snapshots(RECIPE, SOURCE, 5, members=4)
    assert [member.recipe.epochs for member in found] == [2.5] * 4
    assert [initial for *_, initial in runs] == [None, *[f"run {n}, seed {5 + 1000 * (n - 1)}" for n in (1, 2, 3)]]
    assert [member.recipe.warmup is None for member in found] == [False, True, True, True]
    short = groups.snapshots(RECIPE, SOURCE, 5, members=4, first=0.7)
    np.testing.assert_allclose([member.recipe.epochs for member in short], [7, 1, 1, 1])
    rates = groups.train.build_schedule(short[1].recipe, SOURCE)
    np.testing.assert_allclose([rates(step) for step in (0, 20)], [0.005, 0.1], rtol=1e-4)  # 40 steps an epoch


def test_the_last_epochs_have_the_rates_of_the_whole_run(runs):
    found = groups.last_epochs(RECIPE, SOURCE, 5, members=4)
    assert [member.recipe.epochs for member in found] == [7, 1, 1, 1]
    whole = groups.train.build_schedule(RECIPE, SOURCE)
    parts = [groups.train.build_schedule(member.recipe, SOURCE) for member in found]
    steps = np.arange(400)  # 40 an epoch: 280, and three times 40
    rates = [parts[0](s) if s < 280 else parts[1 + (s - 280) // 40]((s - 280) % 40) for s in steps]
    np.testing.assert_allclose(rates, [whole(s) for s in steps], rtol=1e-6)
    assert [initial is None for *_, initial in runs] == [True, False, False, False]


def test_folds_keep_a_part_from_each_and_take_as_many_steps(runs):
    found = groups.folds(RECIPE, SOURCE, 2, members=4)
    labels, every = SOURCE.train["label"], []
    for (recipe, part, *_), member in zip(runs, found, strict=True):
        assert recipe.epochs * len(part.train) == pytest.approx(10 * len(labels))
        assert set(np.bincount(labels[member.unseen])) == {8}  # a quarter of the 32 of each class
        kept = np.delete(labels, member.unseen)
        np.testing.assert_array_equal(part.train["label"], kept)
        every.append(member.unseen)
    assert sorted(np.concatenate(every)) == list(range(len(labels)))
    assert [seeds for _, _, seeds, _ in runs] == [(8,), (9,), (10,), (11,)]


def test_balanced_parts_take_as_many_steps(runs):
    tailed = data.long_tail(SOURCE, factor=16)
    found = groups.balanced_parts(RECIPE, tailed, 0, members=3)
    for recipe, part, *_ in runs:
        assert set(np.bincount(part.train["label"])) == {2}
        assert recipe.epochs * len(part.train) == pytest.approx(10 * len(tailed.train))
        assert recipe.warmup.keywords["epochs"] == pytest.approx(recipe.epochs / 24)
    assert len(found) == 3


def test_the_second_stage_pays_for_what_the_first_confused_on_held_out_images(runs, monkeypatch):
    """A network that takes every image of class 3 for a 5, and is right otherwise: only that mistake costs."""
    held = SOURCE.validation["label"]
    said = np.eye(10)[np.where(held == 3, 5, held)]
    monkeypatch.setattr(groups, "outputs", lambda *_: SimpleNamespace(logits=said))
    (member,) = groups.by_confusion(RECIPE, SOURCE, 1, share=0.5, weight=2.0)
    assert [initial for *_, initial in runs] == [None, "run 1, seed 1"]
    assert (runs[0][0].epochs, runs[0][0].loss) == (5, RECIPE.loss)
    assert member.recipe.warmup is None
    logits, labels = jnp.asarray(np.random.default_rng(0).normal(size=(2, 10)), jnp.float32), jnp.array([3, 4])
    batch = {"label": labels, "target": jnp.eye(10)[labels]}
    costs = 90 * np.eye(10)[3][:, None] * np.eye(10)[5][None]  # mean 1 over the 90 mistakes
    more = 2.0 * losses.expected_cost(logits, labels, jnp.asarray(costs))
    out = ({}, (logits, {}), batch)
    np.testing.assert_allclose(member.recipe.loss(*out), RECIPE.loss(*out) + more, rtol=1e-5)
    assert float(more[1]) == 0
    (plain,) = groups.by_confusion(RECIPE, SOURCE, 1, share=0.5, weight=0.0)
    assert plain.recipe.loss is RECIPE.loss
    monkeypatch.setattr(groups, "outputs", lambda *_: SimpleNamespace(logits=np.eye(10)[held]))
    with pytest.raises(ValueError, match="confusion is diagonal; allowed: one mistake or more"):
        groups.by_confusion(RECIPE, SOURCE, 1, share=0.5, weight=2.0)


def test_a_soup_is_of_runs_from_the_same_weights_that_do_not_lower_the_validation(monkeypatch):
    """Four runs say classes of which a known share is right; the third is worse than any mean with it."""
    started = []

    def fit(recipe, dataset, *, seeds, initial, test):
        started.append((recipe.epochs, recipe.lr, seeds, initial))
        weight = {1: 0.0, 1004: 0.9, 1005: 0.7, 1006: -9.0, 1007: 0.8}[seeds[0]]
        return [SimpleNamespace(variables=({"w": np.float32(weight)}, {}))]

    labels = np.asarray(SOURCE.validation["label"])

    def outputs(recipe, dataset, variables, images):
        right = np.arange(len(labels)) < len(labels) * float(variables[0]["w"])
        return SimpleNamespace(logits=np.eye(10)[np.where(right, labels, (labels + 1) % 10)])

    monkeypatch.setattr(groups.train, "fit", fit)
    monkeypatch.setattr(groups, "outputs", outputs)
    (member,) = groups.souped(RECIPE, SOURCE, 1, members=4, share=0.5, rates=(0.2, 0.5))
    assert started[0] == (5.0, 0.1, (1,), None)
    assert [(epochs, rate) for epochs, rate, _, _ in started[1:]] == [(5.0, pytest.approx(r)) for r in (0.02, 0.05) * 2]
    assert all(initial[0]["w"] == 0 for *_, initial in started[1:])
    np.testing.assert_allclose(member.variables[0]["w"], 0.9)  # each mean with another is lower here
    monkeypatch.setattr(groups, "outputs", lambda r, d, v, i: outputs(r, d, ({"w": v[0]["w"] > -1}, {}), i))
    (member,) = groups.souped(RECIPE, SOURCE, 1, members=4, share=0.5, rates=(0.2, 0.5))
    np.testing.assert_allclose(member.variables[0]["w"], 0.8, rtol=1e-6)  # of the three that are right everywhere


def test_outputs_of_a_network_are_those_of_its_evaluation_and_its_layers():
    """One network: logits and features as it is evaluated, means of its maps, and what a fold's members say."""
    model = groups.train.build_model(RECIPE, SOURCE)
    variables = model.init(members.jax.random.key(0))
    found = groups.outputs(RECIPE, SOURCE, variables, SOURCE.test["image"])
    stats = RECIPE.preprocess[0](SOURCE.train["image"])
    ready = RECIPE.preprocess[1](stats, np.float32(SOURCE.test["image"][3] / np.float32(255)))
    (logits, taps), _ = model.apply(*variables, ready[None], train=False)
    np.testing.assert_allclose(found.logits[3], logits[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.features[3], taps["features"][0], rtol=1e-4, atol=1e-5)
    for layer, name in zip(found.layers, ("stage1", "stage2", "stage3"), strict=True):
        np.testing.assert_allclose(layer[3], taps[name][0].mean((0, 1)), rtol=1e-4, atol=1e-5)
    upper_right = found.columns[3].reshape(4, 56)[1, :8]
    np.testing.assert_allclose(upper_right, taps["stage1"][0, :3, 3:].mean((0, 1)), rtol=1e-4, atol=1e-5)
    # the same through a table: predictions, and out of fold
    unseen = [np.arange(0, 320, 2), np.arange(1, 320, 2)]
    team = [groups.Member(RECIPE, variables, rows) for rows in unseen]
    said = members.predictions(team, SOURCE, SOURCE.test)
    np.testing.assert_array_equal(said.logits, np.stack([found.logits] * 2))
    assert said.trained.tolist() == [32] * 10
    held = members.with_unseen(said, team, SOURCE)
    assert held.unseen[0].shape == (320, 10)
    labels = SOURCE.train["label"]
    right = held.unseen[0].argmax(-1) == labels
    np.testing.assert_allclose(held.scores, [right[rows].mean() for rows in unseen])
    leak = [groups.Member(RECIPE, variables, np.arange(320))] * 2
    with pytest.raises(ValueError, match="folds predict row 0 2 times"):
        members.with_unseen(said, leak, SOURCE)
