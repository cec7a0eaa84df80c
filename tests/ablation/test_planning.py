"""The spread that a run is planned with: that of the cells that are there, or what was assumed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import small

from jaxtricks import data, models
from jaxtricks.ablation import Cells, Headline, Trick, headline_of_task, planning, variants
from jaxtricks.ablation.moderated import moderated
from jaxtricks.ablation.planning import assumed_spread, smallest_effect, spread_so_far
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
    options = {"assumed": 0.9, "source": "a table", "images": 12}  # what was measured stays as it was measured
    found = spread_so_far(ROWS, _filled(tmp_path, ROWS, seeds, 2.0), seeds, **options)
    assert found["value"] == pytest.approx(2 * np.sqrt(2), rel=0.15)
    assert found["from"] == "measured on 240 pairs of 4 rows"


def test_with_fewer_than_three_degrees_of_freedom_it_is_assumed(tmp_path):
    options = {"assumed": 0.9, "source": "a table", "images": 16}
    assumed = assumed_spread(0.9, "a table", images=16, headline=headline_of_task(RECIPE.task))
    for name, rows, seeds in (("none", (), ()), ("one seed", ROWS, (0,)), ("one row", ROWS[:2], (0, 1, 2))):
        assert spread_so_far(ROWS, _filled(tmp_path / name, rows, seeds, 1.0), (0, 1, 2), **options) == assumed
    cells = _filled(tmp_path / "failed", ROWS[:2], (0, 1, 2), 1.0)
    for seed in (0, 1, 2):
        cells.put(ROWS[2].recipe, seed, {"seed": seed, "error": "NonFiniteError"})
    assert spread_so_far(ROWS, cells, (0, 1, 2), **options) == assumed


def test_one_row_or_two_say_together_what_they_spread_by(tmp_path):
    """By hand: differences 1, 3, 5 and 2, 4 have variances of 4 and 2, with 2 and 1 degrees: a mean of 10 / 3."""
    cells, name = Cells(tmp_path, SOURCE), headline_of_task(RECIPE.task).name
    for row, values in zip(ROWS[:3], ((50, 50, 50), (51, 53, 55), (52, 54)), strict=True):
        for seed, value in enumerate(values):
            cells.put(row.recipe, seed, {"seed": seed, "test": {name: value}})
    options = {"assumed": 0.9, "source": "a table", "images": 16}
    found = spread_so_far(ROWS[:3], cells, (0, 1, 2), **options)
    assert found == {"value": pytest.approx(np.sqrt(10 / 3)), "from": "measured on 5 pairs of 2 rows"}
    for seed, value in ((3, 57), (4, 59)):
        cells.put(ROWS[0].recipe, seed, {"seed": seed, "test": {name: 50}})
        cells.put(ROWS[1].recipe, seed, {"seed": seed, "test": {name: value}})
    found = spread_so_far(ROWS[:2], cells, range(5), **options)
    assert found == {"value": pytest.approx(np.sqrt(10)), "from": "measured on 5 pairs of 1 row"}


@pytest.mark.parametrize(
    ("images", "value", "alone"),
    [
        (10_000, 0.9, "0.35"),
        (3_000, 1.0440, "0.63"),
        (100_000, 0.8379, "0.11"),
        (12, 10.0345, "10"),
        (1, 34.6510, "35"),
    ],
)
def test_no_less_is_assumed_than_the_test_images_allow(images, value, alone):
    """By hand: the root of 0.9 ** 2 - 0.12 + 1200 / images."""
    found = assumed_spread(0.9, "a table", images=images, headline=Headline("accuracy", "%"))
    assert found["value"] == pytest.approx(value, rel=1e-4)
    said = f"0.9 points on 10,000 test images, a table; of {images:,} chance alone gives {alone} points, "
    assert found["from"] == said + "where two runs differ on 12 % of them"
    pixels, percent = Headline("error", "px"), Headline("mIoU", "%")
    assert assumed_spread(0.9, "a table", images=12, headline=pixels) == {"value": 0.9, "from": "a table"}
    assert assumed_spread(0.1, "", images=10_000, headline=percent)["value"] == pytest.approx(0.3464, rel=1e-3)


def test_the_noise_of_test_images_is_that_of_a_simulation():
    """Of 30 images 12 % are decided differently, each for either side."""
    draws = np.random.default_rng(0)
    differ = draws.random((20_000, 30)) < 0.12
    difference = 100 * (differ * draws.choice([-1, 1], differ.shape)).mean(1)
    alone = assumed_spread(0.0, "", images=30, headline=Headline("accuracy", "%"))["value"]
    assert difference.std() == pytest.approx(alone, rel=0.02)


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


def test_what_no_difference_can_reach_is_said():
    """With twelve test images two seeds would need more than the 100 points that there are."""
    headline = Headline("accuracy", "%", bounds=(0.0, 100.0))
    assert planning.resolution(ROWS[:3], 2, 10.0, headline) == np.inf
    assert planning.resolution(ROWS[:3], 2, 10.0, Headline("error", "px")) == resolvable(2, 10.0) > 100
    assert planning.resolution(ROWS[:3], 2, 0.9, headline) == resolvable(2, 0.9)
    spread = {"value": 10.0, "from": "a table"}
    first, second = planning.said(np.inf, 1, spread, headline)
    assert first == "Smallest effect that 1 seed resolves (80 % power): none, however large,"
    assert second == "if paired differences spread by 10 points (a table)."
    assert planning.said(5.7, 2, spread, headline)[0].endswith("2 seeds resolve (80 % power): 5.7 points,")
