"""What a training step on a CPU costs, and what the process holds, with ``train.keep_memory``, and without.

    python -m benchmarks.memory --out benchmarks/results/memory-2cores.json
    python -m benchmarks.memory --model resnet_micro --size 224 --out benchmarks/results/memory-224-2cores.json

Each side is a process of its own, since glibc is set at the start; they run one after another, several times. Counted
are a step's time, its processor time, that of the system in it, and page faults, in which the system hands out memory,
all in the second of two epochs; and the memory that the process held at most in both. On the second side nothing is
given back when the places of earlier steps do not fit the next one.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tyro

from benchmarks._figures import write
from jaxtricks import ablation, data, models, tasks, train
from jaxtricks._runtime import memory
from jaxtricks.tricks import bag

SIDES = ("kept", "kept, nothing given back", "as ever")


@dataclass(frozen=True)
class Options:
    """What to measure."""

    model: str = "resnet_small"
    """A residual network by name."""
    size: int = 32
    """Height and width of the images."""
    batch: int = 64
    """Images in a step."""
    steps: int = 40
    """Steps of an epoch."""
    turns: int = 3
    """Turns of each side."""
    side: str = ""
    """Of a process that measures: the name of a side."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def measure(options: Options) -> dict[str, float]:
    """The figures of one turn, in this process."""
    kept = options.side != SIDES[2] and train.keep_memory()
    if options.side == SIDES[1]:
        memory.give_back = lambda step=None: False
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (options.steps * options.batch, options.size, options.size, 3), np.uint8)
    labels = draws.integers(0, 10, len(images)).astype(np.int32)
    dataset = data.from_arrays("noise", images, labels, images[:64], labels[:64], classes=10)
    recipe = bag.standard(
        task=tasks.classification(10),
        augmented=bag.augmentation(dataset),
        model=partial(models.resnet, models.LAYOUTS[options.model]),
        lr=0.01,
        batch=options.batch,
        epochs=2,
    )
    ends = []

    def note(record: dict) -> None:
        if record["kind"] == "epoch":
            ends.append((time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)))

    train.fit(recipe, dataset, seeds=(0,), log=(note,), test=False)
    (began, before), (ended, after) = ends
    spent = {name: getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime", "ru_minflt")}
    return {
        "kept": kept,
        "ms": 1000 * (ended - began) / options.steps,
        "processor_ms": 1000 * (spent["ru_utime"] + spent["ru_stime"]) / options.steps,
        "system_ms": 1000 * spent["ru_stime"] / options.steps,
        "page_faults": spent["ru_minflt"] / options.steps,
        "most_memory_mb": after.ru_maxrss / 1024,
    }


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    if options.side:
        print(json.dumps(measure(options)))
        return {}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    turns: dict[str, list[dict]] = {name: [] for name in SIDES}
    for _ in range(options.turns):
        for name in SIDES:
            typed = [f"--{key}={getattr(options, key)}" for key in ("model", "size", "batch", "steps")]
            command = [sys.executable, "-m", "benchmarks.memory", *typed, "--side", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
            turns[name].append(json.loads(done.stdout.splitlines()[-1]))
    if not all(turn["kept"] for name in SIDES[:2] for turn in turns[name]):
        raise SystemExit("train.keep_memory does nothing on this machine; allowed: Linux, glibc, a CPU of few cores.")
    figures = {
        "command": " ".join(["python -m benchmarks.memory", *sys.argv[1:]]),
        "machine": ablation.machine(),
        "turns": turns,
        "median": {
            name: {key: statistics.median(turn[key] for turn in rows) for key in rows[0] if key != "kept"}
            for name, rows in turns.items()
        },
    }
    write(figures, options.out)
    for name, row in figures["median"].items():
        print(f"{name:24s} " + ", ".join(f"{key} {value:.0f}" for key, value in row.items()))
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
