"""What a results dict says: one Row of numbers for each variant, and for each contrast of several of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxtricks import check
from jaxtricks.ablation.contrasts import Contrast, contrasts_of
from jaxtricks.ablation.headline import Headline, headline_of
from jaxtricks.ablation.moderated import Moderated, moderated
from jaxtricks.ablation.statistics import Comparison, holm, paired
from jaxtricks.ablation.timing import time_ratios
from jaxtricks.ablation.variants import MODES
from jaxtricks.ablation.verdicts import agreement, equivalence, margin_of, seeds_needed, verdict


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant or contrast, summed up. None stands for a number that does not exist; an unknown bound is infinite.

    Fields:
      name, tricks, reference, paper: as in the results.
      arm: name of the variant in the results that this row is about; another than ``name`` for the complete stack.
      about: "baseline", "difference" to the reference, "complete stack" or "interaction".
      expected: as in the results: 1 (better), 0 (no effect), -1 (worse), or None.
      sign: expected of the difference: ``expected``, turned round where a lower headline is better.
      seeds: with a result.
      missing: planned seeds without one, failed or not yet run.
      failed: ``(seed, error)`` of each failed run.
      values: headline of each seed on the test set, in its unit, as are the mean and the differences.
      mean, low, high: mean of these values and its 95 % interval, with moderated variances.
      differences: to the reference at each common seed; of an interaction, what the pair gives beyond the sum of both.
      tested: of these differences with variances that have learnt from all rows; None without a reference or a common
        seed. The verdict follows from it.
      comparison: the plain paired test beside it, from the same differences alone.
      adjusted_p, plain_p: Holm's of either test, over all rows with a reference; None without a reference. Without a
        common seed p is 1.
      equivalence_p: Holm's, of no effect beyond the margin of the results; 1 without a margin.
      verdict: "helps", "hurts", "no effect", "not resolved"; None without a reference.
      agreement: of the verdict with what was expected: "agrees", "disagrees"; None where either is missing.
      needed: seeds with which a row that is not resolved would be; None where it is resolved, or no number is known.
      ratio: cost over the reference's: "time" (seconds of training, its teacher's included, geometric mean over the
        common seeds), "step_ms", "macs", "train_flops", "peak_bytes", "parameters"; each may be None.
      time_low, time_high: 95 % interval of the time ratio; None without one.
      gain: mean difference for each percent of extra training time; None unless that interval lies above 1.
      seconds: median of a run.
      wait: mean percent of the time spent waiting for input.
      skipped: steps skipped for a gradient that is not finite, over all seeds.
      cost: as in the results.
    """

    name: str
    arm: str
    about: str
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
    tested: Moderated | None
    comparison: Comparison | None
    adjusted_p: float | None
    plain_p: float | None
    equivalence_p: float | None
    verdict: str | None
    agreement: str | None
    needed: int | None
    ratio: Mapping[str, float | None]
    time_low: float | None
    time_high: float | None
    gain: float | None
    seconds: float | None
    wait: float | None
    skipped: int
    cost: Mapping[str, Any]


class Test(NamedTuple):
    """What the tests of a table say of one contrast; the first three are None without a common seed."""

    tested: Moderated | None
    comparison: Comparison | None
    differences: tuple[float, ...]
    adjusted_p: float
    plain_p: float
    equivalence_p: float


