"""A report beside its paper's printed tables: cells, steps, what agrees, and the speed of an epoch."""

from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import bag_of_tricks, efficient, refinements, tweaks
from jaxtricks import models
from jaxtricks.ablation import printed
from jaxtricks.tricks import paper
from jaxtricks.tricks.paper import TABLES, Cell


def test_the_page_has_the_printed_cell_beside_ours(make_row, make_results, arms, tmp_path, capsys):
    """One step rises there and here; one that falls there is shown to be no effect here."""
    rows = (
        make_row("baseline", arms.base),
        make_row("+ warm-up", arms.up, reference="baseline", seconds=5.0),
        make_row("+ FP16", arms.level, reference="+ warm-up", seconds=2.5),
        make_row("+ more", arms.down, reference="+ FP16"),
    )
    variants = [SimpleNamespace(name=row["name"], recipe=SimpleNamespace(epochs=2.0)) for row in rows]
    cells = {
        "baseline": Cell(3, "baseline", "ResNet-50"),
        "+ warm-up": Cell(3, "efficient", "ResNet-50"),
        "+ FP16": Cell(4, "no bias decay", "batch 1,024"),
    }
    ends = [("+ warm-up", "baseline"), ("+ more", "baseline")]
    printed.show(make_results(*rows), variants, None, tmp_path, cells=cells, ends=ends[:1])
    text = (tmp_path / "printed.md").read_text(encoding="utf-8")
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("|")}
    assert lines["baseline"].split(" | ")[1:4] == ["75.87 (table 3)", "\N{EN DASH}", "84.10"]
    step = "| + warm-up | 76.21 (table 3) | +0.34 | 85.18 | +1.08 ["
    assert lines["+ warm-up"].startswith(step)
    assert " | agrees | 4.4 | 2.5" in lines["+ warm-up"]
    assert " | \N{MINUS SIGN}0.18 | 85.16 | \N{MINUS SIGN}0.02 [" in lines["+ FP16"]
    assert " | disagrees | \N{EN DASH} | 1.25" in lines["+ FP16"]  # shown to be no effect here
    assert "+ more" not in lines  # of which the paper has no cell
    sentence = "+ warm-up against baseline: printed +0.34 points and 3.0 times as fast; here +1.08 ["
    assert sentence in text
    assert text.strip().endswith("2.0 times as fast here.")
    assert sentence in capsys.readouterr().out


def test_a_rung_without_the_one_below_it_has_no_printed_step(make_row, make_results, arms, tmp_path):
    """As with --only: +1.08 points here over the baseline are no step of the paper, which has warm-up in between."""
    rows = make_row("baseline", arms.base), make_row("+ FP16", arms.up, reference="baseline")
    variants = [SimpleNamespace(name=row["name"], recipe=SimpleNamespace(epochs=2.0)) for row in rows]
    cells = {
        "baseline": Cell(3, "baseline", "ResNet-50"),
        "+ warm-up": Cell(3, "efficient", "ResNet-50"),
        "+ FP16": Cell(4, "FP16", "batch 1,024"),
    }
    printed.show(make_results(*rows), variants, None, tmp_path, cells=cells)
    line = next(line for line in (tmp_path / "printed.md").read_text(encoding="utf-8").splitlines() if "FP16" in line)
    assert line.split(" | ")[1:3] == ["76.21 (table 4)", "\N{EN DASH}"]
    assert " | +1.08 [" in line
    assert "] | \N{EN DASH} | " in line


def test_no_interval_of_the_ends_leaves_100_points(make_row, make_results, tmp_path):
    rows = make_row("baseline", [0.0, 1.0]), make_row("+ warm-up", [90.0, 10.0], reference="baseline")
    variants = [SimpleNamespace(name=row["name"], recipe=SimpleNamespace(epochs=2.0)) for row in rows]
    cells = {"baseline": Cell(3, "baseline", "ResNet-50"), "+ warm-up": Cell(3, "efficient", "ResNet-50")}
    ends = [("+ warm-up", "baseline")]
    printed.show(make_results(*rows, seeds=2), variants, None, tmp_path, cells=cells, ends=ends)
    assert "; here +49.50 [\N{MINUS SIGN}100.00, +100.00], " in (tmp_path / "printed.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", [efficient, tweaks, refinements])
