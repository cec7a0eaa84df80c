"""Two findings about XLA's CPU compiler, to be reported where that is made; ``layers`` works around both.

    XLA_FLAGS=--xla_force_host_platform_device_count=1 NPROC=1 python benchmarks/readers.py

It needs nothing but jax.

**Readers.** What a convolution, the gradient of its kernel and the next residual sum read, normalisation with ReLU, is
computed anew for each of them, with all sums before it; the copy for the gradient goes against the order in memory. The
form beside it passes each ReLU's result through ``where(x == x, x, -x)``, which the compiler writes to memory once.

**Few channels.** A convolution of at most 16 channels on both sides takes longer than one of 20 outputs of which four
are zero, and one of three inputs and few outputs takes longer than one of four, of which one is zero.

Times are of processors, because only some of these convolutions use all threads; a ratio is the median over the turns,
with its quartiles.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import lax

CHANNELS = (
    (1, 8, 7, 2, 28),
    (3, 16, 3, 1, 32),
    (3, 16, 5, 1, 32),
    (8, 8, 3, 1, 32),
    (16, 16, 3, 1, 32),
    (3, 32, 3, 1, 32),
)
BATCH = 64


KEPT = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}  # glibc's memory stays


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


def forms(blocks: int) -> dict[str, tuple[tuple, Callable, Callable]]:
    """``{name: (arguments, as it is, as it is worked around)}``."""
    keys = jax.random.split(jax.random.key(0), blocks + 1)
    kernels = [0.1 * jax.random.normal(key, (2, 3, 3, 16, 16)) for key in keys[1:]]
    x = jax.random.normal(keys[0], (BATCH, 32, 32, 16))
    rows = {f"readers, {blocks} residual blocks": ((kernels, x), gradient(False), gradient(True))}
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


def _processor() -> str:
    """Its name, from Linux's /proc; else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def main(turns: int, blocks: int) -> dict[str, dict[str, float]]:
    """Measure, print, and give back the figures by form."""
    figures = {}
    print(f"{'milliseconds of processor time':<40}{'as it is':>10}{'around it':>10}{'ratio':>8}")
    for name, (arguments, *functions) in forms(blocks).items():
        calls = [jax.jit(function) for function in functions]
        one, other = (call(*arguments) for call in calls)
        if not jax.tree.all(jax.tree.map(partial(jnp.allclose, rtol=1e-3, atol=1e-3), one, other)):
            raise AssertionError(f"{name}: the two forms compute different things.")
        taken: list[list[float]] = [[], []]
        for turn in range(turns):
            for side in (0, 1) if turn % 2 == 0 else (1, 0):
                began = time.process_time()
                jax.block_until_ready(calls[side](*arguments))
                taken[side].append(1e3 * (time.process_time() - began))
        before, after = map(statistics.median, taken)
        ratios = [b / a for a, b in zip(*taken, strict=True)]
        low, ratio, high = statistics.quantiles(ratios, n=4)
        figures[name] = {"before": before, "after": after, "ratio": ratio, "quartiles": [low, high]}
        print(f"{name:<40}{before:10.2f}{after:10.2f}{ratio:8.2f} ({low:.2f} to {high:.2f})")
    return figures


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in KEPT.items()):  # glibc reads them at the start
        os.execve(sys.executable, sys.orig_argv, os.environ | KEPT)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=31, help="of each form")
    parser.add_argument("--blocks", type=int, default=4, help="residual blocks")
    parser.add_argument("--out", type=Path, help="a JSON file to write the figures to")
    typed = parser.parse_args()
    about = {
        "command": " ".join(["python benchmarks/readers.py", *sys.argv[1:]]),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "jax": jax.__version__},
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    measured = about | main(typed.turns, typed.blocks)
    if typed.out is not None:
        typed.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
