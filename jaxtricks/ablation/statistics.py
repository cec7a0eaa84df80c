"""Statistics of paired runs: intervals, corrected p-values, the smallest effect that a number of seeds resolves.

A difference is treated minus control at one seed, in the unit of the values (for percent: points).
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from jaxtricks import check
from jaxtricks.ablation._moments import moments, open_unit, values_of


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What n pairs say about a mean difference.

    Fields:
      n: number of pairs.
      mean: mean difference, treated minus control.
      sd: standard deviation of the differences, n - 1 in the denominator; infinite, that is unknown, for one pair.
      low, high: paired t interval of the mean difference.
      p: two-sided p-value of the paired t-test of no difference.
      bootstrap_low, bootstrap_high: bootstrap-t interval of the mean difference.
      confidence: of both intervals.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p: float
    bootstrap_low: float
    bootstrap_high: float
    confidence: float


def paired(
    treated,
    control,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> Comparison:
    r"""Compare two arms that share their seeds.

    .. math:: d_i = treated_i - control_i, \quad t = \frac{\bar d}{s_d / \sqrt n}, \quad p = 2 P(T_{n-1} > |t|)

    One pair, or differences without spread, allow no estimate of the error: the intervals are then
    (-inf, inf) and p is 1, whatever the mean. Equal differences come from a grid of values (a test set of
    finite size), so they are no sign of certainty.

    Args:
      treated: values of one arm, ``[n]``, n >= 1, finite.
      control: values of the other at the same seeds, ``[n]``.
      confidence: of the intervals, between 0 and 1.
      resamples: of the bootstrap, 1 or more.
      seed: of the bootstrap; the same seed gives the same interval.
      limits: values that no mean difference can leave; intervals are cut there, but for those that are (-inf, inf).

    Returns:
      A Comparison, without a NaN.

    Raises:
      ValueError: if the shapes differ or are not ``[n]``, a value is not finite, or an option is out of range.
    """
    treated, control = values_of("treated", treated), values_of("control", control)
    check.rank("treated", treated, 1)
    check.same_shape("control", control, "treated", treated)
    if not limits[0] < limits[1]:
        raise ValueError(f"limits is {limits!r}; allowed: the lower one before the higher one.")
    differences = treated - control
    n = differences.size
    mean, sd, error = moments(differences)
    low, high = _within(limits, *interval(differences, confidence=confidence))
    bootstrap_low, bootstrap_high = _within(
        limits, *bootstrap_interval(differences, confidence=confidence, resamples=resamples, seed=seed)
    )
    p = 2 * special.stdtr(max(n - 1, 1), -abs(mean) / error)  # 1 where the error is unknown, that is infinite
    return Comparison(
        n=n,
        mean=float(mean),
        sd=float(sd),
        low=float(low),
        high=float(high),
        p=float(p),
        bootstrap_low=float(bootstrap_low),
        bootstrap_high=float(bootstrap_high),
        confidence=confidence,
    )


def _within(limits: tuple[float, float], low, high) -> tuple[np.ndarray, np.ndarray]:
    """An interval cut at the limits; where both of its ends are unknown it stays so."""
    bounded = np.isfinite(low) | np.isfinite(high)
    return np.where(bounded, np.clip(low, *limits), low), np.where(bounded, np.clip(high, *limits), high)


def interval(values, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    r"""The t interval of the mean.

    .. math:: \bar x \pm t_{n-1,\,(1 + confidence) / 2} \, s / \sqrt n

    Args:
      values: ``[..., n]``, n >= 1, finite.
      confidence: between 0 and 1.

    Returns:
      The bounds, each ``[...]``: -inf and inf where n is 1 or all n values are equal.

    Raises:
      ValueError: if there are no values, one is not finite, or confidence is out of range.
    """
    values = values_of("values", values)
    open_unit("confidence", confidence)
    mean, _, error = moments(values)
    half = error * special.stdtrit(max(values.shape[-1] - 1, 1), (1 + confidence) / 2)
    return mean - half, mean + half


def bootstrap_interval(
    values, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    r"""The bootstrap-t interval of the mean: t quantiles from resamples in place of those of the normal model.

    .. math:: [\bar x - q_{1 - \alpha / 2} \, s / \sqrt n, \; \bar x - q_{\alpha / 2} \, s / \sqrt n], \quad
        q \text{ of } t^* = \frac{\bar x^* - \bar x}{s^* / \sqrt n}

    Chosen by simulated coverage at n = 3 to 10. At 95 %, the percentile and BCa intervals cover the mean of 4 normal
    values in about 81 % of all cases, of 10 in 90 %; this one in 95 %. For exponential values it covers 93 to 94 %,
    the t interval 88 to 90 %. The price is width, above all at n = 4. A resample of one value repeated has no spread
    and a t* of plus or minus infinity: where such resamples make up more than alpha / 2 of a tail, the bound on the
    other side is infinite. At 95 % that is so for n <= 3, and with ties for larger n.

    Args:
      values: ``[..., n]``, n >= 1, finite; every leading entry is resampled by the same draws.
      confidence: between 0 and 1.
      resamples: 1 or more.
      seed: of the draws.

    Returns:
      The bounds, each ``[...]``: -inf and inf where n is 1 or all n values are equal.

    Raises:
      ValueError: if there are no values, one is not finite, or an option is out of range.

    Reference:
      Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 12.
    """
    values = values_of("values", values)
    open_unit("confidence", confidence)
    check.positive("resamples", resamples)
    n = values.shape[-1]
    mean, sd, error = moments(values)
    bounded = np.isfinite(error)
    standard = (values - mean[..., None]) / np.where(bounded, sd, 1.0)[..., None]  # mean 0, deviation 1
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).T / n
    means = standard @ draws
    variances = (standard**2 @ draws - means**2) * n / max(n - 1, 1)
    spread = variances > 1e-9
    unbounded = np.select([means > 1e-9, means < -1e-9], [np.inf, -np.inf], 0.0)
    t = np.sort(np.where(spread, means * np.sqrt(n / np.where(spread, variances, 1.0)), unbounded), axis=-1)
    first = t[..., int(np.floor((1 - confidence) / 2 * resamples))]
    last = t[..., int(np.ceil((1 + confidence) / 2 * resamples)) - 1]
    low, high = mean - last * np.where(bounded, error, 1.0), mean - first * np.where(bounded, error, 1.0)
    return np.where(bounded, low, -np.inf), np.where(bounded, high, np.inf)


def holm(p_values) -> np.ndarray:
    r"""Holm's step-down correction for several tests: the chance of one false finding or more stays below alpha.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) \, p_{(j)})

    Args:
      p_values: ``[m]``, each in 0 to 1; m may be 0.

    Returns:
      Adjusted p-values in the order given, ``[m]``.

    Raises:
      ValueError: if the rank is not 1 or a value lies outside 0 to 1.

    Reference:
      Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    p = np.asarray(p_values, float)
    check.rank("p_values", p, 1)
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError(f"p_values is {p.tolist()}; allowed: values in 0 to 1.")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate((p.size - np.arange(p.size)) * p[order]), 1.0)
    return adjusted


