"""Moderated variances: against limma, in their limits, and by simulated error rates, coverage and power."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

from jaxtricks.ablation import moderated, paired
from jaxtricks.ablation.contrasts import correlation_of, groups_of
from jaxtricks.ablation.moderated import (
    FEWEST,
    LIMIT,
    fit_prior,
    moderate,
    squeeze,
    trigamma_inverse,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "moderated.json").read_text())
SEEDS, ROWS = (2, 3, 4, 5, 8), (5, 10, 25)
SPREADS = {  # standard deviations of R arms or rows; 30-fold is the widest
    "equal": lambda rng, shape: np.ones(shape),
    "lognormal 0.5": lambda rng, shape: np.exp(0.5 * rng.normal(size=shape)),
    "lognormal 0.85": lambda rng, shape: np.exp(0.85 * rng.normal(size=shape)),
    "log-uniform": lambda rng, shape: 30 ** rng.uniform(size=shape),
    "halves 5": lambda rng, shape: np.where(np.arange(shape[1]) % 2, 5.0, 1.0) * np.ones(shape),
    "halves 30": lambda rng, shape: np.where(np.arange(shape[1]) % 2, 30.0, 1.0) * np.ones(shape),
    "one wild 5": lambda rng, shape: np.where(np.arange(shape[1]) == 1, 5.0, 1.0) * np.ones(shape),
    "one wild 30": lambda rng, shape: np.where(np.arange(shape[1]) == 1, 30.0, 1.0) * np.ones(shape),
    "one quiet 10": lambda rng, shape: np.where(np.arange(shape[1]) == 1, 0.1, 1.0) * np.ones(shape),
    "one quiet 30": lambda rng, shape: np.where(np.arange(shape[1]) == 1, 1 / 30, 1.0) * np.ones(shape),
}


def _contrasts(design, rows):
    """Of a complete stack, and of rows against one baseline; independent rows have an arm each."""
    if design == "stack":
        rungs = [{f"{i + 1}": 1.0, f"{i}": -1.0} for i in range(rows - 1)]
        return [*rungs, {f"{rows - 1}": 1.0, "0": -1.0}]
    if design == "star":
        return [{f"{i + 1}": 1.0, "0": -1.0} for i in range(rows)]
    return [{f"{i}": 1.0} for i in range(rows)]


def _simulated(design, spread, noise, n, rows, repeats):
    """Differences without an effect, ``[repeats, rows, n]``, and the correlation of their variances."""
    rng = np.random.default_rng(100 * n + rows)
    contrasts = _contrasts(design, rows)
    arms = sorted({arm for weights in contrasts for arm in weights}, key=int)
    matrix = np.array([[weights.get(arm, 0.0) for arm in arms] for weights in contrasts])
    shape = (repeats, len(arms), n)
    draws = rng.normal(size=shape) if noise == "normal" else rng.standard_t(4, size=shape)
    return matrix @ (draws * SPREADS[spread](rng, shape[:2])[..., None]), correlation_of(contrasts)


def _p_values(differences, correlation, *, shift=0.0):
    """P-values of no difference, moderated and plain, ``[repeats, rows]``; every row is shifted from zero alike."""
    n = differences.shape[-1]
    sample = differences.var(-1, ddof=1)
    variances, degrees = moderate(sample, np.full(differences.shape[1], n - 1), correlation=correlation)
    mean = np.abs(differences.mean(-1) + shift)
    p, plain = (2 * special.stdtr(df, -mean / np.sqrt(v / n)) for v, df in ((variances, degrees), (sample, n - 1)))
    return p, plain


def _family_error(p):
    """How often Holm's correction rejects one or more of hypotheses that are all true."""
    return np.mean(p.min(-1) < 0.05 / p.shape[-1])


@pytest.mark.parametrize("case", GOLDEN, ids=range(len(GOLDEN)))
def test_without_a_bound_it_is_limma(case):
    variances, df = np.array(case["variances"]), np.array(case["df"], float)
    prior = fit_prior(variances, df)
    if case["prior_df"] is None:  # where limma takes the mean of the variances, and the moments of logarithms theirs
        assert prior.df == np.inf
        return
    np.testing.assert_allclose((prior.df, prior.variance), (case["prior_df"], case["prior_variance"]), rtol=1e-6)
    np.testing.assert_allclose(squeeze(variances, df, prior.variance, prior.df), case["posterior"], rtol=1e-6)


def test_variances_that_are_correlated_spread_less_than_they_differ():
    """A share of 0.25 of the noise is common to all rows, and is missing from the spread of the logarithms."""
    case = GOLDEN[0]
    correlation = np.where(np.eye(10) > 0, 1.0, 0.25)
    prior = fit_prior(case["variances"], case["df"], correlation=correlation)
    excess = special.polygamma(1, case["prior_df"] / 2) + 0.25 * special.polygamma(1, 1.5)
    assert prior.df == pytest.approx(2 * trigamma_inverse(excess), rel=1e-6)
    assert prior.weight < fit_prior(case["variances"], case["df"]).weight


