"""The index of tricks, a page of the site, is made from docstrings and experiments, and is up to date."""

import re
from pathlib import Path

import pytest

from docs import index, uses
from docs.index_rows import ROWS, Row

ROOT = Path(__file__).parents[1]
PAGE = index.PAGE.read_text(encoding="utf-8")
SYMBOLS = [(row.id, name) for row in ROWS for name in index.names(row.symbols)]
ARXIV = r"\b\d{4}\.\d{4,5}\b"


def test_the_page_is_up_to_date():
    wrong = index.stale(PAGE)
    assert not wrong, "\n".join(["run `python -m docs.index`", *wrong])


def test_rows_are_complete():
    assert len(ROWS) > 80
    for row in map(index.cells, ROWS):
        assert len(row) == 5, row
        assert all(row), row


def test_ids_are_unique():
    names = [(row.id, row.title) for row in ROWS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("row", "symbol"), SYMBOLS, ids=[f"{r}-{s}" for r, s in SYMBOLS])
def test_symbol_is_there(row, symbol):
    assert index.resolve(symbol) is not None


def test_experiments_are_there():
    for row in ROWS:
        assert set(row.also) <= set(uses.experiments()), row


@pytest.mark.parametrize("row", [row for row in ROWS if row.papers], ids=lambda row: f"{row.id}-{row.title}")
def test_papers_that_a_row_names_stand_in_an_experiment_or_a_docstring(row):
    """Those of another library's functions; all others are read from the docstrings."""
    texts = [(ROOT / f"experiments/{name}.py").read_text("utf-8") for name in index.experiments(row)]
    texts += [getattr(index.resolve(name), "__doc__", None) or "" for name in index.names(row.symbols)]
    assert set(re.findall(ARXIV, " ".join(row.papers))) <= set(re.findall(ARXIV, " ".join(texts)))


def test_every_new_trick_is_in_an_experiment():
    where = "add a row that uses it to a table in experiments/, or give it a row in docs/index_rows.py"
    for row in index.rows():
        assert row in ROWS or index.experiments(row), f"{row.symbols} is in no experiment; {where}"


def test_what_no_row_has_gets_a_row_of_its_own(monkeypatch):
    rest = [row for row in ROWS if "losses.ramp" not in row.symbols]
    monkeypatch.setattr(index, "ROWS", rest)
    (row,) = [row for row in index.rows() if row.symbols == "losses.ramp"]
    assert row == Row("A+", "ramp", "losses.ramp")
    assert row not in rest
    assert index.rows()[index.rows().index(row) - 1].id == "A+"
    assert index.cells(row)[3:] == ["Wu and Liu 2007; Collobert et al. 2006", "`losses`"]


def test_experiments_are_those_whose_rows_use_it():
    """Through the tricks that they name, and closures; the baseline of an experiment is not one of its rows."""
    used = {name: uses.used(name) for name in ("losses", "augment", "normalization", "schedules")}
    wanted = {
        "losses": ("losses.tukey_biweight", "losses.center", "augment.fixed_label_noise"),
        "augment": ("augment.random_resized_crop", "augment.cutout", "augment.mixup"),
        "normalization": ("layers.local_response_norm",),
        "schedules": ("optim.one_cycle",),
    }
    for experiment, names in wanted.items():
        for name in names:
            assert id(index.resolve(name)) in used[experiment], (experiment, name)
    assert id(index.resolve("augment.cutout")) not in used["losses"]
    assert id(index.resolve("losses.ramp")) not in used["schedules"]


def test_a_stale_index_is_found():
    other = PAGE.replace("| A7 | ramp |", "| A7 | slope |")
    (added, removed) = index.stale(other)
    assert added.startswith("+ | A7 | ramp |")
    assert removed.startswith("- | A7 | slope |")
    assert index.updated(other) == PAGE
    with pytest.raises(LookupError, match=r"^losses\.slope is in docs/index_rows\.py"):
        index.resolve("losses.slope")
