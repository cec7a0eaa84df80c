"""Schedules as tricks: another curve of the learning rate, some with options that follow the number of epochs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jaxtricks import optim
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing
from jaxtricks.tricks.trick import Trick

__all__ = ["END", "change", "cycle", "exponent", "from_first", "hyperbola", "logarithm", "on_plateaus", "trick"]

END = 0.01  # of the peak rate: where decays that never reach 0 end
Options = Callable[[float], Mapping[str, Any]]


def change(recipe: Recipe, *, schedule: Callable, by_epochs: Options | None = None) -> Recipe:
    """Another schedule, which helps most in short runs; warm-up and peak rate stay.

    Args:
      recipe: any; its schedule is dropped.
      schedule: as those of ``optim``, ``(peak, steps=, steps_per_epoch=) -> schedule``.
      by_epochs: ``epochs -> options`` of the schedule that follow the length of the run, or None.

    Returns:
      The recipe with that schedule.
    """
    return replace(recipe, schedule=partial(schedule, **({} if by_epochs is None else by_epochs(recipe.epochs))))


def trick(
    schedule: Callable,
    expected: int | None = 1,
    paper: str | None = None,
    by_epochs: Options | None = None,
    **options: Any,
) -> Trick:
    """A rung of a ladder of schedules.

    Args:
      schedule: as for ``change``.
      expected: sign of the effect on accuracy: +1, -1, 0, or None.
      paper: where the schedule comes from, or None.
      by_epochs: as for ``change``.
      **options: of the schedule, the same for every length.

    Returns:
      The trick.
    """
    return Trick(partial(change, schedule=partial(schedule, **options), by_epochs=by_epochs), expected, paper)


def exponent(epochs: float) -> dict[str, float]:
    """The factor an epoch with which exponential decay ends at END.

    Args:
      epochs: of the run, > 0.

    Returns:
      ``factor``, in (0, 1), for ``optim.exponential``.
    """
    return {"factor": END ** (1 / epochs)}


def logarithm(epochs: float) -> dict[str, float]:
    """The rate an epoch with which natural exponential decay ends at END.

    Args:
      epochs: of the run, > 0.

    Returns:
      ``rate``, > 0, for ``optim.natural_exponential``.
    """
    return {"rate": -math.log(END) / epochs}


def hyperbola(epochs: float) -> dict[str, float]:
    """The rate an epoch with which decay by one over time ends at END.

    Args:
      epochs: of the run, > 0.

    Returns:
      ``rate``, > 0, for ``optim.inverse_time``.
    """
    return {"rate": (1 / END - 1) / epochs}


def cycle(epochs: float) -> dict[str, float]:
    """Cycles of half a run, so that every run has two.

    Args:
      epochs: of the run, > 0.

    Returns:
      ``epochs`` of a cycle, for ``optim.triangular``.
    """
    return {"epochs": epochs / 2}


def from_first(schedule: Callable, *, epochs: float) -> Callable:
    """The warm-up of the bag of tricks: step t of m has (t + 1) / m of the peak, so that the first one has a rate.

    Args:
      schedule: as for ``optim.with_warmup``.
      epochs: length of the warm-up. Where that is a single step, which would be the peak itself and no warm-up, its
        rate is 0.

    Returns:
      ``(peak, *, steps, steps_per_epoch) -> (step -> rate)``.
    """

    def warmed(peak: float, *, steps: int, steps_per_epoch: int):
        single = round(epochs * steps_per_epoch) == 1
        how = optim.with_warmup(schedule, epochs=epochs, from_zero=single)
        return how(peak, steps=steps, steps_per_epoch=steps_per_epoch)

    return warmed


def on_plateaus(recipe: Recipe, *, steps: int, factor: float = 0.1, patience: int = 1) -> Recipe:
    """The rate is cut when the validation loss does not fall: where the length of a run is not known before.

    Args:
      recipe: any with a constant schedule; its run needs a validation split.
      steps: of the run, from which those of an epoch follow.
      factor, patience: as for ``optim.plateau``.

    Returns:
      The recipe with ``optim.plateau`` after its optimiser.
    """
    every = max(1, round(steps / recipe.epochs))
    return composing.after(recipe, partial(optim.plateau, every=every, factor=factor, patience=patience))