def test_moderated_by_hand():
    # Variances 1, 1, 4 with 2 degrees each: e = log s^2 + 0.5772, trigamma(1) = 1.6449; var(log s^2) = 0.6406 is less,
    # so that d0 is infinite, g = 4^(1/3) exp(0.5772) = 2.8275, and 1 / b = 1 / 10 + 1.6449 / 3 / 2.
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0.0, 2.0, 4.0]]
    first, _, third = moderated(rows)
    b = 1 / (0.1 + np.pi**2 / 36)
    g = 4 ** (1 / 3) * np.exp(np.euler_gamma)
    assert (first.n, first.mean, third.mean) == (3, 2.0, 2.0)
    assert first.borrowed == pytest.approx(b)
    assert first.sd**2 == pytest.approx((b * g + 2) / (b + 2))
    assert third.borrowed == pytest.approx(b * g / 4)  # it spreads more than the scale: fewer degrees,
    assert third.sd == pytest.approx(2.0)  # and its own deviation
    half = stats.t.ppf(0.975, b + 2) * first.sd / np.sqrt(3)
    np.testing.assert_allclose((first.low, first.high), (2 - half, 2 + half))
    assert first.p == pytest.approx(2 * stats.t.sf(2 / first.error, first.df))


def test_one_row_or_two_are_the_paired_t_test():
    rows = [[0.3, 0.9, 0.5, 1.2], [0.1, -0.4, 0.6, 0.2]]
    for some in (rows[:1], rows):
        for row, found in zip(some, moderated(some), strict=True):
            plain = paired(row, np.zeros(4))
            assert found.borrowed == 0
            np.testing.assert_allclose(
                (found.p, found.low, found.high, found.sd), (plain.p, plain.low, plain.high, plain.sd)
            )
    assert len(rows) < FEWEST


def test_many_equal_variances_count_as_much_as_the_limit():
    rng = np.random.default_rng(0)
    found = moderated(rng.normal(size=(2000, 4)))
    assert LIMIT * 0.85 < found[0].borrowed <= LIMIT


def test_a_row_without_a_spread_has_that_of_the_others_or_none():
    rows = [[0.3, 0.9, 0.5], [0.1, -0.4, 0.6], [0.2, 0.2, 0.2], [1.0], [0.5, 0.1, 0.9]]
    found = moderated(rows)
    others = moderated([rows[0], rows[1], rows[4]])
    for place in (2, 3):
        assert found[place].df == found[place].borrowed == pytest.approx(max(row.borrowed for row in others))
        assert np.isfinite(found[place].low)
        assert found[place].p < 1
    for lone in moderated([[1.0], [2.0], [0.5]]) + moderated([[0.2, 0.2], [0.3, 0.3]]):
        assert (lone.p, lone.low, lone.high, lone.borrowed) == (1.0, -np.inf, np.inf, 0.0)
    assert moderated([]) == []


def test_a_wild_row_does_not_ruin_the_others():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 4))
    before = moderated(rows)[0]
    rows[11] *= 1000
    after = moderated(rows)
    assert after[0].high - after[0].low < 1.5 * (before.high - before.low)
    assert after[11].borrowed < 0.01  # it is tested by itself
    assert after[11].sd == pytest.approx(rows[11].std(ddof=1))


def test_units_signs_and_orders_do_not_matter():
    rows = np.random.default_rng(1).normal(size=(6, 3)) * [[1], [2], [1], [0.5], [1], [3]]
    one, other, turned = moderated(rows), moderated(-10 * rows), moderated(rows[::-1])[::-1]
    for a, b, c in zip(one, other, turned, strict=True):
        np.testing.assert_allclose((b.p, b.low, b.high), (a.p, -10 * a.high, -10 * a.low))
        assert c.p == pytest.approx(a.p)


def test_a_contrast_of_four_arms_is_compared_in_the_unit_of_its_weights():
    # Arms of one variance: a 2 x 2 contrast spreads by sqrt 2 more than a difference, and must not stand out for it.
    rng = np.random.default_rng(2)
    arms = rng.normal(size=(40, 9, 4))
    pairs = [{"ab": 1.0, "a": -1.0, "b": -1.0, "0": 1.0}] + [{f"{i}": 1.0, "z": -1.0} for i in range(6)]
    found = [
        moderated([a[0] - a[1] - a[2] + a[3], *(a[3 + i] - a[8] for i in range(6))], contrasts=pairs) for a in arms
    ]
    ratio = np.mean([np.log(table[0].sd / table[1].sd) for table in found])
    assert ratio == pytest.approx(np.log(np.sqrt(2)), abs=0.12)


def test_correlation_of_variances_is_that_of_contrasts_squared():
    found = correlation_of([{"a": 1, "0": -1}, {"b": 1, "0": -1}, {"b": 1, "a": -1}, {"c": 1, "d": -1}])
    np.testing.assert_allclose(found, [[1, 0.25, 0.25, 0], [0.25, 1, 0.25, 0], [0.25, 0.25, 1, 0], [0, 0, 0, 1]])
    sample = np.random.default_rng(0).normal(size=(20_000, 3, 6))
    one, two = ((sample[:, i] - sample[:, 2]).var(-1, ddof=1) for i in (0, 1))
    assert np.corrcoef(one, two)[0, 1] == pytest.approx(0.25, abs=0.02)


