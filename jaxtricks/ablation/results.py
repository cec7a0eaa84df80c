"""What came out, as plain values: the cells of all rows with what their recipes cost, for the report."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks.ablation.cells import TEACHER_SEED, Cells
from jaxtricks.ablation.headline import common_headline
from jaxtricks.ablation.provenance import code, machine, release
from jaxtricks.ablation.timing import training_seconds
from jaxtricks.ablation.variants import Variant
from jaxtricks.analysis import count_macs, count_parameters
from jaxtricks.data import Dataset
from jaxtricks.fingerprint import describe
from jaxtricks.train import Recipe, build_model, epoch_steps


def forward_cost(recipe: Recipe, dataset: Dataset) -> dict[str, int]:
    """What one image costs, from shapes alone: nothing is computed.

    Args:
      recipe: gives the model.
      dataset: gives the shape of an image and the number of classes.

    Returns:
      ``macs``, multiply-accumulates of the network's forward pass, and ``parameters``.
    """
    model = build_model(recipe, dataset)
    params, stats = jax.eval_shape(lambda: model.init(jax.random.key(0)))
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
    budget: dict | None = None,
    costs: Mapping[str, dict[str, int]] | None = None,
    margin: float | None = None,
    tables: str | None = None,
) -> dict:
    """Every cell there is, as the one dict that the report is made from.

    Args:
      variants: the rows.
      cells: where their cells lie.
      title, command, mode, model: as text, for the reader.
      seeds: those that were asked for; a cell that is missing stays missing.
      sd_assumed: ``value`` and ``from`` of the spread of paired differences: measured, or assumed where cells are few.
      resolvable: the smallest effect that follows from it, in the unit of the headline.
      budget: minutes that were asked for, why there are no more seeds, and seconds of each part, for the reader.
      costs: ``forward_cost`` of each row by name, where it is known already.
      margin: the largest difference that counts as no effect, in the same unit; None: 0.5 points for percent.
      tables: whose tables the rows' ``paper`` names, for the reader, such as ``tricks.paper.SOURCE``.

    Returns:
      Plain values, fit for JSON, in the unit of reports. A row's ``data`` is None where it is the experiment's.

    Raises:
      ValueError: if two rows have different headlines.
    """
    dataset, first = cells.dataset, variants[0].recipe
    headline = common_headline([(variant.name, variant.recipe.task) for variant in variants])
    rows = []
    for variant in variants:
        row_cells = cells.of(variant)
        source = row_cells.dataset
        runs = [cell for cell in (row_cells.get(variant.recipe, seed) for seed in seeds) if cell is not None]
        good = [{k: v for k, v in cell.items() if k != "decided"} for cell in runs if "error" not in cell]
        steps = [cell["cost"] for cell in good]
        step_ms = float(np.median([cell["step_ms"] for cell in good])) if good else None
        rows.append(
            {
                "name": variant.name,
                "tricks": list(variant.tricks),
                "reference": variant.reference,
                "expected": variant.expected,
                "paper": variant.paper,
                "teacher_seconds": _teacher_seconds(variant.recipe.teacher, row_cells),
                "data": None if variant.data is None else {"name": source.name, "train": len(source.train)},
                "cells": good,
                "failed": [cell for cell in runs if "error" in cell],
                "cost": {
                    **(forward_cost(variant.recipe, source) if costs is None else costs[variant.name]),
                    "train_flops": steps[0]["train_flops"] if steps else None,
                    "peak_bytes": steps[0]["peak_bytes"] if steps else None,
                    "step_ms": step_ms,
                    "batch": variant.recipe.batch,
                    "epoch_seconds": None if step_ms is None else step_ms * epoch_steps(variant.recipe, source) / 1000,
                },
            }
        )
    return {
        "title": title,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "versions": {name: release(name) for name in ("jaxtricks", "jax", "flax", "optax", "numpy")},
        "code": code(*(variant.recipe for variant in variants)),
        "data": {
            "name": dataset.name,
            "train": len(dataset.train),
            "validation": len(dataset.validation or ()),
            "test": len(dataset.test),
            "classes": dataset.classes,
            "class_names": dataset.class_names and list(dataset.class_names),
            "notes": list(dataset.notes),
            "shape": list(dataset.shape),
        },
        "headline": headline.plain(),
        "mode": mode,
        "seeds": list(seeds),
        "budget": budget,
        "model": model,
        "epochs": first.epochs,
        "batch": first.batch,
        "sd_assumed": sd_assumed,
        "resolvable": resolvable,
        "margin": margin,
        "tables": tables,
        "rows": rows,
        "recipe": {v.name: {k: _short(value) for k, value in describe(v.recipe).items()} for v in variants},
    }


def _teacher_seconds(teacher: Recipe | None, cells: Cells) -> float | None:
    """What a row pays for its teacher; None without one."""
    cell = None if teacher is None else cells.get(teacher, TEACHER_SEED)
    if teacher is None or cell is None or "error" in cell:
        return None
    return training_seconds(cell, {"cost": {"batch": teacher.batch}}, len(cells.dataset.train))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("jaxtricks.", "")
