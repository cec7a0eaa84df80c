"""The gallery as one HTML page in the style of the reports: curves within it, sheets as files beside it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from docs.gallery.panels import SERIES
from docs.gallery.parts import Family, Panel, Sheet, papers, symbol, used
from jaxtricks.ablation import report

DARK = {"c1": "#62b5ee", "c2": "#f2a35e", "c3": "#5cc8a0", "c4": "#c79be6", "c5": "#aab4be", "c6": "#f48fb8"}
CSS = f"""{report.CSS}
:root {{ {" ".join(f"--{name}: {colour};" for name, colour in SERIES.items())} }}
@media screen and (prefers-color-scheme: dark) {{
  :root {{ {" ".join(f"--{name}: {colour};" for name, colour in DARK.items())} }}
}}
a {{ color: var(--helps); }}
nav ul {{ list-style: none; margin: 1.6rem 0 0; padding: 0; display: grid; gap: .35rem; }}
nav b {{ margin-right: .4rem; }}
h3 {{ font-size: 1.05rem; margin: 2.2rem 0 .7rem; }}
h4 {{ font-size: .9rem; margin: 0 0 .35rem; }}
.panels {{ display: grid; gap: 1.2rem 1.8rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)) }}
.sheets {{ columns: 30rem 2; column-gap: 2.5rem; }}
.sheets figure {{ break-inside: avoid; margin: 0 0 1.6rem; }}
.sheets img {{ display: block; max-width: 100%; height: auto; }}
.panels + figcaption {{ max-width: 60rem; }}
figcaption code {{ white-space: nowrap; }}
/* On a telephone a sheet keeps its size, so that its labels can be read, and scrolls. */
@media screen and (max-width: 40rem) {{ .sheets img {{ max-width: none; }} }}
"""


class Drawn(NamedTuple):
    """A family and what was drawn of it.

    Fields:
      family: the panels or sheets.
      anchor: names it in the page.
      files: names of the PNG files: one for a family of panels, one for each sheet.
      figures: the SVG of each panel; the size of each sheet's file, width and height.
    """

    family: Family
    anchor: str
    files: Sequence[str]
    figures: Sequence


def render(title: str, lead: str, command: str, sections: Mapping[str, Sequence[Drawn]]) -> str:
    """The complete page."""
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(lead)}</p>', _contents(sections)]
    for name, families in sections.items():
        parts += [f'<h2 id="{name}">{name.capitalize()}</h2>', *map(_family, families)]
    parts += ["<h2>Reproduce</h2>", f"<pre>{escape(command)}</pre>"]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _contents(sections: Mapping[str, Sequence[Drawn]]) -> str:
    rows = []
    for name, families in sections.items():
        links = "&nbsp;· ".join(f'<a href="#{drawn.anchor}">{escape(drawn.family.title)}</a>' for drawn in families)
        rows.append(f'<li><b><a href="#{name}">{name.capitalize()}</a></b> {links}</li>')
    return f"<nav><ul>{''.join(rows)}</ul></nav>"


def _family(drawn: Drawn) -> str:
    parts = drawn.family.parts
    head = f'<h3 id="{drawn.anchor}">{escape(drawn.family.title)}</h3>'
    if isinstance(parts[0], Sheet):
        sheets = map(_sheet, parts, drawn.files, drawn.figures)
        note = f'<p class="note">{escape(drawn.family.caption)}</p>\n' if drawn.family.caption else ""
        return f'{head}\n{note}<div class="sheets">{"".join(sheets)}</div>'
    caption = f'{escape(drawn.family.caption)} {_symbols(parts)} <a href="{drawn.files[0]}">PNG</a>'
    return (
        f'{head}\n<figure><div class="panels">{"".join(drawn.figures)}</div><figcaption>{caption}</figcaption></figure>'
    )


def _sheet(sheet: Sheet, file: str, size: tuple[int, int]) -> str:
    width, height = size
    image = f'<img src="{file}" width="{width}" height="{height}" alt="{escape(sheet.title)}" loading="lazy">'
    return (
        f'<figure><h4>{escape(sheet.title)}</h4><div class="scroll">{image}</div>'
        f"<figcaption>{escape(sheet.caption)} {_symbols((sheet,))}</figcaption></figure>\n"
    )


def _symbols(parts: Sequence[Panel | Sheet]) -> str:
    """The public names that the parts call, with their papers."""
    names = []
    for function in used(parts):
        if name := symbol(function):
            sources = ", ".join(papers(function))
            names.append(f"<code>{escape(name)}</code>" + (f" ({escape(sources)})" if sources else ""))
    return ", ".join(names) + ("." if names else "")
