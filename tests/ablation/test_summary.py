"""A row of results: numbers against SciPy, and what is missing or failed."""

import copy
import math

import numpy as np
import pytest
from scipy import stats

from jaxtricks.ablation import holm, moderated
from jaxtricks.ablation.contrasts import COMPLETE
from jaxtricks.ablation.report.wording import findings
from jaxtricks.ablation.summary import summarise


def test_rows_are_those_of_scipy(results, arms):
    complete, *rows = summarise(results)
    assert [row.name for row in rows] == ["baseline", "cosine", "smoothing", "mixup"]
    assert [row.verdict for row in rows] == [None, "helps", "no effect", "hurts"]
    assert [row.agreement for row in rows] == [None, "agrees", "disagrees", "disagrees"]
    assert rows[0].tested is rows[0].comparison is rows[0].adjusted_p is rows[0].gain is None
    raw = [complete.comparison.p]
    for row, treated, control in zip(
        rows[1:], (arms.up, arms.level, arms.down), (arms.base, arms.up, arms.level), strict=True
    ):
        reference = stats.ttest_rel(treated, control)
        limits = reference.confidence_interval(0.95)
        numbers = (row.comparison.p, row.comparison.low, row.comparison.high)
        np.testing.assert_allclose(numbers, (reference.pvalue, limits.low, limits.high), rtol=1e-8)
        np.testing.assert_allclose(row.differences, np.subtract(treated, control))
        assert row.mean == pytest.approx(np.mean(treated))
        raw.append(reference.pvalue)
    order = np.argsort(raw)
    by_hand = np.minimum(1, np.maximum.accumulate(np.array(raw)[order] * [4, 3, 2, 1]))
    np.testing.assert_allclose([[complete, *rows[1:]][i].plain_p for i in order], by_hand, rtol=1e-8)


def test_verdicts_follow_the_moderated_test(results, arms):
    complete, *rows = summarise(results)
    links = (("mixup", "baseline"), ("cosine", "baseline"), ("smoothing", "cosine"), ("mixup", "smoothing"))
    pairs = ((arms.down, arms.base), (arms.up, arms.base), (arms.level, arms.up), (arms.down, arms.level))
    contrasts = [{one: 1.0, other: -1.0} for one, other in links]
    wanted = moderated([np.subtract(*pair) for pair in pairs], contrasts=contrasts)
    for row, tested in zip([complete, *rows[1:]], wanted, strict=True):
        np.testing.assert_allclose(
            (row.tested.p, row.tested.low, row.tested.high, row.tested.borrowed),
            (tested.p, tested.low, tested.high, tested.borrowed),
        )
    adjusted = holm([row.tested.p for row in [complete, *rows[1:]]])
    np.testing.assert_allclose([row.adjusted_p for row in [complete, *rows[1:]]], adjusted)
    means = moderated([arms.base, arms.up, arms.level, arms.down])
    np.testing.assert_allclose([(row.low, row.high) for row in rows], [(mean.low, mean.high) for mean in means])


def test_the_whole_stack_is_the_first_row(results, arms):
    complete = summarise(results)[0]
    assert (complete.name, complete.arm, complete.about, complete.reference) == (
        COMPLETE,
        "mixup",
        "complete stack",
        "baseline",
    )
    np.testing.assert_allclose(complete.differences, np.subtract(arms.down, arms.base))
    assert (complete.verdict, complete.agreement, complete.missing, complete.paper) == ("hurts", None, (), None)
    assert complete.ratio["time"] == pytest.approx(0.9)
    assert [row.about for row in summarise(results | {"mode": "add-one"})] == ["baseline"] + 3 * ["difference"]
    results["rows"] = results["rows"][:2]  # one rung is a stack whose row is there already
    assert [row.name for row in summarise(results)] == ["baseline", "cosine"]


def test_a_stack_of_each_setting_has_its_complete_row(results, make_row, arms):
    other = [
        make_row("few: baseline", arms.base),
        make_row("few: + a", arms.up, reference="few: baseline"),
        make_row("few: + b", arms.level, reference="few: + a"),
    ]
    results["rows"] += other
    assert [row.name for row in summarise(results)[:3]] == [COMPLETE, f"few: {COMPLETE}", "baseline"]


