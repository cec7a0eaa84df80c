"""What the benchmarks have in common: memory that stays, turns that alternate, a choice of rows, a file of figures."""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jax

from jaxtricks.ablation.provenance import code

KEPT = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
PAUSE = 0.02  # seconds, in which threads that wait for more work of the other side go to sleep


class Missing:
    """Stands for a library that cannot be imported: a benchmark goes on, and ends with a sentence when it needs it."""

    def __init__(self, name: str, error: Exception):
        self._name, self._error = name, error

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        why = "is not installed" if isinstance(self._error, ModuleNotFoundError) else f"fails ({self._error})"
        raise SystemExit(f"{self._name} {why}, and is measured here; allowed: `pip install {self._name}`.")


def module(name: str) -> Any:
    """A peer's module, or a ``Missing`` of its library."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # such as a library of CUDA that is not there
        return Missing(name.split(".")[0], error)


def keep_memory() -> None:
    """Start the program again where freed memory stays with the process, unless it does: glibc reads that at the start.

    Without it each call may ask the system for its memory anew, which takes longer than much of what is measured, and
    more or less of it by where the blocks happen to lie. On a CPU only: an accelerator's arrays are not the system's,
    and the threads that compile for it would wait for one another at the one arena.
    """
    if jax.default_backend() == "cpu" and any(os.environ.get(name) != value for name, value in KEPT.items()):
        os.execve(sys.executable, sys.orig_argv, os.environ | KEPT)


def in_turns(calls: list[Callable], turns: int, *, warm: int = 3) -> list[list[float]]:
    """Seconds of each call, one after another, another one first in every turn; the first turns are not counted."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(-warm, turns):
        for i in range(len(calls)):
            place = (i + turn) % len(calls)
            time.sleep(PAUSE)
            began = time.perf_counter()
            calls[place]()
            if turn >= 0:
                times[place].append(time.perf_counter() - began)
    return times


def chosen(names: Iterable[str], only: tuple[str, ...]) -> list[str]:
    """The names that hold one of the parts; all of them if none is given."""
    names = list(names)
    selected = [name for name in names if not only or any(part in name for part in only)]
    if not selected:
        raise SystemExit(f"--only is {only}; allowed: parts of {', '.join(names)}.")
    return selected


@cache
def commit() -> str | None:
    """The git commit of this code, with ``+changes`` where Python files differ from it, or the one it was carried from.

    None outside of a checkout, and of what ``benchmarks/carry.sh`` has brought.
    """
    carried = Path(__file__).parents[1] / "COMMIT"
    return code()["commit"] or (carried.read_text(encoding="utf-8").strip() if carried.is_file() else None)


def write(figures: dict, out: Path | None) -> None:
    """The figures as JSON, with the day (UTC) on which and the commit of which they are, if a file is given."""
    if out is not None:
        dated = figures | {"date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": commit()}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(dated, indent=1) + "\n", encoding="utf-8")
