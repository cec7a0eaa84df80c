"""The index of tricks, a page of the site: from docstrings, experiments, and the groups of docs/index_rows.py.

python -m docs.index            # writes the table between its two markers
python -m docs.index --check    # says what is not up to date; exit status 1
"""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from docs import audit, uses
from docs.gallery.parts import papers
from docs.index_rows import ROWS, Row

PAGE = Path(__file__).parent / "site" / "pages" / "index_of_tricks.md"
BEGIN, END = "<!-- index -->", "<!-- /index -->"
NEW = {  # package -> id of the row that a public name gets which is in none of ROWS
    "losses": "A+",
    "init": "B+",
    "ensembles": "M+",
    "layers": "E+",
    "models": "F+",
    "augment": "G+",
    "preprocess": "H",
    "optim": "I12",
    "detection": "N+",
    "metrics": "O1",
    "compress": "P",
}
SCHEDULES = ("_schedules", "_cycles", "_decays")  # modules of jaxtricks.optim whose names are of the letter J
DASH = "\N{EN DASH}"
MANY = 6  # experiments beyond which their number stands there, and not their names


def names(text: str) -> list[str]:
    """The public names among the symbols of a row, without their notes."""
    return [name.strip() for name in re.sub(r"\([^()]*\)", "", text).split(",")]


def resolve(name: str) -> object:
    """What a name stands for; names without a library in front are jaxtricks's.

    Raises:
      LookupError: if it is not there.
    """
    full = name if name.split(".")[0] in ("jax", "optax", "flax", "sklearn") else f"jaxtricks.{name}"
    parts = full.split(".")
    for cut in range(len(parts) - 1, 0, -1):  # a symbol is no module, though a module may bear its name
        try:
            value = importlib.import_module(".".join(parts[:cut]))
            for part in parts[cut:]:
                value = getattr(value, part)
        except (ImportError, AttributeError):
            continue
        return value
    raise LookupError(f"{name} is in docs/index_rows.py, and is no public name; allowed: a name that can be imported.")


def public() -> Iterator[str]:
    """Every public name of the packages that hold tricks."""
    for package in NEW:
        yield from (f"{package}.{name}" for name in importlib.import_module(f"jaxtricks.{package}").__all__)


def by_itself(name: str) -> Row:
    """The row of a public name that no row of ROWS has."""
    package, function = name.split(".")
    module = getattr(resolve(name), "__module__", "").split(".")[-1]
    return Row("J1" if module in SCHEDULES else NEW[package], function.replace("_", " "), name)


def rows() -> list[Row]:
    """The rows of the index, new ones after the last of their letter."""
    out = list(ROWS)
    listed = {name for row in ROWS for name in names(row.symbols)}
    for row in map(by_itself, (name for name in public() if name not in listed)):
        place = max(i for i, other in enumerate(out) if other.id[0] == row.id[0])
        out.insert(place + 1, row)
    return out


def references(row: Row) -> list[str]:
    """The papers of a row: of its docstrings, then those that the row names itself."""
    values = [resolve(name) for name in names(row.symbols)] if row.specific else []
    cited = [paper for value in values if callable(value) for paper in papers(value)]
    return list(dict.fromkeys([*cited, *row.papers]))


def experiments(row: Row) -> list[str]:
    """The experiments of a row: those whose rows use one of its symbols, then those that the row names itself."""
    used = {id(resolve(name)) for name in names(row.symbols)} if row.specific else set()
    using = [name for name in uses.experiments() if name not in uses.COMPARE_RECIPES and used & uses.used(name)]
    return sorted({*using, *row.also})


def calling(row: Row) -> list[str]:
    """The experiments of a row; where no row of one is about it, those that call it, if they are few."""
    if named := experiments(row):
        return named
    called = audit.line(row).experiments
    return [*called] if len(called) <= MANY else []


def evidence(row: Row) -> str:
    """The cell of experiments: their names, or why there is none."""
    if named := calling(row):
        return ", ".join(f"`{name}`" for name in named)
    line = audit.line(row)
    if line.experiments:
        return f"{len(line.experiments)} experiments"
    reasons = "; ".join(dict.fromkeys(line.reasons.values())).replace(" :", ":")
    return re.sub(r"(tests/[\w/]+\.py)", r"`\1`", reasons) or DASH


def cells(row: Row) -> list[str]:
    """The cells of a row as Markdown."""
    symbols = re.sub(r"(?<![\w(.])([\w.]+\.[\w.]+\w)(?![^()]*\))", r"`\1`", row.symbols)
    return [row.id, row.title, symbols, "; ".join(references(row)) or DASH, evidence(row)]


def table() -> str:
    """The index as a Markdown table."""
    head = ["id", "trick", "symbol", "paper", "experiment"]
    lines = [head, ["---"] * len(head), *map(cells, rows())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def updated(page: str) -> str:
    """The page with the index as it should be."""
    before, rest = page.split(f"{BEGIN}\n")
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END, 1)[1]}"


def stale(page: str) -> list[str]:
    """The lines of the index that are missing on the page, or that should not be there."""
    old, new = (text.split(BEGIN)[1].split(END)[0].splitlines() for text in (page, updated(page)))
    return [f"+ {line}" for line in new if line not in old] + [f"- {line}" for line in old if line not in new]


def main() -> None:
    """Write the index, or check it."""
    page = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv[1:]:
        if wrong := stale(page):
            sys.exit("\n".join([f"The index in {PAGE} is not up to date; run `python -m docs.index`.", *wrong]))
    else:
        PAGE.write_text(updated(page), encoding="utf-8")


if __name__ == "__main__":
    main()
