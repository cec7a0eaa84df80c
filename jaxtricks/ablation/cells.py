"""Cells: one recipe with one seed is one JSON file, so that an ablation stopped half-way goes on where it was."""

import json
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxtricks._runtime.arrays import to_host
from jaxtricks._runtime.processes import everywhere, of_first
from jaxtricks.ablation.provenance import machine
from jaxtricks.ablation.variants import Variant
from jaxtricks.archive import read_npz
from jaxtricks.data import DataError, Dataset, identity
from jaxtricks.data._identity import readers
from jaxtricks.fingerprint import describe, fingerprint, source_digest
from jaxtricks.train import Guard, Plan, Recipe, Run, Task, build_model, fit
from jaxtricks.tricks import lint

TEACHER_SEED = 0
FAILURES = (FloatingPointError, RuntimeError, ValueError)  # of a cell, after which the others go on


class Todo(NamedTuple):
    """A row of which cells are missing.

    Fields:
      number: of the row, from 1.
      variant: the row.
      cells: its cells.
      seeds: those that are missing.
      teacher: recipe of the teacher that must be trained first, or None.
    """

    number: int
    variant: Variant
    cells: "Cells"
    seeds: tuple[int, ...]
    teacher: Recipe | None


class Cells:
    """The cells in one folder.

    Where several processes run together, what the first of them sees in its folder decides for all.

    Args:
      folder: made if missing.
      dataset: what every cell trains on; its identity, which covers every column, is part of a cell's name.
    """

    def __init__(self, folder: str | Path, dataset: Dataset):
        self.folder = Path(folder).expanduser().absolute() / "cells"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dataset = dataset
        self.data, self.readers = identity(dataset), readers(dataset)
        self._others: dict[Callable, Cells] = {}
        self._teachers: dict[Path, Any] = {}

    def of(self, variant: Variant) -> "Cells":
        """The cells of a row, which may have data of its own, in the same folder."""
        if variant.data is None:
            return self
        if variant.data not in self._others:
            self._others[variant.data] = Cells(self.folder.parent, variant.dataset(self.dataset))
        return self._others[variant.data]

    def path(self, recipe: Recipe, seed: int) -> Path:
        """The file of a cell; another recipe, dataset or seed is another file, and so is other code that it runs."""
        name = fingerprint([describe(recipe), self.data, source_digest(recipe, *self.readers)])
        return self.folder / f"{name}-seed{seed}.json"

    def get(self, recipe: Recipe, seed: int) -> dict | None:
        """What a finished cell holds, or None; a file that is cut off counts as missing."""
        try:
            return json.loads(self.path(recipe, seed).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def missing(self, recipe: Recipe, seeds: Iterable[int], *, test: bool = True) -> tuple[int, ...]:
        """The seeds whose cell is missing or failed, or lacks the test set's figures where they are asked for."""

        def lacks(seed):
            cell = self.get(recipe, seed)
            return cell is None or "error" in cell or (test and not cell.get("tested", True))

        return tuple(seed for seed in seeds if of_first(lambda seed=seed: lacks(seed)))

    def todo(self, variants: Sequence[Variant], seeds: Sequence[int], *, test: bool = True) -> list[Todo]:
        """The rows of which cells are missing; what two rows share, or their teachers, is in the first only."""
        rows, teachers = {}, set()
        for number, variant in enumerate(variants, 1):
            cells, recipe, teacher = self.of(variant), variant.recipe, variant.recipe.teacher
            missing = cells.missing(recipe, seeds, test=test)
            if missing and cells.path(recipe, missing[0]) not in rows:
                if teacher is not None and (cells._weights(teacher) in teachers or cells._has_weights(teacher)):
                    teacher = None
                if teacher is not None:
                    teachers.add(cells._weights(teacher))
                rows[cells.path(recipe, missing[0])] = Todo(number, variant, cells, missing, teacher)
        return list(rows.values())

    def budget(self, variants: Sequence[Variant]) -> Path:
        """The file of what these rows have cost so far; other recipes, data or code are another file."""
        names = [self.of(variant).path(variant.recipe, 0).stem for variant in variants]
        return self.folder / f"{fingerprint(names)}.budget"

    def put(self, recipe: Recipe, seed: int, cell: dict) -> None:
        """Write a cell, in the first process only; a reader never sees half of it."""
        if jax.process_index() == 0:
            path = self.path(recipe, seed)
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps(cell, indent=1), encoding="utf-8")
            part.replace(path)

    def teacher(
        self,
        recipe: Recipe,
        plan: Plan,
        log: Callable[[dict], None],
        *,
        test: bool = True,
        guard: Guard | None = None,
    ) -> Any:
        """``(params, stats)`` of a teacher, trained once and kept in the folder of the cells, by every process.

        The same objects whenever it is asked for, as programs that are kept need it.
        """
        path = self._weights(recipe)
        if self._has_weights(recipe):
            if path not in self._teachers:
                tree = unflatten_dict(read_npz(path), sep="/")
                self._teachers[path] = tree["params"], tree.get("stats", {})
            return self._teachers[path]
        plan = replace(plan, seeds_on="map")
        (run,) = fit(recipe, self.dataset, seeds=(TEACHER_SEED,), plan=plan, log=(log,), test=test, guard=guard)
        variables = to_host(run.variables)
        flat: dict[str, Any] = dict(flatten_dict(dict(zip(("params", "stats"), variables, strict=True)), sep="/"))
        part = path.with_suffix(f".{jax.process_index()}-{os.getpid()}.part.npz")
        np.savez(part, **flat)
        part.replace(path)
        self.put(recipe, TEACHER_SEED, cell_of(run, recipe.task))
        self._teachers[path] = variables
        return variables

    def _weights(self, teacher: Recipe) -> Path:
        return self.path(teacher, TEACHER_SEED).with_suffix(".npz")

    def _has_weights(self, teacher: Recipe) -> bool:
        """Whether every process has the weights, and the first one the cell."""
        return everywhere(self._weights(teacher).is_file()) and not self.missing(teacher, (TEACHER_SEED,), test=False)


