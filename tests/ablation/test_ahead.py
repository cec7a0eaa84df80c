"""Rows that are compiled side by side, before any of them is trained."""

from dataclasses import replace
from functools import partial

import pytest
import small

from jaxtricks import data, models, train
from jaxtricks.ablation import Cells, Trick, run_cells, variants
from jaxtricks.ablation.ahead import compile_rows
from jaxtricks.train.parallel import Plan

SOURCE = data.fake(train=64, test=16, shape=(4, 4, 1)).hold_out(0.25)
RECIPE = small.recipe(model=partial(models.perceptron, (), size=16), augment=None, mix=None, ema=None)
TRICKS = {"half": Trick(partial(replace, lr=0.05)), "third": Trick(partial(replace, lr=0.03))}
SEEDS = (0, 1)


@pytest.fixture
def compiled(monkeypatch):
    """How many steps were compiled."""
    original, calls = Plan.compile_step, []
    monkeypatch.setattr(Plan, "compile_step", lambda *args: calls.append(1) or original(*args))
    return calls


def plan(seeds_on="devices"):
    return train.Plan(seeds_on=seeds_on)


def test_what_is_compiled_ahead_is_what_fit_runs(tmp_path, compiled):
    rows, programs, said = variants(RECIPE, TRICKS, mode="add-one"), {}, []
    cells, alone = Cells(tmp_path / "ahead", SOURCE), Cells(tmp_path / "alone", SOURCE)
    compile_rows(cells.todo(rows, SEEDS), plan(), programs, log=(said.append,))
    assert len(compiled) == 3
    begun = [record["variant"] for record in said if record["kind"] == "rung"]
    assert begun == ["baseline", "half", "third"]
    assert sorted(record["variant"] for record in said if record["kind"] == "compiled") == sorted(begun)
    run_cells(rows, cells, seeds=SEEDS, plan=plan(), programs=programs)
    assert len(compiled) == 3
    run_cells(rows, alone, seeds=SEEDS, plan=plan())
    for row in rows:
        for seed in SEEDS:
            assert cells.get(row.recipe, seed)["test"] == alone.get(row.recipe, seed)["test"]


def test_a_row_that_cannot_be_compiled_is_left_to_fit(tmp_path, compiled):
    def broken(batch_loss):
        raise TypeError("no loss")

    tricks = {**TRICKS, "broken": Trick(partial(replace, loss=broken))}
    rows, programs, said = variants(RECIPE, tricks, mode="add-one"), {}, []
    cells = Cells(tmp_path, SOURCE)
    compile_rows(cells.todo(rows, SEEDS), plan(), programs, log=(said.append,))
    assert "broken" not in {record["variant"] for record in said if record["kind"] == "compiled"}
    run_cells(rows, cells, seeds=SEEDS, plan=plan(), programs=programs)
    assert "RecipeError" in cells.get(rows[-1].recipe, 0)["error"]
    assert len(compiled) == 3


def test_what_must_wait_is_not_compiled(tmp_path, compiled):
    """A row with a teacher, one row alone, and programs in which the devices wait for each other."""
    cells = Cells(tmp_path, SOURCE)
    taught = {"taught": Trick(lambda recipe: replace(recipe, teacher=RECIPE, loss=small.recipe().loss))}
    for rows, where in (
        (variants(RECIPE, taught, mode="add-one"), plan()),
        (variants(RECIPE, TRICKS, mode="add-one"), plan("map")),
    ):
        compile_rows(cells.todo(rows, SEEDS), where, {})
    assert not compiled
