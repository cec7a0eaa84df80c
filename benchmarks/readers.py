"""Two findings about XLA's CPU compiler, to be reported where that is made; ``layers`` works around both.

    XLA_FLAGS=--xla_force_host_platform_device_count=1 NPROC=1 python -m benchmarks.readers

**Readers.** What a convolution, the gradient of its kernel and the next residual sum read, normalisation with ReLU, is
computed anew for each of them, with all sums before it; the copy for the gradient goes against the order in memory. The
form beside it passes each ReLU's result through ``where(x == x, x, -x)``, which the compiler writes to memory once.

**Few channels.** A convolution of at most 16 channels on both sides takes longer than one of 20 outputs of which four
are zero, and one of three inputs and few outputs takes longer than one of four, of which one is zero.

Times are of processors, because only some of these convolutions use all threads; a ratio is the median over the turns.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro
from jax import lax

from benchmarks._figures import keep_memory, write
from jaxtricks.ablation import machine

CHANNELS = (
    (1, 8, 7, 2, 28),
    (3, 16, 3, 1, 32),
    (3, 16, 5, 1, 32),
    (8, 8, 3, 1, 32),
    (16, 16, 3, 1, 32),
    (3, 32, 3, 1, 32),
)
BATCH = 64


@dataclass(frozen=True)
class Options:
    """How often."""

    turns: int = 11
    """Turns of each form."""
    blocks: int = 4
    """Residual blocks."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def conv(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """XLA's convolution."""
    return lax.conv_general_dilated(x, kernel, (stride,) * 2, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def gradient(kept: bool) -> Callable:
    """The gradient in the kernels of residual blocks of two convolutions, which is what a training step computes."""

    def normalized(x):
        mean = x.mean((0, 1, 2))
        return (x - mean) * lax.rsqrt(((x - mean) ** 2).mean((0, 1, 2)) + 1e-5)

    def relu(x):
        x = jax.nn.relu(x)
        return jnp.where(x == x, x, -x) if kept else x

    def loss(kernels, x):
        for first, second in kernels:
            x = relu(x + normalized(conv(relu(normalized(conv(x, first))), second)))
        return (x**3).mean()

    return jax.grad(loss)


def padded(inputs: int, outputs: int, stride: int, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The convolution with more channels, which are zero."""
    more = inputs - kernel.shape[2]
    wide = jnp.pad(kernel, ((0, 0), (0, 0), (0, more), (0, outputs - kernel.shape[3])))
    return conv(jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, more))), wide, stride)[..., : kernel.shape[3]]


def forms(options: Options) -> dict[str, tuple[tuple, Callable, Callable]]:
    """``{name: (arguments, as it is, as it is worked around)}``."""
    keys = jax.random.split(jax.random.key(0), options.blocks + 1)
    kernels = [0.1 * jax.random.normal(key, (2, 3, 3, 16, 16)) for key in keys[1:]]
    x = jax.random.normal(keys[0], (BATCH, 32, 32, 16))
    rows = {f"readers, {options.blocks} residual blocks": ((kernels, x), gradient(False), gradient(True))}
    for inputs, outputs, size, stride, pixels in CHANNELS:
        wide = inputs if inputs == 1 else -(-inputs // 4) * 4
        kernel = jax.random.normal(keys[0], (size, size, inputs, outputs))
        image = jax.random.normal(keys[0], (BATCH, pixels, pixels, inputs))
        more = outputs if outputs > 16 else 20
        rows[f"{size}x{size}, {inputs} -> {outputs}, {pixels} px, stride {stride}"] = (
            (image, kernel),
            partial(conv, stride=stride),
            partial(padded, wide, more, stride),
        )
    return rows


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    figures: dict = {"command": " ".join(["python -m benchmarks.readers", *sys.argv[1:]]), "machine": machine()}
    print(f"{'milliseconds of processor time':<40}{'as it is':>10}{'around it':>10}{'ratio':>8}")
    for name, (arguments, *functions) in forms(options).items():
        calls = [jax.jit(function) for function in functions]
        one, other = (call(*arguments) for call in calls)
        if not jax.tree.all(jax.tree.map(partial(jnp.allclose, rtol=1e-3, atol=1e-3), one, other)):
            raise AssertionError(f"{name}: the two forms compute different things.")
        taken: list[list[float]] = [[], []]
        for _ in range(options.turns):
            for call, times in zip(calls, taken, strict=True):
                began = time.process_time()
                jax.block_until_ready(call(*arguments))
                times.append(1e3 * (time.process_time() - began))
        before, after = map(statistics.median, taken)
        ratio = statistics.median(b / a for a, b in zip(*taken, strict=True))
        figures[name] = {"before": before, "after": after, "ratio": ratio}
        print(f"{name:<40}{before:10.2f}{after:10.2f}{ratio:8.2f}")
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    chosen_options = tyro.cli(Options, description=__doc__)
    keep_memory()
    main(chosen_options)
