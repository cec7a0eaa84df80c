"""The progress of an ablation: its time left counts compiling apart from training, and it ends at 100 %."""

import io
import re

import pytest
from rich.console import Console

from jaxtricks.ablation import Display
from jaxtricks.ablation.budget import Budget
from jaxtricks.ablation.clock import Clock
from jaxtricks.ablation.progress import Job

COMMON = {"rung": 1, "epochs": 2.0, "steps": 100}


class Run:
    """Three rows of two seeds each, whose work is 1, 1 and 2; a clock that the test moves, and what was printed."""

    def __init__(self, tmp_path, *, terminal=False, limit=None):
        self.now, self.text = 0.0, io.StringIO()
        self.clock = Clock(now=lambda: self.now)
        console = Console(file=self.text, width=200, force_terminal=terminal)
        budget = {"minutes": limit, "most": None, "block": 1, "work": lambda seeds: 4.0 * len(seeds), "one": 4.0}
        self.budget = Budget(tmp_path / "a.budget", clock=self.clock, **budget) if limit else None
        todo = [Job("a", 1.0, 2), Job("b", 1.0, 2), Job("c", 2.0, 2)]
        self.display = Display(todo, 3, clock=self.clock, console=console, budget=self.budget)

    def log(self, after, name, kind, **record):
        self.now += after
        self.display.log({"variant": name, "kind": kind, "seeds": [0, 1], **COMMON, **record})

    def row(self, name, *, compiling=30.0, steps=10.0):
        self.log(0, name, "rung")
        self.log(compiling, name, "start")
        for seed in (0, 1):
            epoch = {"seed": seed, "step": 100, "seconds": steps, "train_loss": 1.0, "images_per_second": 9.0}
            self.log(steps * (1 - seed), name, "epoch", **epoch)
        self.log(0, name, "end")

    def left(self):
        return [int(m) * 60 + int(s) for m, s in re.findall(r"left (\d+):(\d\d)", self.text.getvalue())]


def test_the_time_left_is_that_which_it_takes(tmp_path):
    run = Run(tmp_path)
    for name, steps in (("a", 10), ("b", 10), ("c", 20)):
        run.row(name, steps=steps)
        assert run.left()[-1] == 130 - run.now  # 3 x 30 s of compiling, 40 s of steps
    assert run.left() == [90, 90, 50, 50, 0, 0]  # a line a seed


def test_it_is_right_in_the_middle_of_a_row_and_while_the_next_compiles(tmp_path):
    run = Run(tmp_path)
    run.log(0, "a", "rung")
    assert run.display.seconds_left(0.0) is None  # nothing is known
    run.log(30, "a", "start")
    run.now += 5
    assert run.display.seconds_left(1.0) == pytest.approx(95.0)  # half of the row: 5 + 10 + 20 s, and 60 of compiling
    run.row("a", compiling=0, steps=5)
    run.log(0, "b", "rung")
    run.now += 12
    assert run.display.compiling == pytest.approx(12.0)
    assert run.display.seconds_left(run.display.done) == pytest.approx(78.0)


def test_blocks_that_will_fit_are_part_of_it(tmp_path):
    run = Run(tmp_path, limit=4.0)
    run.row("a")
    # 40 of 240 s are over, 90 are left of the first block; another takes 20 s: five fit
    assert run.left()[0] == 190
    assert "trained all the same" not in run.text.getvalue()


def test_a_block_that_does_not_fit_is_announced_once(tmp_path):
    run = Run(tmp_path, limit=2.0)
    run.row("a", compiling=50.0)
    assert "trained all the same" not in run.text.getvalue()  # the first compilation pays for what all share
    run.log(0, "b", "rung")
    run.log(20, "b", "start")
    for step in (50, 60):
        run.log(5, "b", "progress", step=step, epoch=1.0, images_per_second=9.0)
    said = run.text.getvalue()
    assert said.count("2 seeds of every row, fewer than which say nothing, will end after 2:10, not within 2:00") == 1


def test_elsewhere_than_in_a_terminal_the_first_line_comes_before_compiling(tmp_path):
    run = Run(tmp_path)
    run.log(0, "a", "rung")
    assert run.text.getvalue() == "[1/3] a  compiling\n"
    run.row("a")
    run.log(0, "a", "rung")  # of another block, which is compiled
    assert run.text.getvalue().count("compiling") == 2


def test_the_last_frame_is_complete(tmp_path):
    run = Run(tmp_path, terminal=True)
    with run.display:
        run.row("a")
        assert run.display.bar.tasks[0].percentage < 100
        run.log(0, "b", "failed", error="NonFiniteError", seeds=[0, 1])
        run.log(0, "c", "failed", error="NonFiniteError", seeds=[0, 1])
    assert run.display.bar.tasks[0].percentage == 100
    last = run.text.getvalue().rpartition("%")[0].splitlines()[-1]
    assert "all 3 rows" in last
    assert last.endswith("100 ")
