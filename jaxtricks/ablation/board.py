"""The table that fills in a terminal while cells come: what each row reached on held-out images, and its curve."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from jaxtricks.ablation.cells import Cells
from jaxtricks.ablation.headline import Headline
from jaxtricks.ablation.report.wording import signed
from jaxtricks.ablation.variants import Variant

BARS, ASCII = "▁▂▃▄▅▆▇█", "_.-=+*#@"
LONGEST = 14  # characters of a curve
WIDEST = 24  # characters of what happens to a row: the table keeps its width
AROUND = 8  # lines of a terminal that are not rows: the head, the bar, what stands above


@dataclass
class Line:
    """A row of the board.

    Fields:
      name: of the row.
      reference: the row that it is compared with, or None.
      curves: by seed, the held-out headline after each epoch so far, in the unit of reports.
      finished: seeds that are trained.
      doing: what happens to it now; empty if nothing does.
    """

    name: str
    reference: str | None = None
    curves: dict[int, list[float]] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    doing: str = ""

    @property
    def last(self) -> dict[int, float]:
        """The last value of each finished seed, as far as it is known here."""
        return {seed: self.curves[seed][-1] for seed in self.finished if self.curves.get(seed)}


def lines_of(rows: Sequence[Variant], cells: Cells, seeds: Iterable[int], headline: Headline) -> list[Line]:
    """The lines of a board, with the cells that are there already.

    Args:
      rows: to be trained.
      cells: of them.
      seeds: that are looked for.
      headline: of the curves.

    Returns:
      A Line a row.
    """
    lines, seeds = [Line(row.name, row.reference) for row in rows], tuple(seeds)
    for row, line in zip(rows, lines, strict=True):
        for seed in seeds:
            cell = cells.of(row).get(row.recipe, seed)
            if cell is not None and "error" not in cell:
                line.finished.add(seed)
                values = cell.get("curve", {}).get("validation", {}).get(headline.name, ())
                line.curves[seed] = [np.nan if value is None else value for value in values]
    return lines


class Board:
    """Keeps what records say of each row, and draws it; hand ``take`` what ``run_cells`` logs.

    Args:
      lines: of the rows, in the order of the table.
      headline: what is shown of the held-out images.
      compiling: gives the seconds that the row in hand has been compiling for, or None.
    """

    def __init__(self, lines: Sequence[Line], headline: Headline, *, compiling: Callable[[], float | None]):
        self.lines = {line.name: line for line in lines}
        self.headline, self.compiling = headline, compiling
        self.active = lines[0].name if lines else ""

    def take(self, record: Mapping) -> None:
        """A record of ``run_cells``; those of rows that are not here say nothing."""
        line, kind, seeds = self.lines.get(record["variant"]), record["kind"], record.get("seeds", ())
        if line is None:
            return
        teacher = record.get("part") == "teacher"
        if kind in ("rung", "start"):
            self.active, line.doing = line.name, "compiling" if kind == "rung" else "training"
        elif kind == "progress":
            who = "its teacher" if teacher else f"seed {','.join(map(str, seeds))}"
            line.doing = f"{who}, epoch {record['epoch']:.1f}/{record['epochs']:g}"
        elif kind == "epoch" and not teacher:
            value = record.get(f"validation_{self.headline.name}")
            if value is not None:
                line.curves.setdefault(record["seed"], []).append(self.headline.scale * value)
        elif kind == "failed":
            line.doing = "failed"
        elif kind in ("end", "elsewhere") and not teacher:
            line.finished |= set(seeds)
            line.doing = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table, as many rows as the terminal has room for, those around the one in hand."""
        head, bars = self.headline.title.replace(", ", "\n"), ASCII if options.ascii_only else BARS
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("so far, held-out", overflow="ellipsis", no_wrap=True)
        for column in ("seeds", head, "difference"):
            table.add_column(column, justify="right", no_wrap=True)
        wide = options.max_width >= 76
        if wide:
            table.add_column("curve", no_wrap=True)
        table.add_column("", no_wrap=True, style="dim", min_width=WIDEST if wide else None)
        low, high = self._limits()
        shown = self._window(options.height or console.height)
        for line in shown:
            cells = [
                Text(line.name, style="bold" if line.doing else ""),
                str(len(line.finished) or ""),
                self._value(line),
                self._difference(line),
                *([sparkline(_mean(line), low, high, bars=bars)] if wide else []),
                self._doing(line),
            ]
            table.add_row(*cells)
        yield table
        if len(shown) < len(self.lines):
            yield Text(f"{len(self.lines) - len(shown)} more rows", style="dim")

    def _window(self, height: int) -> list[Line]:
        """As many rows as there is room for, with the one in hand in the middle."""
        lines, room = list(self.lines.values()), max(1, height - AROUND)
        if len(lines) <= room:
            return lines
        place = [line.name for line in lines].index(self.active)
        first = min(max(0, place - room // 2), len(lines) - room)
        return lines[first : first + room]

    def _value(self, line: Line) -> str:
        return f"{np.mean(list(line.last.values())):.2f}" if line.last else ""

    def _difference(self, line: Line) -> str:
        """To its reference, over the seeds that both have finished."""
        reference = self.lines.get(line.reference or "")
        if reference is None or not (common := line.last.keys() & reference.last.keys()):
            return ""
        return signed(float(np.mean([line.last[seed] - reference.last[seed] for seed in common])))

    def _doing(self, line: Line) -> str:
        seconds = self.compiling() if line.doing == "compiling" else None
        return line.doing if seconds is None else f"{line.doing} {seconds:.0f} s"

    def _limits(self) -> tuple[float, float]:
        """Common limits of all curves; the first quarter of each may leave them."""
        parts = [curve[len(curve) // 4 :] for line in self.lines.values() if len(curve := _mean(line))]
        values = np.concatenate(parts) if parts else np.zeros(0)
        values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)


def sparkline(values: np.ndarray, low: float, high: float, *, bars: str = BARS, longest: int = LONGEST) -> str:
    """A curve as one line of text.

    Args:
      values: from the first to the last, ``[N]``; of more than fit, evenly spread ones with the last among them.
      low, high: what the lowest and the highest bar stand for; beyond them it is the same bar.
      bars: characters, the lowest first.
      longest: characters at most.

    Returns:
      A character a value; a blank for one that is not finite.
    """
    values = np.asarray(values, float)
    if len(values) > longest:
        values = values[np.linspace(0, len(values) - 1, longest).round().astype(int)]
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    places = np.clip(np.nan_to_num(share) * len(bars), 0, len(bars) - 1).astype(int)
    return "".join(bars[i] if np.isfinite(value) else " " for i, value in zip(places, values, strict=True))


def _mean(line: Line) -> np.ndarray:
    """The mean over the seeds after each epoch, of those that have come so far."""
    curves = list(line.curves.values())
    longest = max(map(len, curves), default=0)
    return np.array([np.mean([curve[epoch] for curve in curves if len(curve) > epoch]) for epoch in range(longest)])
