"""The steps of the next row, compiled by a thread while one row is trained."""

import json
import os
import signal
import threading
from dataclasses import replace
from functools import partial

import jax
import pytest
import small

from jaxtricks import data, models
from jaxtricks.ablation import Cells, Trick, ahead, running, variants
from jaxtricks.ablation.ahead import Ahead
from jaxtricks.ablation.timing import BESIDE
from jaxtricks.train import Guard, Interrupted, Plan
from jaxtricks.train.program import Program
from jaxtricks.tricks.trick import set_fields

SOURCE = data.fake(train=32, test=16, shape=(4, 4, 1)).hold_out(0.25)
RECIPE = small.recipe(model=partial(models.perceptron, (), size=16), augment=None, mix=None, ema=None, batch=8)
LADDER = {f"x{i}": Trick(partial(set_fields, lr=0.1 * i)) for i in (2, 3)}
ROWS = variants(RECIPE, LADDER, mode="add-one")
GUARD = Guard(signals=True, leave_compiler=True)
THREAD = "jaxtricks-ahead"
PLANS = {
    "map": Plan(devices=tuple(jax.devices()[:1])),
    "scan": Plan(devices=tuple(jax.devices()[:1]), chunk=2),
    "vmap": Plan(seeds_on="vmap", devices=tuple(jax.devices()[:1])),
    "devices": Plan(seeds_on="devices", devices=tuple(jax.devices()[:2])),
}


def files(cells, rows=ROWS, seeds=range(4)):
    return [[json.loads(cells.path(row.recipe, seed).read_text()) for seed in seeds] for row in rows]


def trained(folder, rows=ROWS, **options):
    cells = Cells(folder, SOURCE)
    for seeds in ((0, 1), (2, 3)):
        running.run_cells(rows, cells, seeds=seeds, guard=GUARD, **options)
    return [[cell.get("error") or (cell["test"], cell["validation"]) for cell in row] for row in files(cells, rows)]


@pytest.fixture
def compiled(monkeypatch):
    """Whether a thread of ours did it, the learning rate, and whether evaluation is, of all that was compiled."""
    done, compile_it = [], Program.compile

    def compile(self, *args, evaluated=None, **options):
        if not self.cost:
            ours = threading.current_thread().name == THREAD
            done.append((ours, round(self.recipe.lr, 3), evaluated is not None))
        return compile_it(self, *args, evaluated=evaluated, **options)

    monkeypatch.setattr(Program, "compile", compile)
    return done


RATES = [round(row.recipe.lr, 3) for row in ROWS]


@pytest.mark.parametrize("way", PLANS)
def test_cells_are_the_same_and_only_the_first_row_is_waited_for(tmp_path, compiled, way):
    alone = trained(tmp_path / "alone", plan=PLANS[way], programs={}, ahead=False)
    assert compiled == [(False, rate, True) for rate in RATES]
    compiled.clear()
    assert trained(tmp_path / "ahead", plan=PLANS[way], programs={}, ahead=True) == alone
    assert compiled == [(False, RATES[0], True), *((True, rate, False) for rate in RATES[1:])]


def test_by_itself_nothing_is_compiled_ahead(tmp_path, compiled):
    trained(tmp_path, plan=PLANS["map"], programs={})
    assert not any(ours for ours, _, _ in compiled)


def test_a_run_beside_the_compiler_is_marked(tmp_path, monkeypatch):
    """The thread of the second row takes as long as all of the first one's seeds; there is none beside the last row."""
    gate, compile_it = threading.Event(), Program.compile

    def compile(self, *args, **options):
        if threading.current_thread().name == THREAD:
            gate.wait(60)
        return compile_it(self, *args, **options)

    def open_it(record):
        if record["kind"] == "end" and record["seeds"] == [1]:
            gate.set()

    monkeypatch.setattr(Program, "compile", compile)
    cells, rows = Cells(tmp_path, SOURCE), ROWS[:2]
    options = {"plan": PLANS["map"], "programs": {}, "guard": GUARD, "ahead": True}
    running.run_cells(rows, cells, seeds=(0, 1), log=[open_it], **options)
    running.run_cells(rows, cells, seeds=(2, 3), **options)
    marks = [[cell.get(BESIDE, False) for cell in row] for row in files(cells, rows)]
    assert marks == [[True, True, False, False], [False] * 4]


