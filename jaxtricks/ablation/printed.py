"""A report beside the printed tables of its paper: their cell and ours, and whether the two agree."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console

from jaxtricks import data
from jaxtricks.ablation.headline import Headline, headline_of
from jaxtricks.ablation.moderated import Moderated
from jaxtricks.ablation.output import write_text
from jaxtricks.ablation.report.wording import bounds, signed
from jaxtricks.ablation.statistics import Comparison, paired
from jaxtricks.ablation.summary import Row, summarise
from jaxtricks.ablation.variants import Variant
from jaxtricks.ablation.verdicts import agreement
from jaxtricks.train import Recipe
from jaxtricks.tricks.paper import COLUMNS, NONE, TABLES, Cell, family, rung, step, top1
from jaxtricks.tricks.trick import Ladder

DASH = "\N{EN DASH}"
NOTHING: Mapping = MappingProxyType({})
HEAD = ("row", "printed, %", "printed step", "here", "difference [95 %]", "beside the paper", "printed min", "here s")


def show(
    results: Mapping[str, Any],
    variants: Sequence[Variant],
    dataset: data.Dataset,
    folder: Path,
    *,
    cells: Mapping[str, Cell] | Callable[[Recipe], Mapping[str, Cell]],
    ends: Sequence[tuple[str, str]] = (),
    merged: Mapping[str, Sequence[str]] = NOTHING,
    aloud: bool = True,
) -> None:
    """Leave as ``printed.md``, and print: the printed cell of each row, ours, and agrees, disagrees or not resolved.

    A row that is compared with another than the rung below it, for ``--only`` left that out, has no printed step. Of
    other comparisons than a stack nothing is printed in the paper, and nothing is left.

    Args:
      results: from ``gather``.
      variants: its rows.
      dataset: of the experiment; not used.
      folder: of the report.
      cells: the printed cell of each row by name, in the order of the rungs, or a function that gives them for the
        baseline's recipe.
      ends: pairs of rows, the first of which is compared with the second, as in the paper's table 3.
      merged: rungs that are made of several others, with these; such a row has the cell of the last.
      aloud: whether it is printed too; else only the file's name is.
    """
    file = folder / "printed.md"
    if results["mode"] != "stack":
        file.unlink(missing_ok=True)  # of an earlier report
        return
    rows, recipes = {row.name: row for row in summarise(results)}, {v.name: v.recipe for v in variants}
    printed = _in_place(cells if isinstance(cells, Mapping) else cells(variants[0].recipe), rows, merged)
    lines = [HEAD, ("---",) * len(HEAD)]
    lines += [_line(row, printed, recipes) for name, row in rows.items() if name in printed and name in recipes]
    headline = headline_of(results)
    parts = [
        "# Beside the printed tables",
        "\n".join(f"| {' | '.join(line)} |" for line in lines),
        f"Printed: top-1 on ImageNet, single runs; a step of less than {NONE} points is read as none. Here: "
        f"{headline.words} on these data, differences of the same seeds. Beside the paper: with the sign that the "
        "report expects, which is that of the step or what the paper's text says. Minutes and seconds: of an epoch.",
        *(_ends(rows, printed, recipes, headline, last, first) for last, first in ends),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    write_text(file, text)
    shown = text if aloud else f"Each row beside the cell that its paper prints: {file}"
    Console().print(shown, markup=False, highlight=False, soft_wrap=True)


def _in_place(cells: Mapping[str, Cell], rows: Mapping[str, Row], merged) -> dict[str, Cell]:
    """The cells, with a row of several rungs in the place of these."""
    out = {}
    for name, cell in cells.items():
        holds = [rung for rung, parts in merged.items() if name[2:] in parts and f"+ {rung}" in rows]
        if not holds:
            out[name] = cell
        elif name[2:] == merged[holds[0]][-1]:
            out[f"+ {holds[0]}"] = cell
    return out


def _line(row: Row, printed: Mapping[str, Cell], recipes: Mapping[str, Recipe]) -> tuple[str, ...]:
    """A row of the table; there is a step where the row is compared with what is printed right below its cell."""
    names = ["", *printed]
    cell, before = printed[row.name], names[names.index(row.name) - 1]
    points = step(cell, below=printed[before]) if before and row.reference == before else None
    return (
        row.name,
        f"{top1(cell):.2f} (table {cell.table})",
        DASH if points is None else signed(points),
        DASH if row.mean is None else f"{row.mean:.2f}",
        DASH if row.tested is None else _difference(row.tested),
        DASH if points is None else said(row.verdict, points, expected=row.expected),
        _minutes(cell),
        _seconds(row, recipes[row.name]),
    )


def _difference(one: Moderated | Comparison) -> str:
    return f"{signed(one.mean)} {bounds(one.low, one.high)}"


def said(verdict: str | None, points: float, *, expected: int | None = None) -> str:
    """A verdict beside a printed step.

    Args:
      verdict: of a row, or None where there is none.
      points: the printed step.
      expected: sign that the report expects, such as that of the paper's text; None for that of the step.

    Returns:
      "agrees", "disagrees", or "not resolved".
    """
    if expected is None:
        expected = 0 if abs(points) < NONE else (1 if points > 0 else -1)
    return (None if verdict is None else agreement(verdict, expected)) or "not resolved"


def _minutes(cell: Cell) -> str:
    numbers = TABLES[cell.table][cell.row][cell.column]
    return f"{numbers[2]:.1f}" if len(numbers) > 2 else DASH


def _seconds(row: Row, recipe: Recipe) -> str:
    return DASH if row.seconds is None else f"{row.seconds / recipe.epochs:.2f}"


def _ends(rows, printed, recipes, headline: Headline, last: str, first: str) -> str:
    """Accuracy and speed of one row against another, over all that is between them."""
    if last not in rows or first not in rows or not (rows[last].values and rows[first].values):
        return ""
    a, b = (dict(zip(rows[name].seeds, rows[name].values, strict=True)) for name in (last, first))
    seeds = sorted(a.keys() & b.keys())
    text = f"{last} against {first}: printed {signed(step(printed[last], below=printed[first]))} points"
    minutes = [_minutes(printed[name]) for name in (first, last)]
    if DASH not in minutes:
        text += f" and {float(minutes[0]) / float(minutes[1]):.1f} times as fast"
    if len(seeds) > 1:
        limits = -headline.span, headline.span
        ours = paired([a[seed] for seed in seeds], [b[seed] for seed in seeds], limits=limits)
        text += f"; here {_difference(ours)}"
    times = [rows[name].seconds / recipes[name].epochs for name in (first, last) if rows[name].seconds]
    return f"{text}, {times[0] / times[1]:.1f} times as fast here." if len(times) == 2 else f"{text}."


def of_its_column(
    recipe: Recipe, ladder: Ladder, dataset: data.Dataset, *, cells: Callable[[Recipe], Mapping[str, Cell]]
) -> tuple[Ladder, list[str]]:
    """The ladder with the signs and cells of one column, that of the baseline's network.

    Args:
      recipe: the baseline.
      ladder: tricks by name, whose signs are those on which all columns are at one.
      dataset: of the experiment; not used.
      cells: gives, for the baseline, the cell of each rung by its row's name, ``+ NAME``.

    Returns:
      The tricks, and no sentence; for a network that the paper has not, the ladder as it was.
    """
    if family(recipe) not in COLUMNS:
        return ladder, []
    column = cells(recipe)
    return {name: rung(trick.change, column[f"+ {name}"]) for name, trick in ladder.items()}, []
