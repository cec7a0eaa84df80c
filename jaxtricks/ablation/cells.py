"""Cells: one recipe with one seed is one JSON file, so that an ablation stopped half-way goes on where it was."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxtricks._runtime.processes import everywhere, of_first
from jaxtricks.ablation.variants import Variant
from jaxtricks.data import Dataset, Split
from jaxtricks.data._dataset import Subset
from jaxtricks.fingerprint import describe, fingerprint
from jaxtricks.train import Plan, Recipe, Run, fit
from jaxtricks.train.parallel import read

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

    Where several processes run together, what the first of them finds in its folder decides for all.

    Args:
      folder: made if missing.
      dataset: what every cell trains on; its name, classes and contents are part of a cell's name. Of images that are
        decoded when they are read, the labels stand for the contents.
    """

    def __init__(self, folder: str | Path, dataset: Dataset):
        self.folder = Path(folder).expanduser().absolute() / "cells"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dataset = dataset
        splits = [_contents(split) for split in (dataset.train, dataset.validation, dataset.test)]
        self.data = fingerprint([dataset.name, dataset.classes, dataset.shape, splits])
        self._others: dict[Callable, Cells] = {}

    def of(self, variant: Variant) -> "Cells":
        """The cells of a row, which may have data of its own, in the same folder."""
        if variant.data is None:
            return self
        if variant.data not in self._others:
            self._others[variant.data] = Cells(self.folder.parent, variant.dataset(self.dataset))
        return self._others[variant.data]

    def path(self, recipe: Recipe, seed: int) -> Path:
        """The file of a cell; another recipe, dataset, seed or version of the package is another file."""
        name = fingerprint([describe(recipe), self.data, version("jaxtricks")])
        return self.folder / f"{name}-seed{seed}.json"

    def get(self, recipe: Recipe, seed: int) -> dict | None:
        """What a finished cell holds, or None; a file that is cut off counts as missing."""
        try:
            return json.loads(self.path(recipe, seed).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def missing(self, recipe: Recipe, seeds: Iterable[int], *, test: bool = True) -> tuple[int, ...]:
        """The seeds whose cell is missing or failed, or lacks the test set's figures where they are asked for."""

        def lacks(seed):
            cell = self.get(recipe, seed)
            return cell is None or "error" in cell or (test and not cell.get("tested", True))

        return tuple(seed for seed in seeds if of_first(lambda seed=seed: lacks(seed)))

    def todo(self, variants: Sequence[Variant], seeds: Sequence[int], *, test: bool = True) -> list[Todo]:
        """The rows of which cells are missing; what two rows share, or their teachers, is in the first only."""
        found, teachers = {}, set()
        for number, variant in enumerate(variants, 1):
            own, recipe, teacher = self.of(variant), variant.recipe, variant.recipe.teacher
            missing = own.missing(recipe, seeds, test=test)
            if missing and own.path(recipe, missing[0]) not in found:
                if teacher is not None and (own._weights(teacher) in teachers or own._taught(teacher)):
                    teacher = None
                if teacher is not None:
                    teachers.add(own._weights(teacher))
                found[own.path(recipe, missing[0])] = Todo(number, variant, own, missing, teacher)
        return list(found.values())

    def put(self, recipe: Recipe, seed: int, cell: dict) -> None:
        """Write a cell, in the first process only; a reader never sees half of it."""
        if jax.process_index() == 0:
            path = self.path(recipe, seed)
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps(cell, indent=1), encoding="utf-8")
            part.replace(path)

    def teacher(self, recipe: Recipe, plan: Plan, log: Callable[[dict], None], *, test: bool = True) -> Any:
        """``(params, stats)`` of a teacher, trained once and kept beside the cells, by every process."""
        path = self._weights(recipe)
        if self._taught(recipe):
            with np.load(path, allow_pickle=False) as archive:
                tree = unflatten_dict(dict(archive), sep="/")
            return tree["params"], tree.get("stats", {})
        plan = replace(plan, seeds_on="map")
        (run,) = fit(recipe, self.dataset, seeds=(TEACHER_SEED,), plan=plan, log=(log,), test=test)
        variables = jax.tree.map(read, run.variables)
        flat = flatten_dict(dict(zip(("params", "stats"), variables, strict=True)), sep="/")
        part = path.with_suffix(f".{jax.process_index()}-{os.getpid()}.part.npz")
        np.savez(part, **flat)
        part.replace(path)
        self.put(recipe, TEACHER_SEED, cell_of(run))
        return variables

    def _weights(self, teacher: Recipe) -> Path:
        return self.path(teacher, TEACHER_SEED).with_suffix(".npz")

    def _taught(self, teacher: Recipe) -> bool:
        """Whether every process has the weights, and the first one the cell."""
        return everywhere(self._weights(teacher).is_file()) and not self.missing(teacher, (TEACHER_SEED,), test=False)


