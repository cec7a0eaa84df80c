"""A detector from nothing in five minutes: COCO's figures on the canvases of the experiment detect, and the time.

    python -m benchmarks.detector

A residual network of basic blocks, a head without anchors that says how near a cell is to its box's centre, mirrored
images, one cosine. More canvases than those of the experiment are drawn of the same items; the test set is the
experiment's. Time counts from the imports to the figures on the test set: drawing, compiling, training.
"""

import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import tyro

from benchmarks._figures import write
from experiments.detect import LADDER
from jaxtricks import ablation, data, models, optim, train
from jaxtricks.tricks import detecting

BEGAN = time.perf_counter()
ROWS = ("anchor-free, centre-ness", "flip")  # of the experiment
LAYOUT = models.Layout((1, 2, 2), (16, 32, 64), bottleneck=False, stem=(5, 2), pool=False)


@dataclass(frozen=True)
class Options:
    """How to train."""

    canvases: int = 8000
    """Training images."""
    epochs: float = 8.0
    """Passes over them."""
    batch: int = 16
    """Images in a step."""
    lr: float = 0.008
    """Of AdamW, after a warm-up of a twentieth of the epochs."""
    seed: int = 0
    """Of weights, order and flips."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def prepare(options: Options) -> tuple[data.Dataset, train.Recipe]:
    """The canvases, and the recipe."""
    items = data.load("fashion_mini")
    canvases = data.shapes(items, kinds=detecting.KINDS, images=(options.canvases, 500))
    recipe = detecting.baseline(
        task=detecting.task_for(canvases),
        augmented=None,
        model=partial(models.resnet, LAYOUT),
        lr=options.lr,
        batch=options.batch,
        epochs=options.epochs,
    )
    recipe = ablation.apply(recipe, ROWS, LADDER)
    return canvases, replace(recipe, warmup=partial(optim.with_warmup, epochs=options.epochs / 20))


def progress(record: dict) -> None:
    """A line an epoch."""
    if record["kind"] == "epoch":
        line = f"epoch {record['epoch']:g}  train loss {record['train_loss']:.3f}  {time.perf_counter() - BEGAN:.0f} s"
        print(line, flush=True)


def main(options: Options) -> dict:
    """Train, print, and give back the figures."""
    canvases, recipe = prepare(options)
    (run,) = train.fit(recipe, canvases, seeds=(options.seed,), log=(progress,))
    seconds, busy = time.perf_counter() - BEGAN, time.process_time()
    figures = {name: 100 * value for name, value in run.test.items()}
    print("  ".join(f"{name} {value:.1f} %" for name, value in figures.items()))
    print(f"{seconds:.0f} s, {busy:.0f} s of processor time, {run.history[-1]['step']} steps")
    figures |= {"seconds": seconds, "processor_seconds": busy, "machine": ablation.machine()}
    figures["command"] = " ".join(["python -m benchmarks.detector", *sys.argv[1:]])
    if options.out is not None:
        write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
