"""Where the time of a profiled step goes: convolutions and products, sums, passes over memory.

    python -m benchmarks.train_step --model resnet50 --tweaks bcd --precision bfloat16 --batch 256 --trace trace
    python -m benchmarks.kernels --trace trace

Reads the newest profile in the folder and adds up what ran on its accelerators, by XLA's names: a fusion whose name has
``reduce`` sums over an axis, another reads and writes arrays element by element, and what is no fusion is a kernel of
a library, such as a convolution.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import tyro
from jax.profiler import ProfileData

from benchmarks._figures import write

KINDS = ("convolutions and products", "sums", "passes over memory")


@dataclass(frozen=True)
class Options:
    """What to read."""

    trace: Path
    """The folder of a profile, or a file, NAME.xplane.pb."""
    steps: int = 10
    """Steps in the profile."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def kind(name: str) -> str:
    """What a kernel of this name does."""
    if "gemm" in name or not ("fusion" in name or name.startswith("wrapped")):
        return KINDS[0]
    return KINDS[1] if "reduce" in name else KINDS[2]


def summary(events: Iterable[tuple[str, float]], steps: int) -> dict:
    """Milliseconds a step by kind, kernels a step, and the largest kernels, from ``(name, nanoseconds)``."""
    if steps < 1:
        raise SystemExit(f"--steps is {steps}; allowed: 1 or more.")
    kinds, names, count = Counter(dict.fromkeys(KINDS, 0.0)), Counter(), 0
    for name, nanoseconds in events:
        count += 1
        kinds[kind(name)] += nanoseconds / 1e6 / steps
        names[name] += nanoseconds / 1e6 / steps
    return {"ms": dict(kinds), "kernels": count / steps, "largest": dict(names.most_common(12))}


def main(options: Options) -> dict:
    """Read, print, and give back the figures."""
    files = [options.trace] if options.trace.is_file() else sorted(options.trace.glob("**/*.xplane.pb"))
    if not files:
        raise SystemExit(f"--trace is {options.trace}; allowed: a file, or a folder with a NAME.xplane.pb.")
    planes = ProfileData.from_file(str(files[-1])).planes
    lines = [line for plane in planes if plane.name.startswith("/device") for line in plane.lines]
    events = [(event.name, event.duration_ns) for line in lines for event in line.events]
    if not events:
        raise SystemExit(f"{files[-1]} has nothing that ran on an accelerator.")
    figures = {"command": " ".join(["python -m benchmarks.kernels", *sys.argv[1:]])} | summary(events, options.steps)
    total = sum(figures["ms"].values())
    print(f"{total:.1f} ms a step in {figures['kernels']:.0f} kernels")
    for name, milliseconds in figures["ms"].items():
        print(f"  {milliseconds:6.2f} ms  {100 * milliseconds / total:3.0f} %  {name}")
    print("the largest:")
    for name, milliseconds in figures["largest"].items():
        print(f"  {milliseconds:6.2f} ms  {name[:90]}")
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
