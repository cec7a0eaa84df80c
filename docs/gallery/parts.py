"""What a gallery is made of: families of panels and sheets, which name the functions that they call."""

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import optax

from jaxtricks import augment, detection, layers, losses, optim
from jaxtricks.ablation.report.wording import MINUS

PLACES = {  # where a public name is looked for, first match first
    "losses": losses,
    "layers": layers,
    "optim": optim,
    "augment": augment,
    "detection": detection,
    "optax": optax,
    "optax.losses": optax.losses,
    "optax.contrib": optax.contrib,
    "jax.nn": jax.nn,
}


class Call(NamedTuple):
    """Public functions and how a picture calls them.

    Fields:
      of: one function, or a tuple of them; ``functools.partial`` fixes options.
      at: ``(*of, x) -> y`` in a panel, ``(*of, photos, value) -> picture`` in a sheet; None for that of the panel.
    """

    of: Callable | tuple[Callable, ...]
    at: Callable | None = None

    @property
    def functions(self) -> tuple[Callable, ...]:
        return self.of if isinstance(self.of, tuple) else (self.of,)


@dataclass(frozen=True)
class Panel:
    """Curves over one axis, and below them their derivatives.

    Fields:
      title: of the panel.
      curves: what is drawn, by its label in the key: a function, a tuple of them, or a Call.
      x: the two ends of the axis, or the points themselves.
      xlabel, ylabel: what the axes show, with units.
      at: ``(*of, x) -> y``, for one number x, or for all of them where ``at_once``.
      slope: how the derivative is called; "" for none.
      at_once: whether ``at`` takes all points at once.
      style: of matplotlib: ``"-"`` lines, ``"o-"`` points, ``"steps"`` lines that jump.
      log: which axes are logarithmic: "", "x", "y" or "xy".
      ylim: of the values, where they would hide what matters.
    """

    title: str
    curves: Mapping[str, Callable | tuple | Call]
    _: KW_ONLY
    x: Sequence[float]
    xlabel: str
    ylabel: str
    at: Callable | None = None
    slope: str = "derivative"
    at_once: bool = False
    style: str = "-"
    log: str = ""
    ylim: tuple[float, float] | None = None

    def __post_init__(self):
        if not 1 <= len(self.curves) <= 6:
            raise ValueError(f"curves has {len(self.curves)} curves; allowed: 1 to 6.")

    @property
    def calls(self) -> dict[str, Call]:
        return {label: called(curve, self.at) for label, curve in self.curves.items()}


points = functools.partial(Panel, at_once=True, style="o-")  # the values at some numbers, joined by lines


@dataclass(frozen=True)
class Sheet:
    """Pictures in rows: photographs, changed by each of some values.

    A picture is an image ``[H, W, C]``, or a dict with ``image`` and labels, which are drawn; with axes in front, as of
    a batch, it is several.

    Fields:
      title: of the sheet.
      caption: what one sees, in a line.
      rows: functions or Calls by the label of their row; one alone for a single row without a label.
      values: amounts, one a picture; or how many keys to draw with; or None.
      label: under the pictures: a format for the value, one text a picture, or "target" for what the targets say.
      at: ``(*of, photos, value) -> picture``; ``(*of, photos) -> pictures`` where values is None.
      before: stands before the draws: ``photos -> picture``, or None.
      static: whether each value is compiled by itself, as a size must be.
    """

    title: str
    caption: str
    rows: Callable | tuple | Call | Mapping[str, Callable | tuple | Call]
    values: Sequence | int | None = 5
    label: str | Sequence[str] = "{:g}"
    _: KW_ONLY
    at: Callable | None = None
    before: Callable | None = None
    static: bool = False

    @property
    def calls(self) -> dict[str, Call]:
        rows = self.rows if isinstance(self.rows, Mapping) else {"": self.rows}
        return {label: called(row, self.at) for label, row in rows.items()}


class Family(NamedTuple):
    """Panels that share a figure, or sheets under one heading.

    Fields:
      title: of the figure; the name of its file is made of it.
      parts: all Panels or all Sheets.
      caption: what one sees, in a line; sheets have their own.
    """

    title: str
    parts: tuple[Panel, ...] | tuple[Sheet, ...]
    caption: str = ""


def called(curve: Callable | tuple | Call, at: Callable | None) -> Call:
    """The Call, with the way of calling that it does not state itself."""
    call = curve if isinstance(curve, Call) else Call(curve)
    return call if call.at is not None else call._replace(at=at)


def once(f: Callable, *args: Any) -> Any:
    """The result of a function, compiled without optimising: that takes longer than to run it this one time."""
    return jax.device_get(jax.jit(f, compiler_options={"xla_backend_optimization_level": 0})(*args))


def signs(text: str) -> str:
    """The text with minus signs before its numbers."""
    return re.sub(r"(?<![\w.])-(?=[\d∞])", MINUS, text)


def slug(text: str) -> str:
    """The text as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def used(parts: Sequence[Panel | Sheet]) -> list[Callable]:
    """The functions of the parts, each once, in order, without their options."""
    every = (unwrap(f) for part in parts for call in part.calls.values() for f in call.functions)
    return list(dict.fromkeys(every))


def unwrap(function: Callable) -> Callable:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def symbol(function: Callable) -> str | None:
    """The public name, such as ``losses.ramp``; None for a function of the gallery's own."""
    name = getattr(function, "__name__", "")
    return next((f"{p}.{name}" for p, place in PLACES.items() if getattr(place, name, None) is function), None)


def papers(function: Callable) -> Iterator[str]:
    """What the docstring's Reference names: numbers at arXiv, else authors and year."""
    doc = inspect.getdoc(function) or ""
    if "Reference:" not in doc or not function.__module__.startswith("jaxtricks."):
        return
    text = " ".join(doc.split("Reference:")[1].split("\n\n")[0].split())
    for entry in text.split("; "):
        arxiv = re.search(r"arXiv (\d{4}\.\d{4,5})", entry)
        plain = re.match(r"([^,]+),.*?\b((?:19|20)\d\d)\b", entry)
        if arxiv:
            yield f"arXiv {arxiv[1]}"
        elif plain:
            yield f"{plain[1]} {plain[2]}"
