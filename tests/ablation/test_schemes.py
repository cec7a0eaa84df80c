"""The table of schemes: its numbers are those of the files, and a scheme that is not possible says so."""

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from jaxtricks import models, tasks
from jaxtricks.ablation import cli, compression, compression_table
from jaxtricks.ablation.compression import Cell, Scheme, Step
from jaxtricks.tricks import bag, coding, thinning
from jaxtricks.tricks import compression as c


def rows(dataset):
    build = partial(models.perceptron, (8,), size=dataset.shape[0] * dataset.shape[1])
    recipe = bag.bare(
        task=tasks.classification(dataset.classes), augmented=None, model=build, lr=0.1, batch=32, epochs=2
    )
    recipe = replace(recipe, warmup=None)  # ten steps
    shared = partial(coding.quantized, bits={"hidden/0/kernel": 2})
    half = partial(c.pruned, shares={"hidden/0/kernel": 0.5})
    return {
        "tiny": (
            recipe,
            {
                "as it is": Scheme([Step(c.fixed, 0)]),
                "pruned, 2 bits": Scheme([Step(half, 0), Step(shared, 0)]),
                "units": Scheme([Step(partial(thinning.thinned, criterion=thinning.norms, share=0.5), 1.0)]),
                "far too fast": Scheme([Step(c.fixed, 5.0, 1e30)]),
                "all units": Scheme([Step(partial(thinning.thinned, criterion=thinning.norms, share=0.99), 1.0)]),
            },
        )
    }


def test_a_table_from_training_to_files(tmp_path, capsys):
    options = compression.Options(data="digits", seeds=1, images=200, on="held out", out=tmp_path)
    text = compression.run("small", rows, options)
    assert capsys.readouterr().out == text == (tmp_path / "small.txt").read_text(encoding="utf-8")
    cells = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["tiny"]
    for name, (cell,) in cells.items():
        if name not in ("all units", "far too fast"):
            path = tmp_path / "tiny" / f"{re.sub('[^a-z0-9]+', '_', name)}-seed0.jtcz"
            assert cell["bytes"] == path.stat().st_size
    full, shared, units = (cells[name][0] for name in ("as it is", "pruned, 2 bits", "units"))
    assert full["parameters"] == 64 * 8 + 8 + 8 * 10 + 10
    assert full["before"] == full["after"]
    assert (full["macs"], units["macs"]) == (64 * 8 + 8 * 10, 64 * 4 + 4 * 10)
    assert units["parameters"] == 64 * 4 + 4 + 4 * 10 + 10
    np.testing.assert_allclose(shared["density"], (256 + 80) / 592)
    assert shared["bytes"] < full["bytes"]
    assert "not possible: share is 0.99, which leaves hidden/0 without a filter" in text
    assert "not possible: loss or gradient was not finite for 11 steps in a row" in text


def test_schemes_that_differ_in_a_number_are_one_curve(tmp_path, monkeypatch):
    drawn = {}

    def errorbar(axes, x, y, *, yerr, label, **_):
        drawn[label] = (np.round(x, 2).tolist(), np.round(y, 2).tolist())

    monkeypatch.setattr(compression_table.Figure, "savefig", lambda *_, **__: None)
    monkeypatch.setattr("matplotlib.axes.Axes.errorbar", errorbar)
    cell = partial(Cell, seed=0, macs=100, parameters=10, density=0.5, before=80.0)
    cells = {
        "as it is": [cell(bytes=40, time=1.0, after=90.0), cell(bytes=40, time=1.0, after=91.0)],
        "pruned, 50 %": [cell(bytes=20, time=2.0, after=89.0), cell(bytes=20, time=2.0, after=90.0)],
        "pruned, 30 %": [cell(bytes=30, time=1.0, after=90.0), cell(bytes=30, time=1.0, after=91.0)],
        "pruned, 99 %": ["a layer would be left without a filter"] * 2,
        "5 bits": [cell(bytes=10, time=1.5, after=80.0), cell(bytes=10, time=1.5, after=81.0)],
    }
    compression_table.curves(cells, tmp_path / "c.png", title="t")
    assert drawn == {"pruned": ([1.0, 2.0], [0.0, -1.0]), "5 bits": ([1.5], [-10.0])}  # over time, drawn last


