"""What the schemes of ``compression`` gave, as a table, and as curves of accuracy over bytes and over time."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from jaxtricks.ablation.statistics import Comparison, paired


def table(cells: Mapping[str, Sequence[Any]], *, plain: int, papers: Mapping[str, str] | None = None) -> str:
    """The cells as text; differences are to the first scheme.

    Args:
      cells: by scheme, one a seed, or the words of an error.
      plain: bytes of the trained network in float32.
      papers: by scheme, what a paper reports.

    Returns:
      Lines.
    """
    reference, *_ = cells
    width = max(map(len, cells))
    lines = [f"{'':{width}}     bytes  smaller  weights      MACs   time  before   after  difference [95 %]"]
    for name, row in cells.items():
        if errors := [cell for cell in row if isinstance(cell, str)]:
            lines.append(f"{name:{width}}  not possible: {errors[0]}")
            continue
        mean = {key: float(np.mean([getattr(cell, key) for cell in row])) for key in vars(row[0])}
        c = _difference(row, cells[reference])
        last = "" if name == reference else f"  {c.mean:+.2f} [{c.low:+.2f}, {c.high:+.2f}]"
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
    families: dict[str, list] = {}
    for name, row in cells.items():
        if name != reference and not any(isinstance(cell, str) for cell in row):
            families.setdefault(re.sub(r",? \d+ ?(%|bits?)$", "", name), []).append(row)
    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10, 4.5), layout="constrained")
        figure.suptitle(title)
        for axes, (key, label) in zip(figure.subplots(1, 2, sharey=True), WAYS.items(), strict=True):
            for number, (name, rows) in enumerate(families.items()):
                ordered = sorted(rows, key=lambda row: np.mean([getattr(cell, key) for cell in row]))
                x = [np.mean([getattr(cell, key) for cell in row]) for row in ordered]
                differences = [_difference(row, cells[reference]) for row in ordered]
                y, low, high = np.array([(c.mean, c.mean - c.low, c.high - c.mean) for c in differences]).T
                style = {"color": f"C{number % 10}", "marker": "osD^v"[number // 10 % 5], "markersize": 4}
                bars = np.where(np.isfinite([low, high]), [low, high], 0.0)  # one seed has no interval
                axes.errorbar(x, y, yerr=bars, label=name, linewidth=1, capsize=2, **style)
            start = float(np.mean([getattr(cell, key) for cell in cells[reference]]))
            axes.plot(start, 0.0, "ko", markersize=5, label=reference)
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


def _difference(row: Sequence[Any], reference: Sequence[Any]) -> Comparison:
    """Of accuracies in percent after the scheme."""
    return paired([cell.after for cell in row], [cell.after for cell in reference], limits=(-100.0, 100.0))
