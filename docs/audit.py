"""An audit of the index: for every trick its test, the experiment that calls it, and the result that is committed.

python -m docs.audit            # one line a row: symbols, tests, experiments, results
python -m docs.audit --open     # those alone that lack a cell, with the stated reason

Nothing is imported and nothing runs: the files are read as text. An experiment calls what the code of its module names,
and what the functions name that it names, through jaxtricks.tricks and jaxtricks.ablation, but not through the
primitives: a network that has a switch for a layer is no experiment on that layer.
"""

import ast
import re
import sys
from fnmatch import fnmatch
from functools import cache
from typing import NamedTuple

from docs.audit_calls import ROOT, named, reached, resolve, scope, tree
from docs.audit_reasons import BY_NAME, DEMONSTRATED, FIGURES, NOT_MEASURED
from docs.index_rows import ROWS, Row

FOLLOWED = ("experiments", "jaxtricks.tricks", "jaxtricks.recipes", "jaxtricks.ablation", "jaxtricks.tasks")
RESULTS = {
    "bag_of_tricks": ("cifar10-10000", "cifar10-leave-one-out"),
    "detect": ("detect", "detect-deepforest"),
    "compress": ("compress", "compress-10000", "compress-2000", "compress-lenet5"),
}  # folders by another name
INLINE = ("views", "lr_range", "inspect")  # their figures stand in the docstring alone
KINDS = {"by name": BY_NAME, "demonstrated by": DEMONSTRATED, "no trick": FIGURES, "not measured": NOT_MEASURED}


class Line(NamedTuple):
    """A row with its cells; ``missing`` are symbols that no experiment calls, and for which no reason is stated."""

    row: Row
    symbols: tuple[str, ...]
    tests: tuple[str, ...]
    experiments: tuple[str, ...]
    results: tuple[str, ...]
    reasons: dict[str, str]
    missing: tuple[str, ...]


@cache
def called(experiment: str) -> frozenset[str]:
    """What an experiment calls, its baseline included."""
    module = f"experiments.{experiment}"
    code = [node for node in tree(module).body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    return reached([name for node in code for name in named(node, module)], FOLLOWED)


@cache
def parts(symbol: str) -> frozenset[str]:
    """What a public function of this package is made of, within its own package."""
    return reached([full(symbol)], (".".join(full(symbol).split(".")[:2]),))


@cache
def everywhere() -> tuple[str, ...]:
    """The symbols of all rows that some experiment calls."""
    reached = frozenset().union(*map(called, experiments()))
    return tuple(symbol for row in ROWS for symbol in symbols(row) if full(symbol) in reached)


@cache
def experiments() -> tuple[str, ...]:
    """The names of the experiments, from the folder."""
    return tuple(sorted(path.stem for path in (ROOT / "experiments").glob("[a-z]*.py") if path.stem != "gallery"))


def symbols(row: Row) -> list[str]:
    """The public names of a row, without their notes."""
    return [name.strip() for name in re.sub(r"\([^()]*\)", "", row.symbols).split(",")]


@cache
def full(symbol: str) -> str:
    """Where a symbol of a row is defined."""
    return resolve(symbol if symbol.startswith(("jax.", "optax.", "flax.", "sklearn.")) else f"jaxtricks.{symbol}")


@cache
def tests() -> dict[str, set[str]]:
    """The tests, by what each names with its package, or imports from it."""
    naming: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text("utf-8")
        pairs = set(re.findall(r"(?=\b(\w+\.\w+))", text))
        for package, names in re.findall(r"from ([\w.]+) import ([^\n(]+|\([^)]+\))", text):
            pairs |= {f"{package.rpartition('.')[2]}.{name}" for name in re.findall(r"\w+", names)}
        for pair in pairs:
            naming.setdefault(pair, set()).add(str(path.relative_to(ROOT)))
    return naming


def tested(symbol: str) -> set[str]:
    """The tests that name a symbol with its package."""
    return tests().get(".".join(symbol.split(".")[-2:]), set())


def committed(experiment: str) -> list[str]:
    """The results of an experiment that are in the repository."""
    folders = RESULTS.get(experiment, (experiment,))
    there = [folder for folder in folders if (ROOT / "experiments/results" / folder).is_dir()]
    return there or (["docstring"] if experiment in INLINE else [])


def reason(symbol: str, with_it: list[str]) -> str | None:
    """Why no experiment calls a symbol, or None: it is stated, or the symbol is part of one that is called."""
    for kind, table in KINDS.items():
        if pattern := next((pattern for pattern in table if fnmatch(symbol, pattern)), None):
            return f"{kind} {table[pattern]}"
    same = [other for other in everywhere() if other.split(".")[0] == symbol.split(".")[0]]
    if larger := next((other for other in [*with_it, *same] if full(symbol) in parts(other)), None):
        return f"part of {larger}"
    owner, _, last = full(symbol).rpartition(".")
    node = scope(owner).get(last)
    plain = isinstance(node, ast.ClassDef) and not any(ast.unparse(b).startswith("nnx.") for b in node.bases)
    return f"a type or a constant of {with_it[0]}" if with_it and (plain or last.isupper()) else None


def line(row: Row) -> Line:
    """One row of docs/index_rows.py with its cells."""
    of = {symbol: [name for name in experiments() if full(symbol) in called(name)] for symbol in symbols(row)}
    whys = {symbol: reason(symbol, [s for s in of if of[s]]) for symbol, calling in of.items() if not calling}
    used = sorted({name for calling in of.values() for name in calling})
    cells = (sorted(set().union(*map(tested, of))), used, sorted({r for name in used for r in committed(name)}))
    missing = tuple(symbol for symbol, why in whys.items() if why is None)
    return Line(row, tuple(of), *map(tuple, cells), {s: why for s, why in whys.items() if why}, missing)


def audit() -> list[Line]:
    """Every row of docs/index_rows.py with its cells."""
    return [line(row) for row in ROWS]


def main() -> None:
    """Print the audit; exit status 1 if a cell is empty without a reason."""
    lines = audit()
    for one in lines:
        if "--open" not in sys.argv[1:] or one.missing or not (one.results and one.tests):
            print(" | ".join([one.row.id, one.row.title, *(", ".join(cell) or "-" for cell in one[1:5])]))
            notes = [
                *(f"{name}: {why}" for name, why in one.reasons.items()),
                *(f"{n}: NO CELL" for n in one.missing),
            ]
            print(*(f"    {text}" for text in notes), sep="\n", end="\n" * bool(notes))
    count = sum(bool(one.missing or not one.tests) for one in lines)
    sys.exit(f"{count} rows with an empty cell and no reason." if count else 0)


if __name__ == "__main__":
    main()
