"""What one device can do at most: matrix products a second by precision, and bytes of its memory a second.

    python -m benchmarks.device

A product of large square matrices of random numbers, since zeros are faster on some chips; and a copy in bfloat16, of
which each byte is read once and written once. The best of several calls. Other benchmarks are shares of these two.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro

from benchmarks._figures import write
from jaxtricks import ablation

PRECISIONS = {"bfloat16": ("bfloat16", None), "tf32": ("float32", "tensorfloat32"), "float32": ("float32", "highest")}


@dataclass(frozen=True)
class Options:
    """What to measure."""

    size: int = 8192
    """Rows and columns of the matrices."""
    megabytes: int = 2048
    """Of what is copied."""
    turns: int = 10
    """Calls of each, of which the best counts."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def best(call: Callable[[], jax.Array], turns: int) -> float:
    """Seconds of the fastest call, after one that is not counted."""
    call().block_until_ready()
    times = []
    for _ in range(turns):
        began = time.perf_counter()
        call().block_until_ready()
        times.append(time.perf_counter() - began)
    return min(times)


def products(size: int, turns: int, *, dtype: str, precision: str | None) -> float:
    """Floating-point operations a second of a matrix product."""
    a, b = jax.random.normal(jax.random.key(0), (2, size, size), dtype)
    product = jax.jit(lambda a, b: jnp.matmul(a, b, precision=precision))
    return 2 * size**3 / best(lambda: product(a, b), turns)


def copied(megabytes: int, turns: int) -> float:
    """Bytes a second of a copy in bfloat16, read and written."""
    x = jax.random.normal(jax.random.key(0), (megabytes * 2**19,), "bfloat16")
    negate = jax.jit(lambda x: -x)  # which no compiler leaves out
    return 2 * x.nbytes / best(lambda: negate(x), turns)


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    memory = jax.devices()[0].memory_stats() or {}
    figures = {
        "command": " ".join(["python -m benchmarks.device", *sys.argv[1:]]),
        "machine": ablation.machine(),
        "memory_bytes": memory.get("bytes_limit"),
        "flops": {
            name: products(options.size, options.turns, dtype=dtype, precision=precision)
            for name, (dtype, precision) in PRECISIONS.items()
        },
        "copy_bytes_per_second": copied(options.megabytes, options.turns),
    }
    device = jax.devices()[0].device_kind
    print(f"{len(jax.devices())} x {device}, jax {jax.__version__}")
    for name, flops in figures["flops"].items():
        print(f"  {name:9s} {flops / 1e12:8.2f} TFLOP/s, a product of {options.size} x {options.size}")
    print(f"  memory    {figures['copy_bytes_per_second'] / 1e9:8.1f} GB/s, a copy of {options.megabytes} MB")
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