def test_the_table_by_hand():
    cell = partial(Cell, macs=100, parameters=10, density=0.5, time=2.0)
    cells = {
        "a": [cell(seed=s, bytes=40, before=80.0, after=90.0 + s) for s in (0, 1)],
        "b": [cell(seed=s, bytes=20, before=70.0, after=88.5 + s / 2) for s in (0, 1)],
    }
    head, first, second = compression_table.table(cells, plain=80).splitlines()
    assert head.split()[:3] == ["bytes", "smaller", "weights"]
    assert first.split() == "a 40 2.0x 50.0 % 100 2.00x 80.00 90.50".split()
    *_, paper = compression_table.table(cells, plain=80, papers={"b": "2x"}).splitlines()
    assert paper == "Published, b: 2x"
    # differences -1.5 and -2: 0.25 is the error of their mean, 12.706 the quantile of t with one degree of freedom
    assert second.split()[:-4] == "b 20 4.0x 50.0 % 100 2.00x 70.00 88.75 -1.75 [-4.93, +1.43]".split()
    assert second.endswith("not resolved (3 seeds)")  # t of 1.75 sqrt(3) / 0.354 = 8.6 beside 4.3 for three of them
    cells["b"] = [cell(seed=s, bytes=20, before=70.0, after=80.0 * s) for s in (0, 1)]
    *_, wide = compression_table.table(cells, plain=80).splitlines()
    assert "-50.50 [-100.00, +100.00]  not resolved" in wide  # and not what the quantile of t says, 500 points more


def test_a_table_says_what_holds_of_all_its_rows_together():
    cell = partial(Cell, macs=100, parameters=10, density=0.5, time=2.0, bytes=40, before=80.0)
    noise = np.random.default_rng(0).normal(0.0, 0.3, (8, 3))
    cells = {"as it is": [cell(seed=s, after=90.0) for s in range(3)]}
    for number, row in enumerate(noise):
        cells[f"row {number}"] = [cell(seed=s, after=90.0 + row[s] - 2.0 * (number == 0)) for s in range(3)]
    cells["impossible"] = ["it diverged"] * 3
    first, second = list(compression_table.compared(cells).values())[:2]
    assert len(compression_table.compared(cells)) == 8
    assert (first.verdict, second.verdict) == ("hurts", "no effect")
    assert first.tested.borrowed > 0  # degrees of freedom that the other rows lend
    np.testing.assert_allclose(first.tested.mean, noise[0].mean() - 2.0)
    cells["row 1"][2] = "it diverged"
    *_, one, every = [line for line in compression_table.table(cells, plain=80).splitlines() if "diverged" in line]
    assert one.split("  ")[-1].strip() == "not possible with 1 of 3 seeds: it diverged"
    assert every.split("  ")[-1].strip() == "not possible: it diverged"
    cells["as it is"] = ["it diverged"] * 3
    assert compression_table.compared(cells) == {}
    head, *_ = compression_table.table(cells, plain=80).splitlines()
    assert head.split()[-1] == "after"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 0}, "--seeds is 0"),
        ({"epochs": float("inf")}, "--epochs is inf"),
        ({"data": "digits", "networks": ("LeNet",)}, "--networks is 'LeNet'; allowed: 'tiny'"),
        ({"data": "digits", "only": ("unit",)}, "Perhaps you meant 'units'"),
    ],
)
def test_what_was_typed_wrong(options, words, tmp_path):
    with pytest.raises(cli.UsageError, match=words):
        compression.run("small", rows, compression.Options(out=tmp_path, **options))
