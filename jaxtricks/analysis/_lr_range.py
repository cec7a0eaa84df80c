"""The learning rate range test: losses while the rate rises, and what two rules make of them.

The test takes a few steps of training at rates that rise exponentially, and stops when the loss has gone up. The rules
are those of fastai: arrays in, a rate out.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxtricks import check


class RangeTest(NamedTuple):
    """What a range test saw, step by step, as NumPy arrays of one length.

    Fields:
      rates: rising, > 0.
      losses: of each step's batch, before the step.
      smoothed: their moving average.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray


def lr_range_test(
    step: Callable[[Any, float], tuple[Any, float]],
    state: Any,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    decay: float = 0.98,
    ratio: float = 4.0,
) -> RangeTest:
    r"""Train for a few steps at rates that rise from low to high.

    .. math:: \eta_i = low \, (high / low)^{i / steps}, \quad
        a_i = d \, a_{i-1} + (1 - d) \, \ell_i, \quad s_i = a_i / (1 - d^{i+1})

    It ends after ``steps`` steps, or with the first whose smoothed loss is more than ``ratio`` times the minimum so
    far, which is still in the result, or before the first whose loss is not finite.

    Args:
      step: ``(state, rate) -> (state, loss)``: one training step at that rate, and the loss of its batch before it.
      state: before the first step; it is not used again.
      low: the first rate, > 0.
      high: the rate that step ``steps`` would have, > low.
      steps: 6 or more.
      decay: d of the average, 0 to less than 1.
      ratio: > 1; infinity goes on to the end.

    Returns:
      Rates, losses and smoothed losses; all empty if the first loss is not finite.

    Raises:
      ValueError: if an option is out of range.

    Reference:
      Smith, Cyclical learning rates for training neural networks, arXiv 1506.01186; the average and the end are those
      of fastai's ``LRFinder`` (fastai, callback/schedule.py).
    """
    check.positive("low", low)
    if not low < high < math.inf:
        raise ValueError(f"high is {high!r}; allowed: greater than low, {low!r}, and finite.")
    steps = check.at_least("steps", steps, minimum=6)
    if not 0 <= decay < 1:
        raise ValueError(f"decay is {decay!r}; allowed: 0 to less than 1.")
    if not ratio > 1:
        raise ValueError(f"ratio is {ratio!r}; allowed: greater than 1.")
    seen, average, lowest = [], 0.0, math.inf
    for i in range(steps):
        rate = low * (high / low) ** (i / steps)
        state, loss = step(state, rate)
        loss = float(loss)
        if not math.isfinite(loss):
            break
        average = decay * average + (1 - decay) * loss
        smoothed = average / (1 - decay ** (i + 1))
        seen.append((rate, loss, smoothed))
        lowest = min(lowest, smoothed)
        if smoothed > ratio * lowest:
            break
    return RangeTest(*np.array(seen, np.float64).reshape(-1, 3).T)


def middle(test: RangeTest, *, steps: int, end: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """What fastai gives to the rules: without the first tenth of the steps and the last few.

    Args:
      test: of ``lr_range_test``.
      steps: as there.
      end: how many of the last are left out, an integer of 0 or more.

    Returns:
      ``(rates, smoothed losses)``.

    Raises:
      ValueError: if fewer than two are left, test is not as described, or steps or end is out of range.
    """
    for name, values in zip(test._fields, test, strict=True):
        check.rank(f"test.{name}", values, 1)
        check.same_shape(f"test.{name}", values, "test.rates", test.rates)
    steps, end = check.at_least("steps", steps), check.at_least("end", end)
    chosen = slice(steps // 10, len(test.rates) - end)
    rates, losses = test.rates[chosen], test.smoothed[chosen]
    if len(rates) < 2:
        raise ValueError(f"test has {len(test.rates)} steps; allowed: {steps // 10 + end + 2} or more.")
    return rates, losses


def steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    r"""The rate at which the loss falls most for a change of the rate's logarithm.

    .. math:: \eta_i, \quad i = \arg\min_i \frac{s_{i+1} - s_i}{\log \eta_{i+1} - \log \eta_i}

    Args:
      rates: ``[N]``, rising, > 0.
      losses: ``[N]``, finite, smoothed; N is 2 or more.

    Returns:
      One of the rates.

    Raises:
      ValueError: if the arrays are not as described, or the loss falls nowhere.

    Reference:
      fastai, callback/schedule.py, ``steep``.
    """
    rates, losses = _curve(rates, losses)
    slopes = np.diff(losses) / np.diff(np.log(rates))
    return float(rates[:-1][slopes.argmin()])


def valley(rates: np.ndarray, losses: np.ndarray) -> float:
    r"""The rate in the middle of the longest fall of the loss.

    The longest fall is the longest strictly decreasing subsequence, of L losses, the earliest to end at e of equal
    ones. It is taken as if it had no gaps, and its middle as a third and a sixth of it, rounded down:

    .. math:: \eta_i, \quad i = \max(0, e - L + \lfloor L / 3 \rfloor + \lfloor L / 6 \rfloor)

    Args:
      rates: ``[N]``, rising, > 0.
      losses: ``[N]``, finite, smoothed; N is 2 or more.

    Returns:
      One of the rates.

    Raises:
      ValueError: if the arrays are not as described, or the loss falls nowhere.

    Reference:
      fastai, callback/schedule.py, ``valley``; where that reaches before the first rate, this stays there.
    """
    rates, losses = _curve(rates, losses)
    lengths: list[int] = []
    for i, loss in enumerate(losses):
        lengths.append(1 + max((lengths[j] for j in range(i) if losses[j] > loss), default=0))
    length = max(lengths)
    index = lengths.index(length) - length + length // 3 + length // 6
    return float(rates[max(0, index)])


def _curve(rates, losses) -> tuple[np.ndarray, np.ndarray]:
    rates, losses = np.asarray(rates), np.asarray(losses)
    check.number("rates", rates)
    check.number("losses", losses)
    rates, losses = rates.astype(np.float64), losses.astype(np.float64)
    check.rank("rates", rates, 1)
    check.same_shape("losses", losses, "rates", rates)
    if len(rates) < 2 or not (rates[0] > 0 and (np.diff(rates) > 0).all() and np.isfinite(rates[-1])):
        raise ValueError(f"rates is {rates}; allowed: two or more, rising, greater than 0, finite.")
    if not np.isfinite(losses).all():
        raise ValueError(f"losses is {losses}; allowed: finite numbers.")
    if not (np.diff(losses) < 0).any():
        raise ValueError(f"losses is {losses}; allowed: losses that fall somewhere.")
    return rates, losses
