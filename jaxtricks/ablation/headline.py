"""The one metric that rows are compared by: its name, its unit, which way is better."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtricks.train import Task


@dataclass(frozen=True)
class Headline:
    """The metric of a report; values and differences of it are in ``unit``.

    Fields:
      name: of the metric.
      unit: of its values in a report, such as "%", "°", "years"; may be empty.
      better: "higher" or "lower".
      bounds: the lowest and highest value that it can have, in its unit; None where there is no such bound.
      scale: from the value that a task computes to the one in a report.
    """

    name: str
    unit: str = ""
    better: str = "higher"
    bounds: tuple[float | None, float | None] = (None, None)
    scale: float = 1.0

    @property
    def direction(self) -> int:
        """Sign of a difference that is an improvement."""
        return 1 if self.better == "higher" else -1

    @property
    def span(self) -> float:
        """The largest difference of two values; infinite where a bound is missing."""
        low, high = self.bounds
        return math.inf if low is None or high is None else high - low

    @property
    def words(self) -> str:
        """The name as a reader takes it."""
        return self.name.replace("_", " ")

    @property
    def title(self) -> str:
        """Name and unit, for an axis or the head of a column."""
        return f"{self.words}, {self.unit}" if self.unit else self.words

    @property
    def step(self) -> str:
        """The unit of a difference: points for percent."""
        return "points" if self.unit == "%" else self.unit

    def value(self, text: str) -> str:
        """A value with its unit: "84.2 %", "7.3°"."""
        return _joined(text, self.unit)

    def difference(self, text: str) -> str:
        """A difference with its unit: "0.8 points", "0.8°"."""
        return _joined(text, self.step)

    def plain(self) -> dict[str, Any]:
        """The entry ``headline`` of a results dict."""
        bounds = None if self.bounds == (None, None) else list(self.bounds)
        return {"name": self.name, "unit": self.unit, "better": self.better, "bounds": bounds}


def headline_of(results: Mapping[str, Any]) -> Headline:
    """The headline of a results dict.

    Args:
      results: from ``gather``.

    Returns:
      The metric that its rows are compared by.

    Raises:
      ValueError: if it names none, or its ``better`` is neither "higher" nor "lower".
    """
    entry = results.get("headline")
    if entry is None:
        raise ValueError("headline of the results is missing; allowed: results that gather made.")
    if entry["better"] not in ("higher", "lower"):
        raise ValueError(f"better of the headline is {entry['better']!r}; allowed: 'higher', 'lower'.")
    low, high = entry.get("bounds") or (None, None)
    return Headline(entry["name"], entry["unit"], entry["better"], (low, high))


def headline_of_task(task: Task) -> Headline:
    """The headline of a task, for a report on recipes that have it.

    Args:
      task: of a recipe.

    Returns:
      Its headline metric, with bounds in the unit of reports.
    """
    metric = task.metrics[task.headline]
    low, high = metric.bounds or (None, None)
    bounds = _scaled(low, metric.scale), _scaled(high, metric.scale)
    return Headline(task.headline, metric.unit, metric.better, bounds, metric.scale)


def common_headline(tasks: Sequence[tuple[str, Task]]) -> Headline:
    """The headline of several rows, which could not be compared if they had different ones.

    Args:
      tasks: name and task of each row, one or more.

    Returns:
      The one that all of them have.

    Raises:
      ValueError: if two have different headlines.
    """
    headlines = {name: headline_of_task(task) for name, task in tasks}
    first = next(iter(headlines.values()))
    for name, headline in headlines.items():
        if headline != first:
            raise ValueError(f"headline of {name!r} is {headline.title!r}; allowed: {first.title!r} for all rows.")
    return first


def plural(number: float, unit: str) -> str:
    """A number with its unit, in the plural but for 1: "1 epoch", "42.67 epochs".

    Args:
      number: any.
      unit: in the singular.

    Returns:
      Text.
    """
    return f"{round(number, 2):.7g} {unit}{'' if number == 1 else 's'}"


def _scaled(bound: float | None, scale: float) -> float | None:
    return None if bound is None or not math.isfinite(bound) else scale * bound


def _joined(text: str, unit: str) -> str:
    """A degree sign follows at once, other units after a space."""
    return f"{text}{unit}" if unit in ("", "°") else f"{text} {unit}"
