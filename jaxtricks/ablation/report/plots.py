"""Figures of a report, as SVG text that takes its colours and its font from the page around it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy.optimize import isotonic_regression, linear_sum_assignment
from scipy.spatial.distance import cdist

from jaxtricks.ablation.headline import Headline
from jaxtricks.ablation.report import wording
from jaxtricks.ablation.report.svg import BLUE, HOVER, INK, LINE, MUTED, ORANGE, PAPER, STYLE, svg_of
from jaxtricks.ablation.report.wording import MINUS
from jaxtricks.ablation.summary import Row

MARKS: dict[str | None, dict[str, Any]] = {  # distinguished by shape and filling as well as by colour
    "helps": {"marker": "o", "color": BLUE, "markerfacecolor": BLUE},
    "hurts": {"marker": "D", "color": ORANGE, "markerfacecolor": ORANGE},
    "no effect": {"marker": "s", "color": MUTED, "markerfacecolor": MUTED},
    "not resolved": {"marker": "o", "color": MUTED, "markerfacecolor": PAPER},
    None: {"marker": "s", "color": INK, "markerfacecolor": INK},
}
WIDTH = 4.0  # inches, of a figure that is read on a telephone as on a screen
BESIDE = 1.06  # where the names beside a plot begin, in widths of its axes


@matplotlib.rc_context(STYLE)
def differences(rows: Sequence[Row], headline: Headline, *, resolvable: float | None, margin: str) -> str:
    """Mean difference and 95 % interval of every row, from top to bottom, over the pairs themselves.

    Args:
      rows: in the order of the ladder.
      headline: what the rows are compared by.
      resolvable: the smallest difference that was planned to be resolved: a band around zero; None for no band.
      margin: that of no effect, in words.
    """
    figure, axes = ladder([_label(row) for row in rows])
    limits = limits_of([(row.differences, *_ends(row)) for row in rows], min_span=0.2, through=0.0)
    if resolvable is not None and math.isfinite(resolvable):
        axes.axvspan(-resolvable, resolvable, color=LINE, alpha=0.35, linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=1)
    for y, row in enumerate(rows):
        if row.tested is None:
            _note(axes, y, "no pairs" if row.reference is not None else "reference")
        else:
            verdict = f"{row.verdict} beyond {margin}" if row.verdict == "no effect" else row.verdict
            words = f"{row.name}: {wording.signed(row.tested.mean)} {wording.bounds(*_ends(row))}, {verdict}"
            interval_line(axes, y, row.differences, row.tested.mean, *_ends(row), row.verdict, limits, words)
    axes.set_xlim(*limits)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: sign(x)))
    axes.set_xlabel(f"Difference in test {headline.words}" + (f", {headline.step}" if headline.step else ""))
    return svg_of(figure, f"Mean difference in test {headline.words} and 95 % interval of every variant")


@matplotlib.rc_context(STYLE)
def values(rows: Sequence[Row], headline: Headline, *, connect: bool) -> str:
    """Mean headline on the test set and 95 % interval of every row, over the seeds themselves.

    Args:
      rows: in the order of the ladder.
      headline: what the rows are compared by; its bounds end the axis.
      connect: draw a line from each row to the next.
    """
    figure, axes = ladder([_label(row) for row in rows])
    low, high = limits_of([(row.values, row.low, row.high) for row in rows], min_span=0.2)
    smallest, largest = headline.bounds
    limits = low if smallest is None else max(low, smallest), high if largest is None else min(high, largest)
    if connect:
        means = [(row.mean, y) for y, row in enumerate(rows) if row.mean is not None]
        axes.plot([mean for mean, _ in means], [y for _, y in means], color=LINE, linewidth=1.5, zorder=0)
    for y, row in enumerate(rows):
        if row.mean is None:
            _note(axes, y, "no result")
        else:
            words = f"{row.name}: {headline.value(f'{row.mean:.2f}')}"
            interval_line(axes, y, row.values, row.mean, row.low, row.high, None, limits, words)
    axes.set_xlim(*limits)
    axes.set_xlabel(f"Test {headline.title}")
    return svg_of(figure, f"Mean test {headline.words} and 95 % interval of every variant")


@matplotlib.rc_context(STYLE)
def gain_per_cost(rows: Sequence[Row], headline: Headline) -> str:
    """Mean difference against extra training time, each relative to the row's reference, with both intervals.

    Args:
      rows: one or more with a test and a time ratio.
      headline: what the rows are compared by.
    """
    points = [
        (row, 100 * (ratio - 1), row.tested.mean)
        for row in rows
        if (ratio := row.ratio["time"]) is not None and row.tested is not None
    ]
    rows, times, gains = zip(*sorted(points, key=lambda point: -point[2]), strict=True)
    figure = Figure(figsize=(WIDTH, max(2.8, 0.22 * len(rows) + 1)), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.axvline(0, color=LINE, linewidth=1)
    axes.set_xscale("symlog", linthresh=20, linscale=1)
    axes.set_xlim(min(*times, 0) * 1.2 - 2, max(*times, 0) * 1.2 + 2)
    low, high = min(*gains, 0), max(*gains, 0)
    pad = 0.12 * max(high - low, 0.2)
    axes.set_ylim(low - pad, high + pad)
    axes.set_xticks(_ticks(axes))
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: sign(x) + (" %" if x else "")))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: sign(y)))
    axes.set_xlabel("Extra training time")
    axes.set_ylabel("Difference" + (f", {headline.step}" if headline.step else ""))
    line = {"arrowstyle": "-", "color": LINE, "linewidth": 0.7, "shrinkB": 4, "shrinkA": 2, "relpos": (0, 0.5)}
    bottom, top = axes.get_ylim()
    left, right = axes.xaxis.get_transform().transform(axes.get_xlim())
    across = (axes.xaxis.get_transform().transform(times) - left) / (right - left)
    points = np.stack([across, (np.array(gains) - bottom) / (top - bottom)], axis=1)
    heights = label_heights(points, edge=BESIDE, gap=0.17 / (figure.get_figheight() - 0.6))
    for row, time, gain, height in zip(rows, times, gains, heights, strict=True):
        mark = MARKS[row.verdict]
        words = f"{row.name}: {wording.signed(gain)} for {sign(round(time))} % of training time"
        axes.plot(time, gain, markersize=6, zorder=3, gid=HOVER + words, **mark)
        bar = {"color": mark["color"], "linewidth": 1, "alpha": 0.5, "zorder": 2}
        ends = [min(max(end, bottom), top) for end in _ends(row)]
        axes.plot([time, time], ends, **bar)
        if row.time_low is not None and row.time_low > 0 and math.isfinite(row.time_high):
            ends = 100 * (np.array([row.time_low, row.time_high]) - 1)
            axes.plot(np.clip(ends, *axes.get_xlim()), [gain] * 2, **bar)
        place = {"xytext": (BESIDE, height), "textcoords": "axes fraction", "va": "center", "fontsize": 8}
        axes.annotate(_short(row.name), (time, gain), arrowprops=line, **place)
    return svg_of(figure, f"Difference in test {headline.words} against extra training time")


@matplotlib.rc_context(STYLE)
def curves(
    row: Mapping[str, Any], reference: Mapping[str, Any] | None, headline: Headline, limits: Sequence[tuple]
) -> str:
    """Validation headline and training loss by epoch, of a row over its reference: mean of the seeds, and range.

    Args:
      row, reference: entries of ``results["rows"]``.
      headline: what is drawn above.
      limits: of the two axes, by ``curve_limits``.
    """
    figure = Figure(figsize=(2.5, 2.5), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for axes, track, limit in zip(panels, _tracks(headline), limits, strict=True):
        for entry, colour in ((reference, MUTED), (row, BLUE)):
            if entry is None:
                continue
            epochs, values = _curve(entry, track)
            if len(epochs):
                low, mean, high = values.min(0), values.mean(0), values.max(0)
                if entry is row:
                    axes.fill_between(epochs, low, high, color=colour, alpha=0.25, linewidth=0)
                else:
                    axes.plot(epochs, np.stack([low, high], axis=1), ":", color=colour, linewidth=0.9)
                style = {"linestyle": "-" if entry is row else "--", "marker": "." if len(epochs) == 1 else None}
                axes.plot(epochs, mean, color=colour, linewidth=1.4, **style)
                for beyond, edge, arrow in ((mean < limit[0], limit[0], "v"), (mean > limit[1], limit[1], "^")):
                    if beyond.any():  # where it comes back, or its last epoch if it never does
                        last = epochs[int(np.flatnonzero(beyond)[-1])]
                        axes.plot(last, edge, arrow, color=colour, markersize=4, clip_on=False, zorder=3)
        axes.set_ylim(*limit)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(labelsize=7.5)
    panels[1].xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return svg_of(figure, f"Learning curves of {row['name']}")


def curve_limits(rows: Sequence[Mapping[str, Any]], headline: Headline) -> list[tuple[float, float]]:
    """Common limits of the two axes of learning curves; the first quarter of the way may leave them."""
    limits = []
    for track, cut in zip(
        _tracks(headline), ((0.25, 1.0) if headline.direction > 0 else (0.0, 0.75), (0.0, 0.85)), strict=True
    ):
        values = np.concatenate([_curve(row, track)[1].ravel() for row in rows] or [np.empty(0)])
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, cut) if values.size else (0.0, 1.0)
        pad = 0.08 * (high - low) or 0.5
        limits.append((float(low - pad), float(high + pad)))
    return limits


def _tracks(headline: Headline) -> tuple[Callable, Callable]:
    """What learning curves draw of a cell's ``curve``, above and below."""
    return lambda curve: curve["validation"].get(headline.name, ()), lambda curve: curve["train_loss"]


