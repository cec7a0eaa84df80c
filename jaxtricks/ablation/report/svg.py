"""A Matplotlib figure as an element of a page: its colours are variables of the style sheet around it."""

import html
import io
import re
import warnings
from typing import Any

import matplotlib
from matplotlib.figure import Figure

# Matplotlib draws with these stand-ins; in the SVG they become variables of the page's style sheet, light and dark.
COLOURS = {
    "ink": "#00000a",
    "muted": "#00000b",
    "line": "#00000c",
    "paper": "#00000d",
    "helps": "#00000e",
    "hurts": "#00000f",
}
INK, MUTED, LINE, PAPER, BLUE, ORANGE = COLOURS.values()
HOVER = "hover: "  # before the gid of an artist: what is shown where the mouse rests on it
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "axes.formatter.useoffset": False,
}


def svg_of(figure: Figure, description: str) -> str:
    """The figure as an element of a page: colours as variables, ids of its own, no size, metadata or style sheet."""
    for axes in figure.axes:
        axes.patch.set_visible(False)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": description}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page has other fonts for the same text
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    svg = buffer.getvalue()
    box = re.findall(r'viewBox="[^"]*"', svg)[0]
    body = svg[svg.index("</defs>") + len("</defs>") :]  # behind the style sheet, which would reach all of the page
    body = re.sub(rf'<g id="{HOVER}([^"]*)">', r"<g><title>\1</title>", body)  # escaped as an attribute is
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    for role, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{role})")
    return f'<svg {box} role="img" aria-label="{html.escape(description)}">{body}'