def resolvable(n: int, sd: float, *, borrowed: float = 0.0, confidence: float = 0.95, power: float = 0.8) -> float:
    r"""The smallest true mean difference that a t-test of n pairs finds with the given power.

    The solution :math:`\delta` of

    .. math:: P(|T| > t_{\nu,\,(1 + confidence) / 2}) = power, \quad T \text{ noncentral } t_\nu, \;
        \nu = n - 1 + borrowed, \; \text{noncentrality } \delta \sqrt n / sd

    for one test alone; for the first of m tests under Holm's correction, give ``confidence=1 - alpha / m``.

    Args:
      n: number of pairs, 0 or more.
      sd: standard deviation of the differences, 0 or more.
      borrowed: degrees of freedom that a moderated test adds, 0 or more; 0 is the paired t-test.
      confidence: between 0 and 1.
      power: between 1 - confidence and 1.

    Returns:
      The difference, in the unit of sd; inf without a degree of freedom.

    Raises:
      ValueError: if an argument is out of range.
    """
    check.between("n", n, 0, np.inf)
    check.between("sd", sd, 0.0, np.inf)
    open_unit("confidence", confidence)
    if not 1 - confidence < power < 1:
        raise ValueError(f"power is {power!r}; allowed: between 1 - confidence and 1, exclusive.")
    check.between("borrowed", borrowed, 0.0, np.inf)
    degrees = n - 1 + borrowed
    if n < 1 or degrees <= 0:
        return np.inf
    if sd == 0:
        return 0.0
    critical = special.stdtrit(degrees, (1 + confidence) / 2)

    def shortfall(noncentrality: float) -> float:
        """Of power; T squared is noncentral F with 1 and that many degrees of freedom."""
        return 1 - special.ncfdtr(1, degrees, noncentrality**2, critical**2) - power

    high = 1.0
    while shortfall(high) < 0:
        high *= 2
    root = optimize.brentq(shortfall, 0.0, high)
    return float(root * sd / np.sqrt(n))  # pyright: ignore[reportOperatorIssue] - a tuple only with full_output
