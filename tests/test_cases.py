"""The tables of cases: every trick has an entry, and the tests of its values that stand in the entry hold."""

import importlib
import inspect
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.cases import CASES, ELSEWHERE, WITHIN, subject

ROOT = Path(__file__).parent
FAMILIES = "augment compress detection ensembles init layers losses metrics optim preprocess".split()
PUBLIC = [f"{family}.{name}" for family in FAMILIES for name in importlib.import_module(f"jaxtricks.{family}").__all__]
FILES = [path for path in sorted(ROOT.rglob("test_*.py")) if path.name != "test_four_files.py"]
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
INSTEAD = {name for names in (*ELSEWHERE.values(), WITHIN) for name in names}


def with_(name):
    """The cases that have a field."""
    return [key for key, case in CASES.items() if getattr(case, name)]


def is_function(name):
    value = getattr(importlib.import_module(f"jaxtricks.{name.split('.')[0]}"), name.split(".")[1])
    return inspect.isfunction(value)


def close(found, expected, tolerance):
    found, expected = (jax.tree.leaves(tree, is_leaf=is_list) for tree in (found, expected))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def is_list(value):
    return isinstance(value, list)


def arrays_of(tree):
    """Numbers that may be written as lists, floats in float32."""

    def one(value):
        value = np.asarray(value)
        return value.astype(np.float32) if value.dtype == np.float64 else value

    return jax.tree.map(one, tree, is_leaf=is_list)


@pytest.mark.parametrize("name", [name for name in PUBLIC if is_function(name)])
def test_every_public_function_has_a_case(name):
    assert name in CASES or name in INSTEAD, f'{name} has no case; add "{name}" to tests/cases.'


@pytest.mark.parametrize("name", [name for name in PUBLIC if is_function(name)])
def test_every_public_function_has_numbers(name):
    """In its case, or in a test that names it."""
    right = (name in CASES and CASES[name].numbers) or name in TESTS or f"{name.split('.')[1]}(" in TESTS
    fields = "by_hand, limit, reference and invariance"
    assert right, f"{name} has no tests of its values; give its case {fields}, or name it in a test of its family."


@pytest.mark.parametrize("name", with_("by_hand"))
def test_numbers_computed_by_hand(name):
    case = subject(name)
    for arguments, expected in case.case.by_hand:
        arrays = {name: arrays_of(value) if name in case.arrays else value for name, value in arguments.items()}
        close(case.call(**(case.options | arrays)), expected, case.case.tolerance)


@pytest.mark.parametrize("name", with_("limit"))
def test_the_limit_is_a_simpler_function(name):
    case = subject(name)
    options, simpler = case.case.limit
    values = case.make(0)
    close(case.result(values, **options), simpler(**case.named(values)), case.case.tolerance)


@pytest.mark.parametrize("name", with_("reference"))
def test_it_is_the_reference(name):
    case = subject(name)
    for seed in range(3):
        values = case.make(seed)
        close(case.result(values), case.case.reference(**case.named(values)), case.case.tolerance)


@pytest.mark.parametrize("name", with_("invariance"))
def test_what_changes_nothing(name):
    case = subject(name)
    values = case.make(0)
    changed = case.case.invariance(**case.named(values))
    assert not all(map(np.array_equal, jax.tree.leaves(changed), jax.tree.leaves(case.named(values))))
    close(partial(case.call, **case.options)(**changed), case.result(values), case.case.tolerance)
