"""What the written-out generator of ``augment/_random.py`` is worth: the same augmentations with jax.random beside it.

    python -m benchmarks.noise

Both sides give the same numbers, which is checked, and run in turns; the ratio, time with jax.random by time with the
written-out rounds, is the median over the turns, with its quartiles. Worth its lines where some ratio is 1.3 or more.
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks._figures import in_turns, write
from jaxtricks import ablation, augment
from jaxtricks.augment import _erase, _noise, _random

AUGMENTATIONS = {
    "gaussian_noise": lambda key, image: augment.gaussian_noise(key, image, std=0.1),
    "random_erasing": lambda key, image: augment.random_erasing(key, image, probability=1.0),
}
BATCHES = (128, 224), (128, 32), (8, 32)  # images and their side in pixels


@dataclass(frozen=True)
class Options:
    """What to measure."""

    turns: int = 20
    """Turns of each side."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def compiled(transform: Callable, source) -> Callable:
    """The augmentation of a batch, compiled with the generator of a module."""

    def batched(key, images):
        before = _noise.normal, _erase.uniform
        _noise.normal, _erase.uniform = source.normal, source.uniform
        try:
            return augment.each(transform)(key, {"image": images})["image"]
        finally:
            _noise.normal, _erase.uniform = before

    return jax.jit(batched)


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    figures = {"command": " ".join(["python -m benchmarks.noise", *sys.argv[1:]]), "machine": ablation.machine()}
    key = jax.random.key(0)
    for count, side in BATCHES:
        images = jnp.asarray(np.random.default_rng(0).random((count, side, side, 3), np.float32))
        for name, transform in AUGMENTATIONS.items():
            written_out, library = compiled(transform, _random), compiled(transform, jax.random)
            np.testing.assert_array_equal(written_out(key, images), library(key, images))
            calls = [lambda f=f, images=images: f(key, images).block_until_ready() for f in (written_out, library)]
            times = in_turns(calls, options.turns)
            ratios = [theirs / ours for ours, theirs in zip(*times, strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            milliseconds = [1e3 * statistics.median(values) for values in times]
            figures[f"{name}, {count} images of {side} px"] = {
                "written_out_ms": milliseconds[0],
                "jax_random_ms": milliseconds[1],
                "ratio": middle,
                "quartiles": [low, high],
            }
            print(
                f"{name:15s} {count:4d} x {side:3d} px: {milliseconds[0]:8.2f} ms, with jax.random "
                f"{milliseconds[1]:8.2f} ms, ratio {middle:.2f} ({low:.2f} to {high:.2f})"
            )
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
