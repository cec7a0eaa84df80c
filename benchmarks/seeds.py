"""Several seeds of one recipe: one after another, in one vectorised step, or one on each device.

    python -m benchmarks.seeds --model resnet_mini --seeds 2
    python -m benchmarks.seeds --model resnet20 --data cifar10.npz --batch 128 --seeds 8 --chunk 16

Prints the time a seed takes for each way, and the ratio to the first; each way runs in turn, on the same recipe. With
``--chunk`` each way is measured with so many steps in one call of the device, under ``lax.scan``, too.
"""

import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import jax
import tyro

from benchmarks._figures import write
from jaxtricks import ablation, data, models, tasks, train
from jaxtricks.ablation import cli
from jaxtricks.tricks import bag, set_fields


@dataclass(frozen=True)
class Options:
    """What to measure."""

    model: str = "resnet_mini"
    """A network by name."""
    data: str = "fashion_mini"
    """An image set."""
    seeds: int = 2
    """How many."""
    batch: int = 32
    """Images in a step of one seed."""
    epochs: float = 1.0
    """Length of one run."""
    turns: int = 3
    """Turns of each way."""
    chunk: int = 1
    """Steps in one call of the device, beside one; 1 for no such rows."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the computation."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    if options.model not in models.NETWORKS:
        raise SystemExit(f"--model is {options.model}; allowed: {', '.join(models.NETWORKS)}.")
    dataset = data.load(options.data)
    recipe = bag.standard(
        task=tasks.classification(dataset.classes),
        augmented=bag.augmentation(dataset),
        model=cli.network(options.model, dataset),
        lr=0.05,
        batch=options.batch,
        epochs=options.epochs,
    )
    recipe = set_fields(recipe, precision=cli.PRECISIONS[options.precision])
    ways = ("map", "vmap", "devices") if len(jax.devices()) > 1 else ("map", "vmap")
    plans = {way: train.Plan(seeds_on=way) for way in ways}
    if options.chunk > 1:
        plans |= {f"{way}, scan": replace(plan, chunk=options.chunk) for way, plan in plans.items()}
    step_ms: dict[str, list[float]] = {name: [] for name in plans}
    kept: dict[str, dict] = {name: {} for name in plans}
    figures = {}
    for _ in range(options.turns):
        for name, times in step_ms.items():
            parts = {"plan": plans[name], "programs": kept[name], "test": False}
            runs = train.fit(recipe, dataset, seeds=range(options.seeds), **parts)
            times.append(sum(run.step_ms for run in runs) / len(runs))
            figures = summary({way: times for way, times in step_ms.items() if times})
            write(figures, options.out)  # what there is, if time runs out
    median, ratios = figures["step_ms_per_seed"], figures["speed_against_map"]
    print(f"{options.model}, batch {options.batch}, {options.seeds} seeds, {len(jax.devices())} devices")
    for way, value in median.items():
        print(f"  {way:14s} {value:8.2f} ms a step and seed   {ratios[way]:.2f} x map")
    return figures


def summary(step_ms: dict[str, list[float]]) -> dict:
    """The figures of the ways that were measured, from the milliseconds of each turn."""
    return {
        "command": " ".join(["python -m benchmarks.seeds", *sys.argv[1:]]),
        "machine": ablation.machine(),
        "step_ms_per_seed": {way: statistics.median(times) for way, times in step_ms.items()},
        "speed_against_map": {
            way: statistics.median(a / b for a, b in zip(step_ms["map"], times, strict=False))
            for way, times in step_ms.items()
        },
    }


if __name__ == "__main__":
    began = time.perf_counter()
    main(tyro.cli(Options, description=__doc__))
    print(f"  {time.perf_counter() - began:.0f} s")