def test_every_cell_of_an_experiment_is_printed_and_belongs_to_a_row(module):
    recipe = SimpleNamespace(model=SimpleNamespace(__name__="inception_v3"), precision=None)
    cells = getattr(module, "CELLS", None) or module.cells(recipe)
    for cell in cells.values():
        assert cell.column in TABLES[cell.table][cell.row]
    if module is refinements:
        assert {cell.column for cell in cells.values()} == {"Inception-V3"}
    ladder = module.LADDER
    count = sum(1 + len(setting.ladder) for setting in ladder.values()) if module is efficient else 1 + len(ladder)
    assert len(cells) == count


def _lines(folder):
    text = (folder / "printed.md").read_text(encoding="utf-8")
    return {line.split(" | ")[0].strip("| "): line.split(" | ") for line in text.splitlines() if line.startswith("|")}


def test_a_rung_of_several_stands_in_their_place(make_row, make_results, arms, tmp_path, capsys):
    """As quick merges the tweaks: 76.21 to 77.16 % in one step, and cosine's 77.91 is compared with that."""
    names = "baseline", "+ low precision", "+ B, C, D", "+ cosine"
    values = arms.base, arms.up, arms.level, arms.up
    rows = [
        make_row(name, arm, reference=before)
        for name, arm, before in zip(names, values, (None, *names[:-1]), strict=True)
    ]
    variants = [SimpleNamespace(name=name, recipe=SimpleNamespace(epochs=2.0)) for name in names]
    cells = paper.ladder_cells(SimpleNamespace(model=models.resnet, precision=None))
    show = partial(printed.show, cells=cells, merged=bag_of_tricks.MERGED, aloud=False)
    show(make_results(*rows), variants, None, tmp_path)
    lines = _lines(tmp_path)
    assert lines["+ low precision"][1:3] == ["76.21 (table 4)", "\N{EN DASH}"]  # the rung below it is missing
    assert lines["+ B, C, D"][1:3] == ["77.16 (table 5)", "+0.95"]
    assert lines["+ cosine"][1:3] == ["77.91 (table 6)", "+0.75"]
    shown = capsys.readouterr().out
    assert "printed.md" in shown
    assert "77.16" not in shown


def test_what_is_no_stack_is_not_put_beside_the_stack_of_the_paper(make_row, make_results, arms, tmp_path):
    rows = make_row("baseline", arms.base), make_row("+ large batch", arms.up, reference="baseline")
    variants = [SimpleNamespace(name=row["name"], recipe=SimpleNamespace(epochs=2.0)) for row in rows]
    cells = paper.ladder_cells(SimpleNamespace(model=models.resnet, precision=None))
    printed.show({**make_results(*rows), "mode": "add-one"}, variants, None, tmp_path, cells=cells)
    assert not list(tmp_path.iterdir())
    printed.show({**make_results(*rows), "mode": "stack"}, variants, None, tmp_path, cells=cells)
    assert _lines(tmp_path)["+ large batch"][1:3] == ["75.17 (table 4)", "\N{MINUS SIGN}0.70"]
    printed.show({**make_results(*rows), "mode": "add-one"}, variants, None, tmp_path, cells=cells)
    assert not list(tmp_path.iterdir())  # that of a stack in the same folder is not left beside another report


@pytest.mark.parametrize("model", [models.resnet, models.mobilenet, models.inception_v3, models.plain])
def test_the_ladder_has_the_cells_of_its_network(model):
    """The expected sign of each rung of a ResNet is that of the printed step; others have their column."""
    cells = paper.ladder_cells(SimpleNamespace(model=model, precision=None))
    if model in (models.resnet, models.plain):
        assert list(cells) == ["baseline", *(f"+ {name}" for name in bag_of_tricks.LADDER)]
        points = [paper.step(b, below=a) for a, b in pairwise(cells.values())]
        signs = [
            0 if trick.expected == 0 else np.sign(step)
            for trick, step in zip(bag_of_tricks.LADDER.values(), points, strict=True)
        ]
        assert signs == [trick.expected for trick in bag_of_tricks.LADDER.values()]
        assert sum(points) == pytest.approx(79.29 - 75.87)
    else:
        assert {cell.column for cell in cells.values()} == {paper.COLUMNS[model.__name__]}
        assert paper.top1(cells["+ distillation"]) in (78.34, 72.51)
