"""Statistics of paired runs: by hand, against SciPy, and by simulated coverage and power."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from jaxtricks._command import Preset
from jaxtricks.ablation.headline import Headline
from jaxtricks.ablation.planning import DIFFER, assumed_spread
from jaxtricks.ablation.statistics import bootstrap_interval, holm, interval, paired, resolvable

CASES = [
    ([3.0, 5.0, 7.0], [1.0, 2.0, 6.0]),
    ([90.1, 90.4, 89.9, 90.6, 90.2], [89.7, 90.5, 89.1, 90.0, 90.3]),
    (list(np.random.default_rng(3).normal(0.3, 1.0, 10)), list(np.random.default_rng(4).normal(0.0, 1.0, 10))),
]


def test_paired_by_hand():
    # Differences 2, 3, 1: mean 2, deviation 1, error 1 / sqrt 3; t of 2 degrees of freedom at 97.5 % is 4.30265.
    result = paired([3.0, 5.0, 7.0], [1.0, 2.0, 6.0])
    assert (result.n, result.mean, result.sd, result.confidence) == (3, 2.0, 1.0, 0.95)
    half = 4.302652729911275 / np.sqrt(3)
    np.testing.assert_allclose((result.low, result.high), (2 - half, 2 + half), rtol=1e-9)
    # With 2 degrees of freedom P(T > t) = (1 - t / sqrt(2 + t^2)) / 2, here at t = sqrt 12.
    np.testing.assert_allclose(result.p, 1 - np.sqrt(12 / 14), rtol=1e-12)


@pytest.mark.parametrize(("treated", "control"), CASES)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_paired_is_that_of_scipy(treated, control, confidence):
    result = paired(treated, control, confidence=confidence, resamples=10)
    reference = stats.ttest_rel(treated, control)
    bounds = reference.confidence_interval(confidence)
    np.testing.assert_allclose(
        (result.p, result.low, result.high), (reference.pvalue, bounds.low, bounds.high), rtol=1e-9, atol=1e-12
    )


def test_paired_is_antisymmetric_and_shifts_with_the_data():
    treated, control = map(np.array, CASES[2])
    one, other = paired(treated, control), paired(control, treated)
    np.testing.assert_allclose((other.mean, other.low, other.high), (-one.mean, -one.high, -one.low))
    assert other.p == pytest.approx(one.p)
    shifted = paired(treated + 2, control)
    fields = ("mean", "low", "high", "bootstrap_low", "bootstrap_high")
    moved = [getattr(shifted, f) - getattr(one, f) for f in fields]
    np.testing.assert_allclose(moved, 2.0)
    scaled = paired(10 * treated, 10 * control)
    np.testing.assert_allclose([getattr(scaled, f) for f in fields], [10 * getattr(one, f) for f in fields])


@pytest.mark.parametrize(
    ("treated", "control", "mean", "sd"),
    [
        ([1.5], [1.0], 0.5, np.inf),
        ([90.1, 0.3], [90.0, 0.2], 0.1, 0.0),  # equal up to rounding
        ([70.0, 71.0, 72.0], [70.0, 71.0, 72.0], 0.0, 0.0),
    ],
)
def test_without_a_spread_nothing_is_known(treated, control, mean, sd):
    result = paired(treated, control)
    assert result.mean == pytest.approx(mean)
    assert (result.sd, result.p) == (sd, 1.0)
    assert (result.low, result.high) == (result.bootstrap_low, result.bootstrap_high) == (-np.inf, np.inf)


def test_intervals_do_not_leave_the_limits():
    """As of a metric from 0 to 100; where nothing is known they say so, and an open side ends at the limit."""
    result = paired([90.0, 1.0, 80.0, 5.0], [0.0, 0.0, 0.0, 0.0], limits=(-50.0, 60.0))
    assert (result.low, result.high) == (pytest.approx(-31.657, abs=1e-3), 60.0)
    assert (result.bootstrap_low, result.bootstrap_high) == (-50.0, 60.0)
    free = paired([90.0, 1.0, 80.0, 5.0], [0.0, 0.0, 0.0, 0.0])
    assert free.high > 60
    assert (free.low, free.p) == (result.low, result.p)
    tied = paired([1.0, 1.0, 1.0, 0.0], np.zeros(4))
    assert (tied.bootstrap_low, tied.bootstrap_high) == (-np.inf, pytest.approx(1.25))
    cut = paired([1.0, 1.0, 1.0, 0.0], np.zeros(4), limits=(-1.0, 1.0))
    assert (cut.bootstrap_low, cut.bootstrap_high) == (-1.0, 1.0)
    lone = paired([1.0], [0.0], limits=(-1.0, 1.0))
    assert (lone.low, lone.high) == (lone.bootstrap_low, lone.bootstrap_high) == (-np.inf, np.inf)


def _all_resamples(values, confidence):
    """The bootstrap-t bounds from every one of the n^n resamples, in plain loops."""
    n, mean = len(values), np.mean(values)
    t = []
    for resample in itertools.product(values, repeat=n):
        gap, sd = np.mean(resample) - mean, np.std(resample, ddof=1)
        t.append(gap / (sd / np.sqrt(n)) if sd > 1e-12 else np.copysign(np.inf, gap))
    t = np.sort(t)
    error = np.std(values, ddof=1) / np.sqrt(n)
    tail = (1 - confidence) / 2 * len(t)
    return mean - t[int(np.ceil(len(t) - tail)) - 1] * error, mean - t[int(tail)] * error


@pytest.mark.parametrize("values", [[0.1, 0.9, 0.4, 2.0], [1.0, -0.3, 0.2, 0.25, 0.7]])
def test_bootstrap_is_near_the_full_enumeration(values):
    low, high = bootstrap_interval(values, confidence=0.9, resamples=200_000)
    wanted = _all_resamples(values, 0.9)
    np.testing.assert_allclose((low, high), wanted, atol=0.05 * (wanted[1] - wanted[0]))


def test_bootstrap_is_unbounded_where_resamples_without_spread_fill_a_tail():
    assert bootstrap_interval([0.1, 0.5, 1.2]) == (-np.inf, np.inf)  # 1 / 27 of all, on each side
    assert np.all(np.isfinite(bootstrap_interval([0.1, 0.5, 1.2], confidence=0.8)))
    low, high = bootstrap_interval([0.0, 1.0, 1.0, 1.0])  # 81 / 256 repeat the 1, above the mean
    assert low == -np.inf
    assert np.isfinite(high)


def test_bootstrap_repeats_by_seed_and_takes_leading_axes():
    values = np.random.default_rng(0).normal(size=(3, 2, 6))
    low, high = bootstrap_interval(values, seed=5, resamples=500)
    assert low.shape == high.shape == (3, 2)
    np.testing.assert_allclose(bootstrap_interval(values[1, 1], seed=5, resamples=500), (low[1, 1], high[1, 1]))
    assert bootstrap_interval(values[1, 1], seed=6, resamples=500)[0] != low[1, 1]


COVERED = {  # kind, n -> share of 95 % intervals that hold the true mean: t, bootstrap-t
    ("normal", 3): ((0.94, 0.96), (1.0, 1.0)),
    ("normal", 4): ((0.94, 0.96), (0.935, 0.965)),
    ("normal", 5): ((0.94, 0.96), (0.935, 0.965)),
    ("normal", 10): ((0.94, 0.96), (0.935, 0.965)),
    ("exponential", 3): ((0.86, 0.90), (1.0, 1.0)),
    ("exponential", 4): ((0.86, 0.90), (0.915, 0.95)),
    ("exponential", 5): ((0.86, 0.90), (0.915, 0.95)),
    ("exponential", 10): ((0.88, 0.92), (0.925, 0.955)),
}


@pytest.mark.parametrize(("kind", "n"), COVERED)
def test_coverage(kind, n):
    rng = np.random.default_rng(n)
    sample = rng.normal(size=(40_000, n)) if kind == "normal" else rng.exponential(size=(40_000, n)) - 1
    for (low, high), (least, most) in zip(
        (interval(sample), bootstrap_interval(sample[:8_000], resamples=1_000)), COVERED[kind, n], strict=True
    ):
        assert least <= np.mean((low <= 0) & (high >= 0)) <= most


def test_interval_of_one_arm():
    values = np.array([[70.0, 72.0], [71.0, 71.0]])
    low, high = interval(values)
    half = 12.706204736432095  # t of 1 degree of freedom at 97.5 %, times the error 1
    np.testing.assert_allclose((low[0], high[0]), (71 - half, 71 + half))
    assert (low[1], high[1]) == (-np.inf, np.inf)
    assert interval([70.0]) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # 0.005 x 4, 0.01 x 3, 0.03 x 2, then 0.04 x 1 < 0.06
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([0.01, 0.01], [0.02, 0.02]),
        ([0.0, 1.0, 0.0], [0.0, 1.0, 0.0]),
        ([], []),
    ],
)
def test_holm_by_hand(raw, adjusted):
    np.testing.assert_allclose(holm(raw), adjusted)


def test_holm_follows_the_order_and_lies_between_raw_and_bonferroni():
    p = np.random.default_rng(0).uniform(size=12)
    mixed = np.random.default_rng(1).permutation(12)
    np.testing.assert_allclose(holm(p)[mixed], holm(p[mixed]))
    assert np.all(holm(p) >= p)
    assert np.all(holm(p) <= np.minimum(12 * p, 1))


def test_holm_holds_the_family_error():
    # Four true hypotheses: with p uniform, one or more is rejected in at most 5 % of all families.
    p = np.random.default_rng(0).uniform(size=(4_000, 4))
    assert np.mean([holm(row).min() < 0.05 for row in p]) < 0.06


@pytest.mark.parametrize(("n", "power"), [(2, 0.8), (3, 0.8), (5, 0.5), (5, 0.8), (10, 0.95)])
def test_resolvable_has_its_power(n, power):
    sd = 0.7
    true = resolvable(n, sd, power=power)
    sample = np.random.default_rng(n).normal(true, sd, size=(40_000, n))
    low, high = interval(sample)
    assert np.mean((low > 0) | (high < 0)) == pytest.approx(power, abs=0.01)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 50])
@pytest.mark.parametrize(("confidence", "power"), [(0.95, 0.8), (0.9, 0.3), (0.99, 0.95)])
def test_resolvable_is_exact(n, confidence, power):
    # T > c given the deviation s, whose distribution is chi: a normal tail, integrated over s.
    centre = resolvable(n, 1.0, confidence=confidence, power=power) * np.sqrt(n)
    critical = stats.t.isf((1 - confidence) / 2, n - 1)

    def density(s):
        bound = critical * s / np.sqrt(n - 1)
        return stats.chi.pdf(s, n - 1) * (stats.norm.sf(bound - centre) + stats.norm.cdf(-bound - centre))

    found, _ = integrate.quad(density, 0, np.sqrt(n) + 10, points=[min(centre * np.sqrt(n - 1) / critical, 10)])
    assert found == pytest.approx(power, abs=1e-7)


def test_resolvable_in_its_limits():
    assert resolvable(0, 1.0) == resolvable(1, 1.0) == np.inf
    assert resolvable(5, 0.0) == 0.0
    many = resolvable(100_000, 1.0)  # the normal limit: (z of 0.975 + z of 0.8) / sqrt n
    assert many * np.sqrt(100_000) == pytest.approx(stats.norm.ppf(0.975) + stats.norm.ppf(0.8), rel=1e-4)
    assert resolvable(1, 1.0, borrowed=4.0) == pytest.approx(np.sqrt(5) * resolvable(5, 1.0))  # as many degrees
    assert resolvable(5, 2.0) == pytest.approx(2 * resolvable(5, 1.0))
    assert resolvable(6, 1.0) < resolvable(5, 1.0) < resolvable(5, 1.0, confidence=0.99)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: paired([1.0, 2.0], [1.0]), "control"),
        (lambda: paired([[1.0, 2.0]], [[1.0, 2.0]]), "treated"),
        (lambda: paired([], []), "treated"),
        (lambda: paired([1.0, np.nan], [1.0, 2.0]), "treated"),
        (lambda: paired([1.0, 2.0], [1.0, np.inf]), "control"),
        (lambda: paired([1.0, 2.0], [1.0, 1.0], confidence=95), "confidence"),
        (lambda: paired([1.0, 2.0], [1.0, 1.0], resamples=0), "resamples"),
        (lambda: paired([1.0, 2.0], [1.0, 1.0], limits=(1.0, -1.0)), "limits"),
        (lambda: interval([1.0, 2.0], confidence=1.0), "confidence"),
        (lambda: interval(3.0), "values"),
        (lambda: bootstrap_interval(np.zeros((2, 0))), "values"),
        (lambda: holm([0.1, 1.2]), "p_values"),
        (lambda: holm([0.1, np.nan]), "p_values"),
        (lambda: holm([[0.1]]), "p_values"),
        (lambda: resolvable(-1, 1.0), "n is"),
        (lambda: resolvable(5, -1.0), "sd"),
        (lambda: resolvable(5, 1.0, confidence=0.0), "confidence"),
        (lambda: resolvable(5, 1.0, power=0.04), "power"),
        (lambda: resolvable(5, 1.0, power=1.0), "power"),
        (lambda: resolvable(5, 1.0, borrowed=-1.0), "borrowed"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()


def test_the_page_on_statistics_has_the_shares_of_the_formula():
    """Of the assumed deviation, by the number of test images."""
    page = (Path(__file__).parents[2] / "docs" / "site" / "pages" / "statistics.md").read_text(encoding="utf-8")
    table = page[page.index("| test images |") :].split("\n\n")[0].splitlines()[2:]
    assert len(table) == 5
    for line in table:
        images = int(line.split("|")[1].replace(",", ""))
        sd = assumed_spread(Preset.sd, "", images=images, headline=Headline("accuracy", "%"))["value"]
        alone = 100 * (DIFFER / images) ** 0.5
        share = round(100 * (alone / sd) ** 2)
        assert line == f"| {images:,} | {alone:.2f} | {sd:.2f} | {share} % | {100 - share} % |"
