"""Groups and ways of ensembles without a training: who starts from whom, what is fitted on what, and the table."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax

from experiments import balance, ensembles
from jaxtricks import data, tasks
from jaxtricks.ablation import cli, members
from jaxtricks.ablation.members import Predictions
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
        calls.append((recipe, dataset, seeds[0], initial))
        return [SimpleNamespace(variables=f"run {len(calls)}")]

    monkeypatch.setattr(members.train, "fit", fit)
    return calls


def test_independent_members_have_seeds_of_their_own(runs):
    for seed in (0, 1, 2):
        members.independent(RECIPE, SOURCE, seed, members=3)
    assert [seed for _, _, seed, _ in runs] == list(range(9))
    changed = members.independent(RECIPE, SOURCE, 0, members=3, change=(bag.part, bag.smoothing))
    assert [recipe.targets is not None for recipe, _ in changed] == [False, True, False]


def test_snapshots_are_one_run_in_parts(runs):
    found = members.snapshots(RECIPE, SOURCE, 5, members=4)
    assert [recipe.epochs for recipe, _ in found] == [2.5] * 4
    assert [initial for *_, initial in runs] == [None, "run 1", "run 2", "run 3"]
    assert [recipe.warmup is None for recipe, _ in found] == [False, True, True, True]
    short = members.snapshots(RECIPE, SOURCE, 5, members=4, first=0.7)
    np.testing.assert_allclose([recipe.epochs for recipe, _ in short], [7, 1, 1, 1])
    rates = members.train.build_schedule(short[1][0], SOURCE)
    np.testing.assert_allclose([rates(step) for step in (0, 20)], [0.005, 0.1], rtol=1e-4)  # 40 steps an epoch


def test_balanced_parts_take_as_many_steps(runs):
    tailed = data.long_tail(SOURCE, factor=16)
    found = members.balanced_parts(RECIPE, tailed, 0, members=3)
    for recipe, part, *_ in runs:
        assert set(np.bincount(part.train["label"])) == {2}
        assert recipe.epochs * len(part.train) == pytest.approx(10 * len(tailed.train))
        assert recipe.warmup.keywords["epochs"] == pytest.approx(recipe.epochs / 24)
    assert len(found) == 3


RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 300)


def said(rows, sharp=(1.0, 1.0, 1.0)):
    """Three members, of which the last knows nothing."""
    right = np.eye(4)[LABELS[rows]] * np.array([2.0, 2.0, 0.0])[:, None, None]
    logits = (right + RNG.normal(size=(3, len(LABELS[rows]), 4))) * np.array(sharp)[:, None, None]
    return Predictions(
        logits.astype(np.float32), tuple(logits.astype(np.float32)), LABELS[rows], np.array([40, 30, 20, 10])
    )


HELD, TEST = said(slice(0, 150)), said(slice(150, None))


def accuracy(way, held=HELD, test=TEST):
    out = np.asarray(way(held, test))
    return np.mean((out.argmax(-1) if out.ndim == 2 else out) == test.labels)


@pytest.mark.parametrize("name", {**ensembles.WAYS, **balance.WAYS})
def test_every_way_predicts(name):
    _, way = {**ensembles.WAYS, **balance.WAYS}[name]
    out = np.asarray(way(HELD, TEST))
    assert out.shape in ((150, 4), (150,))
    assert not np.isnan(out).any()


def test_what_is_fitted_on_held_out_images_leaves_the_ignorant_out():
    assert accuracy(members.weighted) > accuracy(members.average)
    assert accuracy(members.stacked) > accuracy(members.average)
    sharp = said(slice(0, 150), sharp=(1, 1, 20)), said(slice(150, None), sharp=(1, 1, 20))
    assert accuracy(members.calibrated, *sharp) > accuracy(members.average, *sharp) + 0.05


def test_a_wrong_prior_is_worse_than_none():
    tail = TEST._replace(logits=TEST.logits + np.log(TEST.trained / 100).astype(np.float32))
    right, wrong = (partial(members.corrected, prior=prior) for prior in (None, members.reversed_tail))
    assert accuracy(right, HELD, tail) > accuracy(members.average, HELD, tail)
    assert accuracy(wrong, HELD, tail) < accuracy(right, HELD, tail)


def test_the_table_has_accuracy_cost_and_coverage():
    rows = {
        "one": {"accuracy": [50.0, 52.0], "coverage": [100.0, 100.0], "alike": [0.25, 0.35]},
        "votes": {"accuracy": [60.0, 61.0], "coverage": [80.0, 90.0], "alike": [0.25, 0.35]},
    }
    groups = {"seeds": (None, 4, 4)}
    ways = {"one": ("seeds", members.single), "votes": ("seeds", members.majority)}
    head, one, votes = members.table(rows, groups, ways).splitlines()
    assert "training, test x one" in head
    assert one.split() == ["one", "51.00", "x", "1,", "x", "1"]
    assert votes.split() == "votes 60.50 +9.50 [+3.15, +15.85] x 4, x 4 0.30 of 85.0 %".split()


def test_predictions_of_a_network_are_those_of_its_evaluation(monkeypatch):
    model = members.train.build_model(RECIPE, SOURCE)
    variables = model.init(members.jax.random.key(0))
    found = members.predictions([(RECIPE, variables)], SOURCE, SOURCE.test)
    stats = RECIPE.preprocess[0](SOURCE.train["image"])
    ready = RECIPE.preprocess[1](stats, np.float32(SOURCE.test["image"][3] / np.float32(255)))
    (logits, taps), _ = model.apply(*variables, ready[None], train=False)
    np.testing.assert_allclose(found.logits[0, 3], logits[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.features[0][3], taps["features"][0], rtol=1e-4, atol=1e-5)
    assert found.trained.tolist() == [32] * 10
    np.testing.assert_allclose(softmax(found.logits, -1).sum(-1), 1, rtol=1e-5)
