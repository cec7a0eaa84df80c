"""From a tested difference to a verdict: helps, hurts, no effect beyond a margin, or not resolved."""

import numpy as np
from scipy import special

from jaxtricks import check
from jaxtricks.ablation._moments import open_unit
from jaxtricks.ablation.headline import Headline
from jaxtricks.ablation.moderated import Moderated

ALPHA = 0.05  # rate of false verdicts among all rows
VERDICTS = ("helps", "hurts", "no effect", "not resolved")
MARGIN = 0.5  # points: what is no gain to speak of, unless the user says otherwise
MOST_SEEDS = 1000  # beyond which no number of seeds is named


def margin_of(margin: float | None, headline: Headline) -> float | None:
    """What counts as no effect: as it was asked for, else ``MARGIN`` points where the headline is in percent.

    Args:
      margin: as in the results, or None.
      headline: gives the unit.

    Returns:
      The margin, > 0; None where there is none, and no effect is ever shown to be absent.

    Raises:
      ValueError: if it is not positive.
    """
    if margin is None:
        return MARGIN if headline.unit == "%" else None
    check.positive("margin", margin)
    return float(margin)


def equivalence(tested: Moderated, *, margin: float) -> float:
    r"""The p-value of two one-sided t-tests: small where the mean difference is shown to lie within the margin.

    .. math:: p = P\left(T_\nu > \frac{margin - |\bar d|}{\tilde s / \sqrt n}\right)

    It is below alpha exactly where the interval of confidence 1 - 2 alpha lies within the margin on both sides.

    Args:
      tested: from ``moderated``.
      margin: the largest difference that counts as none, > 0, in the unit of the differences.

    Returns:
      p; 1 where the error is unknown.

    Raises:
      ValueError: if the margin is not positive.

    Reference:
      Schuirmann, A comparison of the two one-sided tests procedure and the power approach, Journal of Pharmacokinetics
      and Biopharmaceutics 15, 1987.
    """
    check.positive("margin", margin)
    if not np.isfinite(tested.error):
        return 1.0
    return float(special.stdtr(tested.df, (abs(tested.mean) - margin) / tested.error))


def verdict(
    tested: Moderated, *, adjusted_p: float, equivalence_p: float = 1.0, direction: int = 1, alpha: float = ALPHA
) -> str:
    """What is to be said of a difference.

    Args:
      tested: from ``moderated``.
      adjusted_p: of no difference, after ``holm``.
      equivalence_p: from ``equivalence``, after ``holm`` over the same rows; 1 where no margin was asked for.
      direction: 1 where a higher value is better, -1 where a lower one is.
      alpha: rate of false verdicts among all rows, of differences and of absent effects alike.

    Returns:
      ``"helps"``, ``"hurts"``: the difference is resolved, and this is its side, however small it is.
      ``"no effect"``: none beyond the margin. ``"not resolved"``: all else; it does not say that there is no effect.

    Raises:
      ValueError: if a p-value lies outside 0 to 1, or direction is neither 1 nor -1.
    """
    check.between("adjusted_p", adjusted_p, 0.0, 1.0)
    check.between("equivalence_p", equivalence_p, 0.0, 1.0)
    check.option("direction", direction, (1, -1))
    open_unit("alpha", alpha)
    if adjusted_p < alpha:
        return "helps" if direction * tested.mean > 0 else "hurts"
    return "no effect" if equivalence_p < alpha else "not resolved"


def agreement(said: str, expected: int | None) -> str | None:
    """A verdict beside what the paper leads to expect.

    Args:
      said: from ``verdict``.
      expected: 1 (better), 0 (no effect), -1 (worse), or None where nothing was expected.

    Returns:
      ``"agrees"`` or ``"disagrees"``; None where nothing was resolved, or nothing was expected.

    Raises:
      ValueError: if an argument is another.
    """
    check.option("said", said, VERDICTS)
    check.option("expected", expected, (-1, 0, 1, None))
    if expected is None or said == "not resolved":
        return None
    return "agrees" if {"helps": 1, "hurts": -1, "no effect": 0}[said] == expected else "disagrees"


def seeds_needed(tested: Moderated, *, margin: float | None, tests: int = 1, power: float = 0.8) -> int | None:
    r"""With how many seeds this row would be resolved, if its difference and its spread are as they look now.

    The smallest number with which the difference is resolved, or shown to lie within the margin, with the given
    power, at alpha / tests as for the first row of Holm's correction. That of the two one-sided tests is bounded by the
    sum of their errors.

    Args:
      tested: from ``moderated``.
      margin: as in ``equivalence``; None: the difference is to be resolved.
      tests: number of rows that are tested together, 1 or more.
      power: between 0 and 1.

    Returns:
      The number of seeds, 2 or more; None where the spread is unknown, or more than ``MOST_SEEDS`` would be needed.

    Raises:
      ValueError: if an argument is out of range.
    """
    if margin is not None:
        check.positive("margin", margin)
    tests = check.at_least("tests", tests, minimum=1)
    open_unit("power", power)
    if not np.isfinite(tested.sd):
        return None
    n = np.arange(2, MOST_SEEDS + 1)
    df, scale, alpha = n - 1 + tested.borrowed, np.sqrt(n) / tested.sd, (1 - tested.confidence) / tests
    shift = abs(tested.mean)
    resolved = _exceeds(special.stdtrit(df, 1 - alpha / 2), df, shift * scale)
    critical = special.stdtrit(df, 1 - alpha)
    absent = np.zeros(n.shape)
    if margin is not None:
        absent = sum(_exceeds(critical, df, (margin + side * shift) * scale) for side in (-1, 1)) - 1
    enough = n[np.maximum(resolved, absent) >= power]
    return int(enough[0]) if enough.size else None


def _exceeds(critical: np.ndarray, df: np.ndarray, noncentrality: np.ndarray) -> np.ndarray:
    """P(T > critical) of noncentral t; 1 and 0 far out, where the series of the distribution gives up."""
    near = np.clip(noncentrality, -30.0, 30.0)
    return np.where(noncentrality > 30 + critical, 1.0, 1 - special.nctdtr(df, near, critical))
