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
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from docs.audit_reasons import AFTERWARDS, BY_NAME, DEMONSTRATIONS, NOT_MEASURED
from docs.index_rows import ROWS, Row

ROOT = Path(__file__).parents[1]
FOLLOWED = ("experiments", "jaxtricks.tricks", "jaxtricks.recipes", "jaxtricks.ablation", "jaxtricks.tasks")
RESULTS = {"bag_of_tricks": ("cifar10-5000",), "compress": ("compress", "compress-10000")}  # folders by another name
INLINE = ("views", "lr_range", "inspect")  # their figures stand in the docstring alone
DASH = "-"


class Line(NamedTuple):
    """A row of the audit; ``missing`` are symbols that no experiment calls and for which no reason is stated."""

    row: Row
    symbols: tuple[str, ...]
    tests: tuple[str, ...]
    experiments: tuple[str, ...]
    results: tuple[str, ...]
    reasons: tuple[str, ...]
    missing: tuple[str, ...]


@cache
def file_of(module: str) -> Path | None:
    """The file of a module of this repository, or None."""
    path = ROOT / module.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@cache
def scope(module: str) -> dict[str, ast.AST | str]:
    """What the names of a module stand for: its own statements, or the dotted names of what it imports."""
    names: dict[str, ast.AST | str] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                names |= {name.id: node for name in ast.walk(target) if isinstance(name, ast.Name)}
    return names


@cache
def resolve(name: str) -> str:
    """Where a dotted name is defined, through the modules that only hand it on; another library's stays as it is."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        module = ".".join(parts[:cut])
        if file_of(module) is None:
            continue
        if cut == len(parts):
            return name
        found = scope(module).get(parts[cut])
        if isinstance(found, str) and found != name:
            return resolve(".".join([found, *parts[cut + 1 :]]))
        return name
    return name


def named(node: ast.AST, module: str) -> Iterator[str]:
    """The names that some code of a module uses, where they are defined."""
    local = {arg.arg for part in ast.walk(node) if isinstance(part, ast.arguments) for arg in part.args}
    for part in ast.walk(node):
        attributes, inner = [], part
        while isinstance(inner, ast.Attribute):
            attributes.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and isinstance(part, (ast.Name, ast.Attribute)) and inner.id in scope(module):
            if inner.id in local and attributes == []:
                continue
            found = scope(module)[inner.id]
            base = found if isinstance(found, str) else f"{module}.{inner.id}"
            for cut in range(len(attributes) + 1):
                yield resolve(".".join([base, *attributes[::-1][:cut]]))


@cache
def called(experiment: str) -> frozenset[str]:
    """What an experiment calls, its baseline included."""
    module = f"experiments.{experiment}"
    code = [node for node in _tree(module).body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    return _reached([name for node in code for name in named(node, module)], FOLLOWED)


@cache
def parts(symbol: str) -> frozenset[str]:
    """What a public function of this package is made of, within its own package."""
    return _reached([full(symbol)], (".".join(full(symbol).split(".")[:2]),))


def _reached(names: list[str], followed: tuple[str, ...]) -> frozenset[str]:
    """The names, and those that their definitions name, as far as these are in the packages that are followed."""
    seen: set[str] = set()
    while names:
        if (name := names.pop()) not in seen:
            seen.add(name)
            owner, _, last = name.rpartition(".")
            if owner.startswith(followed):
                names += _of(owner, last)
    return frozenset(seen)


@cache
def _of(module: str, name: str) -> tuple[str, ...]:
    node = scope(module).get(name, "")
    return () if isinstance(node, str) else tuple(named(node, module))


@cache
def _tree(module: str) -> ast.Module:
    path = file_of(module)
    return ast.parse("" if path is None else path.read_text("utf-8"))


def experiments() -> list[str]:
    """The names of the experiments, from the folder."""
    return sorted(path.stem for path in (ROOT / "experiments").glob("[a-z]*.py") if path.stem != "gallery")


def symbols(row: Row) -> list[str]:
    """The public names of a row, without their notes."""
    return [name.strip() for name in re.sub(r"\([^()]*\)", "", row.symbols).split(",")]


def full(symbol: str) -> str:
    """Where a symbol of a row is defined."""
    library = symbol.split(".")[0] in ("jax", "optax", "flax", "sklearn")
    return resolve(symbol if library else f"jaxtricks.{symbol}")


@cache
def tests() -> dict[str, set[str]]:
    """The tests, by what each names with its package, or imports from it."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text("utf-8")
        pairs = set(re.findall(r"\b\w+\.\w+", text))
        for package, names in re.findall(r"from ([\w.]+) import ([^\n(]+|\([^)]+\))", text):
            pairs |= {f"{package.rpartition('.')[2]}.{name}" for name in re.findall(r"\w+", names)}
        for pair in pairs:
            found.setdefault(pair, set()).add(str(path.relative_to(ROOT)))
    return found


def committed(experiment: str) -> list[str]:
    """The results of an experiment that are in the repository."""
    folders = RESULTS.get(experiment, (experiment,))
    there = [folder for folder in folders if (ROOT / "experiments/results" / folder).is_dir()]
    return there or (["docstring"] if experiment in INLINE else [])


def reason(symbol: str, with_it: list[str]) -> str | None:
    """Why no experiment calls a symbol of a row whose others are called, or None."""
    for kind, table in KINDS.items():
        if symbol in table:
            return f"{kind}: {table[symbol]}"
    whole = next((other for other in with_it if full(symbol) in parts(other)), None)
    if whole is not None:
        return f"part of {whole}"
    owner, _, last = full(symbol).rpartition(".")
    node = scope(owner).get(last)
    if with_it and (last.isupper() or (isinstance(node, ast.ClassDef) and not _has_state(node))):
        return f"a type or a constant of {with_it[0]}"
    return None


def _has_state(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).startswith("nnx.") for base in node.bases)


def audit() -> list[Line]:
    """Every row of docs/index_rows.py with its cells."""
    lines = []
    for row in ROWS:
        of = {symbol: [name for name in experiments() if full(symbol) in called(name)] for symbol in symbols(row)}
        with_it = [symbol for symbol, found in of.items() if found]
        reasons = {symbol: reason(symbol, with_it) for symbol, found in of.items() if not found}
        used = sorted({name for found in of.values() for name in found})
        tested = set().union(*(tests().get(".".join(symbol.split(".")[-2:]), set()) for symbol in of))
        results = sorted({result for name in used for result in committed(name)})
        missing = tuple(symbol for symbol, why in reasons.items() if why is None)
        stated = tuple(f"{symbol}: {why}" for symbol, why in reasons.items() if why is not None)
        lines.append(Line(row, tuple(of), tuple(sorted(tested)), tuple(used), tuple(results), stated, missing))
    return lines


KINDS = {"demonstration": DEMONSTRATIONS, "by name": BY_NAME, "not measured": NOT_MEASURED, "host": AFTERWARDS}


def main() -> None:
    """Print the audit; exit status 1 if a cell is empty without a reason."""
    lines = audit()
    for line in lines:
        if "--open" not in sys.argv[1:] or line.missing or not (line.results and line.tests):
            cells = (", ".join(cell) or DASH for cell in line[1:5])
            print(" | ".join([line.row.id, line.row.title, *cells]))
            print(
                *(f"    {text}" for text in (*line.reasons, *(f"{name}: NO CELL" for name in line.missing))), sep="\n"
            )
    count = sum(bool(line.missing or not line.tests) for line in lines)
    sys.exit(f"{count} rows with an empty cell and no reason." if count else 0)


if __name__ == "__main__":
    main()
