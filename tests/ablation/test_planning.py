"""The spread that a run is planned with: that of the cells that are there, or what was assumed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import small

from jaxtricks import data, models
from jaxtricks.ablation import Cells, Trick, headline_of_task, variants
from jaxtricks.ablation.moderated import moderated
from jaxtricks.ablation.planning import smallest_effect, spread_so_far
from jaxtricks.ablation.statistics import resolvable

SOURCE = data.fake(train=64, test=16, shape=(4, 4, 1)).hold_out(0.25)
RECIPE = small.recipe(model=partial(models.perceptron, (), size=16), augment=None, mix=None, ema=None)
ROWS = variants(RECIPE, {f"x{i}": Trick(partial(replace, lr=0.1 * i)) for i in (2, 3, 5, 7)}, mode="add-one")


def _filled(folder, rows, seeds, spread):
    cells, rng = Cells(folder, SOURCE), np.random.default_rng(0)
    for row in rows:
        for seed in seeds:
            value = {headline_of_task(RECIPE.task).name: 60 + spread * rng.normal()}
            cells.put(row.recipe, seed, {"seed": seed, "test": value})
    return cells


def test_what_is_there_is_used(tmp_path):
    seeds = range(60)
    found = spread_so_far(ROWS, _filled(tmp_path, ROWS, seeds, 2.0), seeds, assumed=0.9, source="a table")
    assert found["value"] == pytest.approx(2 * np.sqrt(2), rel=0.15)
    assert found["from"] == "measured on 240 pairs of 4 rows"


def test_without_three_rows_of_two_pairs_it_is_assumed(tmp_path):
    assumed = {"value": 0.9, "from": "a table"}
    options = {"assumed": 0.9, "source": "a table"}
    for name, rows, seeds in (("none", (), ()), ("one seed", ROWS, (0,)), ("two rows", ROWS[:3], (0, 1, 2))):
        assert spread_so_far(ROWS, _filled(tmp_path / name, rows, seeds, 1.0), (0, 1, 2), **options) == assumed
    cells = _filled(tmp_path / "failed", ROWS[:3], (0, 1, 2), 1.0)
    for seed in (0, 1, 2):
        cells.put(ROWS[3].recipe, seed, {"seed": seed, "error": "NonFiniteError"})
    assert spread_so_far(ROWS, cells, (0, 1, 2), **options) == assumed


@pytest.mark.parametrize("seeds", [2, 4])
def test_the_smallest_effect_is_found_in_four_runs_of_five(seeds):
    """A simulation of tables of which the rows spread alike; the first row has the effect."""
    tricks = {f"x{i}": Trick(partial(replace, lr=0.1 * i)) for i in range(2, 12)}
    rows = variants(RECIPE, tricks, mode="stack")
    effect = smallest_effect(rows, seeds, np.sqrt(2))
    assert effect < resolvable(seeds, np.sqrt(2))  # the plain test's
    rng, found = np.random.default_rng(1), 0
    contrasts = [{row.name: 1.0, row.reference: -1.0} for row in rows[1:]]
    for _ in range(400):  # tables, through the test that reports use
        noise = rng.normal(size=(len(rows), seeds))
        tests = moderated(noise[1:] - noise[:-1] + effect * np.eye(1, len(rows) - 1).T, contrasts=contrasts)
        found += tests[0].p < 0.05
    assert found / 400 == pytest.approx(0.8, abs=0.06)


def test_the_smallest_effect_of_few_rows_or_seeds_is_the_plain_test_s():
    assert smallest_effect(ROWS, 1, 1.0) == np.inf
    assert smallest_effect(ROWS[:3], 4, 1.0) == resolvable(4, 1.0)
