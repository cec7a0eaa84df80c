"""Cells: one recipe with one seed is one JSON file, so that an ablation stopped half-way goes on where it was."""

import base64
import json
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxtricks._runtime.arrays import to_host
from jaxtricks._runtime.processes import everywhere, of_first
from jaxtricks.ablation import states
from jaxtricks.ablation.claims import Claims
from jaxtricks.ablation.provenance import machine
from jaxtricks.ablation.variants import Variant
from jaxtricks.archive import read_npz
from jaxtricks.checkpoint.remote import folder_of
from jaxtricks.data import Dataset, identity
from jaxtricks.data._identity import readers
from jaxtricks.fingerprint import describe, fingerprint, source_digest
from jaxtricks.train import Guard, Plan, Recipe, Run, Task, fit

TEACHER_SEED = 0


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
      checkpoints: a folder or URL in which a run keeps its state after every epoch until its cell is written, to go on
        from there after it was stopped; None: it begins anew.
    """

    def __init__(self, folder: str | Path, dataset: Dataset, *, checkpoints: str | Path | None = None):
        if checkpoints is not None:
            folder_of(str(checkpoints))  # its errors come before hours of training
        self.checkpoints = checkpoints
        self.folder = Path(folder).expanduser().absolute() / "cells"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dataset = dataset
        self.data, self.readers = identity(dataset), readers(dataset)
        self.claims = Claims(self.folder)
        self._others: dict[Callable, Cells] = {}
        self._names: dict[int, tuple[Recipe, str]] = {}  # by id; the recipes live on, so that no other has it
        self._teachers: dict[Path, Any] = {}

    def of(self, variant: Variant) -> "Cells":
        """The cells of a row, which may have data of its own, in the same folder."""
        if variant.data is None:
            return self
        if variant.data not in self._others:
            self._others[variant.data] = Cells(
                self.folder.parent, variant.dataset(self.dataset), checkpoints=self.checkpoints
            )
            self._others[variant.data].claims = self.claims
        return self._others[variant.data]

    def path(self, recipe: Recipe, seed: int) -> Path:
        """The file of a cell; another recipe, dataset or seed is another file, and so is other code that it runs."""
        if id(recipe) not in self._names:
            name = fingerprint([describe(recipe), self.data, source_digest(recipe, *self.readers)])
            self._names[id(recipe)] = (recipe, name)
        return self.folder / f"{self._names[id(recipe)][1]}-seed{seed}.json"

    def get(self, recipe: Recipe, seed: int) -> dict | None:
        """What a finished cell holds, or None; a file that is cut off counts as missing."""
        try:
            return json.loads(self.path(recipe, seed).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def missing(self, recipe: Recipe, seeds: Iterable[int], *, test: bool = True) -> tuple[int, ...]:
        """The seeds whose cell is missing or failed, or lacks the test set's figures where they are asked for."""
        return tuple(seed for seed in seeds if of_first(lambda seed=seed: not self.has(recipe, seed, test=test)))

    def has(self, recipe: Recipe, seed: int, *, test: bool = True) -> bool:
        """Whether this process sees the cell, complete, with the test set's figures where they are asked for."""
        cell = self.get(recipe, seed)
        return cell is not None and "error" not in cell and (not test or cell.get("tested", True))

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

    def claim(self, recipe: Recipe, seeds: Sequence[int], *, most: int, test: bool) -> tuple[int, ...]:
        """So many of the seeds at most, those that no other process has and that are still missing."""
        mine: list[int] = []
        for seed in seeds:
            name = self.path(recipe, seed).stem
            if len(mine) < most and of_first(lambda name=name: self.claims.take(name)):
                if self.missing(recipe, (seed,), test=test):
                    mine.append(seed)
                else:
                    self.unclaim(recipe, (seed,))
        return tuple(mine)

    def unclaim(self, recipe: Recipe, seeds: Iterable[int]) -> None:
        """Give claims back."""
        for seed in seeds if jax.process_index() == 0 else ():
            self.claims.release(self.path(recipe, seed).stem)

    def is_elsewhere(self, recipe: Recipe, seed: int) -> bool:
        """Whether another process took over a cell of this one."""
        return self.claims.taken_over(self.path(recipe, seed).stem, lambda: self.has(recipe, seed, test=False))

    def budget(self, variants: Sequence[Variant], first_seed: int = 0) -> Path:
        """The file of what these rows have cost so far; other recipes, data, seeds or code are another file."""
        names = [self.of(variant).path(variant.recipe, first_seed).stem for variant in variants]
        return self.folder / f"{fingerprint(names)}.budget"

    def put(self, recipe: Recipe, seed: int, cell: dict) -> None:
        """Write a cell, in the first process only, unless another run took it over; a reader never sees half of it."""
        path = self.path(recipe, seed)
        if jax.process_index() == 0 and not self.is_elsewhere(recipe, seed):
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
            return self._kept(path)
        name = f"{path.stem}-teacher"
        mine = of_first(lambda: self.claims.wait(name, lambda: self._is_taught(recipe)))
        try:
            if not mine and self._has_weights(recipe):  # another process has trained it meanwhile
                return self._kept(path)
            return self._taught(recipe, replace(plan, seeds_on="map", chunk=1), log, test=test, guard=guard)
        finally:
            self.claims.release(name)

    def _kept(self, path: Path) -> Any:
        if path not in self._teachers:
            tree = unflatten_dict(read_npz(path), sep="/")
            self._teachers[path] = tree["params"], tree.get("stats", {})
        return self._teachers[path]

    def _taught(self, recipe: Recipe, plan: Plan, log, **options) -> Any:
        """Train a teacher and keep it."""
        path = self._weights(recipe)
        (run,) = states.train(fit, self, recipe, (TEACHER_SEED,), plan=plan, log=(log,), **options)
        variables = to_host(run.variables)
        flat: dict[str, Any] = dict(flatten_dict(dict(zip(("params", "stats"), variables, strict=True)), sep="/"))
        part = path.with_suffix(f".{jax.process_index()}-{os.getpid()}.part.npz")
        np.savez(part, **flat)
        part.replace(path)
        self.put(recipe, TEACHER_SEED, cell_of(run, recipe.task))
        self._teachers[path] = variables
        states.forget(self, recipe, (TEACHER_SEED,))
        return variables

    def _weights(self, teacher: Recipe) -> Path:
        return self.path(teacher, TEACHER_SEED).with_suffix(".npz")

    def _is_taught(self, teacher: Recipe) -> bool:
        """Whether this process sees weights and cell of a teacher."""
        cell = self.get(teacher, TEACHER_SEED)
        return self._weights(teacher).is_file() and cell is not None and "error" not in cell

    def _has_weights(self, teacher: Recipe) -> bool:
        """Whether every process has the weights, and the first one the cell."""
        return everywhere(self._weights(teacher).is_file()) and not self.missing(teacher, (TEACHER_SEED,), test=False)


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
        **({} if run.decided is None else {"decided": pack(run.decided)}),
    }


def pack(decided: np.ndarray) -> dict[str, Any]:
    """The decisions on all test rows as a small entry of a cell.

    Args:
      decided: integers of 0 or more, ``[N]``.

    Returns:
      A dict fit for JSON: the smallest dtype that holds them, and the compressed bytes as text.
    """
    narrow = np.asarray(decided).astype(np.min_scalar_type(int(np.max(decided, initial=0))))
    packed = zlib.compress(narrow.astype(narrow.dtype.newbyteorder("<")).tobytes(), 9)
    return {"dtype": narrow.dtype.name, "zlib": base64.b64encode(packed).decode()}


def unpack(entry: Mapping[str, Any]) -> np.ndarray:
    """What ``pack`` was given, as int64 ``[N]``."""
    raw = zlib.decompress(base64.b64decode(entry["zlib"]))
    return np.frombuffer(raw, np.dtype(entry["dtype"]).newbyteorder("<")).astype(np.int64)
