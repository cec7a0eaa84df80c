"""How far an ablation is: one line that moves in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


def work(epochs: float, images: int, macs: int) -> float:
    """The size of a run: images that it sees times multiply-accumulates of one."""
    return epochs * images * macs


class Display:
    """Shows rung, seed, epoch, images a second and time left; hand ``log`` to ``run_cells``.

    The time left is the work that is left, in images times multiply-accumulates, at the speed of the work done so far;
    compiling is part of it.

    Args:
      todo: work of every cell that is missing, in the order in which they run: ``(variant, work of one seed, seeds)``.
      rungs: number of variants.
      teacher: work of a teacher that is missing.
      console: where to; standard error if None.
    """

    def __init__(
        self,
        todo: Sequence[tuple[str, float, int]],
        rungs: int,
        *,
        teacher: float = 0.0,
        console: Console | None = None,
    ):
        self.console = console if console is not None else Console(file=sys.stderr)
        self.work = {name: each for name, each, _ in todo}
        self.teacher = teacher
        self.last: dict[int, dict[str, Any]] = {}
        self.total = teacher + sum(each * seeds for _, each, seeds in todo)
        self.rungs = rungs
        self.done = 0.0
        self.began = time.perf_counter()
        self.bar = None
        if self.console.is_terminal:
            text = TextColumn("{task.description}", table_column=None)
            self.bar = Progress(
                text, BarColumn(bar_width=24), TextColumn("{task.percentage:3.0f} %"), console=self.console
            )
            self.task = self.bar.add_task("starting", total=self.total or 1.0)

    def __enter__(self) -> "Display":
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *error) -> None:
        if self.bar is not None:
            self.bar.stop()

    @property
    def log(self) -> Callable[[dict[str, Any]], None]:
        """The function that takes the records."""
        return self._log

    def _left(self, done: float) -> str:
        if done <= 0:
            return "?"
        left = (self.total - done) * (time.perf_counter() - self.began) / done
        return f"{int(left) // 60}:{int(left) % 60:02d}"

    def _log(self, record: dict[str, Any]) -> None:
        name, kind = record["variant"], record["kind"]
        teacher = record.get("part") == "teacher"
        each = self.teacher if teacher else self.work.get(name, 0.0)
        head = f"[{record['rung']}/{self.rungs}] {name}" + (" (its teacher)" if teacher else "")
        if kind == "failed":
            self._print(f"{head}  failed: {record['error']}")
        elif kind == "rung" and self.bar is not None:
            self.bar.update(self.task, description=f"{head}  compiling")
        elif kind == "progress" and self.bar is not None:
            share = self.done + each * len(record["seeds"]) * record["step"] / record["steps"]
            text = (
                f"{head}  seed {','.join(map(str, record['seeds']))}  "
                f"epoch {record['epoch']:.1f}/{record['epochs']:g}  "
                f"{record['images_per_second']:,.0f} img/s  left {self._left(share)}"
            )
            self.bar.update(self.task, completed=share, description=text)
        elif kind == "epoch":
            self.last[record["seed"]] = record
        elif kind == "end":
            self.done += each * len(record["seeds"])
            for seed in record["seeds"]:
                last = self.last[seed]
                accuracy = last.get("validation_accuracy")
                held = "" if accuracy is None else f"  held-out accuracy {100 * accuracy:.1f} %"
                self._print(
                    f"{head}  seed {seed}  {record['epochs']:g} epochs  train loss {last['train_loss']:.3f}{held}  "
                    f"{last['images_per_second']:,.0f} img/s  left {self._left(self.done)}"
                )

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
