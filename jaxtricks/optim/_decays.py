"""Schedules that lose a share of the rate every epoch, however long the run; the shape is that of ``schedules``."""

import jax.numpy as jnp
import optax

from jaxtricks import check
from jaxtricks.optim._schedules import check_run


def exponential(
    peak: float, *, steps: int, steps_per_epoch: int, begin: int = 0, factor: float, staircase: bool = False
) -> optax.Schedule:
    r"""Multiply the rate by a factor every epoch.

    .. math:: \eta_n = \eta \, f^{n / steps\_per\_epoch}

    Args:
      peak: the rate at n = 0, > 0.
      steps: steps of the run; any length gives the same.
      steps_per_epoch: steps of one epoch.
      begin: step of the run that the schedule counts from.
      factor: f > 0, for one epoch.
      staircase: whether to change at the start of an epoch only.

    Returns:
      ``n -> rate``.

    Raises:
      ValueError: if an argument is out of range.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    check.positive("factor", factor)
    return optax.exponential_decay(peak, steps_per_epoch, factor, staircase=staircase)


def natural_exponential(
    peak: float, *, steps: int, steps_per_epoch: int, begin: int = 0, rate: float, staircase: bool = False
) -> optax.Schedule:
    r"""Exponential decay, given by its rate.

    .. math:: \eta_n = \eta \, e^{-k n / steps\_per\_epoch}

    Args:
      peak: the learning rate at n = 0, > 0.
      steps: steps of the run; any length gives the same.
      steps_per_epoch: steps of one epoch.
      begin: step of the run that the schedule counts from.
      rate: k > 0, for one epoch.
      staircase: whether to change at the start of an epoch only.

    Returns:
      ``n -> learning rate``.

    Raises:
      ValueError: if an argument is out of range.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    check.positive("rate", rate)
    return lambda n: peak * jnp.exp(-rate * _epochs(n, steps_per_epoch, staircase))


def inverse_time(
    peak: float, *, steps: int, steps_per_epoch: int, begin: int = 0, rate: float, staircase: bool = False
) -> optax.Schedule:
    r"""Decay with one over time.

    .. math:: \eta_n = \eta / (1 + k n / steps\_per\_epoch)

    Args:
      peak: the learning rate at n = 0, > 0.
      steps: steps of the run; any length gives the same.
      steps_per_epoch: steps of one epoch.
      begin: step of the run that the schedule counts from.
      rate: k > 0, for one epoch.
      staircase: whether to change at the start of an epoch only.

    Returns:
      ``n -> learning rate``.

    Raises:
      ValueError: if an argument is out of range.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    check.positive("rate", rate)
    return lambda n: peak / (1 + rate * _epochs(n, steps_per_epoch, staircase))


def inverse_sqrt(
    peak: float, *, steps: int, steps_per_epoch: int | None = None, begin: int = 0, hold: int = 1
) -> optax.Schedule:
    r"""Decay with one over the root of time, as of transformers (Noam): for runs whose length is not known before.

    .. math:: \eta_n = \eta \, \sqrt{k / (k + n)}, \quad k = \max(begin, hold)

    Behind a warm-up of W steps it is the schedule of the paper, :math:`\propto \min(t / W^{3/2}, 1 / \sqrt{t})`, with
    its peak given by number and not by the width of the network.

    Args:
      peak: the learning rate at n = 0, > 0.
      steps: steps of the run; any length gives the same.
      steps_per_epoch: not used; may be left out.
      begin: step of the run that the schedule counts from: the length of the warm-up.
      hold: k where there is no longer warm-up, >= 1: after 3 k steps the rate is half the peak.

    Returns:
      ``n -> learning rate``.

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> rate = inverse_sqrt(0.1, steps=100, begin=4)
      >>> print([round(float(rate(n)), 4) for n in (0, 12, 96)])  # steps 4, 16 and 100 of the run
      [0.1, 0.05, 0.02]

    Reference:
      Vaswani et al., Attention is all you need, arXiv 1706.03762, section 5.3.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    start = max(begin, check.at_least("hold", hold, minimum=1))
    return lambda n: peak * jnp.sqrt(start / (start + jnp.maximum(n, 0)))


def _epochs(n, steps_per_epoch: int, staircase: bool):
    """Epochs since the schedule began; none before it, where a joined schedule asks but does not look."""
    epochs = jnp.maximum(n, 0) / steps_per_epoch
    return jnp.floor(epochs) if staircase else epochs