def _curve(row: Mapping[str, Any], track: Callable[[Mapping], Sequence]) -> tuple[list, np.ndarray]:
    """The epochs that all seeds have, and the values of each seed there; None in a curve is a gap."""
    tracks = [dict(zip(cell["curve"]["epoch"], track(cell["curve"]), strict=False)) for cell in row["cells"]]
    epochs = sorted(set.intersection(*map(set, tracks))) if tracks else []
    return epochs, np.array([[values[epoch] for epoch in epochs] for values in tracks], float)


def ladder(names: Sequence[str]) -> tuple[Figure, Any]:
    """A figure and its axes with one line a name, the first on top."""
    figure = Figure(figsize=(WIDTH, 0.34 * max(len(names), 2) + 0.55), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=LINE, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def interval_line(axes, y, values, mean, low, high, verdict, limits, words) -> None:
    """One line: a tick for each value, the mean's mark and the interval, with an arrow where it leaves the axes.

    The words are shown where the mouse rests on the mark.
    """
    mark = MARKS[verdict]
    axes.plot(values, [y + 0.26] * len(values), "|", color=mark["color"], alpha=0.55, markersize=4, zorder=1)
    if math.isfinite(low) and math.isfinite(high):
        axes.plot([max(low, limits[0]), min(high, limits[1])], [y, y], color=mark["color"], linewidth=2, zorder=2)
        for outside, edge, arrow in ((low < limits[0], limits[0], "<"), (high > limits[1], limits[1], ">")):
            if outside:
                axes.plot(edge, y, arrow, color=mark["color"], markersize=5, clip_on=False, zorder=2)
    axes.plot(mean, y, markersize=6, zorder=3, clip_on=False, gid=HOVER + words, **mark)


def label_heights(points: np.ndarray, *, edge: float, gap: float) -> np.ndarray:
    """Heights of names in a column beside a plot, so that neither they nor the lines to their points cross.

    The lines are together as short as they can be, and of two that crossed, changing the ends would shorten both.

    Args:
      points: ``[N, 2]`` in widths and heights of the axes, from the lower left.
      edge: where the column begins, in widths, right of all points.
      gap: smallest distance of two names, in heights; all of them must find room.

    Returns:
      ``[N]``, each within 0 to 1, two of them the gap or more apart.
    """
    heights = _spread(np.sort(points[:, 1])[::-1], gap)
    ends = np.stack([np.full(len(points), edge), heights], axis=1)
    return heights[linear_sum_assignment(cdist(points, ends))[1]]


def _spread(heights: Sequence[float] | np.ndarray, gap: float) -> np.ndarray:
    """Falling heights moved apart to the gap or more within 0 to 1, each as little as that allows."""
    steps = gap * np.arange(len(heights))
    free = isotonic_regression(np.asarray(heights) + steps, increasing=False).x
    return np.clip(free, steps[-1], 1.0) - steps


def _ticks(axes) -> list[float]:
    """Round percentages along the x axis, the more important first, none too near to another."""
    transform, (left, right) = axes.xaxis.get_transform(), axes.get_xlim()
    left, right = transform.transform([left, right])
    kept = {}
    for tick in (0, 20, -20, 100, 50, -50, 10, -10, 500, 200, 1000, -90, 5, -5):
        place = (transform.transform([tick])[0] - left) / (right - left)
        if 0 <= place <= 1 and all(abs(place - other) > 0.22 for other in kept.values()):
            kept[tick] = place
    return sorted(kept)


def sign(value: float) -> str:
    """A number on an axis of differences, with its sign and the long minus."""
    return f"{value:+g}".replace("-", MINUS) if value else "0"


def _label(row: Row) -> str:
    planned = len(row.seeds) + len(row.missing)
    return _short(row.name) + (f" ({len(row.seeds)} of {planned})" if row.missing else "")


def _short(name: str) -> str:
    return name if len(name) <= 26 else name[:25] + "…"


def _note(axes, y, text: str) -> None:
    axes.text(0.01, y, text, color=MUTED, va="center", transform=axes.get_yaxis_transform())


def _ends(row: Row) -> tuple[float, float]:
    return (row.tested.low, row.tested.high) if row.tested else (-math.inf, math.inf)


def limits_of(lines, *, min_span: float, through: float | None = None) -> tuple[float, float]:
    """Room for all values, and for intervals up to the span of the values on either side.

    One wide interval of two seeds must not squeeze the rest into a dot.
    """
    values = [value for line in lines for value in line[0]]
    values += [through] if through is not None else []
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    span = max(high - low, min_span)
    ends = [end for _, *both in lines for end in both if end is not None and math.isfinite(end)]
    low, high = max(min([low, *ends]), low - span), min(max([high, *ends]), high + span)
    pad = 0.04 * max(high - low, min_span)
    return low - pad, high + pad
