"""The ImageNet augmentation chain on the device: images a second, and its share of a training step of this run.

    python -m benchmarks.chain --model resnet50 --tweaks bcd --precision bfloat16 --batch 256

The chain of benchmarks/augment.py (random resized crop, flip, colour jitter, PCA noise, erasing, standardisation) on a
batch that lies on the device, and the complete training step of benchmarks/train_step.py without it, in turns.
"""

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import tyro

from benchmarks import augment, train_step
from benchmarks._figures import in_turns, keep_memory, write
from jaxtricks import ablation


@dataclass(frozen=True)
class Options:
    """What to measure."""

    model: str = "resnet50"
    """A residual network by name."""
    tweaks: str = "bcd"
    """Letters of the ResNet tweaks that are on."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Of the training step."""
    size: int = 224
    """Height and width of the images."""
    batch: int = 256
    """Images."""
    steps: int = 10
    """Steps, and batches through the chain, of one turn."""
    turns: int = 5
    """Turns of each side."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    chain = jax.jit(augment.ours(options.size)[augment.CHAIN])
    image = jax.random.uniform(jax.random.key(0), (options.batch, options.size, options.size, 3))
    batch, keys = {"image": image}, jax.random.split(jax.random.key(1), options.steps)
    run, _ = train_step.jax_side(
        train_step.Options(
            model=options.model,
            tweaks=options.tweaks,
            precision=options.precision,
            size=options.size,
            batch=options.batch,
        )
    )
    sides = [lambda: jax.block_until_ready([chain(key, batch) for key in keys]), lambda: run(options.steps)]
    times = in_turns(sides, options.turns, warm=1)
    done = options.steps * options.batch
    rates = [done / statistics.median(seconds) for seconds in times]
    share = statistics.median(a / b for a, b in zip(*times, strict=True))
    figures = {
        "command": " ".join(["python -m benchmarks.chain", *sys.argv[1:]]),
        "machine": ablation.machine(),
        "chain_images_per_second": rates[0],
        "step_images_per_second": rates[1],
        "share_of_step": share,
    }
    print(f"augmentation {rates[0]:,.0f} images/s, step {rates[1]:,.0f} images/s, share {100 * share:.1f} %")
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    chosen = tyro.cli(Options, description=__doc__)
    keep_memory()
    main(chosen)
