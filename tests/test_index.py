"""The index of tricks in the README is true: every symbol is there, and every public trick is in it."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INDEX = README.split("## Index of tricks")[1].split("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in INDEX.splitlines()
    if re.match(r"\| [A-Z]\w*\+? ", line)
]
SYMBOLS = [(row[0], symbol) for row in ROWS for symbol in re.findall(r"`([\w.*]+)`", row[2])]
ARXIV = r"\b\d{4}\.\d{4,5}\b"
LEAVES = ("losses", "layers", "augment", "optim", "init", "preprocess", "metrics", "models")


def resolve(symbol):
    first = symbol.split(".")[0]
    if first not in ("jax", "optax", "flax"):
        symbol = f"jaxtricks.{symbol}"
    parts = symbol.split(".")
    for cut in range(len(parts) - 1, 0, -1):  # a symbol is no module, though a module may bear its name
        try:
            value = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for name in parts[cut:]:
            value = getattr(value, name)
        return value
    raise ImportError(symbol)


def test_rows_are_whole():
    assert len(ROWS) > 80
    for row in ROWS:
        assert len(row) == 5, row
        assert all(row), row


def test_ids_are_unique():
    names = [(row[0], row[1]) for row in ROWS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("row", "symbol"), SYMBOLS, ids=[f"{r}-{s}" for r, s in SYMBOLS])
def test_symbol_is_there(row, symbol):
    assert resolve(symbol) is not None


def test_experiments_are_there():
    for row in ROWS:
        for name in re.findall(r"`(\w+)`", row[4]):
            assert (ROOT / "experiments" / f"{name}.py").is_file(), row


CITING = [row for row in ROWS if "arXiv" in row[3]]
BY_EXPERIMENT = ("FixRes", "bf16", "weights that an optimiser names")  # tricks that are an option of something general


@pytest.mark.parametrize("row", CITING, ids=lambda row: f"{row[0]}-{row[1]}")
def test_papers_are_those_of_the_docstrings(row):
    """Each arXiv number stands in the reference of one of the row's symbols; of another library's, in an experiment."""
    symbols = re.findall(r"`([\w.*]+)`", row[2])
    texts = [(inspect.getdoc(resolve(symbol)) or "").partition("Reference:")[2] for symbol in symbols]
    if row[1].startswith(BY_EXPERIMENT) or all(re.match(r"(jax|optax|flax)\.", symbol) for symbol in symbols):
        texts += [(ROOT / f"experiments/{name}.py").read_text("utf-8") for name in re.findall(r"`(\w+)`", row[4])]
    assert set(re.findall(ARXIV, row[3])) <= set(re.findall(ARXIV, " ".join(texts)))


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_public_name_is_in_the_index(leaf):
    module = importlib.import_module(f"jaxtricks.{leaf}")
    names = getattr(module, "__all__", None)
    if names is None:
        names = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__ and n[0] != "_"]
    listed = {symbol for _, symbol in SYMBOLS}
    assert not sorted(f"{leaf}.{n}" for n in names if f"{leaf}.{n}" not in listed and not n.isupper())
