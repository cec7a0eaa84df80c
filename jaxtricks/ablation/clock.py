"""Where the time of a command goes: start, compiling, training, evaluation, report."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = ("start", "compile", "train", "evaluate", "report")


class Clock:
    """Adds up seconds by part; hand ``log`` to ``run_cells`` and ``search_rates``.

    Compiling is what lies between the start of a row, or the end of a run, and the first step of the next one: tracing,
    compiling, the initial state. An epoch is training as long as its steps took, and evaluation from there on.

    Args:
      now: gives seconds.
      age: seconds that the process had run for before; they belong to the start.
    """

    def __init__(self, *, now: Callable[[], float] = time.perf_counter, age: float = 0.0):
        self.now = now
        self.began = self._mark = now() - age
        self.part = "start"
        self._spent: dict[str, float] = dict.fromkeys(PARTS, 0.0)

    @property
    def elapsed(self) -> float:
        """Seconds since the process was started."""
        return self.now() - self.began

    def turn(self, part: str) -> None:
        """From here on the time belongs to another part."""
        now = self.now()
        self._spent[self.part] += now - self._mark
        self.part, self._mark = part, now

    def seconds(self, *parts: str) -> float:
        """What these parts took so far, the running one included; all of them if none is named."""
        running = {self.part: self.now() - self._mark}
        return sum(self._spent[part] + running.get(part, 0.0) for part in parts or PARTS)

    def spent(self) -> dict[str, float]:
        """Seconds of each part, rounded for a report."""
        return {part: round(self.seconds(part), 1) for part in PARTS}

    def log(self, record: dict[str, Any]) -> None:
        """Take a record of ``run_cells``."""
        kind = record["kind"]
        if kind in ("rung", "failed"):
            self.turn("compile")
        elif kind == "start":
            self.turn("train")
        elif kind == "epoch":
            now = self.now()
            steps = min(record["seconds"], now - self._mark)  # of seeds that step together only the first has any
            self._spent["train"] += steps
            self._spent["evaluate"] += now - self._mark - steps
            self._mark = now
        elif kind == "end":  # since the last epoch the test set was read
            self.part = "evaluate"
            self.turn("compile")


def process_age() -> float:
    """Seconds since this process was started, from Linux's /proc; 0 where there is none."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0


def minutes(seconds: float) -> str:
    """``3:07``: minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
