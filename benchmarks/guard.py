"""What the guard against loss and gradients that are not finite costs: a training step with it, and without.

    python -m benchmarks.guard --out benchmarks/results/guard.json

Both steps run in one process, in turns whose order alternates. The ratio is the median over the turns of the two times
of a turn, with its 95 % interval from resampled turns; processor time is that of all threads, which other work on the
machine disturbs less.
"""

import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

import jax
import numpy as np
import tyro

from benchmarks._figures import write
from jaxtricks import ablation, data, models, tasks, train
from jaxtricks.train import step as guarded
from jaxtricks.train.program import Program
from jaxtricks.tricks import bag


@dataclass(frozen=True)
class Options:
    """What to measure."""

    models: tuple[str, ...] = ("resnet_mini", "resnet_small")
    """Residual networks by name."""
    batch: int = 64
    """Images in a step."""
    data: str = "fashion_mini"
    """An image set."""
    ema: float = 0.99
    """Decay of the averaged weights."""
    seconds: float = 0.2
    """Length of one turn of one side, about."""
    turns: int = 100
    """Turns of each side."""
    out: Path | None = None
    """A JSON file to write the figures to."""


class Side:
    """The steps of one recipe, with the guard or without."""

    def __init__(self, recipe: train.Recipe, dataset: data.Dataset, *, guard: bool):
        program = Program(recipe, dataset, train.Plan())
        if not guard:
            program.update = without(program.update)
        self.state = program.create((0,))
        feed = data.Feed(dataset.train, (0,), recipe.batch)
        program.compile(self.state, feed)
        self.batch = program.plan.put_rows(next(iter(feed.steps(0, 1))))
        self.program = program

    def run(self, steps: int) -> tuple[float, float]:
        """Wall and processor milliseconds of a step."""
        wall, used = time.perf_counter(), time.process_time()
        for _ in range(steps):
            self.state, record = self.program.step(self.state, self.batch, self.program.constants)
            if jax.default_backend() == "cpu":
                jax.block_until_ready(record)
        jax.block_until_ready(self.state)
        return 1000 * (time.perf_counter() - wall) / steps, 1000 * (time.process_time() - used) / steps


def without(update):
    """The update of a step that takes everything for finite; what is chosen by a constant, XLA removes."""

    def unguarded(state, batch, constants):
        with mock.patch.object(guarded, "all_finite", return_value=np.True_):
            return update(state, batch, constants)

    return unguarded


def measure(options: Options, name: str) -> dict:
    """The figures of one network."""
    dataset = data.load(options.data)
    recipe = bag.standard(
        task=tasks.classification(dataset.classes),
        augmented=bag.augmentation(dataset),
        model=partial(models.resnet, models.LAYOUTS[name]),
        lr=0.01,
        batch=options.batch,
        epochs=100,
    )
    recipe = replace(recipe, ema=options.ema)
    sides = {"with": Side(recipe, dataset, guard=True), "without": Side(recipe, dataset, guard=False)}
    first = {side: min(steps.run(3)[0] for _ in range(3)) for side, steps in sides.items()}
    steps = max(1, round(1000 * options.seconds / min(first.values())))
    turns: dict[str, list] = {side: [] for side in sides}
    for turn in range(options.turns):
        for side in sorted(sides, reverse=turn % 2 == 0):
            turns[side].append(sides[side].run(steps))
    times = {side: np.array(values) for side, values in turns.items()}
    figures = {"batch": options.batch, "steps_a_turn": steps, "turns": options.turns}
    for column, clock in enumerate(("wall", "processor")):
        ratios = times["with"][:, column] / times["without"][:, column]
        draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
        figures[clock] = {
            **{f"{side}_ms": float(np.median(values[:, column])) for side, values in times.items()},
            "ratio": float(np.median(ratios)),
            "interval": np.percentile(np.median(draws, 1), [2.5, 97.5]).tolist(),
            "quartiles": np.percentile(ratios, [25, 75]).tolist(),
        }
    return figures


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    figures = {
        "command": " ".join(["python -m benchmarks.guard", *sys.argv[1:]]),
        "machine": ablation.machine(),
        "models": {name: measure(options, name) for name in options.models},
    }
    for name, ratios in figures["models"].items():
        print(f"{name}, batch {options.batch}, {len(jax.devices())} devices, {options.turns} turns")
        for clock in ("wall", "processor"):
            f = ratios[clock]
            low, high = f["interval"]
            print(
                f"  {clock:9s} {f['with_ms']:8.2f} ms with, {f['without_ms']:8.2f} without:"
                f" {100 * (f['ratio'] - 1):+.2f} % [{100 * (low - 1):+.2f}, {100 * (high - 1):+.2f}]"
            )
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