def summarise(results: Mapping[str, Any]) -> list[Row]:
    """Sum up every row of the results: means, moderated tests, Holm's correction, verdicts, costs.

    Args:
      results: from ``gather``.

    Returns:
      A Row for each row, in the same order, after the complete stack against its baseline, where one was trained.

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
    contrasts = contrasts_of(results["rows"], results["mode"])
    values = {
        name: {seed: float(cell["test"][headline.name]) for seed, cell in arm.items()} for name, arm in cells.items()
    }
    margin = margin_of(results.get("margin"), headline)
    tests = test_all(contrasts, values, headline, margin=margin)
    means = _means(values, headline)
    times = time_ratios(contrasts, entries, cells, results["data"])
    return [
        _row(
            contrast,
            entries,
            headline,
            results["seeds"],
            cells[contrast.arm],
            means.get(contrast.arm),
            tests.get(contrast.name),
            times.get(contrast.name),
            margin,
            len(tests),
        )
        for contrast in contrasts
    ]


def test_all(
    contrasts: Sequence[Contrast],
    values: Mapping[str, Mapping[int, float]],
    headline: Headline,
    *,
    margin: float | None,
) -> dict[str, Test]:
    """Test every contrast of a table, in one family.

    Args:
      contrasts: from ``contrasts_of``; those of a baseline are passed over.
      values: headline by row and seed.
      headline: gives the bounds that no interval leaves.
      margin: what counts as no effect, or None.

    Returns:
      A Test by name of the contrast. One without a common seed stays in the family, with p = 1.
    """
    family = [contrast for contrast in contrasts if contrast.weights]
    differences = {contrast.name: contrast.differences(values) for contrast in family}
    some = [contrast for contrast in family if differences[contrast.name]]
    reach = headline.span * max((sum(map(abs, contrast.weights.values())) / 2 for contrast in some), default=1.0)
    limits = -reach, reach
    tested = moderated(
        [differences[contrast.name] for contrast in some],
        contrasts=[contrast.weights for contrast in some],
        limits=limits,
    )
    tested_rows = dict(zip([contrast.name for contrast in some], tested, strict=True))
    plain = {name: paired(differences[name], np.zeros(len(differences[name])), limits=limits) for name in tested_rows}

    def corrected(p_values: Mapping[str, float]) -> dict[str, float]:
        names = [contrast.name for contrast in family]
        return dict(zip(names, holm([p_values.get(name, 1.0) for name in names]).tolist(), strict=True))

    adjusted = corrected({name: one.p for name, one in tested_rows.items()})
    plain_p = corrected({name: one.p for name, one in plain.items()})
    absent = corrected({} if margin is None else {n: equivalence(one, margin=margin) for n, one in tested_rows.items()})
    return {
        name: Test(tested_rows.get(name), plain.get(name), tuple(values), adjusted[name], plain_p[name], absent[name])
        for name, values in differences.items()
    }


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


def _means(values: Mapping[str, Mapping[int, float]], headline: Headline) -> dict[str, Moderated]:
    """The mean of every arm over its seeds, and its interval within the bounds of the headline."""
    some = {name: list(arm.values()) for name, arm in values.items() if arm}
    low, high = headline.bounds
    limits = (-math.inf if low is None else low, math.inf if high is None else high)
    return dict(zip(some, moderated(list(some.values()), limits=limits), strict=True))


def _row(contrast, entries, headline, planned, cells, mean, test, time, margin, family) -> Row:
    """One line, from its contrast and what was computed of it; time is the logarithm of the time ratio."""
    row, runs = entries[contrast.arm], list(cells.values())
    is_row = contrast.arm == contrast.name  # the complete stack has no runs beside those of its last rung
    tested = test.tested if test else None
    said = needed = None
    if test:
        p_values = {"adjusted_p": test.adjusted_p, "equivalence_p": test.equivalence_p}
        said = verdict(tested, direction=headline.direction, **p_values) if tested else "not resolved"
        if tested and said == "not resolved":
            needed = seeds_needed(tested, margin=margin, tests=family)
    cost, base = row["cost"], entries[contrast.reference]["cost"] if contrast.reference is not None else {}
    parts = ("step_ms", "macs", "train_flops", "peak_bytes", "parameters")
    ratio, low, high = (
        (None,) * 3 if time is None else (math.exp(x) for x in (time.mean, time.low, _exponent(time.high)))
    )
    return Row(
        name=contrast.name,
        arm=contrast.arm,
        about=contrast.about,
        tricks=tuple(row["tricks"]),
        reference=contrast.reference,
        expected=contrast.expected,
        sign=None if contrast.expected is None else headline.direction * contrast.expected,
        paper=row["paper"] if is_row else None,
        seeds=tuple(cells),
        missing=tuple(seed for seed in planned if seed not in cells) if is_row else (),
        failed=tuple((entry["seed"], entry["error"]) for entry in row["failed"]) if is_row else (),
        values=tuple(float(cell["test"][headline.name]) for cell in runs),
        mean=mean.mean if mean else None,
        low=mean.low if mean else None,
        high=mean.high if mean else None,
        differences=test.differences if test else (),
        tested=tested,
        comparison=test.comparison if test else None,
        adjusted_p=test.adjusted_p if test else None,
        plain_p=test.plain_p if test else None,
        equivalence_p=test.equivalence_p if test else None,
        verdict=said,
        agreement=agreement(said, contrast.expected) if said else None,
        needed=needed,
        ratio={"time": ratio} | {part: _ratio(cost.get(part), base.get(part)) for part in parts},
        time_low=low,
        time_high=high,
        gain=tested.mean / (100 * (ratio - 1))
        if tested and ratio is not None and low is not None and low > 1
        else None,
        seconds=float(np.median([cell["seconds"] for cell in runs])) if runs else None,
        wait=float(np.mean([cell["wait_percent"] for cell in runs])) if runs else None,
        skipped=sum(cell["skipped_steps"] for cell in runs),
        cost=cost,
    )


def _exponent(value: float) -> float:
    """Small enough for exp, or infinite."""
    return value if value < 700 else math.inf


def _ratio(value: float | None, reference: float | None) -> float | None:
    return value / reference if value is not None and reference else None
