"""What a training step on a CPU costs with ``train.keep_memory``, and without.

    python -m benchmarks.memory --out benchmarks/results/memory-2cores.json

Each side is a process of its own, since glibc is set at the start; they run one after another, several times. Counted
are the processor time of a step, that of the system in it, and the page faults, in which the system hands out memory.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks import train_step
from benchmarks._figures import write
from jaxtricks import ablation, train

SIDES = ("kept", "as ever")


@dataclass(frozen=True)
class Options:
    """What to measure."""

    model: str = "resnet_small"
    """A residual network by name."""
    size: int = 32
    """Height and width of the images."""
    batch: int = 64
    """Images in a step."""
    steps: int = 10
    """Steps of one turn."""
    turns: int = 3
    """Turns of each side."""
    side: str = ""
    """Of a process that measures: kept, or as ever."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def measure(options: Options) -> dict[str, float]:
    """The figures of one turn, in this process."""
    kept = options.side == SIDES[0] and train.keep_memory()
    run, _ = train_step.jax_side(
        train_step.Options(model=options.model, size=options.size, batch=options.batch, classes=10)
    )
    run(2)
    before = resource.getrusage(resource.RUSAGE_SELF)
    seconds = run(options.steps)
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = {name: getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime", "ru_minflt")}
    return {
        "kept": kept,
        "ms": 1000 * seconds / options.steps,
        "processor_ms": 1000 * (spent["ru_utime"] + spent["ru_stime"]) / options.steps,
        "system_ms": 1000 * spent["ru_stime"] / options.steps,
        "page_faults": spent["ru_minflt"] / options.steps,
        "most_memory_mb": after.ru_maxrss / 1024,
    }


def median(turns: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure."""
    return {key: statistics.median(turn[key] for turn in turns) for key in turns[0] if key != "kept"}


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
    if not all(turn["kept"] for turn in turns[SIDES[0]]):
        raise SystemExit("train.keep_memory does nothing on this machine; allowed: Linux, glibc, a CPU of few cores.")
    figures = {
        "command": " ".join(["python -m benchmarks.memory", *sys.argv[1:]]),
        "machine": ablation.machine(),
        "turns": turns,
        "median": {
            name: {key: statistics.median(turn[key] for turn in rows) for key in rows[0]}
            for name, rows in turns.items()
        },
    }
    write(figures, options.out)
    for name, row in figures["median"].items():
        print(f"{name:8s} " + ", ".join(f"{key} {value:.0f}" for key, value in row.items()))
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
