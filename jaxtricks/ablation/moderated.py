r"""Moderated tests: with few seeds and many rows, a row's variance also learns from those of the other rows.

With n pairs a row's own variance is worth n - 1 degrees of freedom: with two to five seeds that is next to nothing, and
the t quantile makes the interval wide. The rows of a table are alike: the same data, network and seeds. What the
variances say together is a prior for each of them, a scaled inverse chi-squared distribution with :math:`d_0` degrees
of freedom around :math:`s_0^2`, fitted by the moments of :math:`\log s^2` (Smyth 2004, as in limma's eBayes).

As it stands that is not valid here, because ten rows cannot tell :math:`d_0`: simulated family-wise errors reach 0.16.
Four things mend it. The prior never counts for more than ``LIMIT`` degrees, and for fewer where its scale is itself
uncertain. Its scale is the geometric mean of the variances, which is larger than :math:`s_0^2` where they differ. Rows
that share an arm have variances that are correlated, which the moments take into account. And a row that spreads more
than the others keeps its own variance, and borrows fewer degrees the more it stands out: a wild row cannot pass for a
quiet one, and being one logarithm among many it does not ruin the others. ``tests/ablation/test_moderated.py``
simulates the errors, the coverage and the power.

What of the noise this covers: the seeds, that is weights, order and draws. Both arms of a pair are tested on the same
images, so that most of what the choice of a test set adds to a figure cancels in a difference; what is left of it, a
trick that suits these test images better than others like them, is the same for every seed and in no interval here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from jaxtricks import check
from jaxtricks.ablation._moments import moments, open_unit, values_of
from jaxtricks.ablation.contrasts import correlation_of, groups_of

LIMIT = 10.0  # degrees of freedom that the prior counts for at most; chosen by the simulations of tests/ablation
FEWEST = 3  # variances that a prior is learnt from; two do not tell how much they differ


class Prior(NamedTuple):
    """What the variances of all rows say together, over any leading axes.

    Fields:
      df: degrees of freedom of the fitted distribution, infinite where the variances differ no more than by chance.
      variance: its :math:`s_0^2`.
      scale: geometric mean of the variances, what one is moderated towards.
      weight: degrees that it counts for in a test; 0 where there are fewer than ``FEWEST`` variances to learn from.
    """

    df: np.ndarray
    variance: np.ndarray
    scale: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Moderated:
    """What n pairs and the other rows say about a mean difference.

    Fields:
      n: number of pairs.
      mean: mean difference.
      sd: moderated standard deviation of a difference; infinite where it is unknown.
      df: degrees of freedom of the test, those borrowed from the prior included.
      borrowed: degrees of freedom from the prior.
      low, high: interval of the mean difference.
      p: two-sided p-value of no difference.
      confidence: of the interval.
    """

    n: int
    mean: float
    sd: float
    df: float
    borrowed: float
    low: float
    high: float
    p: float
    confidence: float

    @property
    def error(self) -> float:
        """Standard error of the mean difference."""
        return self.sd / self.n**0.5


def moderated(
    differences: Sequence,
    *,
    contrasts: Sequence[Mapping[str, float]] | None = None,
    confidence: float = 0.95,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> list[Moderated]:
    r"""Test the mean difference of every row of a table, each with a variance that has learnt from all of them.

    .. math:: t_i = \frac{\bar d_i}{\tilde s_i / \sqrt{n_i}}, \quad
        \tilde s_i^2 = \max\!\left(s_i^2, \frac{b_i g + (n_i - 1) s_i^2}{b_i + n_i - 1}\right), \quad
        b_i = b \, \min(1, g / s_i^2)

    with :math:`b_i + n_i - 1` degrees of freedom; g is the scale of ``fit_prior``, b its weight, at most ``LIMIT``. One
    row or two have nothing to learn from: b is 0, and the test is the paired t-test. Where variances have little in
    common it is nearly that. A row of one pair, or of equal differences, which come from a grid of values and are no
    sign of certainty, has the scale of the prior with its degrees; without a prior its interval is (-inf, inf) and p
    is 1.

    Args:
      differences: of each row, one value a seed, ``[n_i]``, n_i >= 1, finite. Lengths may differ.
      contrasts: of each row, the weights of its arms by name, such as ``{"mixup": 1, "baseline": -1}``. Variances are
        compared after division by the sum of the squared weights, and rows that share an arm are correlated. None: no
        row shares an arm with another.
      confidence: of the intervals, between 0 and 1.
      limits: values that no mean difference can leave; intervals are cut there, which no coverage is lost by.

    Returns:
      A Moderated for each row, without a NaN.

    Raises:
      ValueError: if a row has no values, one is not finite, the contrasts do not fit, or confidence is out of range.

    Reference:
      Smyth, Linear models and empirical Bayes methods for assessing differential expression in microarray experiments,
      Statistical Applications in Genetics and Molecular Biology 3, 2004.
    """
    rows = [values_of(f"differences[{i}]", row) for i, row in enumerate(differences)]
    for i, row in enumerate(rows):
        check.rank(f"differences[{i}]", row, 1)
    open_unit("confidence", confidence)
    if contrasts is None:
        contrasts = [{str(i): 1.0} for i in range(len(rows))]
    if len(contrasts) != len(rows) or not all(any(weights.values()) for weights in contrasts):
        raise ValueError(f"contrasts is {contrasts!r}; allowed: weights for each of {len(rows)} rows, not all 0.")
    if not rows:
        return []
    n = np.array([row.size for row in rows])
    mean, sd, _ = map(np.array, zip(*map(moments, rows), strict=True))
    size = np.array([sum(weight**2 for weight in weights.values()) for weights in contrasts])
    sample = np.where(n > 1, sd, 0.0) ** 2 / size
    sample_df = np.where(sample > 0, n - 1.0, 0.0)
    # Each group of rows is moderated by itself.
    variances, degrees = np.empty_like(sample), np.empty_like(sample_df)
    correlation = correlation_of(contrasts)
    for group in groups_of(correlation):
        within = correlation[np.ix_(group, group)]
        variances[group], degrees[group] = moderate(sample[group], sample_df[group], correlation=within)
    # The t-test and its interval.
    sd = np.sqrt(variances * size)
    error = sd / np.sqrt(n)
    bounded = np.isfinite(error)
    p = 2 * special.stdtr(degrees, -np.abs(mean) / error)
    half = error * special.stdtrit(degrees, (1 + confidence) / 2)
    low, high = (np.where(bounded, np.clip(end, *limits), end) for end in (mean - half, mean + half))
    borrowed = np.where(bounded, degrees - sample_df, 0.0)
    names = ("n", "mean", "sd", "df", "borrowed", "low", "high", "p")
    columns = zip(*(array.tolist() for array in (n, mean, sd, degrees, borrowed, low, high, p)), strict=True)
    return [Moderated(**dict(zip(names, column, strict=True)), confidence=confidence) for column in columns]


def moderate(variances, df, *, correlation=None) -> tuple[np.ndarray, np.ndarray]:
    """The variance of every row that has learnt from all rows, and its degrees of freedom.

    Args:
      variances: sample variances, ``[..., R]``, 0 or more; 0 stands for a row that says nothing of its own.
      df: their degrees of freedom, ``[R]``, 0 or more.
      correlation: as in ``fit_prior``.

    Returns:
      ``(variances, degrees)``, each ``[..., R]``; infinite with 1 degree where nothing is known.
    """
    variances, df = np.asarray(variances, float), np.asarray(df, float)
    prior = fit_prior(variances, df, correlation=correlation)
    scale, weight = prior.scale[..., None], prior.weight[..., None]
    sample_df = np.where(variances > 0, df, 0.0)
    # A row that spreads more than the others keeps its own variance, and borrows fewer degrees.
    weight = weight * np.minimum(1.0, scale / np.where(variances > 0, variances, scale))
    total = weight + sample_df
    squeezed = squeeze(variances, sample_df, scale, weight)
    return np.where(total > 0, np.maximum(squeezed, variances), np.inf), np.where(total > 0, total, 1.0)


def fit_prior(variances, df, *, correlation=None) -> Prior:
    r"""Fit a scaled inverse chi-squared distribution to the variances of the rows, by the moments of their logarithms.

    With :math:`e_i = \log s_i^2 - \psi(d_i / 2) + \log(d_i / 2)`, the solution of

    .. math:: \psi'(d_0 / 2) = \mathrm{var}(e) - (1 - \bar r) \, \overline{\psi'(d_i / 2)}, \quad
        \log s_0^2 = \bar e + \psi(d_0 / 2) - \log(d_0 / 2), \quad \log g = \bar e

    where :math:`\bar r` is the mean correlation between the variances of two rows. The weight b of the prior is

    .. math:: 1 / b = 1 / d_0 + 1 / \mathrm{LIMIT} + \mathrm{var}(\bar e) / 2

    the last term for the error of its scale: the logarithm of a variance with b degrees varies by about 2 / b.

    Args:
      variances: ``[..., R]``, 0 or more. Those of 0 are left out.
      df: degrees of freedom of each, ``[R]``; a row of 0 is left out.
      correlation: between the variances of two rows, ``[R, R]``; None: independent.

    Returns:
      A Prior over the leading axes.

    Raises:
      ValueError: if a shape does not fit or a variance is negative or not finite.
    """
    variances, df = values_of("variances", variances), values_of("df", df)
    rows = variances.shape[-1]
    check.shape("df", df, (rows,))
    if np.any(variances < 0):
        raise ValueError(f"variances is {variances.tolist()}; allowed: 0 or more.")
    correlation = np.eye(rows) if correlation is None else np.asarray(correlation, float)
    check.shape("correlation", correlation, (rows, rows))
    half = np.maximum(df, 1e-9) / 2
    used = (variances > 0) & (df > 0)
    count = used.sum(-1)
    logs = np.log(np.where(used, variances, 1.0)) - special.digamma(half) + np.log(half)
    centre = _mean(logs, used)
    noise = _mean(np.broadcast_to(special.polygamma(1, half), used.shape), used)
    between = np.einsum("...i,ij,...j->...", used, correlation - np.diag(np.diag(correlation)), used)
    shared = between / np.maximum(count * (count - 1), 1)
    spread = np.sum(np.where(used, (logs - centre[..., None]) ** 2, 0.0), -1) / np.maximum(count - 1, 1)
    excess = spread - (1 - shared) * noise
    certain = excess < 1e-9
    prior_half = np.where(certain, np.inf, trigamma_inverse(np.where(certain, 1.0, excess)))
    finite = np.where(certain, 1.0, prior_half)
    variance = np.exp(centre + np.where(certain, 0.0, special.digamma(finite) - np.log(finite)))
    error = (noise * (1 + (count - 1) * shared) + np.maximum(excess, 0.0)) / np.maximum(count, 1)
    weight = np.where(count >= FEWEST, 1 / (1 / (2 * prior_half) + 1 / LIMIT + error / 2), 0.0)
    return Prior(2 * prior_half, variance, np.exp(centre), weight)


def squeeze(variances, df, prior_variance, prior_df) -> np.ndarray:
    r"""Mean of sample and prior variance, weighted by their degrees: :math:`(d_0 s_0^2 + d s^2) / (d_0 + d)`.

    Args:
      variances, df: of the rows, ``[..., R]``.
      prior_variance, prior_df: of the prior, broadcast to them.

    Returns:
      ``[..., R]``; the prior variance where there is no degree at all.
    """
    total = prior_df + df
    weighted = prior_df * prior_variance + df * np.asarray(variances)
    return np.where(total > 0, weighted / np.where(total > 0, total, 1.0), prior_variance)


def trigamma_inverse(value) -> np.ndarray:
    r"""The x > 0 with :math:`\psi'(x) = value`, by Newton's method on :math:`1 / \psi'`, which is convex.

    Args:
      value: > 0.

    Returns:
      x, of the same shape.
    """
    value = np.asarray(value, float)
    x = 0.5 + 1 / value
    for _ in range(60):
        now = special.polygamma(1, x)
        step = now * (1 - now / value) / special.polygamma(2, x)
        x = x + step
        if np.all(np.abs(step) <= 1e-12 * x):
            break
    return x


def _mean(values: np.ndarray, used: np.ndarray) -> np.ndarray:
    return np.sum(np.where(used, values, 0.0), -1) / np.maximum(used.sum(-1), 1)
