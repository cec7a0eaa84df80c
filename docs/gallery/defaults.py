"""Panels and sheets of functions that no other file draws, by the names of their arguments: a new trick needs no entry.

``python -m docs.gallery`` prints the names of those for which there is no rule here.
"""

import inspect
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from docs.gallery import losses as of_losses
from docs.gallery import rows, schedules
from docs.gallery.parts import Family, Panel, Sheet, symbol, used
from jaxtricks import augment, losses, optim

SCORE = partial(of_losses.score, x=(-4, 6))
LOSSES = {  # names of the arguments without a default -> panel
    ("logits", "labels"): partial(SCORE, at=of_losses.labelled),
    ("logits", "targets"): partial(SCORE, at=of_losses.soft),
    ("student_logits", "teacher_logits"): partial(SCORE, at=of_losses.soft, xlabel="student's logit, two others at 0"),
    ("residuals",): partial(of_losses.number, at=lambda loss, r: loss(r)),
    ("predictions", "targets"): partial(of_losses.number, at=of_losses.binary(0.0)),
}
SHEETS = {
    ("image",): partial(Sheet, values=None, at=lambda f, photos: f(photos.image)),
    ("image", "*"): partial(rows.amounts, values=np.linspace(0.0, 1.0, 6), label="{:.1f}"),
    ("key", "image"): rows.draws,
    ("key", "batch"): partial(Sheet, at=rows.mixed(0), values=6, label="target"),
}
SCHEDULES = ("_schedules", "_cycles", "_decays", "_rates")  # modules of jaxtricks.optim


def needed(function: Callable) -> tuple[str, ...]:
    """The names of the arguments that have no default."""
    return tuple(p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty)


def rule(function: Callable) -> Callable | None:
    """How to draw a public function: ``(title, {label: function}) -> Panel``, a Sheet likewise; None without a rule."""
    arguments, module = needed(function), function.__module__.split(".")
    if module[1] == "losses":
        return LOSSES.get(arguments)
    if module[1] == "augment":
        amount = arguments[:1] == ("image",) and len(arguments) == 2 and arguments[1] not in ("box", "matrix", "pca")
        how = SHEETS.get(("image", "*") if amount else arguments)
        return None if how is None else lambda title, curves: how(title, "", curves[title])
    if module[2] in SCHEDULES and arguments == ("peak", "steps", "steps_per_epoch"):
        return schedules.panel
    return None


def public(package) -> dict[str, Callable]:
    """The public functions of a package by name, those of ``optim`` that are schedules."""
    every = {name: getattr(package, name) for name in package.__all__}
    functions = {name: f for name, f in every.items() if inspect.isfunction(f)}
    return {n: f for n, f in functions.items() if package is not optim or f.__module__.split(".")[2] in SCHEDULES}


def more(package, title: str, families: Iterable[Family]) -> tuple[Family, ...]:
    """A family of what the given ones leave out of a package, as far as there are rules; none if nothing is left."""
    seen = {symbol(f) for f in used([part for family in families for part in family.parts])}
    left = [f for f in public(package).values() if symbol(f) not in seen and rule(f) is not None]
    parts: list[Panel | Sheet] = [rule(f)(f.__name__, {f.__name__: f}) for f in left]
    return (Family(title, tuple(parts), "As they are called by default."),) if parts else ()


def undrawn(table) -> list[str]:
    """Public losses, augmentations and schedules that the gallery does not show."""
    seen = {symbol(f) for families in table.values() for f in used([p for family in families for p in family.parts])}
    names = (symbol(f) for package in (losses, augment, optim) for f in public(package).values())
    return sorted(name for name in names if name not in seen)
