"""Where the time of a profiled step goes: convolutions and products, sums, passes over memory.

    python -m benchmarks.train_step --model resnet50 --tweaks bcd --precision bfloat16 --batch 256 --trace trace
    python -m benchmarks.kernels --trace trace

Reads the newest profile in the folder and adds up what ran on its accelerators, by XLA's names: a fusion whose name has
``reduce`` sums over an axis, another reads and writes arrays element by element, and what is no fusion is a kernel of
a library, such as a convolution. On a CPU, where each device is a thread, the names alone do not say it: the program,
which ``--trace`` leaves in the folder, does; what a thread waits for the others in a collective is a row of its own.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import tyro
from jax.profiler import ProfileData

from benchmarks._figures import write

KINDS = ("convolutions and products", "sums", "passes over memory")
WAITING = "waiting for other devices"
PROGRAM, PROFILED = "program.txt", "profiled.json"  # beside a profile: the program, and the command and its machine
OUTER = ("while", "call", "conditional", "all-reduce", "all-gather", "collective-permute")  # what they hold is counted
INSTRUCTION = re.compile(r'^ +(?:ROOT )?%([\w.-]+) = (?:.*?metadata=\{op_name="([^"]*)")?', re.MULTILINE)
PRODUCTS = ("ynn_fusion", "convolution", "dot")  # of those that do not say what they came of


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


def kind_on_cpu(name: str, operation: str) -> str | None:
    """What an instruction of this name does, which came of this operation; None of one that holds others."""
    if name.startswith(OUTER):
        return None
    last = operation.rpartition("/")[2]
    if not operation:
        return KINDS[0] if name.startswith(PRODUCTS) else KINDS[2]
    if "dot_general" in last or "conv_general" in last:
        return KINDS[0]
    return KINDS[1] if last.startswith(("reduce_", "argmax", "cumsum")) else KINDS[2]


def on_cpu(planes: Iterable, folder: Path) -> tuple[list[tuple[str, str, float]], int]:
    """``([(kind, name, nanoseconds)], threads)`` of a CPU, by the program in the folder."""
    if not (folder / PROGRAM).is_file():
        return [], 0
    operations = dict(INSTRUCTION.findall((folder / PROGRAM).read_text(encoding="utf-8")))
    events, threads = [], 0
    for line in (line for plane in planes for line in plane.lines):
        before = len(events)
        for event in line.events:
            what = WAITING if event.name == "Rendezvous" else None
            if event.name in operations:
                what = kind_on_cpu(event.name, operations[event.name])
            if what is not None:
                operation = operations.get(event.name, "").rpartition("/")[2]
                events.append((what, f"{event.name} {operation}".strip(), event.duration_ns))
        threads += len(events) > before
    return events, threads


def summary(events: Iterable[tuple[str, str, float]], steps: int) -> dict:
    """Milliseconds a step by kind, kernels a step, and the largest kernels, from ``(kind, name, nanoseconds)``."""
    if steps < 1:
        raise SystemExit(f"--steps is {steps}; allowed: 1 or more.")
    kinds, names, count = Counter(dict.fromkeys(KINDS, 0.0)), Counter(), 0
    for what, name, nanoseconds in events:
        count += 1
        kinds[what] += nanoseconds / 1e6 / steps
        names[name] += nanoseconds / 1e6 / steps
    return {"ms": dict(kinds), "kernels": count / steps, "largest": dict(names.most_common(12))}


def main(options: Options) -> dict:
    """Read, print, and give back the figures."""
    files = [options.trace] if options.trace.is_file() else sorted(options.trace.glob("**/*.xplane.pb"))
    if not files:
        raise SystemExit(f"--trace is {options.trace}; allowed: a file, or a folder with a NAME.xplane.pb.")
    planes = list(ProfileData.from_file(str(files[-1])).planes)
    lines = [line for plane in planes if plane.name.startswith("/device") for line in plane.lines]
    events = [(kind(event.name), event.name, event.duration_ns) for line in lines for event in line.events]
    threads = 1
    if not events:
        events, threads = on_cpu(planes, options.trace if options.trace.is_dir() else options.trace.parent)
    if not events:
        raise SystemExit(
            f"{files[-1]} has nothing that ran on an accelerator, and no {PROGRAM} of a CPU lies beside it."
        )
    figures = {"command": " ".join(["python -m benchmarks.kernels", *sys.argv[1:]])}
    profiled = (options.trace if options.trace.is_dir() else options.trace.parent) / PROFILED
    if profiled.exists():
        figures["profiled"] = json.loads(profiled.read_text(encoding="utf-8"))
    figures |= summary(events, options.steps) | {"threads": threads}
    total = sum(figures["ms"].values())
    of = f" of {threads} threads" if threads > 1 else ""
    print(f"{total:.1f} ms a step{of} in {figures['kernels']:.0f} kernels")
    for name, milliseconds in figures["ms"].items():
        print(f"  {milliseconds:6.2f} ms  {100 * milliseconds / total:3.0f} %  {name}")
    print("the largest:")
    for name, milliseconds in figures["largest"].items():
        print(f"  {milliseconds:6.2f} ms  {name[:90]}")
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
