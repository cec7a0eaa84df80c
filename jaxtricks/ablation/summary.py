"""What a results dict says: one Row of numbers for each variant."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxtricks import check
from jaxtricks.ablation.headline import Headline, headline_of
from jaxtricks.ablation.statistics import Comparison, holm, interval, paired, verdict
from jaxtricks.ablation.variants import MODES


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant, summed up. None stands for a number that does not exist; an unknown bound is infinite.

    Fields:
      name, tricks, reference, paper: as in the results.
      expected: as in the results: 1 (better), 0 (no effect), -1 (worse), or None.
      sign: expected of the difference: ``expected``, turned round where a lower headline is better.
      seeds: with a result.
      missing: planned seeds without one, failed or not yet run.
      failed: ``(seed, error)`` of each failed run.
      values: headline of each seed on the test set, in its unit, as are the mean and the differences.
      mean, low, high: mean of these values and its 95 % t interval.
      differences: to the reference at each common seed.
      comparison: of these differences; None without a reference or a common seed.
      adjusted_p: Holm's, over all rows with a reference; None without a reference. Without a common seed p is 1.
      verdict: "agrees", "disagrees", "not resolved"; "higher", "lower" where nothing was expected; None without a
        reference.
      ratio: cost over the reference's: "time" (seconds of a run, geometric mean over the common seeds), "step_ms",
        "macs", "train_flops", "peak_bytes", "parameters"; each may be None.
      gain: mean difference for each percent of extra training time; None unless the 95 % t interval of the log of
        the time ratio lies above zero.
      seconds: median of a run.
      wait: mean percent of the time spent waiting for input.
      skipped: steps skipped for a gradient that is not finite, over all seeds.
      cost: as in the results.
    """

    name: str
    tricks: tuple[str, ...]
    reference: str | None
    expected: int | None
    sign: int | None
    paper: str | None
    seeds: tuple[int, ...]
    missing: tuple[int, ...]
    failed: tuple[tuple[int, str], ...]
    values: tuple[float, ...]
    mean: float | None
    low: float | None
    high: float | None
    differences: tuple[float, ...]
    comparison: Comparison | None
    adjusted_p: float | None
    verdict: str | None
    ratio: Mapping[str, float | None]
    gain: float | None
    seconds: float | None
    wait: float | None
    skipped: int
    cost: Mapping[str, Any]


def summarise(results: Mapping[str, Any]) -> list[Row]:
    """Sum up every row of the results: means, paired differences, Holm's correction, verdicts, costs.

    Args:
      results: from ``gather``.

    Returns:
      A Row for each row, in the same order.

    Raises:
      ValueError: if the mode is unknown, a row's name or a seed within a row occurs twice, a reference is no other
        row, or a cell's headline is missing or not finite.
    """
    check.option("mode", results["mode"], MODES)
    headline = headline_of(results)
    entries = {row["name"]: row for row in results["rows"]}
    if len(entries) < len(results["rows"]):
        raise ValueError(f"rows has the names {[row['name'] for row in results['rows']]}; allowed: each name once.")
    cells = {name: _by_seed(row, headline) for name, row in entries.items()}
    pairs = {}
    for name, row in entries.items():
        if row["reference"] is not None:
            check.option(f"reference of {name!r}", row["reference"], [other for other in entries if other != name])
            reference = cells[row["reference"]]
            pairs[name] = [(cell, reference[seed]) for seed, cell in cells[name].items() if seed in reference]
    comparisons = {name: _compare(both, headline) for name, both in pairs.items() if both}
    raw = [comparisons[name].p if name in comparisons else 1.0 for name in pairs]
    adjusted = dict(zip(pairs, holm(raw).tolist(), strict=True))
    return [
        _row(
            row,
            headline,
            results["seeds"],
            cells[name],
            pairs.get(name, ()),
            comparisons.get(name),
            adjusted.get(name),
            entries,
        )
        for name, row in entries.items()
    ]


def _by_seed(row: Mapping[str, Any], headline: Headline) -> dict[int, Mapping[str, Any]]:
    cells = {cell["seed"]: cell for cell in row["cells"]}
    if len(cells) < len(row["cells"]):
        raise ValueError(f"cells of {row['name']!r} hold a seed twice; allowed: each seed once.")
    for seed, cell in cells.items():
        value = cell["test"].get(headline.name)
        if value is None or not math.isfinite(value):
            raise ValueError(
                f"test {headline.words} of {row['name']!r}, seed {seed}, is {value}; allowed: a finite number."
            )
    return cells


def _compare(pairs: Sequence[tuple[Mapping, Mapping]], headline: Headline) -> Comparison:
    treated, control = ([cell["test"][headline.name] for cell in arm] for arm in zip(*pairs, strict=True))
    return paired(treated, control)


def _row(row, headline, planned, cells, pairs, comparison, adjusted_p, entries) -> Row:
    runs = list(cells.values())
    values = tuple(float(cell["test"][headline.name]) for cell in runs)
    low, high = map(float, interval(values)) if runs else (None, None)
    sign = None if row["expected"] is None else headline.direction * row["expected"]
    conclusion = None
    if row["reference"] is not None:
        conclusion = verdict(comparison, sign, adjusted_p) if comparison else "not resolved"
    logs = [math.log(cell["seconds"] / other["seconds"]) for cell, other in pairs]
    time = math.exp(np.mean(logs)) if logs else None
    slower = time is not None and interval(logs)[0] > 0
    cost, base = row["cost"], entries[row["reference"]]["cost"] if row["reference"] is not None else {}
    parts = ("step_ms", "macs", "train_flops", "peak_bytes", "parameters")
    return Row(
        name=row["name"],
        tricks=tuple(row["tricks"]),
        reference=row["reference"],
        expected=row["expected"],
        sign=sign,
        paper=row["paper"],
        seeds=tuple(cells),
        missing=tuple(seed for seed in planned if seed not in cells),
        failed=tuple((entry["seed"], entry["error"]) for entry in row["failed"]),
        values=values,
        mean=float(np.mean(values)) if runs else None,
        low=low,
        high=high,
        differences=tuple(cell["test"][headline.name] - other["test"][headline.name] for cell, other in pairs),
        comparison=comparison,
        adjusted_p=adjusted_p,
        verdict=conclusion,
        ratio={"time": time} | {part: _ratio(cost.get(part), base.get(part)) for part in parts},
        gain=comparison.mean / (100 * (time - 1)) if comparison and time and slower else None,
        seconds=float(np.median([cell["seconds"] for cell in runs])) if runs else None,
        wait=float(np.mean([cell["wait_percent"] for cell in runs])) if runs else None,
        skipped=sum(cell["skipped_steps"] for cell in runs),
        cost=cost,
    )


def _ratio(value: float | None, reference: float | None) -> float | None:
    return value / reference if value is not None and reference else None
