"""A task: what a run needs of the data, how a batch becomes what the loss sees, and which figures are reported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxtricks.data import DataError, Dataset, Split
from jaxtricks.train.metrics import ROWS, Metric, kept

KINDS = {"integer": "iu", "float": "f", "bool": "b", "number": "iufb"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that a task needs in every split.

    Fields:
      name: of the column.
      rank: number of its axes, rows included.
      kind: ``"integer"``, ``"float"``, ``"bool"`` or ``"number"``.
      low, high: the smallest and the greatest value that is allowed, or None.
      also: a value out of that range that is allowed too, such as 255 for pixels that count nothing; or None.
    """

    name: str
    rank: int
    kind: str = "number"
    low: float | None = None
    high: float | None = None
    also: float | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; allowed: {', '.join(map(repr, KINDS))}.")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a recipe is trained for; ``jaxtricks.tasks`` has the usual ones.

    Fields:
      outputs: size of the network's output, which the model is built for: the classes, 1 for one number.
      columns: that it needs of the data, ``image`` aside; checked once, before anything is compiled.
      encode: ``batch -> batch``, after the augmentation, in training and in evaluation: one-hot targets, the targets
        of anchors, masks at another size.
      metrics: the figures by name; ``loss``, where there is one, is what a schedule on a plateau looks at.
      headline: name of the metric that reports compare.
      decide: ``(out, batch) -> [B]``, integers of 0 or more: the class that the network decides for, kept of each test
        row so that a report can show where two networks differ; None where a row has no one class.
      truth: name of the column that holds the right class; None without ``decide``.
      answer: ``out -> dict of [B, ...]``: what a network that is kept says in the place of its output, such as boxes
        after suppression; it sees no column of the data. None where the output, one array, says it.
    """

    outputs: int
    columns: tuple[Column, ...]
    encode: Callable[[dict], dict]
    metrics: Mapping[str, Metric]
    headline: str
    decide: Callable[[Any, dict], Any] | None = None
    truth: str | None = None
    answer: Callable[[Any], dict[str, Any]] | None = None

    def __post_init__(self):
        if isinstance(self.outputs, bool) or not isinstance(self.outputs, (int, np.integer)) or self.outputs < 1:
            raise ValueError(f"outputs is {self.outputs!r}; allowed: an integer of 1 or more.")
        if not (isinstance(self.columns, tuple) and all(isinstance(column, Column) for column in self.columns)):
            raise TypeError(f"columns is {self.columns!r}; allowed: a tuple of Column.")
        if not callable(self.encode):
            raise TypeError(f"encode is {self.encode!r}; allowed: a function of a batch.")
        if not isinstance(self.metrics, Mapping) or not self.metrics:
            raise TypeError(f"metrics is {self.metrics!r}; allowed: a dict with one Metric or more.")
        for name, metric in self.metrics.items():
            if not isinstance(metric, Metric):
                raise TypeError(f"metrics[{name!r}] is {metric!r}; allowed: a Metric.")
        if self.headline not in self.metrics:
            raise ValueError(f"headline is {self.headline!r}; allowed: {', '.join(map(repr, self.metrics))}.")
        if self.decide is not None and not callable(self.decide):
            raise TypeError(f"decide is {self.decide!r}; allowed: a function of output and batch, or None.")
        if self.answer is not None and not callable(self.answer):
            raise TypeError(f"answer is {self.answer!r}; allowed: a function of the output, or None.")
        if (self.decide is None) != (self.truth is None) or self.truth not in (None, *(c.name for c in self.columns)):
            names = ", ".join(repr(column.name) for column in self.columns)
            raise ValueError(f"truth is {self.truth!r}; allowed: one of {names} with decide, None without.")

    @property
    def evaluated(self) -> dict[str, Metric]:
        """The metrics, and under ``ROWS`` the decision on each row, where there is one."""
        return {**self.metrics, **({} if self.decide is None else {ROWS: kept(self.decide)})}


def check_columns(task: Task, dataset: Dataset) -> None:
    """Raise DataError unless every split has images of the dataset's shape and the columns that a task needs.

    Columns that are decoded when they are read are checked by their shape alone.

    Args:
      task: of the recipe.
      dataset: all of its splits.
    """
    for part in ("train", "validation", "test"):
        split: Split | None = getattr(dataset, part)
        if split is None:
            continue
        shape = tuple(split["image"].shape) if "image" in split.columns else None
        if shape != (len(split), *dataset.shape):
            raise DataError(f"{dataset.name}: {part} images are {shape}; allowed: {(len(split), *dataset.shape)}.")
        for column in task.columns:
            _check(f"{dataset.name}: {part} {column.name}", split.columns.get(column.name), column)


def _check(name: str, values, column: Column) -> None:
    if values is None:
        raise DataError(f"{name} is missing; allowed: a column of rank {column.rank}, which recipe.task needs.")
    if len(values.shape) != column.rank:
        raise DataError(f"{name} is {tuple(values.shape)}; allowed: rank {column.rank}.")
    if not isinstance(values, np.ndarray):
        return
    if values.dtype.kind not in KINDS[column.kind]:
        raise DataError(f"{name} has dtype {values.dtype}; allowed: {column.kind}.")
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    wrong = ~((values >= low) & (values <= high))  # NaN is in no range
    if column.also is not None:
        wrong &= values != column.also
    if wrong.any():
        place = np.unravel_index(int(wrong.argmax()), wrong.shape)
        where = ", ".join(map(str, place))
        extra = "" if column.also is None else f", or {column.also:g}"
        raise DataError(f"{name} {where} is {values[place]}; allowed: {low:g} to {high:g}{extra}.")
