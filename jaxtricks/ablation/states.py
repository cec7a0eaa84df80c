"""States of runs that are not finished, so that a cell that takes hours goes on where it was stopped.

They lie in ``Cells.checkpoints``, a folder a recipe, as ``fit`` writes them: ``seed0-1`` for two seeds that step
together. What is complete, or failed, leaves none.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
from etils import epath

from jaxtricks._runtime.processes import of_first
from jaxtricks.checkpoint import CheckpointCorruptError, CheckpointMismatchError, CheckpointWarning
from jaxtricks.checkpoint.remote import folder_of
from jaxtricks.data import DataError
from jaxtricks.train import Recipe, Run

FAILURES = (FloatingPointError, RuntimeError, ValueError)  # of a cell, after which the others go on
STATE = re.compile(r"seed\d+(-\d+)*", re.ASCII)


def train(fit: Callable, cells: Any, recipe: Recipe, seeds: Sequence[int], **options) -> list[Run]:
    """``fit`` from the state that an earlier process left, if there is one, keeping the state after every epoch.

    A state that cannot be used is removed, and the run begins anew; so is that of a run that failed.

    Args:
      fit: ``train.fit``.
      cells: ``Cells``, whose data are trained on; without ``checkpoints`` no state is kept.
      recipe, seeds: of the run.
      **options: of ``fit``.

    Returns:
      What ``fit`` gives.
    """
    if cells.checkpoints is None:
        return fit(recipe, cells.dataset, seeds=seeds, **options)
    options |= {"folder": _place(cells, recipe), "on_error": "warn"}  # a full disk does not end the run
    try:
        try:
            return fit(recipe, cells.dataset, seeds=seeds, **options)
        except (CheckpointCorruptError, CheckpointMismatchError) as error:
            warnings.warn(f"{error} The run begins anew.", CheckpointWarning, stacklevel=2)
            of_first(lambda: forget(cells, recipe, seeds) or 0)
            return fit(recipe, cells.dataset, seeds=seeds, **options)
    except DataError:  # its file can be mended
        raise
    except FAILURES:
        forget(cells, recipe, seeds)
        raise


def forget(cells: Any, recipe: Recipe, seeds: Iterable[int] = ()) -> None:
    """Remove the states of runs whose cells are complete, and those of these seeds that no other process has.

    Args:
      cells: ``Cells``, of the states.
      recipe: of the runs.
      seeds: of runs that are at an end in any way.
    """
    if cells.checkpoints is None or jax.process_index() > 0:
        return
    ended = {seed for seed in seeds if not cells.is_elsewhere(recipe, seed)}
    try:
        folder = folder_of(_place(cells, recipe))
        place = epath.Path(folder)
        for run in list(place.iterdir()) if place.exists() else ():
            trained = [int(seed) for seed in re.findall(r"\d+", run.name)]
            if STATE.fullmatch(run.name) and all(seed in ended or cells.has(recipe, seed) for seed in trained):
                run.rmtree(missing_ok=True)
        if isinstance(folder, Path) and folder.exists() and not os.listdir(folder):
            folder.rmdir()
    except OSError as error:
        warnings.warn(f"States of finished runs stay in {cells.checkpoints}: {error}", CheckpointWarning, stacklevel=2)


def _place(cells: Any, recipe: Recipe) -> str:
    return str(folder_of(str(cells.checkpoints)) / cells.path(recipe, 0).stem.removesuffix("-seed0"))
