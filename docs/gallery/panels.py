"""Panels: the curves from the functions themselves, one figure a panel, as PNG for a file and as SVG for the page."""

import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from PIL import Image

from docs.gallery.parts import Panel, once, signs
from jaxtricks.ablation.report import plots

POINTS = 241
SIZE = 3.6, 4.1  # inches
DPI = 100
# The page's roles, with their colours on paper; in the SVG they become variables of the page, light and dark.
ROLES = {"ink": "#1b1f24", "muted": "#5b6570", "line": "#d5dbe1", "paper": "#ffffff"}
SERIES = {"c1": "#0067a5", "c2": "#b84a00", "c3": "#1a7f5a", "c4": "#7d3c98", "c5": "#5c6670", "c6": "#c2286b"}
DASHES = ("-", (0, (6, 1.5)), (0, (4, 1.2, 1, 1.2)), (0, (1.5, 1.2)), (0, (8, 1.5, 1, 1.5)), (0, (3, 1)))
STYLE = plots.STYLE | {
    "text.color": ROLES["ink"],
    "axes.edgecolor": ROLES["line"],
    "axes.labelcolor": ROLES["muted"],
    "xtick.color": ROLES["line"],
    "ytick.color": ROLES["line"],
    "xtick.labelcolor": ROLES["muted"],
    "ytick.labelcolor": ROLES["muted"],
    "figure.facecolor": ROLES["paper"],
    "axes.facecolor": "none",
}


class Values(NamedTuple):
    """Points of a curve.

    Fields:
      x: ``[N]``.
      y: ``[N]``.
      slope: ``[N]``, by jax.grad; None where the panel has none.
    """

    x: np.ndarray
    y: np.ndarray
    slope: np.ndarray | None


def evaluate(panel: Panel) -> dict[str, Values]:
    """Every curve at every point, all of a panel in one compilation."""
    x = points(panel)
    curves = once(partial(_curves, panel, x))
    return {label: Values(x, *curve) for label, curve in zip(panel.curves, curves, strict=True)}


def points(panel: Panel) -> np.ndarray:
    """The points of the axis, evenly spaced on it."""
    if len(panel.x) > 2:
        return np.asarray(panel.x)
    return (np.geomspace if "x" in panel.log else np.linspace)(*panel.x, POINTS)


def _curves(panel: Panel, x: np.ndarray) -> list[tuple]:
    curves = [partial(call.at, *call.functions) for call in panel.calls.values()]
    if panel.at_once:
        return [(jnp.asarray(f(x)), None) for f in curves]
    x = jnp.asarray(x, jnp.float32)
    return [jax.vmap(jax.value_and_grad(f))(x) if panel.slope else (jax.vmap(f)(x), None) for f in curves]


@matplotlib.rc_context(STYLE)
def draw(panel: Panel, values: Mapping[str, Values]) -> Figure:
    """The figure: title, key, values, derivative."""
    figure = Figure(figsize=SIZE, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.05, w_pad=0.06, hspace=0.04)
    slopes = panel.slope and not panel.at_once
    upper, *rest = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)) if slopes else [figure.subplots()]
    for axes, part in zip((upper, *rest), ("y", "slope"), strict=False):
        axes.axhline(0, color=ROLES["line"], linewidth=0.8, zorder=0)
        for (label, curve), colour, dash in zip(values.items(), SERIES.values(), DASHES, strict=False):
            _line(axes, panel, curve.x, getattr(curve, part), label=label, color=colour, dash=dash)
        axes.margins(x=0.01)
    for letter in panel.log:
        near = letter == "x" and panel.x[-1] / panel.x[0] <= 256
        getattr(upper, f"set_{letter}scale")("log", base=2 if near else 10)
        for axes in (upper, *rest) if letter == "x" else (upper,):
            axis = getattr(axes, f"{letter}axis")
            axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            axis.set_minor_formatter(NullFormatter())
    for axes in (upper, *rest):
        if axes.get_yscale() == "linear":
            axes.yaxis.set_major_locator(MaxNLocator(5))
    if panel.ylim is not None:
        upper.set_ylim(*panel.ylim)
    upper.set_ylabel(panel.ylabel)
    for axes in rest:
        axes.set_ylabel(panel.slope)
    figure.axes[-1].set_xlabel(panel.xlabel)
    figure.align_ylabels()
    # The key carries the title: constrained layout keeps room for one thing above the axes.
    handles, labels = upper.get_legend_handles_labels() if len(values) > 1 else ([], [])
    key = figure.legend(
        handles,
        [signs(label) for label in labels],
        title=panel.title,
        loc="outside upper left",
        alignment="left",
        ncols=1 if max(map(len, labels), default=0) > 22 else 2,
        frameon=False,
        fontsize=7.8,
        title_fontproperties={"size": 9.5, "weight": "bold"},
        handlelength=2.6,
        columnspacing=1.4,
        labelspacing=0.3,
        borderpad=0.1,
        borderaxespad=0.3,
    )
    key.get_title().set_color(ROLES["ink"])
    return figure


def _line(axes, panel: Panel, x, y, *, label: str, color: str, dash) -> None:
    if panel.style == "steps":
        axes.step(x, y, where="mid", label=label, color=color, linestyle=dash, linewidth=1.6)
    elif "o" in panel.style:
        axes.plot(x, y, "o-", label=label, color=color, linewidth=1, markersize=3)
    else:
        axes.plot(x, y, label=label, color=color, linestyle=dash, linewidth=1.6)


@matplotlib.rc_context(STYLE)
def png(figures: Sequence[Figure]) -> Image.Image:
    """The figures of a family side by side, two or three in a row."""
    tiles = []
    for figure in figures:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
        tiles.append(Image.open(buffer).convert("RGB"))
    width, height = tiles[0].size
    columns = 2 if len(tiles) in (2, 4) else min(3, len(tiles))
    sheet = Image.new("RGB", (columns * width, math.ceil(len(tiles) / columns) * height), ROLES["paper"])
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % columns * width, i // columns * height))
    return sheet.quantize(128)  # a third of the bytes, and no difference to see


@matplotlib.rc_context(STYLE)
def svg(figure: Figure, label: str) -> str:
    """The figure as an element of a page: colours as variables of its style sheet, no ids, sizes or scripts."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": label}):
        empty = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", metadata=empty, transparent=True)
    text = buffer.getvalue()
    box = re.search(r'viewBox="[^"]*"', text).group()
    body = re.sub(r'<g id="[^"]*"', "<g", text[text.index("</defs>") + len("</defs>") :])
    for role, colour in (ROLES | SERIES).items():
        body = body.replace(colour, f"var(--{role})")
    return f'<svg {box} role="img" aria-label="{html.escape(label)}">{body}'