def run_cells(
    variants: Sequence[Variant],
    cells: Cells,
    *,
    seeds: Sequence[int],
    plan: Plan,
    test: bool = True,
    log: Iterable[Callable[[dict], None]] = (),
    guard: Guard | None = None,
    programs: dict | None = None,
) -> None:
    """Train every cell that is missing; a cell that fails leaves its error, and the others go on, but for a DataError.

    Seeds that step together fail together. Without its teacher no seed of a row is started. Each row that is to be
    trained is checked by ``tricks.lint`` first; without a log what it says is a Python warning.

    Args:
      variants: the rows.
      cells: where their files are.
      seeds: the same for every row, so that differences are paired.
      plan: where the steps run.
      test: whether the test set is read; trials that choose something leave it alone.
      log: as in fit; each record also has ``variant`` and ``rung``, its number from 1. There are three more kinds:
        ``"rung"`` with the seeds that a row is to train, ``"warning"`` with the ``message`` of a RecipeWarning before
        the row is trained, and ``"failed"`` with the seeds that failed and the error.
      guard, programs: as in fit; with programs that are kept a later call, of more seeds, compiles nothing.
    """
    log = tuple(log)
    for row in cells.todo(variants, seeds, test=test):
        _run_row(row, plan, test, log, {"guard": guard, "programs": programs})


def _run_row(row: Todo, plan: Plan, test: bool, log: tuple[Callable[[dict], None], ...], process: dict) -> None:
    """Train the missing cells of one row, its teacher first."""
    recipe, missing, finished = row.variant.recipe, row.seeds, set()

    def say(record):
        for write in log:
            write({**record, "variant": row.variant.name, "rung": row.number})

    def keep(run):
        row.cells.put(recipe, run.seed, cell_of(run, recipe.task))
        finished.add(run.seed)

    def fail(error, failed):
        message = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        say({"kind": "failed", "seeds": list(failed), "error": message})
        for seed in failed:
            row.cells.put(recipe, seed, {"seed": seed, "error": message})

    say({"kind": "rung", "seeds": list(missing)})
    for warning in conflicts_of(recipe, row.cells.dataset):
        if log:
            say({"kind": "warning", "message": str(warning)})
        else:
            warnings.warn(warning, stacklevel=3)
    teacher = None
    if recipe.teacher is not None:
        try:
            teach = lambda record: say({**record, "part": "teacher"})  # noqa: E731
            teacher = row.cells.teacher(recipe.teacher, plan, teach, test=test, guard=process["guard"])
        except DataError:
            raise
        except FAILURES as error:
            fail(error, missing)
            return
    while missing:
        try:
            options = {"teacher": teacher, "test": test, "log": (say,), "done": keep, **process}
            fit(recipe, row.cells.dataset, seeds=missing, plan=plan, **options)
            return
        except DataError:  # the other rows have the same images
            raise
        except FAILURES as error:  # of the seeds that stepped together; those after them are still to be trained
            missing = tuple(seed for seed in missing if seed not in finished)
            failed = plan.groups(missing)[0][1] if missing else ()
            fail(error, failed)
            missing = missing[len(failed) :]


def conflicts_of(recipe: Recipe, dataset: Dataset) -> list[lint.RecipeWarning]:
    """What ``tricks.lint`` has to say of a recipe, from the shapes of its variables: nothing is trained.

    Args:
      recipe: of a row.
      dataset: of the row.

    Returns:
      The warnings, none if all is well; one that says so where the recipe cannot be checked.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", lint.RecipeWarning)
        try:
            variables = jax.eval_shape(build_model(recipe, dataset).init, jax.random.key(0))
            lint.warn(recipe, variables)
        except Exception as error:  # the check must not end a run that would have worked; fit raises what is wrong
            return [lint.RecipeWarning(f"the recipe cannot be checked for conflicts: {type(error).__name__}: {error}")]
    return [entry.message for entry in caught if isinstance(entry.message, lint.RecipeWarning)]


def cell_of(run: Run, task: Task) -> dict:
    """What a report needs of a run, as plain values.

    Args:
      run: from fit.
      task: of its recipe; its metrics give the unit of reports, such as percent.

    Returns:
      A dict fit for JSON; figures in the unit of reports.
    """

    def scaled(name, value):
        return None if value is None else task.metrics[name].scale * value

    def figures(record, prefix=""):
        return {name: scaled(name, record[prefix + name]) for name in task.metrics if prefix + name in record}

    last = figures(run.history[-1], "validation_") if run.history else {}
    curves = {name: [scaled(name, record.get(f"validation_{name}")) for record in run.history] for name in last}
    return {
        "seed": run.seed,
        "tested": bool(run.test),
        "test": figures(run.test),
        "validation": last,
        "curve": {
            "epoch": [record["epoch"] for record in run.history],
            "train_loss": [record["train_loss"] for record in run.history],
            "validation": curves,
        },
        "seconds": run.seconds,
        "step_ms": run.step_ms,
        "wait_percent": run.wait_percent,
        "skipped_steps": run.skipped,
        "cost": run.cost,
        "machine": machine(),
    }
