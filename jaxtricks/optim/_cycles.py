"""Schedules that go up and down; the shape is that of ``schedules``."""

import itertools

import jax.numpy as jnp
import optax

from jaxtricks import check
from jaxtricks.optim._schedules import check_run, long_enough


def restarts(
    peak: float, *, steps: int, steps_per_epoch: int | None = None, begin: int = 0, cycles: int = 3, growth: float = 2.0
) -> optax.Schedule:
    r"""Cosine decay with warm restarts; the last cycle ends with the run.

    .. math:: \eta_n = \eta \, \tfrac12 (1 + \cos(\pi (n - r_i) / (r_{i+1} - r_i))), \quad r_i \le n < r_{i+1}

    Cycle i + 1 is ``growth`` times as long as cycle i, and together they fill the run.

    Args:
      peak: the rate at every restart, > 0.
      steps: steps of the run.
      steps_per_epoch: not used; may be left out.
      begin: step of the run that the schedule counts from.
      cycles: number of cycles, >= 1.
      growth: ratio of the lengths of two cycles, > 0.

    Returns:
      ``n -> rate``.

    Raises:
      ValueError: if an argument is out of range, or a cycle is shorter than one step.

    Reference:
      Loshchilov and Hutter, SGDR, arXiv 1608.03983.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    check.integer("cycles", cycles)
    check.positive("cycles", cycles)
    check.positive("growth", growth)
    shares = list(itertools.accumulate(growth**i for i in range(cycles)))
    ends = [round((steps - begin) * share / shares[-1]) for share in shares]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    if min(lengths) < 1:
        raise ValueError(f"cycles is {cycles}, of {lengths} steps; allowed: cycles of one step or more.")
    return optax.join_schedules([optax.cosine_decay_schedule(peak, length) for length in lengths], ends[:-1])


def triangular(
    peak: float, *, steps: int, steps_per_epoch: int, epochs: float, low: float = 0.0, shrink: float = 1.0
) -> optax.Schedule:
    r"""Straight up and straight down, again and again.

    .. math:: \eta_t = \eta \, [l + (1 - l) \, s^{\lfloor c \rfloor} (1 - |2 (c - \lfloor c \rfloor) - 1|)]

    where c = t / (epochs · steps_per_epoch) counts cycles. It rises by itself, so it takes no warm-up.

    Args:
      peak: the highest rate, reached in the middle of the first cycle, > 0.
      steps: steps of the run; any length gives the same.
      steps_per_epoch: steps of one epoch.
      epochs: length of a cycle, up and down, > 0.
      low: l, the lowest rate as a fraction of the peak, 0 to 1.
      shrink: s, what is left of the height after each cycle, > 0; 1/2 is the paper's triangular2.

    Returns:
      ``t -> rate``.

    Raises:
      ValueError: if an argument is out of range.

    Reference:
      Smith, Cyclical learning rates for training neural networks, arXiv 1506.01186.
    """
    check_run(peak, steps, steps_per_epoch)
    check.positive("epochs", epochs)
    check.between("low", low, 0.0, 1.0)
    check.positive("shrink", shrink)

    def schedule(t):
        cycle = t / (epochs * steps_per_epoch)
        number = jnp.floor(cycle)
        height = 1 - jnp.abs(2 * (cycle - number) - 1)
        return peak * (low + (1 - low) * shrink**number * height)

    return schedule


def one_cycle(
    peak: float,
    *,
    steps: int,
    steps_per_epoch: int | None = None,
    rise: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> optax.Schedule:
    """One cosine up to the peak and one down over the entire run: ``optax.cosine_onecycle_schedule`` on a run.

    It rises by itself, so it takes no warm-up.

    Args:
      peak: the highest rate, > 0.
      steps: steps of the run.
      steps_per_epoch: not used; may be left out.
      rise: fraction of the run on the way up, between 0 and 1.
      div_factor: peak divided by the first rate, > 0.
      final_div_factor: first rate divided by the last, > 0.

    Returns:
      ``t -> rate``.

    Raises:
      ValueError: if an argument is out of range, or the way up or down shorter than one step.

    Reference:
      Smith and Topin, Super-convergence, arXiv 1708.07120.
    """
    check_run(peak, steps, steps_per_epoch)
    check.positive("div_factor", div_factor)
    check.positive("final_div_factor", final_div_factor)
    check.between("rise", rise, 0.0, 1.0)
    fits = lambda length: 0 < int(rise * length) < length  # noqa: E731
    if not fits(steps):
        up, hint = int(rise * steps), long_enough(steps, fits)
        raise ValueError(f"rise is {rise!r}, {up} of {steps} steps up; allowed: 1 step up and 1 down or more.{hint}")
    return optax.cosine_onecycle_schedule(steps, peak, rise, div_factor, final_div_factor)
