"""The ImageNet augmentation chain on the device: images a second, and its share of a training step of this run.

    python -m benchmarks.chain --model resnet50 --tweaks bcd --precision bfloat16 --batch 256

The chain of ImageNet recipes (random resized crop, flip, colour jitter, PCA noise, erasing, standardisation) on a
batch that lies on the device, and the complete training step of benchmarks/train_step.py without it, in turns.
"""

import statistics
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import tyro

from benchmarks import train_step
from benchmarks._figures import in_turns, keep_memory, write
from jaxtricks import ablation, augment, preprocess

STATS = preprocess.Affine(jnp.array([0.485, 0.456, 0.406]), jnp.array([0.229, 0.224, 0.225]))


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


def chain_of(size: int, images: jax.Array):
    """``(key, batch) -> batch``: what ImageNet recipes do to an image, at the directions of these colours."""
    pca = partial(augment.pca_noise, pca=augment.fit_color_pca(images), std=0.1)
    return augment.chain(
        crop=augment.each(partial(augment.random_resized_crop, size=size)),
        flip=augment.each(augment.random_flip),
        jitter=augment.each(partial(augment.color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)),
        pca=augment.each(pca),
        erasing=augment.each(partial(augment.random_erasing, probability=0.25)),
        standardize=augment.each(augment.keyless(partial(preprocess.standardize, STATS))),
    )


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    image = jax.random.uniform(jax.random.key(0), (options.batch, options.size, options.size, 3))
    chain = jax.jit(chain_of(options.size, image[:8]))
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