def test_a_row_that_cannot_be_compiled_fails_in_its_place_and_the_others_go_on(tmp_path, compiled):
    rows = [ROWS[0], replace(ROWS[1], recipe=replace(ROWS[1].recipe, batch=64)), ROWS[2]]
    alone = trained(tmp_path / "alone", rows, plan=PLANS["map"], programs={}, ahead=False)
    assert trained(tmp_path / "ahead", rows, plan=PLANS["map"], programs={}, ahead=True) == alone
    assert [isinstance(row[0], str) for row in alone] == [False, True, False]


def test_a_row_with_a_teacher_waits_for_it_and_one_of_other_data_has_them(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(ahead, "compile_for", lambda recipe, dataset, *_: asked.append((recipe.lr, dataset)))
    taught = Trick(lambda recipe: replace(recipe, teacher=replace(recipe, lr=0.7)))
    rows = variants(RECIPE, {"taught": taught, "x2": LADDER["x2"]}, mode="add-one")
    smaller = data.fake(train=24, test=16, shape=(4, 4, 1)).hold_out(0.25)
    rows[2] = replace(rows[2], data=lambda source: smaller)
    trained_rows = {"plan": PLANS["map"], "programs": {}, "guard": GUARD, "ahead": True}
    running.run_cells(rows, Cells(tmp_path, SOURCE), seeds=(0,), **trained_rows)
    assert [lr for lr, _ in asked] == [0.2]
    assert asked[0][1] is smaller


def test_beside_other_processes_nothing_is_compiled_ahead(tmp_path, compiled, monkeypatch):
    """The next row would be the one that they take."""
    cells = Cells(tmp_path, SOURCE)
    monkeypatch.setattr(cells.claims, "elsewhere", lambda: {"another"})
    running.run_cells(ROWS, cells, seeds=(0,), plan=PLANS["map"], programs={}, guard=GUARD, ahead=True)
    assert compiled == [(False, rate, True) for rate in RATES]


def test_it_is_asked_for_only_where_it_can_be(tmp_path, monkeypatch):
    spread = Plan(devices=tuple(jax.devices()[:2]))  # its devices wait for each other
    for plan, programs, guard in (
        (spread, {}, GUARD),
        (PLANS["map"], None, GUARD),
        (PLANS["map"], {}, None),
        (PLANS["map"], {}, Guard(leave_compiler=False)),
    ):
        with pytest.raises(ValueError, match="ahead is True; allowed: False without programs"):
            running.run_cells(
                ROWS, Cells(tmp_path, SOURCE), seeds=(0,), plan=plan, programs=programs, guard=guard, ahead=True
            )
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="with several processes"):
        Ahead(PLANS["map"], GUARD, {}, ahead=True)


@pytest.mark.parametrize("error", [data.DataError("a file is broken"), TypeError("a mistake"), KeyboardInterrupt()])
def test_after_an_error_nothing_is_being_compiled(tmp_path, monkeypatch, error):
    compile_it = Program.compile

    def slowly(self, *args, **options):
        if threading.current_thread().name == THREAD:
            threading.Event().wait(0.5)
        return compile_it(self, *args, **options)

    monkeypatch.setattr(Program, "compile", slowly)

    def end(record):
        if record["kind"] == "epoch":
            raise error

    options = {"plan": PLANS["map"], "programs": {}, "guard": GUARD, "ahead": True, "log": [end]}
    with pytest.raises(type(error)):
        running.run_cells(ROWS, Cells(tmp_path, SOURCE), seeds=(0,), **options)
    assert THREAD not in {thread.name for thread in threading.enumerate()}


def test_a_signal_while_a_row_waits_for_the_compiler_ends_the_run(monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(ahead, "compile_for", lambda *_: gate.wait(60))
    waiting = Ahead(PLANS["map"], GUARD, {}, ahead=True)
    waiting.after(_Row())
    waiting.log({"kind": "start"})
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(Interrupted) as stopped:
        waiting.wait()
    assert stopped.value.code == 143
    gate.set()


class _Row:
    """What ``Ahead`` reads of a row."""

    seeds = (0,)
    variant = ROWS[1]

    class cells:
        dataset = SOURCE


def test_without_a_thread_the_row_is_compiled_in_its_place(tmp_path, compiled, monkeypatch):
    start = threading.Thread.start

    def refuse(self):
        if self.name == THREAD:
            raise RuntimeError("can't start new thread")
        return start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    trained(tmp_path, plan=PLANS["map"], programs={}, ahead=True)
    assert compiled == [(False, rate, True) for rate in RATES]
