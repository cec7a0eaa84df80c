"""The gallery: what `python -m docs.gallery` does with its table."""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import tyro
from rich.console import Console

from docs.gallery import defaults, page, panels, sheets
from docs.gallery.page import Drawn
from docs.gallery.parts import Family, Panel, slug
from jaxtricks.ablation.cli import CACHE

Table = Mapping[str, tuple[Family, ...]]
LEAD = (
    "Every curve and every picture here comes from the library's own functions, the derivatives from jax.grad. Curves "
    "run over one number with all else fixed; pictures start from two photographs that scikit-learn brings along."
)


@dataclass(frozen=True)
class Options:
    """Draws the gallery: a PNG for every figure, and index.html."""

    out: Path = Path("runs/gallery")
    """Folder of the figures and the page; made if it is not there."""
    only: tuple[Literal["losses", "activations", "schedules", "augment", "detection"], ...] = ()
    """Sections to draw, all of them if none is given."""


def main(table: Table) -> None:
    """Draw from the command line; exit status 2 for a folder that cannot be written."""
    options = tyro.cli(Options, prog="python -m docs.gallery", description=sys.modules["__main__"].__doc__)
    jax.config.update("jax_compilation_cache_dir", str(CACHE))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    try:
        run(table, options)
    except OSError as error:
        Console(stderr=True).print(f"gallery: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


def run(table: Table, options: Options) -> Path:
    """What main does once the command line is read; returns the path of the page."""
    began = time.perf_counter()
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    options.out.mkdir(parents=True, exist_ok=True)
    sections = {}
    for section, families in table.items():
        if options.only and section not in options.only:
            continue
        sections[section] = []
        for family in families:
            draw = _panels if isinstance(family.parts[0], Panel) else _sheets
            sections[section].append(draw(family, f"{section}-{slug(family.title)}", options.out))
            for file in sections[section][-1].files:
                say(options.out / file)
    if left := [name for name in defaults.undrawn(table) if name.split(".")[0] in _shown(table)]:
        say(f"Without a picture: {', '.join(left)}.")
    command = shlex.join(["python", "-m", "docs.gallery", *(["--only", *options.only] if options.only else [])])
    index = options.out / "index.html"
    index.write_text(page.render("Gallery", LEAD, command, sections), encoding="utf-8")
    say(f"{time.perf_counter() - began:.0f} s. Page: {index}")
    return index


def _shown(table: Table) -> set[str]:
    """The packages that the sections of a table are about."""
    return {{"schedules": "optim", "activations": "layers"}.get(section, section) for section in table}


def _panels(family: Family, anchor: str, out: Path) -> Drawn:
    figures = [panels.draw(panel, panels.evaluate(panel)) for panel in family.parts]
    panels.png(figures).save(out / f"{anchor}.png", optimize=True)
    named = zip(figures, family.parts, strict=True)
    return Drawn(family, anchor, [f"{anchor}.png"], [panels.svg(figure, panel.title) for figure, panel in named])


def _sheets(family: Family, anchor: str, out: Path) -> Drawn:
    files, sizes = [], []
    for sheet in family.parts:
        image = sheets.draw(sheets.evaluate(sheet, sheets.photos()))
        files.append(f"{anchor.split('-')[0]}-{slug(sheet.title)}.png")
        image.save(out / files[-1], optimize=True)
        sizes.append(image.size)
    return Drawn(family, anchor, files, sizes)
