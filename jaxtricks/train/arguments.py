"""What ``fit`` is given besides the recipe, checked before anything is built or compiled."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks.checkpoint.store import ON_ERROR
from jaxtricks.data import Dataset, steps_per_epoch
from jaxtricks.train.parallel import Plan
from jaxtricks.train.recipe import Recipe
from jaxtricks.train.stop import EarlyStopping


def check_arguments(
    recipe: Recipe,
    dataset: Dataset,
    plan: Plan,
    *,
    teacher: Any,
    folder: str | Path | None,
    save_every: int | None,
    asynchronous: bool,
    on_error: str,
    stop: EarlyStopping | None,
    patience: int,
    log: tuple,
    done: Any,
) -> None:
    """Raise TypeError for an argument of fit of another kind, ValueError for one out of range or that fits no other.

    Args:
      recipe, dataset, plan, teacher, folder, save_every, asynchronous, on_error, stop, patience, log, done: as in fit.
    """
    for name, value, kind in (("recipe", recipe, Recipe), ("dataset", dataset, Dataset), ("plan", plan, Plan)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} is {value!r}; allowed: a {kind.__name__}.")
    for name, value in (("save_every", save_every), ("patience", patience)):
        if value is None and name == "save_every":
            continue
        least = 1 if name == "save_every" else 0
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} is {value!r}; allowed: an integer of {least} or more.")
    if not isinstance(asynchronous, bool):
        raise TypeError(f"asynchronous is {asynchronous!r}; allowed: True or False.")
    if on_error not in ON_ERROR:
        raise ValueError(f"on_error is {on_error!r}; allowed: {', '.join(map(repr, ON_ERROR))}.")
    for each in log if done is None else (*log, done):
        if not callable(each):
            raise TypeError(f"log or done is {each!r}; allowed: functions.")
    if folder is not None:
        path = Path(folder).expanduser().absolute()
        file = next((p for p in (path, *path.parents) if p.exists() and not p.is_dir()), None)
        if file is not None:
            raise ValueError(f"folder is {str(folder)!r}; allowed: a folder, and {file} is a file.")
    if stop is not None and not isinstance(stop, EarlyStopping):
        raise TypeError(f"stop is {stop!r}; allowed: an EarlyStopping or None.")
    if stop is not None and (dataset.validation is None or plan.stacked):
        raise ValueError("stop needs a validation split and seeds_on 'map'.")
    if (recipe.teacher is None) != (teacher is None):
        raise ValueError("teacher and recipe.teacher go together; allowed: both or neither.")
    plan.check_batch(recipe.batch, bn=recipe.bn)
    steps_per_epoch(len(dataset.train), recipe.batch)


def check_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """The seeds, if they are one or more different integers of 0 to 2**32 - 1; else ValueError.

    JAX keeps the low 32 bits of a larger one, so that two seeds would be one.

    Args:
      seeds: as in fit.

    Returns:
      Python integers.
    """
    found = tuple(seeds) if isinstance(seeds, Iterable) and not isinstance(seeds, str) else (seeds,)
    whole = [isinstance(s, (int, np.integer)) and not isinstance(s, bool) and 0 <= s < 2**32 for s in found]
    if not found or not all(whole) or len(set(found)) != len(found) or not isinstance(seeds, Iterable):
        raise ValueError(f"seeds is {seeds!r}; allowed: one or more different integers of 0 to 2**32 - 1.")
    return tuple(map(int, found))
