"""Differences of a text table: those of moderated tests, verdicts after Holm's correction, and what is said of them."""

import numpy as np
import pytest

from jaxtricks.ablation import Moderated, holm, moderated
from jaxtricks.ablation.differences import Difference, differences


def test_two_rows_are_a_paired_t_test():
    # differences 1, 2, 3: mean 2, deviation 1, error 1 / sqrt(3); t of two degrees is 4.303 at 95 %
    found = differences({"a": [10.0, 20.0, 30.0], "b": [11.0, 22.0, 33.0]}, "a")
    assert list(found) == ["b"]
    assert found["b"].interval == "+2.00 [-0.48, +4.48]"
    assert found["b"].words == "not resolved (5 seeds)"


def test_rows_share_the_reference_and_the_correction():
    generator = np.random.default_rng(3)
    values = {
        name: generator.normal(50.0 + mean, 0.4, 4) for name, mean in zip("abcdef", (0, 0, 1, 0, 3, 0), strict=True)
    }
    found = differences(values, "a")
    apart = [values[name] - values["a"] for name in "bcdef"]
    tests = moderated(apart, contrasts=[{name: 1.0, "a": -1.0} for name in "bcdef"], limits=(-100.0, 100.0))
    assert [row.tested for row in found.values()] == tests
    resolved = holm([test.p for test in tests]) < 0.05
    assert [row.verdict in ("helps", "hurts") for row in found.values()] == resolved.tolist()
    assert found["e"].verdict == "helps"
    assert differences(values, "a", direction=-1)["e"].verdict == "hurts"


def test_what_is_resolved_alone_is_not_among_many():
    generator = np.random.default_rng(1)
    values = {"reference": np.zeros(3), "row": np.array([0.5, 0.6, 0.8])}
    assert differences(values, "reference")["row"].verdict == "helps"  # p is 0.018
    values |= {f"noise {number}": generator.normal(0.0, 0.5, 3) for number in range(20)}
    found = differences(values, "reference")["row"]
    assert found.verdict == "not resolved"
    assert found.needed > 3


def test_no_effect_names_its_margin_and_a_metric_without_points_has_none():
    values = {"a": [50.0, 60.0, 70.0, 80.0], "b": [50.1, 59.9, 70.05, 79.95]}
    assert differences(values, "a")["b"].words == "no effect beyond \u00b10.5 points"
    assert differences(values, "a", margin=None)["b"].verdict == "not resolved"


def test_one_seed_has_a_difference_and_no_more():
    found = differences({"a": [76.0], "b": [77.5]}, "a")["b"]
    assert (found.interval, found.words) == ("+1.50", "not resolved")
    assert differences({"a": [76.0]}, "a") == {}


@pytest.mark.parametrize(("needed", "words"), [(7, "7 seeds"), (None, "more than 1000 seeds")])
def test_seeds_that_would_do(needed, words):
    about = {"n": 3, "mean": 0.1, "sd": 0.5, "df": 2.0, "borrowed": 0.0, "low": -1.0, "high": 1.0, "p": 0.6}
    found = Difference(Moderated(**about, confidence=0.95), "not resolved", 0.5, needed)
    assert found.words == f"not resolved ({words})"