def test_rows_of_one_setting_learn_from_each_other():
    contrasts = _contrasts("star", 6) + [{f"x{i}": 1.0, "x": -1.0} for i in range(5)] + [{"y": 1.0, "y0": -1.0}]
    groups = groups_of(correlation_of(contrasts))
    assert [group.tolist() for group in groups] == [list(range(6)), list(range(6, 11)), [11]]
    rows = np.random.default_rng(0).normal(size=(12, 4))
    rows[6:11] *= 50
    alone = moderated(rows[:6], contrasts=contrasts[:6])
    np.testing.assert_allclose(
        [row.p for row in moderated(rows, contrasts=contrasts)[:6]], [row.p for row in alone], rtol=1e-9
    )


def test_trigamma_inverse():
    x = np.array([1e-3, 0.1, 0.5, 1.0, 7.0, 400.0])
    np.testing.assert_allclose(trigamma_inverse(special.polygamma(1, x)), x, rtol=1e-9)


def test_intervals_do_not_leave_the_limits():
    found = moderated([[99.0, 99.9], [50.0, 70.0], [97.0, 99.0]], limits=(0.0, 100.0))
    assert [row.high for row in found] == [100.0] * 3
    assert all(row.low >= 0 for row in found)


QUICK = [  # the other combinations are -m slow
    ("stack", "equal", "normal"),
    ("stack", "lognormal 0.85", "t4"),
    ("stack", "one wild 30", "normal"),
    ("star", "lognormal 0.85", "normal"),
    ("star", "equal", "t4"),
    ("independent", "one wild 30", "normal"),
    ("independent", "one quiet 10", "normal"),
    ("independent", "halves 30", "normal"),
    ("independent", "halves 30", "t4"),
    ("stack", "halves 30", "normal"),
    ("star", "halves 30", "t4"),
]


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("rows", ROWS)
def test_family_error(n, rows):
    for design, spread, noise in QUICK:
        p, _ = _p_values(*_simulated(design, spread, noise, n, rows, 3_000))
        assert _family_error(p) <= 0.06, (design, spread, noise)


@pytest.mark.slow
@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("noise", ["normal", "t4"])
@pytest.mark.parametrize("design", ["stack", "star", "independent"])
def test_family_error_everywhere(n, noise, design):
    for rows in (3, *ROWS):
        for spread in SPREADS:
            p, _ = _p_values(*_simulated(design, spread, noise, n, rows, 20_000))
            assert _family_error(p) <= 0.06, (rows, spread)


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("rows", ROWS)
def test_coverage(n, rows):
    """Of a table's intervals 95 % hold the true difference; that of a row five times as wild as all others, fewer."""
    for design, spread, noise in (
        ("stack", "equal", "normal"),
        ("stack", "halves 30", "t4"),
        ("star", "lognormal 0.5", "t4"),
        ("independent", "one wild 5", "normal"),
    ):
        p, _ = _p_values(*_simulated(design, spread, noise, n, rows, 3_000))
        covered = np.mean(p > 0.05, axis=0)
        assert covered.mean() > 0.94, (design, spread, noise)
        assert covered.min() > {2: 0.82, 3: 0.86}.get(n, 0.9), (design, spread, noise)


@pytest.mark.parametrize(
    ("n", "effect", "gain"), [(2, 4.0, 0.15), (3, 3.0, 0.35), (4, 2.5, 0.3), (5, 2.0, 0.2), (8, 1.5, 0.08)]
)
def test_power_beside_the_plain_test(n, effect, gain):
    """Share of differences of so many deviations that are resolved, first of ten rows: more than by the plain test."""
    for spread in ("equal", "lognormal 0.5"):
        p, plain = _p_values(*_simulated("independent", spread, "normal", n, 10, 3_000), shift=effect)
        extra = np.mean(p < 0.005) - np.mean(plain < 0.005)
        assert extra > (gain if spread == "equal" else 0.4 * gain), spread


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: moderated([[1.0, np.nan]]), r"differences\[0\]"),
        (lambda: moderated([[1.0], []]), r"differences\[1\]"),
        (lambda: moderated([[1.0, 2.0]], contrasts=[]), "contrasts"),
        (lambda: moderated([[1.0, 2.0]], contrasts=[{"a": 0.0}]), "contrasts"),
        (lambda: moderated([[1.0, 2.0]], confidence=95), "confidence"),
        (lambda: fit_prior([1.0, 2.0], [1.0]), "df"),
        (lambda: fit_prior([1.0, -2.0], [1.0, 1.0]), "variances"),
        (lambda: fit_prior([1.0, 2.0], [1.0, 1.0], correlation=np.eye(3)), "correlation"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
