"""The search of the learning rate: as many tries for each row, chosen on held-out images."""

from dataclasses import replace

import pytest
from small import recipe

from jaxtricks import ablation, data
from jaxtricks.ablation import Cells, Trick, Variant, best_rates, rate_trials, search

SOURCE = data.fake(train=64, test=8, shape=(4, 4, 1))
FACTORS = (0.1, 1.0, 10.0)


@pytest.fixture
def rows():
    return ablation.variants(recipe(), {"small": Trick(lambda r: replace(r, batch=16))}, mode="add-one")


def cell(accuracy):
    return {"error": "NonFiniteError"} if accuracy is None else {"validation_accuracy": accuracy}


def filled(folder, rows, accuracies, seeds=(100, 101)):
    """Cells in which the trials of all rows, one after another, have these accuracies."""
    cells = Cells(folder, SOURCE.hold_out(0.25))
    trials = rate_trials(rows, factors=FACTORS)
    for trial, each in zip(trials, accuracies, strict=True):
        for seed, accuracy in zip(seeds, each, strict=True):
            cells.put(trial.recipe, seed, cell(accuracy))
    return cells


def test_every_row_gets_as_many_tries_around_its_own_rate(rows):
    trials = rate_trials([rows[0], replace(rows[1], recipe=replace(rows[1].recipe, lr=3.0))], factors=FACTORS)
    base = rows[0].recipe.lr
    assert [t.recipe.lr for t in trials] == pytest.approx([base / 10, base, 10 * base, 0.3, 3.0, 30.0])
    assert [t.recipe.batch for t in trials] == [rows[0].recipe.batch] * 3 + [16] * 3
    assert all(isinstance(t, Variant) and t.reference is None for t in trials)
    assert len({t.name for t in trials}) == 6


@pytest.mark.parametrize(
    ("accuracies", "place", "edge"),
    [
        ([(50, 60), (70, 50), (40, 90)], 2, True),  # the mean counts: 55, 60, 65
        ([(50, 60), (70, 60), (64, 64)], 1, False),
        ([(60, 60), (60, 60), (60, 60)], 0, True),  # of equal ones the lowest
        ([(50, 60), (60, 50), (None, 99)], 0, True),  # a rate at which a seed failed is never chosen
    ],
)
def test_the_best_mean_is_chosen(rows, tmp_path, accuracies, place, edge):
    cells = filled(tmp_path, rows, [*accuracies, (1, 1), (2, 2), (1, 1)])
    chosen, told = best_rates(rows, cells, factors=FACTORS, seeds=(100, 101))
    assert chosen[0].recipe.lr == pytest.approx(rows[0].recipe.lr * FACTORS[place])
    assert (told[0]["rate"], told[0]["edge"]) == (chosen[0].recipe.lr, edge)
    assert (chosen[1].recipe.lr, told[1]["edge"]) == (rows[1].recipe.lr, False)
    assert [row.name for row in chosen] == [row.name for row in rows]
    assert chosen[1].reference == rows[1].reference
    assert told[0]["accuracies"] == [None if None in pair else sum(pair) / 2 for pair in accuracies]


def test_a_row_of_which_all_failed_stays(rows, tmp_path):
    cells = filled(tmp_path, rows, [(None, None)] * 6)
    chosen, told = best_rates(rows, cells, factors=FACTORS, seeds=(100, 101))
    assert [row.recipe.lr for row in chosen] == [row.recipe.lr for row in rows]
    assert told[0]["accuracies"] == [None] * 3


def test_the_first_process_chooses_for_all(rows, tmp_path, monkeypatch):
    cells = filled(tmp_path, rows, [(50, 60), (70, 60), (64, 64)] * 2)
    chosen = iter([2, -1])
    monkeypatch.setattr(search, "of_first", lambda function: next(chosen))
    found, told = best_rates(rows, cells, factors=FACTORS, seeds=(100, 101))
    assert [row.recipe.lr for row in found] == [10 * rows[0].recipe.lr, rows[1].recipe.lr]
    assert [each["edge"] for each in told] == [True, False]


@pytest.mark.parametrize("factors", [(), (1.0,), (1.0, 1.0), (2.0, 1.0), (0.0, 1.0), (-1.0, 1.0)])
def test_factors_out_of_range(rows, factors):
    with pytest.raises(ValueError, match="factors"):
        rate_trials(rows, factors=factors)


def test_it_needs_images_held_out(rows, tmp_path):
    with pytest.raises(ValueError, match="images held out"):
        best_rates(rows, Cells(tmp_path, SOURCE), factors=FACTORS, seeds=(100,))
