"""A run of several stages: one state that goes from recipe to recipe, as a run of one stage goes from step to step."""

from collections.abc import Sequence

import jax

from jaxtricks.data import Dataset, steps_per_epoch
from jaxtricks.fingerprint import fingerprint
from jaxtricks.train.program import Program, total_steps
from jaxtricks.train.recipe import Recipe
from jaxtricks.train.rehearsal import RecipeError, alike

Stages = Sequence[tuple[float, Recipe]]


def recipes(stages: Recipe | Stages) -> list[Recipe]:
    """The recipes of a run, in order.

    Args:
      stages: as in fit.

    Returns:
      One or more.

    Raises:
      TypeError: if it is neither a Recipe nor a list of ``(epochs, Recipe)``.
      ValueError: if there is no stage, a stage but the last does not end with an epoch, or the stages do not agree on
        batch and length of the run.
    """
    if isinstance(stages, Recipe):
        return [stages]
    pairs = isinstance(stages, Sequence) and all(isinstance(s, tuple) and len(s) == 2 for s in stages)
    if not pairs or not all(isinstance(recipe, Recipe) for _, recipe in stages):
        raise TypeError(f"recipe is {stages!r}; allowed: a Recipe, or a list of (epochs, Recipe).")
    if not stages:
        raise ValueError("recipe is a list without stages; allowed: one stage or more.")
    for number, (epochs, _) in enumerate(stages):
        known = isinstance(epochs, (int, float)) and not isinstance(epochs, bool) and 0 < epochs < float("inf")
        if not known or (number + 1 < len(stages) and epochs != int(epochs)):
            raise ValueError(f"stage {number} has {epochs!r} epochs; allowed: whole ones, or more than 0 in the last.")
    first, total = stages[0][1], sum(epochs for epochs, _ in stages)
    for number, (_, recipe) in enumerate(stages):
        if recipe.batch != first.batch:
            raise ValueError(f"stage {number}: recipe.batch is {recipe.batch}; allowed: {first.batch}, as in stage 0.")
        if abs(recipe.epochs - total) > 1e-6:
            raise ValueError(
                f"stage {number}: recipe.epochs is {recipe.epochs!r}; allowed: {total!r}, those of all stages."
            )
    return [recipe for _, recipe in stages]


def ends(stages: Recipe | Stages, dataset: Dataset) -> list[int]:
    """The last step of each stage, counted from the start of the run.

    Args:
      stages: as in fit.
      dataset: gives the size of the training set.

    Returns:
      Steps, increasing.
    """
    if isinstance(stages, Recipe):
        return [total_steps(stages, dataset)]
    recipe, epochs, out = stages[0][1], 0, []
    for own, _ in stages[:-1]:
        epochs += int(own)
        out.append(epochs * steps_per_epoch(len(dataset.train), recipe.batch))
    return [*out, total_steps(recipe, dataset)]


def identity(stages: Recipe | Stages) -> str:
    """What tells this run from others.

    Args:
      stages: as in fit.

    Returns:
      Text.
    """
    return fingerprint(stages if isinstance(stages, Recipe) else [list(stage) for stage in stages])


def check_states(programs: Sequence[Program]) -> None:
    """Raise RecipeError, by the name of the leaf, unless one state fits all stages; nothing is compiled.

    Args:
      programs: of the stages.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    first, *others = [jax.eval_shape(program.fresh, key) for program in programs]
    for number, state in enumerate(others, 1):
        alike(f"the state of stage {number} has", state, first)
        if jax.tree.structure(state) != jax.tree.structure(first):
            raise RecipeError(
                f"the state of stage {number} has the leaves of stage 0 in another tree; allowed: one tree."
            )
