"""A report beside its paper's printed tables: cells, steps, what agrees, and the speed of an epoch."""

from types import SimpleNamespace

import pytest

from experiments import efficient, refinements, tweaks
from jaxtricks.ablation import printed
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
    assert " | -0.18 | 85.16 | -0.02 [" in lines["+ FP16"]
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
    assert "; here +49.50 [-100.00, +100.00], " in (tmp_path / "printed.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", [efficient, tweaks, refinements])
def test_every_cell_of_an_experiment_is_printed_and_belongs_to_a_row(module):
    recipe = SimpleNamespace(model=SimpleNamespace(__name__="inception_v3"))
    cells = getattr(module, "CELLS", None) or module.cells(recipe)
    for cell in cells.values():
        assert cell.column in TABLES[cell.table][cell.row]
    if module is refinements:
        assert {cell.column for cell in cells.values()} == {"Inception-V3"}
    ladder = module.LADDER
    count = sum(1 + len(setting.ladder) for setting in ladder.values()) if module is efficient else 1 + len(ladder)
    assert len(cells) == count