@pytest.mark.parametrize("setting", ["", "few: "])
def test_of_tricks_that_are_left_out_the_whole_stack_is_the_first_row_too(make_row, make_results, arms, setting):
    full = f"{setting}all tricks"
    rows = [
        make_row(f"{setting}baseline", arms.down),
        make_row(full, arms.up) | {"tricks": ["a", "b"]},
        make_row(f"{setting}without a", arms.base, reference=full) | {"tricks": ["b"]},
        make_row(f"{setting}without b", arms.level, reference=full) | {"tricks": ["a"]},
    ]
    complete, *others = summarise(make_results(*rows, mode="leave-one-out"))
    assert (complete.name, complete.arm, complete.reference) == (setting + COMPLETE, full, f"{setting}baseline")
    np.testing.assert_allclose(complete.differences, np.subtract(arms.up, arms.down))
    assert complete.verdict == "helps"
    assert [row.about for row in others] == ["baseline", "baseline", "difference", "difference"]
    older = summarise(make_results(*rows[1:], mode="leave-one-out"))  # before the baseline was trained
    assert [row.about for row in older] == ["baseline", "difference", "difference"]


def test_a_pair_is_a_contrast_of_four_arms(make_row, make_results):
    base, a, b, both = (
        (70.0, 71.0, 70.5, 70.2),
        (71.1, 71.9, 71.4, 71.3),
        (72.0, 73.1, 72.4, 72.3),
        (73.0, 74.2, 73.2, 73.5),
    )
    rows = [make_row("baseline", base), *(make_row(n, v, reference="baseline") for n, v in (("a", a), ("b", b)))]
    rows.append(make_row("a & b", both, reference="a") | {"tricks": ["a", "b"]})
    pair = summarise(make_results(*rows, mode="pairwise", seeds=4))[3]
    assert (pair.about, pair.expected, pair.agreement) == ("interaction", None, None)
    np.testing.assert_allclose(pair.differences, np.array(both) - a - b + base)
    plain = summarise(make_results(*rows, mode="add-one", seeds=4))[3]
    np.testing.assert_allclose(plain.differences, np.subtract(both, a))


def test_no_interval_leaves_what_an_accuracy_can_be(make_row, make_results):
    near = [make_row("baseline", (99.0, 99.9)), make_row("a", (98.0, 99.8), reference="baseline")]
    near += [make_row("b", (3.0, 99.9), reference="baseline"), make_row("c", (97.5, 99.0), reference="baseline")]
    rows = summarise(make_results(*near, seeds=2, mode="add-one"))
    assert all(0 <= row.low <= row.mean <= row.high <= 100 for row in rows)
    assert rows[2].low == 0
    assert rows[2].high == 100
    assert all(-100 <= row.tested.low and row.tested.high <= 100 for row in rows[1:])
    assert (rows[2].comparison.low, rows[2].comparison.high) == (-100, 100)  # the plain one too


def test_the_margin_is_that_of_the_results(results):
    assert summarise(results)[3].verdict == "no effect"
    narrow = summarise(results | {"margin": 0.05})[3]
    assert narrow.verdict == "not resolved"
    assert narrow.needed > 5
    assert summarise(results)[3].needed is None


def test_a_teacher_costs_time(results):
    results["rows"][3]["teacher_seconds"] = 9.0
    rows = summarise(results)
    assert rows[4].ratio["time"] == pytest.approx((9 + 9) / 12, rel=1e-3)
    assert rows[0].ratio["time"] == pytest.approx((9 + 9) / 10, rel=1e-3)


