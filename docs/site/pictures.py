"""The pictures of the gallery by public name: drawn anew, or the curves that are committed."""

from pathlib import Path

from docs.gallery import panels, sheets
from docs.gallery.parts import Panel, Sheet, slug, symbol, used
from docs.gallery.table import GALLERY
from docs.site.results import ROOT

COMMITTED = ROOT / "experiments" / "results" / "gallery"
Pictures = dict[str, list[str]]


def place(part: Panel | Sheet) -> list[str]:
    """The public names that a part draws."""
    return [name for name in map(symbol, used((part,))) if name is not None]


def drawn(folder: Path, *, only: tuple[str, ...] = ()) -> Pictures:
    """Draw every panel and sheet: curves as SVG in HTML, which follows light and dark, pictures as PNG.

    Args:
      folder: of the site; the files are written to its folder ``pictures``.
      only: sections of the gallery; all if empty.
    """
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    pictures: Pictures = {}
    for section, families in GALLERY.items():
        for family in families:
            if only and section not in only:
                continue
            for part in family.parts:
                file = f"pictures/{section}-{slug(family.title)}-{slug(part.title)}"
                if isinstance(part, Panel):
                    figure = panels.svg(panels.draw(part, panels.evaluate(part)), part.title)
                    file += ".html"
                    (folder / file).write_text(f'<div class="picture">{figure}</div>\n', encoding="utf-8")
                else:
                    file += ".png"
                    image = sheets.draw(sheets.evaluate(part, sheets.photos()))
                    image.convert("P", palette=1, colors=256).save(folder / file, optimize=True)
                for name in place(part):
                    pictures.setdefault(name, []).append(file)
    return pictures


def committed(folder: Path) -> Pictures:
    """The curves of experiments/results/gallery, a file a family of panels; nothing is computed."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    pictures: Pictures = {}
    for section, families in GALLERY.items():
        for family in families:
            source = COMMITTED / f"{section}-{slug(family.title)}.png"
            if not source.is_file():
                continue
            (folder / "pictures" / source.name).write_bytes(source.read_bytes())
            for part in family.parts:
                for name in place(part):
                    if f"pictures/{source.name}" not in pictures.setdefault(name, []):
                        pictures[name].append(f"pictures/{source.name}")
    return pictures
