"""Schedules of the learning rate over one run, all of one shape.

``f(peak, *, steps, steps_per_epoch, begin=0) -> schedule``: ``peak`` is the highest rate, ``steps`` the length of the
entire run, ``steps_per_epoch`` is needed only by those that count epochs, and ``begin`` is the step at which the
schedule takes over from a warm-up. The schedule it returns counts from ``begin``: ``schedule(n)`` is the rate of step
``begin + n`` of the run. So a decay "over the run" ends with the run, and a boundary "at a quarter of the run" stays
where it is, warm-up or not.
"""

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise

import optax

from jaxtricks import check


def constant(peak: float, *, steps: int, steps_per_epoch: int | None = None, begin: int = 0) -> optax.Schedule:
    """The same rate at every step.

    Args:
      peak: the rate, > 0.
      steps: steps of the run; any length gives the same.
      steps_per_epoch: not used; may be left out.
      begin: step of the run that the schedule counts from, below ``steps``.

    Returns:
      ``n -> rate``.

    Raises:
      ValueError: if an argument is out of range.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    return optax.constant_schedule(peak)


def step_decay(
    peak: float,
    *,
    steps: int,
    steps_per_epoch: int | None = None,
    begin: int = 0,
    fractions: Sequence[float] | None = None,
    every_epochs: float | None = None,
    factor: float = 0.1,
) -> optax.Schedule:
    r"""Multiply the rate by a factor at given points of the run, or every few epochs.

    .. math:: \eta_n = \eta \, f^{|\{i : begin + n \ge r_i\}|}, \quad r_i = \mathrm{round}(fractions_i \, steps)

    The points are fractions of the entire run, not of what a warm-up leaves of it. With ``every_epochs`` they are
    multiples of so many epochs after ``begin``, however long the run: 0.94 every two epochs (Inception), or 0.5 every
    five.

    Args:
      peak: the rate before the first point, > 0.
      steps: steps of the run.
      steps_per_epoch: steps of one epoch, for ``every_epochs``; else not used, and may be left out.
      begin: step of the run that the schedule counts from, before the first point.
      fractions: the points, increasing, between 0 and 1. Step r is the first with the next rate. None for a quarter, a
        half and three quarters, unless ``every_epochs`` is given.
      every_epochs: epochs from one point to the next, of a step or more, or None for ``fractions``.
      factor: f > 0.

    Returns:
      ``n -> rate``.

    Raises:
      ValueError: if an argument is out of range, both kinds of points are given, or the run is too short to keep the
        points apart.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    check.positive("factor", factor)
    if every_epochs is not None:
        if fractions is not None or steps_per_epoch is None:
            raise ValueError(
                f"every_epochs is {every_epochs!r}; allowed: with steps_per_epoch, and without fractions, one of which "
                "says where the rate falls."
            )
        check.positive("every_epochs", every_epochs)
        if (apart := round(every_epochs * steps_per_epoch)) < 1:
            raise ValueError(f"every_epochs is {every_epochs!r}, no step; allowed: {1 / steps_per_epoch:g} or more.")
        return optax.exponential_decay(peak, apart, factor, staircase=True)
    fractions = (1 / 4, 1 / 2, 3 / 4) if fractions is None else fractions
    fits = lambda length: all(a < b for a, b in pairwise([begin, *_points(fractions, length), length]))  # noqa: E731
    points = _points(fractions, steps)
    if not fits(steps):
        raise ValueError(
            f"fractions is {tuple(fractions)}, steps {points} of {steps}; "
            f"allowed: increasing steps after {begin} and before {steps}.{long_enough(steps, fits)}"
        )
    return optax.piecewise_constant_schedule(peak, {point - begin: factor for point in points})


def polynomial(
    peak: float, *, steps: int, steps_per_epoch: int | None = None, begin: int = 0, power: float = 1.0, end: float = 0.0
) -> optax.Schedule:
    r"""Polynomial decay to the end of the run; a straight line by default.

    .. math:: \eta_n = \eta \, [e + (1 - e) (1 - n / N)^p], \quad N = steps - begin

    Args:
      peak: the rate at n = 0, > 0.
      steps: steps of the run.
      steps_per_epoch: not used; may be left out.
      begin: step of the run that the schedule counts from.
      power: p > 0.
      end: e, the fraction of the peak that is left at the end, 0 to 1.

    Returns:
      ``n -> rate``.

    Raises:
      ValueError: if an argument is out of range.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    check.positive("power", power)
    check.between("end", end, 0.0, 1.0)
    return optax.polynomial_schedule(peak, end * peak, power, steps - begin)


def cosine(
    peak: float, *, steps: int, steps_per_epoch: int | None = None, begin: int = 0, end: float = 0.0
) -> optax.Schedule:
    r"""Half a cosine wave down to the end of the run.

    .. math:: \eta_n = \eta \, [e + (1 - e) \tfrac12 (1 + \cos(\pi n / N))], \quad N = steps - begin

    Args:
      peak: the rate at n = 0, > 0.
      steps: steps of the run.
      steps_per_epoch: not used; may be left out.
      begin: step of the run that the schedule counts from.
      end: e, the fraction of the peak that is left at the end, 0 to 1.

    Returns:
      ``n -> rate``.

    Raises:
      ValueError: if an argument is out of range.

    Reference:
      Loshchilov and Hutter, SGDR, arXiv 1608.03983 (one cycle of it); He et al., Bag of tricks, arXiv 1812.01187.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    check.between("end", end, 0.0, 1.0)
    return optax.cosine_decay_schedule(peak, steps - begin, alpha=end)


