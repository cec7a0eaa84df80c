"""The table of networks that predict together: which members a row uses, what it costs, and what is compared."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import balance, ensembles
from jaxtricks.ablation import cli, gains, members, ways
from jaxtricks.ablation.gains import Row
from jaxtricks.ablation.members import Group, Options, Way
from jaxtricks.ablation.ways import Predictions

LABELS = np.arange(12) % 3
RIGHT = 4 * np.eye(3, dtype=np.float32)[LABELS]
WRONG = np.roll(RIGHT, 1, axis=1)
HALF = 2 * np.where(np.arange(12)[:, None] < 6, RIGHT, WRONG)  # the surest of them


@pytest.fixture
def three(monkeypatch):
    """Members that are all wrong, half right and right, of one, two and four times the cost."""
    said = Predictions(np.stack([WRONG, HALF, RIGHT]), (WRONG, HALF, RIGHT), LABELS, np.array([4, 4, 4]))
    monkeypatch.setattr(members, "predictions", lambda *_: said)
    monkeypatch.setattr(members.ablation, "forward_cost", lambda recipe, _: {"macs": 100 * recipe})
    calls = []

    def trained(recipe, dataset, seed):
        calls.append(seed)
        return [(cost, None) for cost in (1, 2, 4)]

    return trained, calls


def test_a_row_uses_the_members_that_it_names_and_pays_for_them(three):
    trained, calls = three
    groups = {"team": Group(trained, 3), "of no row": Group(None, 9)}
    rows = {
        "first": Way("team", ways.average, slice(1), 1),
        "last": Way("team", ways.average, slice(-1, None)),
        "last two": Way("team", ways.average, slice(-2, None)),
        "one of two": Way("team", ways.average, slice(-2, None), used=1),
        "votes": Way("team", ways.majority, slice(-2, None)),
    }
    dataset = SimpleNamespace(validation=None, test=None)
    after = []
    found = members.measure(1, dataset, groups, rows, [4, 7], done=lambda some: after.append(len(some["last"].q)))
    assert after == [1, 2]
    assert calls == [4, 7]  # a group is trained once a seed
    assert [row.accuracy for row in found.values()] == [[0, 0], [100, 100], [50, 50], [50, 50], [100, 100]]
    assert [(row.trainings, row.passes) for row in found.values()] == [(1, 1), (3, 4), (3, 6), (3, 2), (3, 6)]
    assert found["votes"].coverage == [50, 50]
    assert found["last two"].disagreement == [0.5, 0.5]
    assert np.isnan(found["last"].q).all()


def test_the_table_has_differences_costs_and_coverage():
    pairs = {"disagreement": [0.2, 0.3], "q": [0.9, 0.8], "correlation": [0.25, 0.35]}
    alone = {name: [np.nan, np.nan] for name in pairs}
    full, part = [100.0, 100.0], [80.0, 90.0]
    rows = {
        "one": Row(1, 1, [50.0, 52.0], full, **alone),
        "average": Row(4, 4.5, [60.0, 61.0], full, **pairs),
        "votes": Row(4, 4.5, [70.0, 71.0], part, **pairs),
    }
    head, one, mean, votes = gains.table(rows).splitlines()
    assert head.split() == "test % difference, 95 % verdict trained passes disagree Q errors alike answered".split()
    assert one.split() == ["one", "51.00", "x1", "x1"]
    found = gains.compared(rows)["average"]
    test = found.tested
    assert (test.mean, found.verdict) == (9.5, "helps")
    # two pairs, 10 and 9: the t interval of one degree of freedom
    assert (test.low, test.high) == pytest.approx((3.15, 15.85), abs=0.01)
    assert mean.split() == "average 60.50 +9.50 [+3.15, +15.85] helps x4 x4.5 0.25 0.85 0.30".split()
    assert votes.split() == "votes 70.50 x4 x4.5 0.25 0.85 0.30 85.0 %".split()  # of other images: not compared
    figure = gains.draw(rows)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["average"]
    assert figure.axes[1].lines[0].get_xdata()[0] == pytest.approx(9.5 / 4.5)


def test_no_effect_is_one_beyond_a_margin_and_no_interval_leaves_100_points():
    alone = {name: [np.nan] * 4 for name in ("disagreement", "q", "correlation")}
    full = [100.0] * 4
    rows = {
        "one": Row(1, 1, [50.0, 52.0, 51.0, 50.0], full, **alone),
        "same": Row(1, 2, [50.1, 52.0, 50.9, 50.0], full, **alone),
    }
    head, _, same = gains.table(rows).splitlines()
    assert "no effect beyond \u00b10.5 points  x1" in same
    assert head.index("trained") == same.index("x1")
    assert len(gains.table({"one": rows["one"]}).splitlines()) == 2
    wild = {"one": Row(1, 1, [1.0, 0.0], full), "two": Row(1, 1, [100.0, 0.0], full)}
    test = gains.compared(wild)["two"].tested
    assert (test.low, test.high) == (-100.0, 100.0)


@pytest.mark.parametrize("module", [ensembles, balance])
def test_rows_name_groups_that_are_there_and_every_group_has_a_row(module):
    assert {way.group for way in module.WAYS.values()} == set(module.GROUPS)
    first = next(iter(module.WAYS.values()))
    assert (first.members, first.trainings) == (slice(1), 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 0}, "--seeds is 0; allowed: greater than 0"),
        ({"model": "plain_min"}, "--model is 'plain_min'; .*Perhaps you meant 'plain_mini'"),
        ({"on": "train"}, "--on is 'train'; allowed: 'test', 'held out'"),
        ({"only": ("seed",)}, "--only is 'seed'"),
    ],
)
def test_what_is_typed_wrong_is_refused(options, words, monkeypatch):
    monkeypatch.setattr(Options, "load", None)  # before anything is read
    with pytest.raises(cli.UsageError, match=words):
        members.run("x", Options(**options), None, ensembles.GROUPS, ensembles.WAYS, epochs=1)


def test_one_seed_has_no_interval():
    alone = {name: [np.nan] for name in ("disagreement", "q", "correlation")}
    text = gains.table({name: Row(1, 1, [value], [100.0], **alone) for name, value in (("one", 76.0), ("mean", 77.5))})
    assert "+1.50 " in text
    assert "inf" not in text


def test_a_run_leaves_table_figure_and_values(tmp_path, monkeypatch):
    seen = {}

    def measure(recipe, dataset, groups, ways, seeds, done, say):
        seen.update(recipe=recipe, dataset=dataset, rows=list(ways), seeds=list(seeds))
        return {name: Row(1, 1, [50.0 + n, 51.0], [100.0] * 2, [0.1], [0.2], [0.3]) for n, name in enumerate(ways)}

    monkeypatch.setattr(members, "measure", measure)
    monkeypatch.setattr(cli, "CACHE", members.jax.config.jax_compilation_cache_dir)
    options = {"data": "fake", "seeds": 2, "first_seed": 7, "out": tmp_path, "only": ("seeds: Borda",), "epochs": 3.0}
    parts = (cli.bag.modern, ensembles.GROUPS, ensembles.WAYS)
    text = members.run("x", Options(**options), *parts, epochs=8)
    assert (seen["rows"], seen["seeds"], seen["recipe"].epochs) == (["one network", "seeds: Borda"], [7, 8], 3)
    assert (tmp_path / "x.txt").read_text() == text
    assert {path.name for path in tmp_path.iterdir()} == {"x.txt", "x.png", "results.json", "about.json"}
    whole = seen["dataset"]
    members.run("x", Options(**options, on="held out"), *parts, epochs=3, begin=partial(begun, seen))
    assert seen["begun"] is seen["dataset"]
    rows = [len(split) for split in (seen["dataset"].validation, seen["dataset"].test)]
    assert sum(rows) == len(whole.validation)
    assert abs(rows[0] - rows[1]) <= 1


def begun(seen, recipe, loaded, source):
    seen["begun"] = source
    return recipe
