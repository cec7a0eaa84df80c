"""What the schemes of ``compression`` gave, as a table, and as curves of accuracy over bytes and over time."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from jaxtricks.ablation.differences import Difference, differences


def table(cells: Mapping[str, Sequence[Any]], *, plain: int, papers: Mapping[str, str] | None = None) -> str:
    """The cells as text; differences are to the first scheme.

    Args:
      cells: by scheme, one a seed, or the words of an error.
      plain: bytes of the trained network in float32.
      papers: by scheme, what a paper reports.

    Returns:
      Lines.
    """
    width, tests = max(map(len, cells)), compared(cells)
    lines = [f"{'':{width}}     bytes  smaller  weights      MACs   time  before   after"]
    lines[0] += f"  {'difference, 95 %':22}  verdict" if tests else ""
    for name, row in cells.items():
        if errors := _errors(row):
            some = "" if len(errors) == len(row) else f" with {len(errors)} of {len(row)} seeds"
            lines.append(f"{name:{width}}  not possible{some}: {errors[0]}")
            continue
        mean = {key: float(np.mean([getattr(cell, key) for cell in row])) for key in vars(row[0])}
        last = f"  {tests[name].interval:22}  {tests[name].words}" if name in tests else ""
        lines.append(
            f"{name:{width}} {mean['bytes']:9,.0f} {plain / mean['bytes']:7.1f}x {100 * mean['density']:6.1f} % "
            f"{mean['macs']:9,.0f} {mean['time']:5.2f}x {mean['before']:7.2f} {mean['after']:7.2f}{last}"
        )
    lines += [f"Published, {name}: {paper}" for name, paper in (papers or {}).items()]
    return "\n".join(lines)


def curves(cells: Mapping[str, Sequence[Any]], path: Path, *, title: str) -> None:
    """Draw accuracy over bytes and over time: schemes that differ in a number at their end only are one curve.

    Args:
      cells: as for ``table``.
      path: of the picture.
      title: of it.
    """
    reference, *_ = cells
    if _errors(cells[reference]):
        return  # there is nothing to compare with, which the table says
    tests, families = compared(cells), {}
    for name in tests:
        families.setdefault(re.sub(r",? \d+ ?(%|bits?)$", "", name), []).append(name)
    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10, 4.5), layout="constrained")
        figure.suptitle(title)
        for axes, (key, label) in zip(figure.subplots(1, 2, sharey=True), WAYS.items(), strict=True):
            mean = {row: float(np.mean([getattr(cell, key) for cell in cells[row]])) for row in (reference, *tests)}
            for number, (name, rows) in enumerate(families.items()):
                ordered = sorted(rows, key=lambda row: mean[row])
                x, apart = [mean[row] for row in ordered], [tests[row].tested for row in ordered]
                y, low, high = np.array([(c.mean, c.mean - c.low, c.high - c.mean) for c in apart]).T
                style = {"color": f"C{number % 10}", "marker": "osD^v"[number // 10 % 5], "markersize": 4}
                bars = np.where(np.isfinite([low, high]), [low, high], 0.0)  # one seed has no interval
                axes.errorbar(x, y, yerr=bars, label=name, linewidth=1, capsize=2, **style)
            axes.plot(mean[reference], 0.0, "ko", markersize=5, label=reference)
            axes.axhline(0.0, color="0.6", linewidth=0.8)
            if key == "bytes":
                axes.set_xscale("log")
                axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axes.xaxis.set_minor_locator(NullLocator())
                axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
            else:
                axes.set_xlim(0.0, 1.1 * axes.get_xlim()[1])
            axes.set_xlabel(label)
            axes.set_ylabel(f"difference to {reference}, 95 %")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False)
        figure.savefig(path, dpi=110)


WAYS = {"bytes": "bytes of the file", "time": "time of a batch, in that of the trained network"}


def compared(cells: Mapping[str, Sequence[Any]]) -> dict[str, Difference]:
    """The difference of each scheme to the first, in points of accuracy after it; of those that were possible."""
    reference, *_ = cells
    after = {name: [cell.after for cell in row] for name, row in cells.items() if not _errors(row)}
    return differences(after, reference) if reference in after else {}


def _errors(row: Sequence[Any]) -> list[str]:
    return [cell for cell in row if isinstance(cell, str)]
