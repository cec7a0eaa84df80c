"""The audit: no row of the index lacks a test, or an experiment that calls its symbols, without a stated reason."""

from fnmatch import fnmatch

import pytest

from docs import audit
from docs.audit_reasons import DEMONSTRATED

LINES = audit.audit()
CALLED = set(audit.everywhere())
SYMBOLS = [symbol for row in audit.ROWS for symbol in audit.symbols(row)]


def test_no_cell_is_empty_without_a_reason():
    missing = [f"{line.row.id} {line.row.title}: {', '.join(line.missing)}" for line in LINES if line.missing]
    assert not missing, "add a row to an experiment that calls it, or a reason to docs/audit_reasons.py"
    untested = [f"{line.row.id} {line.row.title}" for line in LINES if not line.tests]
    assert not untested, "write a test that names it with its package"


def test_a_symbol_without_an_experiment_is_found(monkeypatch):
    """Cutout has a row of ``augment`` through jaxtricks.tricks; a network's switch is no experiment."""
    rows = [
        audit.Row("X", "one", "augment.cutout"),
        audit.Row("X", "none", "detection.roi_pool, detection.fpn_level"),
    ]
    monkeypatch.setattr(audit, "ROWS", rows)
    monkeypatch.setattr(audit, "KINDS", {})
    first, second = audit.audit()
    assert (first.missing, first.results) == ((), ("augment",))
    assert "augment" in first.experiments
    assert second.missing == ("detection.roi_pool", "detection.fpn_level")
    assert "tests/detection/test_roi.py" in second.tests


def test_the_experiments_that_a_row_names_itself_call_it():
    for line in LINES:
        stated = all(symbol in line.reasons for symbol in line.symbols)
        assert stated or set(line.row.also) <= set(line.experiments), (line.row.id, line.row.title, line.row.also)


@pytest.mark.parametrize("kind", audit.KINDS)
def test_reasons_are_still_needed(kind):
    for pattern in audit.KINDS[kind]:
        hits = [symbol for symbol in SYMBOLS if fnmatch(symbol, pattern)]
        assert hits, f"{pattern} matches no symbol of the index"
        assert not set(hits) <= CALLED, f"{pattern} is called by an experiment; take its reason away"


def test_a_demonstration_names_its_symbol():
    for symbol, path in DEMONSTRATED.items():
        assert path in audit.tested(symbol), (symbol, path)
