"""The table that fills in a terminal: what it says of each row while records come, and that it fits the screen."""

import io

import numpy as np
import pytest
from rich.console import Console

from jaxtricks.ablation import Display, Headline
from jaxtricks.ablation.board import ASCII, Board, Line, sparkline
from jaxtricks.ablation.clock import Clock
from jaxtricks.ablation.options import Options
from jaxtricks.ablation.output import next_steps
from jaxtricks.ablation.progress import Job
from jaxtricks.ablation.report import summarise

ACCURACY = Headline("accuracy", "%", scale=100.0)
COMMON = {"epochs": 2, "steps": 10, "seeds": [0]}


def trained(take, name, seed, *values):
    take({"variant": name, "rung": 1, "kind": "rung", **COMMON})
    take({"variant": name, "rung": 1, "kind": "start", **COMMON})
    about = {"train_loss": 1.0, "seconds": 0.0, "images_per_second": 9.0}
    for value in values:
        take({"variant": name, "rung": 1, "kind": "epoch", "seed": seed, "validation_accuracy": value, **about})
    take({"variant": name, "rung": 1, "kind": "end", **COMMON, "seeds": [seed]})


def drawn(board, *, width=100, height=30):
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(board)
    return console.file.getvalue()


def test_a_row_has_its_mean_its_difference_over_common_seeds_and_its_curve():
    board = Board([Line("baseline"), Line("mixup", "baseline"), Line("wide", "mixup")], ACCURACY, compiling=lambda: 7.0)
    trained(board.take, "baseline", 0, 0.2, 0.5)
    trained(board.take, "baseline", 1, 0.2, 0.7)
    trained(board.take, "mixup", 0, 0.2, 0.52)
    board.take({"variant": "mixup", "rung": 2, "kind": "rung", **COMMON})
    lines = [line.split() for line in drawn(board).splitlines()]
    assert ["baseline", "2", "60.00", "▁█"] in lines
    assert ["mixup", "1", "52.00", "+2.00", "▁▇", "compiling", "7", "s"] in lines  # against seed 0 alone
    assert ["wide"] in lines
    trained(board.take, "wide", 0, 0.2, 0.5)
    trained(board.take, "wide", 1, 0.2, 0.9)
    assert ["wide", "2", "70.00", "\N{MINUS SIGN}2.00", "▁█"] in [line.split() for line in drawn(board).splitlines()]
    board.take({"variant": "mixup", "rung": 2, "kind": "progress", "epoch": 1.26, **COMMON, "seeds": [1]})
    assert "seed 1, epoch 1.3/2" in drawn(board)
    board.take({"variant": "wide", "rung": 3, "kind": "failed", "error": "NaN", **COMMON})
    assert drawn(board).count("failed") == 1


def test_a_teacher_is_no_seed_of_its_row():
    board = Board([Line("taught")], ACCURACY, compiling=lambda: None)
    teacher = {"variant": "taught", "rung": 1, "part": "teacher", **COMMON}
    board.take(teacher | {"kind": "progress", "epoch": 1.0})
    assert "its teacher, epoch 1.0/2" in drawn(board)
    board.take(teacher | {"kind": "epoch", "seed": 0, "validation_accuracy": 0.9})
    board.take(teacher | {"kind": "end"})
    assert not board.lines["taught"].finished
    assert not board.lines["taught"].curves


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits_the_screen(width):
    lines = [
        Line(f"row {i} of a rather long name", f"row {i - 1} of a rather long name" if i else None) for i in range(40)
    ]
    board = Board(lines, ACCURACY, compiling=lambda: 123.0)
    for line in lines:
        trained(board.take, line.name, 0, *np.linspace(0, 1, 50))
    board.take({"variant": lines[20].name, "rung": 21, "kind": "rung", **COMMON})
    text = drawn(board, width=width, height=24).splitlines()
    assert max(map(len, text)) <= width
    assert len(text) <= 22
    assert any("compiling" in line for line in text)  # the row in hand is among those shown
    assert text[-1] == "24 more rows"


def test_sparklines():
    assert sparkline(np.array([0.0, 0.5, 1.0, 2.0, np.nan]), 0.0, 1.0) == "▁▅██ "
    assert sparkline(np.array([3.0]), 3.0, 3.0) == "▅"
    assert sparkline(np.arange(100.0), 0.0, 99.0, longest=4, bars=ASCII) == "_-*@"


def test_the_last_frame_has_every_row_and_a_full_bar():
    text = io.StringIO()
    console = Console(file=text, width=100, height=30, force_terminal=True)
    lines = [Line("a", finished={0}, curves={0: [40.0, 50.0]}), Line("b", "a")]
    display = Display(
        [Job("b", 1.0, 1)], 2, clock=Clock(now=lambda: 0.0), headline=ACCURACY, console=console, lines=lines
    )
    with display:
        trained(display.log, "b", 0, 0.5, 0.625)
    last = text.getvalue().rpartition("so far, held-out")[2]
    assert "+12.50" in last
    assert "all 2 rows" in last
    assert "100 %" in last
    assert "train loss" not in text.getvalue()  # the table says it


def test_what_to_do_next(results):
    rows = summarise(results)
    assert [line.split()[1] for line in next_steps(rows, Options(), one_setting=True)] == ["--recommend,"]
    assert next_steps(rows, Options(recommend=True), one_setting=True) == []
    assert next_steps(rows, Options(), one_setting=False) == []
    for cell, value in zip(results["rows"][2]["cells"], (85.0, 86.9, 84.1, 86.8, 85.1), strict=True):
        cell["test"]["accuracy"] = value
    (line,) = next_steps(summarise(results), Options(recommend=True), one_setting=True)
    assert "would do for smoothing" in line
    for row in results["rows"]:
        row["cells"] = results["rows"][0]["cells"]
    (line,) = next_steps(summarise(results), Options(), one_setting=True)
    assert "--recommend" not in line  # of what, where nothing helps
