"""Cells: one recipe with one seed is one JSON file, so that an ablation stopped half-way goes on where it was."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxtricks.ablation.variants import Variant
from jaxtricks.analysis.cost import count_macs, count_parameters
from jaxtricks.data import Dataset
from jaxtricks.train import Plan, Recipe, Run, build_model, describe, fingerprint, fit
from jaxtricks.train.parallel import read

TEACHER_SEED = 0


class Cells:
    """The cells in one folder.

    Args:
      folder: made if missing.
      dataset: what every cell trains on; its name, sizes and classes are part of a cell's name.
    """

    def __init__(self, folder: str | Path, dataset: Dataset):
        self.folder = Path(folder).expanduser().absolute() / "cells"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dataset = dataset
        self.data = [dataset.name, len(dataset.train), len(dataset.validation or ()), len(dataset.test), *dataset.shape]

    def of(self, variant: Variant) -> "Cells":
        """The cells of a row, which may have data of its own, in the same folder."""
        return self if variant.data is None else Cells(self.folder.parent, variant.dataset(self.dataset))

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

    def missing(self, recipe: Recipe, seeds: Iterable[int]) -> tuple[int, ...]:
        """The seeds whose cell is missing or failed."""
        cells = {seed: self.get(recipe, seed) for seed in seeds}
        return tuple(seed for seed, cell in cells.items() if cell is None or "error" in cell)

    def put(self, recipe: Recipe, seed: int, cell: dict) -> None:
        """Write a cell, in the first process only; a reader never sees half of it."""
        if jax.process_index() == 0:
            path = self.path(recipe, seed)
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps(cell, indent=1), encoding="utf-8")
            part.replace(path)

    def teacher(self, recipe: Recipe, plan: Plan, log: Callable[[dict], None]) -> Any:
        """``(params, stats)`` of a teacher, trained once and kept beside the cells."""
        path = self.path(recipe, TEACHER_SEED).with_suffix(".npz")
        if path.is_file() and not self.missing(recipe, (TEACHER_SEED,)):
            with np.load(path, allow_pickle=False) as archive:
                tree = unflatten_dict(dict(archive), sep="/")
            return tree["params"], tree.get("stats", {})
        (run,) = fit(recipe, self.dataset, seeds=(TEACHER_SEED,), plan=replace(plan, seeds_on="map"), log=(log,))
        if jax.process_index() == 0:
            flat = flatten_dict(dict(zip(("params", "stats"), run.variables, strict=True)), sep="/")
            part = path.with_suffix(f".{os.getpid()}.part.npz")
            np.savez(part, **{name: read(array) for name, array in flat.items()})
            part.replace(path)
        self.put(recipe, TEACHER_SEED, cell_of(run))
        return jax.tree.map(read, run.variables)


def run_cells(
    variants: Sequence[Variant],
    cells: Cells,
    *,
    seeds: Sequence[int],
    plan: Plan,
    log: Iterable[Callable[[dict], None]] = (),
) -> None:
    """Train every cell that is missing; a cell that fails leaves its error, and the others go on.

    Args:
      variants: the rows.
      cells: where they lie.
      seeds: the same for every row, so that differences are paired.
      plan: where the steps run.
      log: as in fit; each record also has ``variant`` and ``rung``, its number from 1.
    """
    rows = [(number, variant, cells.of(variant)) for number, variant in enumerate(variants, 1)]
    todo = {}  # before any process writes; what two rows share is trained once
    for number, variant, own in rows:
        if missing := own.missing(variant.recipe, seeds):
            todo.setdefault(own.path(variant.recipe, missing[0]), (number, variant, own, missing))
    for number, variant, own, missing in todo.values():
        recipe = variant.recipe

        def say(record, name=variant.name, number=number):
            for each in log:
                each({**record, "variant": name, "rung": number})

        def keep(run, recipe=recipe, own=own):
            own.put(recipe, run.seed, cell_of(run))

        say({"kind": "rung", "seeds": list(missing)})
        try:
            teacher = None
            if recipe.teacher is not None:
                teacher = own.teacher(recipe.teacher, plan, lambda r, say=say: say({**r, "part": "teacher"}))
            fit(recipe, own.dataset, seeds=missing, plan=plan, teacher=teacher, log=(say,), done=keep)
        except (FloatingPointError, RuntimeError, ValueError) as error:
            message = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            say({"kind": "failed", "error": message})
            for seed in own.missing(recipe, missing):
                own.put(recipe, seed, {"seed": seed, "error": message})


def cell_of(run: Run) -> dict:
    """What a report needs of a run, as plain values; accuracies in percent."""
    percent = lambda value: None if value is None else 100 * value  # noqa: E731
    return {
        "seed": run.seed,
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


def forward_cost(recipe: Recipe, dataset: Dataset) -> dict[str, int]:
    """What one image costs, from shapes alone: nothing is computed.

    Args:
      recipe: gives the model.
      dataset: gives the shape of an image and the number of classes.

    Returns:
      ``macs``, multiply-accumulates of the network's forward pass, and ``parameters``.
    """
    model = build_model(recipe, dataset)
    params, stats = jax.eval_shape(model.init, jax.random.key(0))
    image = jax.ShapeDtypeStruct((1, *dataset.shape), jnp.float32)
    macs = count_macs(lambda p, s, x: model.apply(p, s, x, train=False), params, stats, image)
    return {"macs": macs, "parameters": count_parameters(params)}


def gather(
    variants: Sequence[Variant],
    cells: Cells,
    *,
    title: str,
    command: str,
    mode: str,
    seeds: Sequence[int],
    model: str,
    sd_assumed: dict,
    resolvable: float,
) -> dict:
    """Every cell there is, as the one dict that the report is made from.

    Args:
      variants: the rows.
      cells: where their cells lie.
      title, command, mode, model: as text, for the reader.
      seeds: those that were asked for; a cell that is missing stays missing.
      sd_assumed: ``value`` and ``from`` of the spread of paired differences that was assumed before the run.
      resolvable: the smallest effect that follows from it, in points.

    Returns:
      Plain values, fit for JSON; accuracies in percent.
    """
    dataset, first = cells.dataset, variants[0].recipe
    rows = []
    for variant in variants:
        own = cells.of(variant)
        found = [(seed, own.get(variant.recipe, seed)) for seed in seeds]
        good = [cell for _, cell in found if cell is not None and "error" not in cell]
        costs = [cell["cost"] for cell in good]
        step_ms = float(np.median([cell["step_ms"] for cell in good])) if good else None
        rows.append(
            {
                "name": variant.name,
                "tricks": list(variant.tricks),
                "reference": variant.reference,
                "expected": variant.expected,
                "paper": variant.paper,
                "cells": good,
                "failed": [cell for _, cell in found if cell is not None and "error" in cell],
                "cost": {
                    **forward_cost(variant.recipe, own.dataset),
                    "train_flops": costs[0]["train_flops"] if costs else None,
                    "peak_bytes": costs[0]["peak_bytes"] if costs else None,
                    "step_ms": step_ms,
                    "batch": variant.recipe.batch,
                    "epoch_seconds": None
                    if step_ms is None
                    else step_ms * (len(own.dataset.train) // variant.recipe.batch) / 1000,
                },
            }
        )
    return {
        "title": title,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "versions": {name: version(name) for name in ("jaxtricks", "jax", "flax", "optax", "numpy")},
        "data": {
            "name": dataset.name,
            "train": len(dataset.train),
            "validation": len(dataset.validation or ()),
            "test": len(dataset.test),
            "classes": dataset.classes,
            "shape": list(dataset.shape),
        },
        "mode": mode,
        "seeds": list(seeds),
        "model": model,
        "epochs": first.epochs,
        "batch": first.batch,
        "sd_assumed": sd_assumed,
        "resolvable": resolvable,
        "rows": rows,
        "recipe": {v.name: {k: _short(value) for k, value in describe(v.recipe).items()} for v in variants},
    }


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("jaxtricks.", "")