def stable_decay(
    peak: float, *, steps: int, steps_per_epoch: int | None = None, begin: int = 0, decay: float = 0.2, end: float = 0.0
) -> optax.Schedule:
    """The peak for most of the run, then a straight line down: with a warm-up before it, WSD, the trapezoid.

    Args:
      peak: the rate of the stable part, > 0.
      steps: steps of the run.
      steps_per_epoch: not used; may be left out.
      begin: step of the run that the schedule counts from.
      decay: fraction of the entire run that the line takes, above 0; it must fit after ``begin``.
      end: the fraction of the peak that is left at the end, 0 to 1.

    Returns:
      ``n -> rate``.

    Raises:
      ValueError: if an argument is out of range.

    Reference:
      Hu et al., MiniCPM, arXiv 2404.06395.
    """
    check_run(peak, steps, steps_per_epoch, begin)
    check.between("end", end, 0.0, 1.0)
    check.between("decay", decay, 0.0, 1.0)
    line, fits = round(decay * steps), lambda length: 0 < round(decay * length) <= length - begin
    if not fits(steps):
        hint = long_enough(steps, fits)
        raise ValueError(f"decay is {decay!r}, {line} of {steps} steps; allowed: 1 to {steps - begin} steps.{hint}")
    return optax.linear_schedule(peak, end * peak, line, steps - begin - line)


def with_warmup(
    schedule: Callable[..., optax.Schedule], *, epochs: float, from_zero: bool = True
) -> Callable[..., optax.Schedule]:
    r"""Put a linear warm-up before a schedule; both together take as long as the run did.

    .. math:: \eta_t = \eta \, (t + z) / W \; (t < W), \quad \eta_t = schedule(t - W) \; (t \ge W)

    with W the steps of the warm-up, and z = 0 or 1. From zero, as in optax, step 0 has rate 0, so that it changes
    nothing, and step W is the first at the peak; else step 0 has a rate, and step W - 1 is the first at the peak.

    Args:
      schedule: a function of the shape of this module that takes ``begin``: one that rises by itself does not.
      epochs: length of the warm-up, 0 or more, finite; 0 leaves the schedule as it is.
      from_zero: whether z is 0; the paper of the reference has 1.

    Returns:
      ``(peak, *, steps, steps_per_epoch) -> (t -> rate)``, with t counted from the start of the run.

    Raises:
      ValueError: if epochs is negative; when called, if the warm-up is shorter than a step, or than two where it
        does not begin at zero, or not shorter than the run.

    Reference:
      Goyal et al., Accurate, large minibatch SGD, arXiv 1706.02677; z = 1: He et al., Bag of tricks, arXiv 1812.01187.
    """
    check.between("epochs", epochs, 0.0, sys.float_info.max)
    check.option("from_zero", from_zero, (True, False))
    if epochs == 0:
        return schedule

    def warmed(peak: float, *, steps: int, steps_per_epoch: int) -> optax.Schedule:
        check_run(peak, steps, steps_per_epoch)
        warm = round(epochs * steps_per_epoch)
        shortest = 1 if from_zero else 2  # one step at the peak is no warm-up
        if not shortest <= warm < steps:
            allowed = f"{shortest} to {steps - 1} of {steps}"
            raise ValueError(f"epochs is {epochs!r}, a warm-up of {warm} steps; allowed: {allowed}.")
        main = schedule(peak, steps=steps, steps_per_epoch=steps_per_epoch, begin=warm)
        first = 0.0 if from_zero else peak / warm
        return optax.join_schedules([optax.linear_schedule(first, peak + first, warm), main], [warm])

    return warmed


def check_run(peak: float, steps: int, steps_per_epoch: int | None = None, begin: int = 0) -> None:
    """Raise ValueError unless the arguments that every schedule shares are in range."""
    check.positive("peak", peak)
    per_epoch = {} if steps_per_epoch is None else {"steps_per_epoch": steps_per_epoch}
    for name, value in {"steps": steps, **per_epoch, "begin": begin}.items():
        check.integer(name, value)
    check.positive("steps", steps)
    for name, value in per_epoch.items():
        check.positive(name, value)
    check.between("begin", begin, 0, steps - 1)


def long_enough(steps: int, fits: Callable[[int], bool]) -> str:
    """For an error: from which length on a run is long enough, if that is not far away."""
    shortest = next((length for length in range(steps + 1, steps + 10_000) if fits(length)), None)
    return "" if shortest is None else f" A run of {shortest} steps or more is long enough."


def _points(fractions: Sequence[float], steps: int) -> list[int]:
    return [round(fraction * steps) for fraction in fractions]
