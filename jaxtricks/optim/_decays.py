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


def _epochs(n, steps_per_epoch: int, staircase: bool):
    """Epochs since the schedule began; none before it, where a joined schedule asks but does not look."""
    epochs = jnp.maximum(n, 0) / steps_per_epoch
    return jnp.floor(epochs) if staircase else epochs