def _contents(split: Split | None) -> list:
    """What tells two splits apart: labels, and images where they are an array, or which records were taken."""
    if split is None:
        return []
    images, taken = split["image"], []
    while isinstance(images, Subset):
        images, taken = images.records, [*taken, images.index]
    return [split["label"], split["image"] if split.resident else taken]


def run_cells(
    variants: Sequence[Variant],
    cells: Cells,
    *,
    seeds: Sequence[int],
    plan: Plan,
    test: bool = True,
    log: Iterable[Callable[[dict], None]] = (),
) -> None:
    """Train every cell that is missing; a cell that fails leaves its error, and the others go on.

    Seeds that step together fail together. Without its teacher no seed of a row is started.

    Args:
      variants: the rows.
      cells: where they lie.
      seeds: the same for every row, so that differences are paired.
      plan: where the steps run.
      test: whether the test set is read; trials that choose something leave it alone.
      log: as in fit; each record also has ``variant`` and ``rung``, its number from 1. Besides, ``"rung"`` with the
        seeds that a row is to train, and ``"failed"`` with those that failed and the error.
    """
    for number, variant, own, missing, _ in cells.todo(variants, seeds, test=test):
        recipe, teacher, kept = variant.recipe, None, set()

        def say(record, name=variant.name, number=number):
            for each in log:
                each({**record, "variant": name, "rung": number})

        def keep(run, recipe=recipe, own=own, kept=kept):
            own.put(recipe, run.seed, cell_of(run))
            kept.add(run.seed)

        def fail(error, failed, recipe=recipe, own=own, say=say):
            message = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            say({"kind": "failed", "seeds": list(failed), "error": message})
            for seed in failed:
                own.put(recipe, seed, {"seed": seed, "error": message})

        say({"kind": "rung", "seeds": list(missing)})
        if recipe.teacher is not None:
            try:
                teach = lambda record, say=say: say({**record, "part": "teacher"})  # noqa: E731
                teacher = own.teacher(recipe.teacher, plan, teach, test=test)
            except FAILURES as error:
                fail(error, missing)
                continue
        while missing:
            try:
                fit(recipe, own.dataset, seeds=missing, plan=plan, teacher=teacher, test=test, log=(say,), done=keep)
                break
            except FAILURES as error:
                missing = tuple(seed for seed in missing if seed not in kept)
                failed = plan.groups(missing)[0][1] if missing else ()
                fail(error, failed)
                missing = missing[len(failed) :]


def cell_of(run: Run) -> dict:
    """What a report needs of a run, as plain values; accuracies in percent."""
    percent = lambda value: None if value is None else 100 * value  # noqa: E731
    return {
        "seed": run.seed,
        "tested": bool(run.test),
        "test_accuracy": percent(run.test.get("accuracy")),
        "test_loss": run.test.get("loss"),
        "validation_accuracy": percent(run.history[-1].get("validation_accuracy")),
        "curve": {
            "epoch": [r["epoch"] for r in run.history],
            "train_loss": [r["train_loss"] for r in run.history],
            "validation_accuracy": [percent(r.get("validation_accuracy")) for r in run.history],
        },
        "seconds": run.seconds,
        "step_ms": run.step_ms,
        "wait_percent": run.wait_percent,
        "skipped_steps": run.skipped,
        "cost": run.cost,
        "machine": machine(),
    }


def machine() -> dict:
    """What the run ran on.

    Returns:
      ``cpu``, ``cores``, ``devices``, the versions of ``jax`` and ``python``, and JAX's ``platform``.
    """
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu,
        "cores": cores,
        "devices": [d.device_kind for d in jax.devices()],
        "jax": jax.__version__,
        "python": platform.python_version(),
        "platform": jax.default_backend(),
    }