def test_time_is_that_of_the_steps(make_row, make_results, arms):
    """Of a run whose loop took 100 s, start-up and evaluation with it, and 62 steps of 20 ms an epoch."""
    base, slow = make_row("baseline", arms.base, seconds=100.0), make_row("slow", arms.up, reference="baseline")
    for row, batch, step in ((base, 64, 20.0), (slow, 64, 30.0)):
        row["cost"]["batch"] = batch
        for cell in row["cells"]:
            cell["step_ms"] = step * (1 + 0.01 * cell["seed"])
    row = summarise(make_results(base, slow))[1]
    assert row.ratio["time"] == pytest.approx(1.5)
    for cell in slow["cells"]:
        cell["step_ms"] *= 1 + 0.02 * (cell["seed"] % 2)
    row = summarise(make_results(base, slow))[1]
    logs = np.log([1.5, 1.53])  # seeds that agree to the last digit stepped together, and count once
    np.testing.assert_allclose(
        (row.time_low, row.time_high), np.exp(stats.t.interval(0.95, 1, logs.mean(), stats.sem(logs))), rtol=1e-6
    )


def test_a_run_beside_the_compiler_counts_in_no_time(make_row, make_results, arms):
    base, slow = make_row("baseline", arms.base, seconds=10.0), make_row("slow", arms.up, reference="baseline")
    for row, factor in ((base, 1.0), (slow, 1.5)):
        for cell in row["cells"]:
            cell["seconds"] = 10.0 * factor
    slow["cells"][0] |= {"seconds": 99.0, "beside_compiling": True}
    base["cells"][1] |= {"seconds": 1.0, "beside_compiling": True}
    assert summarise(make_results(base, slow))[1].ratio["time"] == pytest.approx(1.5)
    for cell in base["cells"]:
        cell["beside_compiling"] = True
    rows = summarise(make_results(base, slow))
    assert rows[1].ratio["time"] is None
    assert rows[1].verdict == "helps"


def test_the_verdict_takes_the_corrected_p(results, make_row):
    slight = [84.3, 84.6, 84.0, 84.6, 84.2]  # p about 0.01 alone
    for i in range(6):
        results["rows"].append(make_row(f"slight {i}", slight, reference="baseline"))
    row = summarise(results)[-1]
    assert row.comparison.p < 0.05 < row.plain_p
    assert row.tested.p < row.adjusted_p
    assert row.verdict == ("helps" if row.adjusted_p < 0.05 else "not resolved")


def test_costs_are_ratios_to_the_reference(results):
    results["rows"][2]["cost"] |= {"macs": 24_600_000, "train_flops": 5}
    rows = summarise(results)[1:]
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
        (slower, (1.18, 1.20, 1.22, 1.19, 1.21)),
        (noisy, (0.8, 1.6, 0.9, 1.5, 1.2)),
        (faster, (0.79, 0.80, 0.81, 0.795, 0.805)),
    ):
        for cell, ratio in zip(row["cells"], ratios, strict=True):
            cell["seconds"] = 10.0 * ratio
    baseline = make_row("baseline", arms.base)
    for cell in baseline["cells"]:
        cell["seconds"] = 10.0
    rows = summarise(make_results(baseline, slower, noisy, faster, mode="add-one"))
    mean = np.mean(np.subtract(arms.up, arms.base))
    extra = 100 * (stats.gmean([1.18, 1.20, 1.22, 1.19, 1.21]) - 1)
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
    before = summarise(results)[2].adjusted_p
    results["rows"].append(make_row("distillation", {}, reference="mixup", failed=range(5)))
    complete, *rows = summarise(results)
    for row in (complete, rows[4]):  # no run of the last rung
        assert (row.verdict, row.tested, row.comparison, row.adjusted_p) == ("not resolved", None, None, 1.0)
    assert rows[1].adjusted_p != before
    raw = sorted(row.tested.p for row in rows[1:4])
    assert min(row.adjusted_p for row in rows[1:]) == pytest.approx(5 * raw[0])


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
        (lambda r: r["rows"][1].update(expected=2), "expected is 2"),
        (lambda r: r.pop("headline"), "headline of the results is missing"),
        (lambda r: r["headline"].update(better="more"), "better of the headline is 'more'"),
    ],
)
def test_bad_results_are_named(results, spoil, name):
    results = copy.deepcopy(results)
    spoil(results)
    with pytest.raises(ValueError, match=name):
        summarise(results)
