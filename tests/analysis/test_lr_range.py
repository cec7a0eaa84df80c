"""The range test and its two rules, on curves made by hand."""

import math
from itertools import pairwise

import numpy as np
import pytest

from jaxtricks.analysis import lr_range_test, middle, steepest, valley

RATES = 10.0 ** np.arange(-5, 4)  # 9 of them


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([3, 3, 3, 2.9, 1.9, 1.7, 1.6, 5, 9], 1e-2),  # from 1e-2 to 1e-1 it falls by 1
        ([9, 1, 1, 1, 1, 1, 1, 1, 1], 1e-5),
        ([1, 2, 3, 4, 5, 6, 7, 8, 7.5], 1e2),
    ],
)
def test_steepest(losses, expected):
    assert steepest(RATES, losses) == pytest.approx(expected)


def test_steepest_is_by_the_logarithm_of_the_rate():
    rates = [1e-3, 1e-2, 2e-2, 1.0]  # falls of 1, 0.5, 2 over 2.3, 0.69, 3.9: 0.43, 0.72, 0.51
    assert steepest(rates, [5, 4, 3.5, 1.5]) == pytest.approx(1e-2)


@pytest.mark.parametrize(
    ("losses", "index"),
    [
        ([7.5, 9, 8, 7, 6, 5, 4, 3, 9], 7 - 7 + 2 + 1),  # 9 8 7 6 5 4 3: L = 7 ends at 7
        ([9, 8, 7, 6, 5, 4, 3, 2, 1], 8 - 9 + 3 + 1),  # all of it
        ([1, 2, 3, 4, 5, 4.5, 4.2, 4.1, 6], 7 - 4 + 1 + 0),  # 5 4.5 4.2 4.1
        ([9, 8, 8.5, 7, 6, 6.5, 5, 4, 9], 7 - 6 + 2 + 1),  # with gaps: 9 8 7 6 5 4
        ([5, 1, 4, 3, 2, 9, 9, 9, 9], 4 - 4 + 1 + 0),  # 5 4 3 2, not 5 1
        ([3, 2, 9, 9, 9, 9, 9, 9, 9], 0),  # 1 - 2 + 0 + 0 is before the first: it stays there
        ([4, 3, 9, 2, 9, 8, 7, 9, 9], 3 - 3 + 1 + 0),  # 4 3 2 and 9 8 7 are as long: the earliest to end
    ],
)
def test_valley(losses, index):
    assert valley(RATES, losses) == pytest.approx(RATES[index])


def test_valley_against_every_subsequence():
    draws = np.random.default_rng(0)
    for _ in range(30):
        losses = draws.permutation(9)
        best = {}  # longest decreasing subsequence by its last place, of all 2^9
        for mask in range(1, 2**9):
            places = [i for i in range(9) if mask >> i & 1]
            if all(losses[a] > losses[b] for a, b in pairwise(places)):
                best[places[-1]] = max(best.get(places[-1], 0), len(places))
        length = max(best.values())
        if length > 1:
            end = min(place for place, n in best.items() if n == length)
            index = end - length + length // 3 + length // 6
            assert valley(RATES, losses) == pytest.approx(RATES[max(0, index)])


@pytest.mark.parametrize("rule", [steepest, valley])
@pytest.mark.parametrize(
    ("rates", "losses", "words"),
    [
        (RATES, range(9), "losses that fall somewhere"),
        (RATES, [1.0] * 9, "losses that fall somewhere"),
        (RATES, [3, 2, 1, math.nan, 1, 1, 1, 1, 1], "finite numbers"),
        (RATES, [3, 2, 1, math.inf, 1, 1, 1, 1, 1], "finite numbers"),
        (RATES[::-1], range(9, 0, -1), "rising"),
        (RATES - 1e-5, range(9, 0, -1), "greater than 0"),
        (RATES[:1], [1.0], "two or more"),
        (RATES, [2, 1], "the shape of rates"),
        (RATES[None], [range(9)], "rank 1"),
    ],
)
def test_curves_that_no_rule_takes(rule, rates, losses, words):
    with pytest.raises(ValueError, match=words):
        rule(rates, list(losses))


def along(losses):
    """A step that gives these losses, and a list of the rates it was called with."""
    rates = []

    def step(state, rate):
        rates.append(rate)
        return state + 1, np.float32(losses[state])

    return step, rates


def test_rates_and_average_by_hand():
    step, rates = along([4.0, 2.0, 2.0, 1.0, 1.0, 1.0])
    test = lr_range_test(step, 0, low=1e-3, high=1e3, steps=6, decay=0.5)
    np.testing.assert_allclose(rates, [1e-3, 1e-2, 1e-1, 1, 10, 100])
    np.testing.assert_array_equal(test.rates, rates)
    np.testing.assert_array_equal(test.losses, [4, 2, 2, 1, 1, 1])
    # a: 2, 2, 2, 1.5, 1.25, 1.125; divided by 1/2, 3/4, 7/8, 15/16, 31/32, 63/64
    np.testing.assert_allclose(test.smoothed, [4, 8 / 3, 16 / 7, 1.6, 40 / 31, 8 / 7])


@pytest.mark.parametrize(
    ("losses", "ratio", "kept"),
    [
        ([2, 1, 1, 3.9, 4.1, 9, 9, 9], 4.0, 5),  # 4.1 is more than four times 1; it is kept
        ([2, 1, 1, 3.9, 4.1, 9, 9, 9], math.inf, 8),
        ([2, 1, math.nan, 1, 1, 1, 1, 1], 4.0, 2),
        ([2, 1, 1, math.inf, 1, 1, 1, 1], math.inf, 3),
        ([math.nan] * 8, 4.0, 0),
    ],
)
def test_divergence_ends_it(losses, ratio, kept):
    step, rates = along(losses)
    test = lr_range_test(step, 0, steps=8, decay=0.0, ratio=ratio)
    assert [len(part) for part in test] == [kept] * 3
    assert len(rates) in (kept, kept + 1)
    np.testing.assert_array_equal(test.losses, np.float32(losses[:kept]))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"low": 0.0}, "low is 0.0"),
        ({"low": 1.0, "high": 1.0}, "high is 1.0"),
        ({"high": math.inf}, "high is inf"),
        ({"steps": 5}, "steps is 5"),
        ({"steps": 10.5}, "steps"),
        ({"decay": 1.0}, "decay is 1.0"),
        ({"ratio": 1.0}, "ratio is 1.0"),
    ],
)
def test_options_out_of_range(option, words):
    with pytest.raises(ValueError, match=words):
        lr_range_test(along([1.0])[0], 0, **option)


def test_the_middle_leaves_out_the_first_tenth_and_the_last_five():
    step, _ = along(list(range(40, 0, -1)))
    test = lr_range_test(step, 0, steps=40, decay=0.0)
    rates, losses = middle(test, steps=40)
    np.testing.assert_array_equal(losses, np.arange(36, 5, -1))
    np.testing.assert_array_equal(rates, test.rates[4:35])
    with pytest.raises(ValueError, match=r"end is 2.5; allowed"):
        middle(test, steps=40, end=2.5)
    with pytest.raises(ValueError, match="allowed: 11 or more"):
        middle(lr_range_test(along([3, 2, 1, 99])[0], 0, steps=40, decay=0.0), steps=40)
