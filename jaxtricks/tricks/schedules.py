"""Schedules as tricks: each exchanges a recipe's schedule; some have options that follow the number of epochs."""

import math
from dataclasses import replace
from functools import partial

from jaxtricks.train import Recipe
from jaxtricks.tricks.trick import Trick

END = 0.01  # of the peak rate: where decays that never reach 0 end


def change(recipe: Recipe, *, schedule, each=None) -> Recipe:
    """Another schedule; ``each`` gives the options that depend on the number of epochs."""
    return replace(recipe, schedule=partial(schedule, **({} if each is None else each(recipe.epochs))))


def trick(schedule, expected=1, paper=None, each=None, **options) -> Trick:
    """A trick that is another schedule, with options."""
    return Trick(partial(change, schedule=partial(schedule, **options), each=each), expected, paper)


def exponent(epochs):
    """The factor of each epoch that ends at END."""
    return {"factor": END ** (1 / epochs)}


def logarithm(epochs):
    """The rate a natural exponential takes to end at END."""
    return {"rate": -math.log(END) / epochs}


def hyperbola(epochs):
    """The rate one over time takes to end at END."""
    return {"rate": (1 / END - 1) / epochs}


def cycle(epochs):
    """Half the run for a cycle."""
    return {"epochs": epochs / 2}
