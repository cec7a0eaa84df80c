"""Verdicts: by hand, against SciPy, and by simulated rates."""

import numpy as np
import pytest
from scipy import stats

from jaxtricks.ablation import Headline, agreement, equivalence, seeds_needed, verdict
from jaxtricks.ablation.moderated import Moderated
from jaxtricks.ablation.verdicts import MARGIN, margin_of


def _tested(mean=0.3, *, n=4, sd=0.2, df=6.0, borrowed=3.0):
    return Moderated(n=n, mean=mean, sd=sd, df=df, borrowed=borrowed, low=0.0, high=0.0, p=0.5, confidence=0.95)


def test_equivalence_is_the_larger_of_two_one_sided_t_tests():
    sample = np.array([0.1, 0.3, -0.2, 0.2, 0.05])
    tested = _tested(sample.mean(), n=5, sd=sample.std(ddof=1), df=4.0, borrowed=0.0)
    below = stats.ttest_1samp(sample, 0.5, alternative="less").pvalue
    above = stats.ttest_1samp(sample, -0.5, alternative="greater").pvalue
    assert equivalence(tested, margin=0.5) == pytest.approx(max(below, above))
    assert equivalence(_tested(-sample.mean()), margin=0.5) == equivalence(_tested(sample.mean()), margin=0.5)
    assert equivalence(_tested(0.5), margin=0.5) == 0.5  # at the margin itself
    assert equivalence(_tested(sd=np.inf), margin=0.5) == 1.0


def test_an_effect_at_the_margin_is_called_absent_in_five_percent():
    sample = np.random.default_rng(0).normal(0.5, 0.4, size=(20_000, 5))
    mean, error = sample.mean(-1), sample.std(-1, ddof=1) / np.sqrt(5)
    p = stats.t.cdf((np.abs(mean) - 0.5) / error, 4)
    some = [
        equivalence(_tested(m, n=5, sd=e * 5**0.5, df=4.0), margin=0.5) for m, e in zip(mean[:20], error, strict=False)
    ]
    np.testing.assert_allclose(some, p[:20], rtol=1e-9)
    assert np.mean(p < 0.05) < 0.053


@pytest.mark.parametrize(
    ("mean", "direction", "adjusted", "absent", "said"),
    [
        (1.0, 1, 0.01, 1.0, "helps"),
        (-1.0, 1, 0.01, 1.0, "hurts"),
        (-1.0, -1, 0.01, 1.0, "helps"),
        (1.0, -1, 0.01, 1.0, "hurts"),
        (0.1, 1, 0.01, 0.01, "helps"),  # small, and told from zero
        (0.1, 1, 0.06, 0.01, "no effect"),
        (1.0, 1, 0.06, 0.06, "not resolved"),
        (1.0, 1, 0.05, 0.05, "not resolved"),
    ],
)
def test_verdict(mean, direction, adjusted, absent, said):
    assert verdict(_tested(mean), direction=direction, adjusted_p=adjusted, equivalence_p=absent) == said


@pytest.mark.parametrize(
    ("said", "expected", "beside"),
    [
        ("helps", 1, "agrees"),
        ("helps", 0, "disagrees"),
        ("helps", -1, "disagrees"),
        ("hurts", -1, "agrees"),
        ("hurts", 1, "disagrees"),
        ("no effect", 0, "agrees"),
        ("no effect", 1, "disagrees"),
        ("not resolved", 1, None),
        ("helps", None, None),
    ],
)
def test_agreement(said, expected, beside):
    assert agreement(said, expected) == beside


def test_margin_is_half_a_point_where_points_are_compared():
    assert margin_of(None, Headline("accuracy", "%")) == MARGIN == 0.5
    assert margin_of(None, Headline("error", "°", "lower")) is None
    assert margin_of(0.2, Headline("error", "°", "lower")) == 0.2


@pytest.mark.parametrize(("mean", "margin"), [(0.8, None), (0.8, 0.5), (0.0, 0.5), (0.1, 0.5)])
def test_the_seeds_that_would_do_have_the_power(mean, margin):
    needed = seeds_needed(_tested(mean, sd=0.6, borrowed=0.0), margin=margin)

    def power(n):
        sample = np.random.default_rng(n).normal(mean, 0.6, size=(20_000, n))
        centre, error = sample.mean(-1), sample.std(-1, ddof=1) / np.sqrt(n)
        found = np.mean(np.abs(centre) / error > stats.t.ppf(0.975, n - 1))
        absent = 0.0 if margin is None else np.mean((np.abs(centre) - margin) / error < -stats.t.ppf(0.95, n - 1))
        return max(found, absent)

    assert power(needed) == pytest.approx(0.8, abs=0.075)
    assert power(needed) > 0.79
    assert power(needed - 1) < 0.81


def test_the_seeds_that_would_do_in_the_limits():
    assert seeds_needed(_tested(sd=np.inf), margin=0.5) is None
    assert seeds_needed(_tested(0.0, sd=1.0), margin=None) is None  # no number of seeds finds nothing
    assert seeds_needed(_tested(0.5, sd=20.0), margin=0.5) is None
    assert seeds_needed(_tested(50.0, sd=0.1), margin=0.5) == 2
    one, ten = (seeds_needed(_tested(0.4, sd=0.5), margin=None, tests=tests) for tests in (1, 10))
    assert ten > one
    assert seeds_needed(_tested(0.4, borrowed=5.0, sd=0.5), margin=None) <= one


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: equivalence(_tested(), margin=0.0), "margin"),
        (lambda: verdict(_tested(), adjusted_p=1.5), "adjusted_p"),
        (lambda: verdict(_tested(), adjusted_p=0.5, equivalence_p=-1.0), "equivalence_p"),
        (lambda: verdict(_tested(), adjusted_p=0.5, direction=0), "direction"),
        (lambda: agreement("higher", 1), "said"),
        (lambda: agreement("helps", 2), "expected"),
        (lambda: margin_of(-1.0, Headline("accuracy", "%")), "margin"),
        (lambda: seeds_needed(_tested(), margin=0.5, tests=0), "tests"),
        (lambda: seeds_needed(_tested(), margin=0.5, power=1.0), "power"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
