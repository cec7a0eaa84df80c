"""Hostile arguments for every public function: the documented result or a ValueError, never a silent wrong number."""

import inspect
import sys
from pathlib import Path

import pytest
from flax import nnx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests._api import EXPORTED, FUNCTIONS
from tests.cases import ARGUMENTS, CASES, ELSEWHERE, WITHIN
from tests.faults._fuzz import Fuzzed

ROOT = Path(__file__).parents[2]
MODULES = {name for name, value in EXPORTED.items() if inspect.isclass(value) and issubclass(value, nnx.Module)}
EVERY = sorted(
    name.removeprefix("jaxtricks.")
    for name in MODULES | set(FUNCTIONS)
    if name.split(".")[1] not in ("recipes", "tricks")  # they take recipes: tests/experiments builds every one
)
QUICK = ("losses", "metrics", "optim", "preprocess", "init")  # whose values are tried in the short form too
RUN: dict[str, int] = {}
WRONG: set[str] = set()


def fuzz(name: str, cases: int, *kinds: str) -> None:
    """As many cases of these kinds of faults, the same ones every time."""
    subject = Fuzzed(f"jaxtricks.{name}", EXPORTED[f"jaxtricks.{name}"], CASES[name], ARGUMENTS)
    faults = [subject.faults[kind] for kind in kinds if kind in subject.faults] or list(subject.faults.values())
    RUN[name] = 0

    @settings(
        max_examples=cases,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # a fault is named by what it is: nothing to shrink
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(faults).flatmap(st.sampled_from), st.integers(0, 2**16))
    def judge(fault, seed):
        RUN[name] += 1
        subject.judge(fault, seed)

    WRONG.add(name)
    judge()
    WRONG.remove(name)


def test_r18_every_public_function_says_what_hostile_arguments_do():
    elsewhere = [name for names in (*ELSEWHERE.values(), WITHIN) for name in names]
    unsaid = [name for name in EVERY if name not in CASES and name not in elsewhere]
    assert not unsaid, f"add an entry to tests/cases for each of {unsaid}"
    gone = [name for name in (*CASES, *elsewhere) if name not in EVERY]
    assert not gone, f"no public functions any more: {gone}"
    twice = sorted(set(CASES) & set(elsewhere))
    assert not twice


@pytest.mark.parametrize("path", ELSEWHERE)
def test_r18_what_is_tried_elsewhere_is_there(path):
    text = (ROOT / path).read_text()
    assert not [name for name in ELSEWHERE[path] if name.split(".")[-1] not in text]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.says()])
def test_r18_the_docstring_says_what_happens_instead(name):
    function = EXPORTED[f"jaxtricks.{name}"]
    module = sys.modules[function.__module__]
    package = sys.modules[".".join(function.__module__.split(".")[:2])]
    text = " ".join(" ".join(inspect.getdoc(thing) or "" for thing in (function, module, package)).split())
    for says in CASES[name].says():
        assert " ".join(says.words.split()) in text


@pytest.mark.parametrize("name", CASES)
def test_r18_short(name):
    fuzz(name, 6, "structure", *(["value"] if name.split(".")[0] in QUICK else []))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_r18_full(name):
    fuzz(name, 200, "value", "value", "value", "structure", "option")


@pytest.mark.slow
def test_r18_card(card):
    assert set(RUN) == set(CASES), "run the full form first"
    what = "functions, cases; functions of which one was not as documented"
    card("r18", what, f"{len(RUN)}, {sum(RUN.values())}; {len(WRONG)}")
