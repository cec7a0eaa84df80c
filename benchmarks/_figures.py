"""What the benchmarks have in common: turns that alternate, a choice of rows, a file of figures."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path


def in_turns(calls: list[Callable], turns: int, *, warm: int = 1) -> list[list[float]]:
    """Seconds of each call, one after another, another one first in every turn; the first turns are not counted."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(-warm, turns):
        for i in range(len(calls)):
            place = (i + turn) % len(calls)
            began = time.perf_counter()
            calls[place]()
            if turn >= 0:
                times[place].append(time.perf_counter() - began)
    return times


def chosen(names: Iterable[str], only: tuple[str, ...]) -> list[str]:
    """The names that hold one of the parts; all of them if none is given."""
    names = list(names)
    found = [name for name in names if not only or any(part in name for part in only)]
    if not found:
        raise SystemExit(f"--only is {only}; allowed: parts of {', '.join(names)}.")
    return found


def write(figures: dict, out: Path | None) -> None:
    """The figures as JSON, if a file is given."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
