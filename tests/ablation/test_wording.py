"""What the report says: findings, changes of a recipe, numbers."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from jaxtricks.ablation.report.recipe_changes import LONGEST, changes, compact
from jaxtricks.ablation.report.wording import (
    about,
    amount,
    bounds,
    findings,
    method,
    p_value,
    signed,
    time_bounds,
)
from jaxtricks.ablation.summary import summarise


def test_findings_name_what_was_resolved_and_what_was_not(results):
    said = findings(results, summarise(results))
    assert "Of 4 differences, 3 differ from zero" in said
    assert "Resolved: the complete stack hurts, " in said
    assert "cosine helps, +1.08 [+0.94, +1.22] points against baseline, as expected" in said
    assert "against smoothing, where an increase was expected" in said
    assert "No effect beyond \u00b10.5 points: smoothing." in said
    assert "0.84 points" in said
    narrow = results | {"margin": 0.05}
    assert re.search(r"Not resolved: smoothing \(\d+ seeds would do\)\.", findings(narrow, summarise(narrow)))


def test_changes_are_followed_into_what_differs(results):
    recipes = results["recipe"]
    recipes["baseline"] = {
        "lr": "0.1",
        "model": '{"resnet": {"stem": "A", "blocks": ["1", "2"]}}',
        "mix": "None",
        "[": "[",
    }
    recipes["cosine"] = {
        "lr": "0.1",
        "model": '{"resnet": {"stem": "B", "blocks": ["1", "3"]}}',
        "mix": '{"mixup": {"alpha": "0.2"}}',
    }
    assert changes(results, summarise(results)[2]) == [
        ("model / resnet / stem", "A", "B"),
        ("model / resnet / blocks / 1", "2", "3"),
        ("mix", "None", "mixup(alpha=0.2)"),
        ("[", "[", "\u2013"),
    ]


def test_a_teacher_is_told_by_where_it_differs(results):
    own = {"lr": "0.1", "loss": "soft", "model": '{"resnet": {"blocks": ["1", "1"]}}', "teacher": "None"}
    results["recipe"]["baseline"] = own
    teacher = '{"lr": "0.1", "loss": "hard", "model": {"resnet": {"blocks": ["1", "2"]}}, "teacher": "None"}'
    results["recipe"]["cosine"] = own | {"teacher": teacher}
    assert changes(results, summarise(results)[2]) == [
        ("teacher", "None", "a recipe; below, where it differs from this row's"),
        ("teacher / loss", "this row: soft", "hard"),
        ("teacher / model / resnet / blocks / 1", "this row: 1", "2"),
    ]


def test_a_teacher_that_goes_is_told_by_where_it_differed(results):
    """The other way round, and never as all of its text."""
    own = {"lr": "0.1", "loss": "soft", "model": '{"resnet": {"blocks": ["1", "1"]}}', "teacher": "None"}
    teacher = '{"lr": "0.1", "loss": "hard", "model": {"resnet": {"blocks": ["1", "2"]}}, "teacher": "None"}'
    results["recipe"]["baseline"] = own | {"teacher": teacher, "mix": "mixup"}
    results["recipe"]["cosine"] = own | {"mix": "None"}
    assert changes(results, summarise(results)[2]) == [
        ("teacher", "a recipe; below, where it differs from the reference's", "None"),
        ("teacher / loss", "hard", "reference: soft"),
        ("teacher / model / resnet / blocks / 1", "2", "reference: 1"),
        ("mix", "mixup", "None"),
    ]


def test_long_values_are_cut_around_where_they_differ(results):
    """Deep ones too; what is left out is counted, and two that differ never look alike."""
    start = "a" * 300
    recipes = results["recipe"]
    recipes["baseline"] = {"one": "0", "two": f"{start}b", "short": "x" * LONGEST}
    recipes["cosine"] = {"one": f'{{"f": {{"0": "{start}"}}}}', "two": f"{start}{start}", "short": "y"}
    one, two, short = changes(results, summarise(results)[2])
    assert one == ("one", "0", f"f(0={'a' * (LONGEST - 4)}… ({305 - LONGEST} characters more in results.json)")
    assert two[1] == f"…{'a' * (LONGEST // 2)}b"
    assert two[2] == f"…{'a' * LONGEST}… ({600 - LONGEST} characters more in results.json)"
    assert short == ("short", "x" * LONGEST, "y")


@pytest.mark.parametrize("name", ["refinements", "activations", "points"])
def test_what_the_plain_test_says_stands_beside_the_verdicts(name):
    """Beside scipy's t-test of the differences, and Holm's correction by sorting."""
    folder = Path(__file__).parents[2] / "experiments" / "results" / name
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    rows = summarise(results)
    p = np.sort([ttest_1samp(row.differences, 0.0).pvalue for row in rows if row.reference is not None])
    count = np.sum(np.cumsum(p * np.arange(len(p), 0, -1) >= 0.05) == 0)
    assert method(results, rows).endswith(f" {count} of {len(p)} differ from zero.")


@pytest.mark.parametrize("name", ["refinements", "refinements-mobilenet", "activations"])
def test_no_cell_of_a_committed_report_is_a_page_long(name):
    folder = Path(__file__).parents[2] / "experiments" / "results" / name
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    rows = [row for row in summarise(results) if row.reference is not None and row.arm == row.name]
    cells = [cell for row in rows for change in changes(results, row) for cell in change]
    assert max(map(len, cells)) <= 200
    if name != "activations":
        assert "a recipe; below, where it differs from the reference's" in cells


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"mixup": {"alpha": "0.2"}}, "mixup(alpha=0.2)"),
        ({"chain": {"stages": [{"crop": {}}, "flip"]}}, "chain(stages=[crop(), flip])"),
        ({"a": "1", "b": ["2"]}, "{a: 1, b: [2]}"),
        ("None", "None"),
    ],
)
def test_a_value_is_written_as_a_call(value, text):
    assert compact(value) == text


def test_what_the_rows_train_on_is_told_where_it_is_their_own(results):
    assert about(results)["data"].endswith("10 classes")
    for row in results["rows"][1:3]:
        row["data"] = {"name": "fake, 50 images", "train": 1500}
    said = about(results)["data"]
    assert said.startswith("fake, 4,000 training, ")
    assert said.endswith(
        "; the rows train on fake (4,000 training images an epoch); fake, 50 images (1,500 training images an epoch)"
    )


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (signed(0.7), "+0.70"),
        (signed(-0.349), "\u22120.35"),
        (signed(-0.001), "0.00"),
        (bounds(-1.0, 2.0), "[\u22121.00, +2.00]"),
        (bounds(-math.inf, math.inf), "\u2013"),
        (bounds(None, None), "\u2013"),
        (bounds(-math.inf, 2.0), "[\u2212\u221e, +2.00]"),
        (p_value(0.0004), "< 0.001"),
        (p_value(0.0416), "0.042"),
        (p_value(None), "\u2013"),
        (amount(272_474), "272 k"),
        (amount(999_950), "1.00 M"),
        (amount(4.089e9), "4.09 G"),
        (amount(17), "17"),
        (amount(None), "\u2013"),
    ],
)
def test_numbers_as_text(found, text):
    assert found == text


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((0.9, 1.25), "[0.90, 1.25]"),
        ((0.5, 4.9), "[0.50, 4.90]"),
        ((0.5, 5.0), "(too noisy to tell)"),
        ((0.0, 5.0), ""),
        ((0.5, float("inf")), ""),
        ((None, None), ""),
    ],
)
def test_an_interval_of_times_that_says_nothing_is_not_printed(ends, words):
    assert time_bounds(*ends) == words


def test_what_changed_alike_in_several_places_is_one_line(results):
    """As the plan of a detector, which its model and its metrics share; other names with equal values stay apart."""
    before = {
        "task": '{"mAP": {"rows": {"plan": {"box_loss": "l1", "levels": 2}}}, "AP50": {"plan": {"box_loss": "l1"}}}',
        "model": '{"plan": {"box_loss": "l1", "widths": 2}}',
    }
    recipes = {"baseline": before, "cosine": {k: v.replace("l1", "giou").replace("2", "3") for k, v in before.items()}}
    row = next(row for row in summarise(results) if row.name == "cosine")
    assert changes(results | {"recipe": recipes}, row) == [
        ("model / plan / box_loss (and 2 places more)", "l1", "giou"),
        ("task / mAP / rows / plan / levels", "2", "3"),
        ("model / plan / widths", "2", "3"),
    ]


def test_two_pairs_that_resolve_nothing_are_no_fewer(results):
    said = findings(results | {"resolvable": float("inf")}, summarise(results))
    assert "no difference can be resolved, however large." in said
    assert "fewer than two pairs" not in said
