"""How far an ablation is: one line that moves in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from jaxtricks.ablation.cells import Todo
from jaxtricks.ablation.headline import Headline
from jaxtricks.ablation.results import forward_cost
from jaxtricks.data import Dataset, epoch_rows
from jaxtricks.train import Recipe


class Job(NamedTuple):
    """What is to be done for a row.

    Fields:
      variant: its name.
      work: of one seed.
      seeds: how many are missing.
      teacher: work of the teacher that it trains first.
    """

    variant: str
    work: float
    seeds: int
    teacher: float = 0.0


def work(recipe: Recipe, dataset: Dataset) -> float:
    """The size of a run: images that it sees times multiply-accumulates of one."""
    rows = epoch_rows(dataset.train, sampler=recipe.sampler)
    return recipe.epochs * rows * forward_cost(recipe, dataset)["macs"]


def jobs(todo: Sequence[Todo], costs: Mapping[str, float]) -> list[Job]:
    """The jobs of the rows to do, from the work of one seed of each row by name."""
    return [
        Job(
            row.variant.name,
            costs[row.variant.name],
            len(row.seeds),
            0.0 if row.teacher is None else work(row.teacher, row.cells.dataset),
        )
        for row in todo
    ]


class Display:
    """Shows rung, seed, epoch, images a second and time left; hand ``log`` to ``run_cells``.

    The time left is the work that is left, in images times multiply-accumulates, at the speed of the work done so far;
    compiling is part of it. What failed counts as done.

    Args:
      todo: what is missing, from ``jobs``.
      rungs: number of variants.
      headline: what is shown of the held-out images at the end of a run; nothing if None.
      console: where to; standard error if None.
    """

    def __init__(
        self,
        todo: Sequence[Job],
        rungs: int,
        *,
        headline: Headline | None = None,
        console: Console | None = None,
    ):
        self.console = console if console is not None else Console(file=sys.stderr)
        self.work = {job.variant: job.work for job in todo}
        self.teachers = {job.variant: job.teacher for job in todo}
        self.last: dict[int, dict[str, Any]] = {}
        self.total = sum(job.teacher + job.work * job.seeds for job in todo)
        self.rungs, self.headline = rungs, headline
        self.done = 0.0
        self.began = time.perf_counter()
        self.bar = None
        if self.console.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:3.0f} %")
            self.bar = Progress(*columns, console=self.console)
            self.task = self.bar.add_task("starting", total=self.total or 1.0)

    def __enter__(self) -> "Display":
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *error) -> None:
        if self.bar is not None:
            self.bar.stop()

    def _left(self, done: float) -> str:
        if done <= 0:
            return "?"
        left = (self.total - done) * (time.perf_counter() - self.began) / done
        return f"{int(left) // 60}:{int(left) % 60:02d}"

    def log(self, record: dict[str, Any]) -> None:
        """Take a record of ``run_cells``."""
        name, kind = record["variant"], record["kind"]
        teacher = record.get("part") == "teacher"
        cost = (self.teachers if teacher else self.work).get(name, 0.0)
        head = f"[{record['rung']}/{self.rungs}] {name}" + (" (its teacher)" if teacher else "")
        if kind == "failed":
            self.done += self.teachers.pop(name, 0.0) + cost * len(record["seeds"])
            self._print(f"{head}  failed: {record['error']}")
        elif kind == "warning":
            self._print(f"{head}  warning: {record['message']}")
        elif kind == "rung" and self.bar is not None:
            self.bar.update(self.task, description=f"{head}  compiling")
        elif kind == "progress" and self.bar is not None:
            share = self.done + cost * len(record["seeds"]) * record["step"] / record["steps"]
            text = (
                f"{head}  seed {','.join(map(str, record['seeds']))}  "
                f"epoch {record['epoch']:.1f}/{record['epochs']:g}  "
                f"{record['images_per_second']:,.0f} img/s  left {self._left(share)}"
            )
            self.bar.update(self.task, completed=share, description=text)
        elif kind == "epoch":
            self.last[record["seed"]] = record
        elif kind == "end":
            self.done += cost * len(record["seeds"])
            if teacher:
                self.teachers.pop(name, None)
            for seed in record["seeds"]:
                last = self.last[seed]
                self._print(
                    f"{head}  seed {seed}  {record['epochs']:g} epochs  train loss {last['train_loss']:.3f}"
                    f"{self._held_out(last)}  {last['images_per_second']:,.0f} img/s  left {self._left(self.done)}"
                )

    def _held_out(self, record: Mapping[str, Any]) -> str:
        headline = self.headline
        if headline is None or (value := record.get(f"validation_{headline.name}")) is None:
            return ""
        return f"  held-out {headline.words} {headline.value(f'{headline.scale * value:.1f}')}"

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
