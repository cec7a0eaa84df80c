"""Intervals of a figure by bootstrap over the examples: for figures that are no mean, on the host."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxtricks import check


def bootstrap(
    seed: int, rows: Any, compute: Callable[[Any], float], *, ci: float = 0.95, resamples: int = 1000
) -> tuple[float, float]:
    """The interval of a figure of a set of examples: how far it might be off on other images of the kind.

    The figure is computed on ``resamples`` sets of N examples drawn with replacement; the limits are the percentiles
    ``(1 - ci) / 2`` and ``(1 + ci) / 2``. It tells nothing of another training run.

    Args:
      seed: an integer of 0 or more.
      rows: tree of arrays ``[N, ...]``: predictions and labels, say.
      compute: ``rows -> number``, on the host. Where it is NaN the resample is left out.
      ci: the confidence, between 0 and 1.
      resamples: an integer of 1 or more.

    Returns:
      The low and the high limit; NaN if every resample is NaN.

    Raises:
      ValueError: if an option is wrong, without an example, or if the arrays have not one length.
      TypeError: if compute is no function.

    Example:
      >>> low, high = bootstrap(0, np.arange(100) < 80, np.mean)
      >>> 0.70 < low < 0.8 < high < 0.9
      True

    Reference:
      Efron, Bootstrap methods: another look at the jackknife, 1979.
    """
    if not callable(compute):
        raise TypeError(f"compute is {compute!r}; allowed: a function of the rows.")
    lengths = {np.shape(leaf)[0] if np.ndim(leaf) else 0 for leaf in jax.tree.leaves(rows)}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"rows have {sorted(lengths)} examples; allowed: arrays of one length, 1 or more.")
    (count,) = lengths
    _confidence(ci)
    check.at_least("resamples", resamples, minimum=1)
    rng = np.random.default_rng(check.at_least("seed", seed))
    figures = []
    for _ in range(resamples):
        index = rng.integers(0, count, count)
        figures.append(float(compute(jax.tree.map(lambda leaf, index=index: np.asarray(leaf)[index], rows))))
    return interval(np.array(figures), ci=ci)


def draws(seed: int, count: int, resamples: int) -> np.ndarray:
    """How often each of ``count`` examples is drawn, ``[resamples, count]``."""
    resamples = check.at_least("resamples", resamples, minimum=1)
    rng = np.random.default_rng(check.at_least("seed", seed))
    return rng.multinomial(count, np.full(count, 1 / count), resamples) if count else np.zeros((resamples, 0))


def interval(figures: np.ndarray, *, ci: float) -> tuple[float, float]:
    """The percentiles of the figures that are numbers."""
    _confidence(ci)
    figures = figures[~np.isnan(figures)]
    if not figures.size:
        return float("nan"), float("nan")
    low, high = np.quantile(figures, [(1 - ci) / 2, (1 + ci) / 2])
    return float(low), float(high)


def _confidence(ci) -> None:
    if not isinstance(ci, check.NUMBERS) or not 0 < ci < 1:
        raise ValueError(f"ci is {ci!r}; allowed: a number between 0 and 1.")
