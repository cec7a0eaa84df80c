"""The search of the learning rate: as many tries for each row, chosen on held-out images."""

from dataclasses import replace

import pytest
from small import recipe

from jaxtricks import ablation, data
from jaxtricks.ablation import Cells, Trick, Variant, best_rates, headline_of_task, rate_trials, search

SOURCE = data.fake(train=64, test=8, shape=(4, 4, 1))
FACTORS = (0.1, 1.0, 10.0)


@pytest.fixture
def rows():
    return ablation.variants(recipe(), {"small": Trick(lambda r: replace(r, batch=16))}, mode="add-one")


def cell(value, metric):
    return {"error": "NonFiniteError"} if value is None else {"validation": {"other": 0.1, metric: value}}


def filled(folder, rows, values, seeds=(100, 101)):
    """Cells in which the trials of all rows, one after another, have these values of the headline."""
    cells = Cells(folder, SOURCE.hold_out(0.25))
    trials = rate_trials(rows, factors=FACTORS)
    for trial, pair in zip(trials, values, strict=True):
        for seed, value in zip(seeds, pair, strict=True):
            cells.put(trial.recipe, seed, cell(value, rows[0].recipe.task.headline))
    return cells


def test_every_row_gets_as_many_tries_around_its_own_rate(rows):
    trials = rate_trials([rows[0], replace(rows[1], recipe=replace(rows[1].recipe, lr=3.0))], factors=FACTORS)
    base = rows[0].recipe.lr
    assert [t.recipe.lr for t in trials] == pytest.approx([base / 10, base, 10 * base, 0.3, 3.0, 30.0])
    assert [t.recipe.batch for t in trials] == [rows[0].recipe.batch] * 3 + [16] * 3
    assert all(isinstance(t, Variant) and t.reference is None for t in trials)
    assert len({t.name for t in trials}) == 6


@pytest.mark.parametrize(
    ("values", "place", "edge"),
    [
        ([(50, 60), (70, 50), (40, 90)], 2, True),  # the mean counts: 55, 60, 65
        ([(50, 60), (70, 60), (64, 64)], 1, False),
        ([(60, 60), (60, 60), (60, 60)], 0, True),  # of equal ones the lowest
        ([(50, 60), (60, 50), (None, 99)], 0, True),  # a rate at which a seed failed is never chosen
    ],
)
def test_the_best_mean_is_chosen(rows, tmp_path, values, place, edge):
    cells = filled(tmp_path, rows, [*values, (1, 1), (2, 2), (1, 1)])
    chosen, searches = best_rates(rows, cells, factors=FACTORS, seeds=(100, 101))
    assert chosen[0].recipe.lr == pytest.approx(rows[0].recipe.lr * FACTORS[place])
    assert (searches[0]["rate"], searches[0]["edge"]) == (chosen[0].recipe.lr, edge)
    assert (chosen[1].recipe.lr, searches[1]["edge"]) == (rows[1].recipe.lr, False)
    assert [row.name for row in chosen] == [row.name for row in rows]
    assert chosen[1].reference == rows[1].reference
    assert searches[0]["values"] == [None if None in pair else sum(pair) / 2 for pair in values]


def lower_loss(recipe):
    """The same task with its loss as headline, of which less is better."""
    task = recipe.task
    return replace(recipe, task=replace(task, headline="loss", metrics={"loss": task.metrics["loss"]}))


def test_the_lowest_mean_is_chosen_where_lower_is_better(rows, tmp_path):
    rows = [replace(row, recipe=lower_loss(row.recipe)) for row in rows]
    assert headline_of_task(rows[0].recipe.task).better == "lower"
    cells = filled(tmp_path, rows, [(0.5, 0.6), (0.3, 0.2), (0.4, 0.9), (1, 1), (None, 0), (2, 2)])
    chosen, searches = best_rates(rows, cells, factors=FACTORS, seeds=(100, 101))
    assert [row.recipe.lr for row in chosen] == pytest.approx([rows[0].recipe.lr, 0.1 * rows[1].recipe.lr])
    assert searches[0]["values"] == pytest.approx([0.55, 0.25, 0.65])


def test_a_row_of_which_all_failed_stays(rows, tmp_path):
    cells = filled(tmp_path, rows, [(None, None)] * 6)
    chosen, searches = best_rates(rows, cells, factors=FACTORS, seeds=(100, 101))
    assert [row.recipe.lr for row in chosen] == [row.recipe.lr for row in rows]
    assert searches[0]["values"] == [None] * 3


def test_the_first_process_chooses_for_all(rows, tmp_path, monkeypatch):
    cells = filled(tmp_path, rows, [(50, 60), (70, 60), (64, 64)] * 2)
    places = iter([2, -1])
    monkeypatch.setattr(search, "of_first", lambda function: next(places))
    chosen, searches = best_rates(rows, cells, factors=FACTORS, seeds=(100, 101))
    assert [row.recipe.lr for row in chosen] == [10 * rows[0].recipe.lr, rows[1].recipe.lr]
    assert [search["edge"] for search in searches] == [True, False]


@pytest.mark.parametrize("factors", [(), (1.0,), (1.0, 1.0), (2.0, 1.0), (0.0, 1.0), (-1.0, 1.0)])
def test_factors_out_of_range(rows, factors):
    with pytest.raises(ValueError, match="factors"):
        rate_trials(rows, factors=factors)


def test_it_needs_images_held_out(rows, tmp_path):
    with pytest.raises(ValueError, match="images held out"):
        best_rates(rows, Cells(tmp_path, SOURCE), factors=FACTORS, seeds=(100,))
