"""How far an ablation is: in a terminal a table that fills and a bar that moves, plain lines elsewhere."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.text import Text

from jaxtricks.ablation.board import Board, Line
from jaxtricks.ablation.budget import Budget
from jaxtricks.ablation.cells import Todo
from jaxtricks.ablation.clock import Clock, minutes
from jaxtricks.ablation.headline import Headline, plural
from jaxtricks.ablation.results import forward_cost
from jaxtricks.data import Dataset, epoch_rows
from jaxtricks.train import Recipe

FRAMES = 2  # a second


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


def work(recipe: Recipe, dataset: Dataset, *, cost: Mapping[str, int] | None = None) -> float:
    """The size of a run: images that it sees times multiply-accumulates of one, counted unless ``cost`` has them."""
    cost = forward_cost(recipe, dataset) if cost is None else cost
    return recipe.epochs * epoch_rows(dataset.train, sampler=recipe.sampler) * cost["macs"]


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


class _Compiling(ProgressColumn):
    """For how long the row in hand has been compiling, since no record comes meanwhile."""

    def __init__(self, display: "Display"):
        super().__init__()
        self.display = display

    def render(self, task) -> Text:
        seconds = self.display.compiling
        return Text("" if seconds is None or self.display.board is not None else f"{seconds:.0f} s")


class Display:
    """Shows what each row reached, images a second and time left; hand ``log`` to ``run_cells``.

    The time left is that of steps and evaluations, in proportion to their work in images times multiply-accumulates,
    and that of compiling, in proportion to the rows that have yet to be compiled, each at the speed so far. With a
    budget the blocks that come, or will still fit, are part of it. What failed counts as done.

    Args:
      todo: what is missing, from ``jobs``.
      rungs: number of variants.
      clock: of the command; one that starts now if None.
      headline: what is shown of the held-out images at the end of a run; nothing if None.
      console: where to; standard error if None.
      budget: of minutes or seeds, or None.
      lines: of the table that fills in a terminal, with what is there already; without any there is a bar alone.
    """

    def __init__(
        self,
        todo: Sequence[Job],
        rungs: int,
        *,
        clock: Clock | None = None,
        headline: Headline | None = None,
        console: Console | None = None,
        budget: Budget | None = None,
        lines: Sequence[Line] = (),
    ):
        self.console = console if console is not None else Console(file=sys.stderr)
        self.clock = Clock() if clock is None else clock
        self.rungs, self.headline, self.budget = rungs, headline, budget
        self.last: dict[int, dict[str, Any]] = {}
        self.done = self.total = 0.0
        self.compiled: set[str] = set()
        self.warned = False
        self._before = {part: self.clock.seconds(part) for part in ("compile", "train", "evaluate")}
        self._compiling = 0.0  # seconds, up to the last start of a run
        self._compiles: list[float] = []  # seconds of every compilation; the first one pays for what all share
        self.add(todo)
        self.bar = self.board = self.live = None
        if self.console.is_terminal:
            bar, share = BarColumn(bar_width=24), TextColumn("{task.percentage:3.0f} %")
            columns = TextColumn("{task.description}"), _Compiling(self), bar, share
            self.bar = Progress(*columns, console=self.console)
            self.task = self.bar.add_task("starting", total=1.0)
            if lines and headline is not None:
                self.board = Board(lines, headline, compiling=lambda: self.compiling)
                frame = Group(self.board, self.bar)
                self.live = Live(frame, console=self.console, refresh_per_second=FRAMES, vertical_overflow="crop")

    def __enter__(self) -> "Display":
        if (frame := self.live or self.bar) is not None:
            frame.start()
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self.bar is not None and kind is None:
            self.bar.update(self.task, completed=1.0, description=f"all {self.rungs} rows")
        self.stop()

    def stop(self) -> None:
        """Leave the last frame as it is; what is printed from now on stands below it."""
        if (frame := self.live or self.bar) is not None:
            frame.stop()

    def add(self, todo: Sequence[Job]) -> None:
        """Take more that is to be done, once all before is."""
        self.work = {job.variant: job.work for job in todo}
        self.teachers = {job.variant: job.teacher for job in todo}
        self.total += sum(job.teacher + job.work * job.seeds for job in todo)

    @property
    def compiling(self) -> float | None:
        """Seconds that the row in hand has been compiling for; None if it is not."""
        return self._seconds("compile") - self._compiling if self.clock.part == "compile" else None

    @property
    def pace(self) -> float:
        """Seconds of training and evaluation for one unit of work; 0 before the first."""
        return self._seconds("train", "evaluate") / self.done if self.done else 0.0

    def _seconds(self, *parts: str) -> float:
        return sum(self.clock.seconds(part) - self._before[part] for part in parts)

    def seconds_left(self, done: float) -> float | None:
        """How long the cells to do will take once this much work is done; None if nothing is known yet."""
        if done <= 0 or not self.compiled:
            return None
        steps = (self.total - done) * self._seconds("train", "evaluate") / done
        names = {*self.work, *(f"{name} (its teacher)" for name, work in self.teachers.items() if work)}
        usual = np.mean(self._compiles[1:] or self._compiles) if self._compiles else 0.0
        compiling = len(names - self.compiled) * usual - (self.compiling or 0.0)
        return float(steps + max(0.0, compiling))

    def _left(self, done: float) -> str:
        left = self._of_all(done)
        return "?" if left is None else minutes(left)

    def _of_all(self, done: float) -> float | None:
        """``seconds_left``, and those of the blocks of the budget that come after."""
        left = self.seconds_left(done)
        if left is None or self.budget is None:
            return left
        return left + self.budget.seconds_of_more(left, self._seconds("train", "evaluate") / done)

    def log(self, record: dict[str, Any]) -> None:
        """Take a record of ``run_cells``."""
        self.clock.log(record)
        if self.board is not None:
            self.board.take(record)
        name, kind = record["variant"], record["kind"]
        teacher = record.get("part") == "teacher"
        cost = (self.teachers if teacher else self.work).get(name, 0.0)
        name_of_part = f"{name} (its teacher)" if teacher else name
        head = f"[{record['rung']}/{self.rungs}] {name_of_part}"
        if kind == "failed":
            self.done += self.teachers.pop(name, 0.0) + cost * len(record["seeds"])
            self.compiled |= {name, f"{name} (its teacher)"}  # or never will be
            self._compiling = self._seconds("compile")
            self._print(f"{head}  failed: {record['error']}")
        elif kind == "warning":
            self._print(f"{head}  warning: {record['message']}")
        elif kind == "rung" and self.bar is not None:
            self.bar.update(self.task, description=f"{head}  compiling" if self.board is None else self._row(record))
        elif kind == "rung" and name not in self.compiled:
            self._print(f"{head}  compiling")
        elif kind == "start":
            now = self._seconds("compile")
            if name_of_part not in self.compiled:
                self.compiled.add(name_of_part)
                self._compiles.append(now - self._compiling)
            self._compiling = now
            if record.get("step"):
                self._print(f"{head}  goes on after step {record['step']:,}, from --checkpoints")
        elif kind == "progress":
            done = self.done + cost * len(record["seeds"]) * record["step"] / record["steps"]
            self._warn(done)
            if self.bar is not None:
                at = (
                    f"{head}  seed {','.join(map(str, record['seeds']))}  "
                    f"epoch {record['epoch']:.1f}/{record['epochs']:g}"
                )
                speed = f"{record['images_per_second']:,.0f} img/s  left {self._left(done)}"
                text = f"{at if self.board is None else self._row(record)}  {speed}"
                self.bar.update(self.task, completed=self._share(done), description=text)
        elif kind == "epoch":
            self.last[record["seed"]] = record
        elif kind == "elsewhere":  # by another process
            self.done += cost * len(record["seeds"])
            self._print(f"{head}  {len(record['seeds'])} seeds were trained by other processes")
        elif kind == "end":
            self.done += cost * len(record["seeds"])
            if teacher:
                self.teachers.pop(name, None)
            self._warn(self.done)
            for seed in record["seeds"] if self.board is None else ():
                said = f"{head}  seed {seed}  {plural(record['epochs'], 'epoch')}"
                if (last := self.last.pop(seed, None)) is not None:  # else all its epochs were an earlier process's
                    said += f"  train loss {last['train_loss']:.3f}{self._held_out(last)}"
                    said += f"  {last['images_per_second']:,.0f} img/s"
                self._print(f"{said}  left {self._left(self.done)}")

    def _row(self, record: Mapping[str, Any]) -> str:
        return f"row {record['rung']}/{self.rungs}"

    def _share(self, done: float) -> float:
        """Of the time, so that compiling moves the bar too."""
        left = self._of_all(done)
        spent = self._seconds("compile", "train", "evaluate")
        return 0.0 if left is None or spent <= 0 else spent / (spent + left)

    def _warn(self, done: float) -> None:
        """Once, when two rows were compiled: the seeds that are trained in any case do not fit into the minutes."""
        left = self.seconds_left(done)
        if left is None or self.warned or self.budget is None or self.budget.limit is None or self.budget.seeds:
            return
        if len(self._compiles) < min(2, self.rungs):
            return
        self.warned = True
        if (needed := self.clock.elapsed + left) > self.budget.limit:
            self._print(
                f"{len(self.budget.first())} seeds of every row, fewer than which say nothing, will end after "
                f"{minutes(needed)}, not within {minutes(self.budget.limit)}; they are trained all the same."
            )

    def _held_out(self, record: Mapping[str, Any]) -> str:
        headline = self.headline
        if headline is None or (value := record.get(f"validation_{headline.name}")) is None:
            return ""
        return f"  held-out {headline.words} {headline.value(f'{headline.scale * value:.1f}')}"

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
