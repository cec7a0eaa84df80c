"""The steps of the next row, compiled by a thread while one row is trained."""

import json
import threading
from dataclasses import replace
from functools import partial

import jax
import pytest
import small

from jaxtricks import data, models
from jaxtricks.ablation import Cells, Trick, running, variants
from jaxtricks.ablation.ahead import Ahead
from jaxtricks.train import Guard, Plan
from jaxtricks.train.program import Program
from jaxtricks.tricks.trick import set_fields

SOURCE = data.fake(train=32, test=16, shape=(4, 4, 1)).hold_out(0.25)
RECIPE = small.recipe(model=partial(models.perceptron, (), size=16), augment=None, mix=None, ema=None, batch=8)
LADDER = {f"x{i}": Trick(partial(set_fields, lr=0.1 * i)) for i in (2, 3)}
ROWS = variants(RECIPE, LADDER, mode="add-one")
PLANS = {
    "map": Plan(devices=tuple(jax.devices()[:1])),
    "scan": Plan(devices=tuple(jax.devices()[:1]), chunk=2),
    "vmap": Plan(seeds_on="vmap", devices=tuple(jax.devices()[:1])),
    "devices": Plan(seeds_on="devices", devices=tuple(jax.devices()[:2])),
}


def trained(folder, rows=ROWS, **options):
    cells = Cells(folder, SOURCE)
    for seeds in ((0, 1), (2, 3)):
        running.run_cells(rows, cells, seeds=seeds, **options)
    files = [[json.loads(cells.path(row.recipe, seed).read_text()) for seed in range(4)] for row in rows]
    return [[cell.get("error") or (cell["test"], cell["validation"]) for cell in row] for row in files]


@pytest.fixture
def compiled(monkeypatch):
    """The thread and the learning rate of everything that was compiled."""
    done, compile_it = [], Program.compile

    def compile(self, *args, **options):
        if not self.cost:
            done.append((threading.current_thread().name, round(self.recipe.lr, 3)))
        return compile_it(self, *args, **options)

    monkeypatch.setattr(Program, "compile", compile)
    return done


@pytest.mark.parametrize("way", PLANS)
def test_cells_are_the_same_and_only_the_first_row_is_waited_for(tmp_path, compiled, way):
    alone = trained(tmp_path / "alone", plan=PLANS[way], programs={}, ahead=False)
    assert {thread for thread, _ in compiled} == {"MainThread"}
    compiled.clear()
    assert trained(tmp_path / "ahead", plan=PLANS[way], programs={}, ahead=True) == alone
    rates = [round(row.recipe.lr, 3) for row in ROWS]
    assert compiled == [("MainThread", rates[0]), *(("jaxtricks-ahead", rate) for rate in rates[1:])]


def test_a_row_that_cannot_be_compiled_fails_in_its_place_and_the_others_go_on(tmp_path, compiled):
    rows = [ROWS[0], replace(ROWS[1], recipe=replace(ROWS[1].recipe, batch=64)), ROWS[2]]
    alone = trained(tmp_path / "alone", rows, plan=PLANS["map"], programs={}, ahead=False)
    assert trained(tmp_path / "ahead", rows, plan=PLANS["map"], programs={}, ahead=True) == alone
    assert [isinstance(row[0], str) for row in alone] == [False, True, False]


def test_a_row_with_a_teacher_is_compiled_when_its_teacher_is_trained(tmp_path, compiled):
    taught = Trick(lambda recipe: replace(recipe, teacher=replace(recipe, lr=0.7)))
    rows = variants(RECIPE, {"taught": taught, "x2": LADDER["x2"]}, mode="add-one")
    trained(tmp_path, rows, plan=PLANS["map"], programs={}, ahead=True)
    assert {thread for thread, rate in compiled if rate in (0.7, round(RECIPE.lr, 3))} == {"MainThread"}
    assert ("jaxtricks-ahead", 0.2) in compiled


def test_it_is_asked_for_only_where_it_can_be(tmp_path):
    spread = Plan(devices=tuple(jax.devices()[:2]))  # its devices wait for each other
    for plan, programs in ((spread, {}), (PLANS["map"], None)):
        with pytest.raises(ValueError, match="ahead is True; allowed: False or None without programs"):
            running.run_cells(ROWS, Cells(tmp_path, SOURCE), seeds=(0,), plan=plan, programs=programs, ahead=True)
    assert not Ahead(PLANS["map"], None, {}, ahead=None).wanted  # on a CPU
    assert not Ahead(spread, None, {}, ahead=None).wanted


@pytest.mark.parametrize("backend", ["gpu", "tpu"])
def test_on_an_accelerator_it_is_the_default_where_it_can_be(monkeypatch, backend):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert Ahead(PLANS["vmap"], None, {}, ahead=None).wanted
    assert not Ahead(PLANS["vmap"], None, None, ahead=None).wanted
    assert not Ahead(PLANS["vmap"], None, {}, ahead=False).wanted
    assert not Ahead(Plan(devices=tuple(jax.devices()[:2])), None, {}, ahead=None).wanted


def test_images_that_are_wrong_end_the_call_when_nothing_is_being_compiled(tmp_path, monkeypatch):
    go, compile_it = threading.Event(), Program.compile

    def slowly(self, *args, **options):
        if threading.current_thread().name == "jaxtricks-ahead":
            go.wait(1.0)
        return compile_it(self, *args, **options)

    monkeypatch.setattr(Program, "compile", slowly)

    def end(record):
        if record["kind"] == "epoch":
            raise data.DataError("a file is broken")

    cells = Cells(tmp_path, SOURCE)
    guard = Guard(signals=False, exit_on_error=False)
    with pytest.raises(data.DataError, match="a file is broken"):
        running.run_cells(ROWS, cells, seeds=(0,), plan=PLANS["map"], programs={}, ahead=True, guard=guard, log=[end])
    assert "jaxtricks-ahead" not in {thread.name for thread in threading.enumerate()}
