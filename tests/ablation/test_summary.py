"""A row of results: numbers against SciPy, and what is missing or failed."""

import copy
import math

import numpy as np
import pytest
from scipy import stats

from jaxtricks.ablation.report.wording import findings
from jaxtricks.ablation.summary import summarise


def test_rows_are_those_of_scipy(results, arms):
    rows = summarise(results)
    assert [row.name for row in rows] == ["baseline", "cosine", "smoothing", "mixup"]
    assert [row.verdict for row in rows] == [None, "agrees", "not resolved", "disagrees"]
    assert rows[0].comparison is rows[0].adjusted_p is rows[0].gain is None
    raw = []
    for row, treated, control in zip(
        rows[1:], (arms.up, arms.level, arms.down), (arms.base, arms.up, arms.level), strict=True
    ):
        reference = stats.ttest_rel(treated, control)
        limits = reference.confidence_interval(0.95)
        numbers = (row.comparison.p, row.comparison.low, row.comparison.high)
        np.testing.assert_allclose(numbers, (reference.pvalue, limits.low, limits.high), rtol=1e-8)
        np.testing.assert_allclose(row.differences, np.subtract(treated, control))
        assert row.mean == pytest.approx(np.mean(treated))
        np.testing.assert_allclose((row.low, row.high), stats.t.interval(0.95, 4, row.mean, stats.sem(treated)))
        raw.append(reference.pvalue)
    order = np.argsort(raw)
    by_hand = np.minimum(1, np.maximum.accumulate(np.array(raw)[order] * [3, 2, 1]))
    np.testing.assert_allclose([rows[1 + i].adjusted_p for i in order], by_hand, rtol=1e-8)


def test_the_verdict_takes_the_corrected_p(results, make_row):
    slight = [84.3, 84.6, 84.0, 84.6, 84.2]  # p about 0.01 alone
    for i in range(6):
        results["rows"].append(make_row(f"slight {i}", slight, reference="baseline"))
    row = summarise(results)[-1]
    assert row.comparison.p < 0.05 < row.adjusted_p
    assert row.verdict == "not resolved"


def test_costs_are_ratios_to_the_reference(results):
    results["rows"][2]["cost"] |= {"macs": 24_600_000, "train_flops": 5}
    rows = summarise(results)
    assert rows[1].ratio["time"] == pytest.approx(1.0)
    assert rows[2].ratio["time"] == pytest.approx(1.2)
    assert rows[2].ratio["macs"] == 2.0
    assert rows[2].ratio["train_flops"] is None  # the reference has none
    assert rows[0].ratio["time"] is None
    assert (rows[2].skipped, rows[2].wait) == (5, 1.0)


def test_gain_needs_extra_time_that_can_be_told_from_zero(make_row, make_results, arms):
    slower = make_row("slower", arms.up, reference="baseline")
    noisy = make_row("noisy", arms.up, reference="baseline")
    faster = make_row("faster", arms.up, reference="baseline")
    for row, ratios in (
        (slower, (1.18, 1.20, 1.22, 1.20, 1.20)),
        (noisy, (0.8, 1.6, 0.9, 1.5, 1.2)),
        (faster, (0.79, 0.80, 0.81, 0.80, 0.80)),
    ):
        for cell, ratio in zip(row["cells"], ratios, strict=True):
            cell["seconds"] = 10.0 * ratio
    baseline = make_row("baseline", arms.base)
    for cell in baseline["cells"]:
        cell["seconds"] = 10.0
    rows = summarise(make_results(baseline, slower, noisy, faster, mode="add-one"))
    mean = np.mean(np.subtract(arms.up, arms.base))
    extra = 100 * (stats.gmean([1.18, 1.20, 1.22, 1.20, 1.20]) - 1)
    assert rows[1].gain == pytest.approx(mean / extra)
    assert rows[2].gain is rows[3].gain is None


def test_only_common_seeds_are_compared(make_row, make_results, arms):
    base, up = dict(enumerate(arms.base)), dict(enumerate(arms.up))
    del base[1], up[3]
    both = make_results(make_row("baseline", base, failed=[1]), make_row("cosine", up, reference="baseline"))
    row = summarise(both)[1]
    np.testing.assert_allclose(row.differences, [arms.up[s] - arms.base[s] for s in (0, 2, 4)])
    assert row.comparison.n == 3
    assert (row.seeds, row.missing, row.failed) == ((0, 1, 2, 4), (3,), ())
    assert summarise(both)[0].failed == ((1, "FloatingPointError: loss <nan>"),)
    said = findings(both, summarise(both))
    assert "1 of 10 runs failed" in said
    assert "1 of 10 runs not run yet" in said


def test_the_order_of_cells_does_not_matter(results):
    mixed = copy.deepcopy(results)
    mixed["rows"][1]["cells"].reverse()
    mixed["rows"][2]["cells"].reverse()
    for one, other in zip(summarise(results), summarise(mixed), strict=True):
        assert one.verdict == other.verdict
        assert one.adjusted_p == pytest.approx(other.adjusted_p) if one.adjusted_p is not None else True
        assert one.mean == pytest.approx(other.mean)


def test_a_row_that_failed_stays_in_the_family(results, make_row):
    before = summarise(results)[1].adjusted_p
    results["rows"].append(make_row("distillation", {}, reference="mixup", failed=range(5)))
    rows = summarise(results)
    assert (rows[4].verdict, rows[4].mean, rows[4].comparison, rows[4].adjusted_p) == ("not resolved", None, None, 1.0)
    raw = sorted(row.comparison.p for row in rows[1:4])
    assert rows[1].adjusted_p > before
    assert min(row.adjusted_p for row in rows[1:]) == pytest.approx(4 * raw[0])


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda r: r.update(mode="stacked"), "mode"),
        (lambda r: r["rows"][1].update(reference="nobody"), "reference of 'cosine'"),
        (lambda r: r["rows"][1].update(reference="cosine"), "reference of 'cosine'"),
        (lambda r: r["rows"][1].update(name="baseline"), "rows"),
        (lambda r: r["rows"][1]["cells"][0].update(seed=1), "cells of 'cosine'"),
        (lambda r: r["rows"][1]["cells"][0].update(test={"accuracy": math.nan}), "test accuracy of 'cosine', seed 0"),
        (lambda r: r["rows"][1]["cells"][0].update(test={}), "test accuracy of 'cosine', seed 0"),
        (lambda r: r["rows"][1].update(expected=2), "expected_sign"),
        (lambda r: r.pop("headline"), "headline of the results is missing"),
        (lambda r: r["headline"].update(better="more"), "better of the headline is 'more'"),
    ],
)
def test_bad_results_are_named(results, spoil, name):
    results = copy.deepcopy(results)
    spoil(results)
    with pytest.raises(ValueError, match=name):
        summarise(results)
