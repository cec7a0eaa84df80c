"""A learning rate for every row before the rows are compared: as many tries for each, chosen on held-out images."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from jaxtricks import check
from jaxtricks._runtime.processes import of_first
from jaxtricks.ablation.cells import Cells
from jaxtricks.ablation.variants import Variant


def rate_trials(rows: Sequence[Variant], *, factors: Sequence[float]) -> list[Variant]:
    """Every row with each of as many learning rates.

    Args:
      rows: whose recipes' rates lie in the middle of what is tried.
      factors: of each row's own rate, > 0, increasing, two or more.

    Returns:
      Rows to train, ``"ROW, rate 0.05"``, all rates of one row after another; none has a reference.

    Raises:
      ValueError: if the factors are out of range.
    """
    for factor in factors:
        check.positive("factors", factor)
    if len(factors) < 2 or any(a >= b for a, b in pairwise(factors)):
        raise ValueError(f"factors is {tuple(factors)}; allowed: two or more, increasing.")
    tried = [(row, replace(row.recipe, lr=row.recipe.lr * factor)) for row in rows for factor in factors]
    return [
        replace(row, name=f"{row.name}, rate {recipe.lr:.3g}", recipe=recipe, reference=None, expected=None)
        for row, recipe in tried
    ]


def best_rates(
    rows: Sequence[Variant], cells: Cells, *, factors: Sequence[float], seeds: Sequence[int]
) -> tuple[list[Variant], list[dict]]:
    """The rows with the rate of the highest mean held-out accuracy among those of ``rate_trials``.

    A rate at which a seed failed is never chosen; of equal ones the lowest is. A row of which all rates failed stays
    as it is.

    Args:
      rows, factors: as in ``rate_trials``.
      cells: where the trials lie, all of them trained.
      seeds: that the trials ran with; the comparison should have others.

    Returns:
      The rows, and for each of them ``name``, ``rates`` and ``accuracies`` as they were tried (in percent, None where
      a seed failed), ``rate`` as chosen, and ``edge``, whether that is the lowest or highest tried.

    Raises:
      ValueError: as ``rate_trials``, or if there is no held-out split.
    """
    if cells.dataset.validation is None:
        raise ValueError("cells.dataset.validation is None; allowed: images held out.")
    trials = iter(rate_trials(rows, factors=factors))
    chosen, told = [], []
    for row in rows:
        tried = [next(trials).recipe for _ in factors]
        scores = [_score(recipe, cells.of(row), seeds) for recipe in tried]
        best = of_first(lambda scores=scores: _best(scores))
        recipe = row.recipe if best < 0 else tried[best]
        chosen.append(replace(row, recipe=recipe))
        told.append(
            {
                "name": row.name,
                "rates": [r.lr for r in tried],
                "accuracies": scores,
                "rate": recipe.lr,
                "edge": best in (0, len(tried) - 1),
            }
        )
    return chosen, told


def _best(scores: Sequence[float | None]) -> int:
    """The place of the highest score, the first of equal ones; -1 if there is none."""
    best = max(range(len(scores)), key=lambda i: -math.inf if scores[i] is None else scores[i])
    return -1 if scores[best] is None else best


def _score(recipe, cells: Cells, seeds: Sequence[int]) -> float | None:
    found = [cells.get(recipe, seed) for seed in seeds]
    if any(cell is None or "error" in cell for cell in found):
        return None
    return sum(cell["validation_accuracy"] for cell in found) / len(found)
