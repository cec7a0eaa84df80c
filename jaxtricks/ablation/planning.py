"""What a run can be expected to resolve, from the spread that was measured so far."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jaxtricks.ablation.cells import Cells
from jaxtricks.ablation.contrasts import correlation_of
from jaxtricks.ablation.headline import headline_of_task
from jaxtricks.ablation.moderated import FEWEST, fit_prior
from jaxtricks.ablation.variants import Variant


def spread_so_far(
    rows: Sequence[Variant], cells: Cells, seeds: Iterable[int], *, assumed: float, source: str
) -> dict[str, Any]:
    """The standard deviation of paired differences, as the cells that are there show it.

    Args:
      rows: of the table.
      cells: where their cells lie.
      seeds: of the table.
      assumed: the deviation where fewer than three rows have two pairs yet, in the unit of the headline.
      source: where that number is from, for the reader.

    Returns:
      ``{"value": ..., "from": ...}``, as ``gather`` takes it.
    """
    name, values = headline_of_task(rows[0].recipe.task).name, {}
    for row in rows:
        runs = {seed: cells.of(row).get(row.recipe, seed) for seed in seeds}
        values[row.name] = {s: c["test"][name] for s, c in runs.items() if c and "error" not in c and name in c["test"]}
    samples, links = [], []
    for row in rows:
        if row.reference is not None:
            reference = values[row.reference]
            samples.append([value - reference[seed] for seed, value in values[row.name].items() if seed in reference])
            links.append({row.name: 1.0, row.reference: -1.0})
    df = np.array([len(sample) - 1 for sample in samples])
    variances = np.array([np.var(sample, ddof=1) if len(sample) > 1 else 0.0 for sample in samples])
    used = np.flatnonzero((df > 0) & (variances > 0))
    if used.size < FEWEST:
        return {"value": assumed, "from": source}
    correlation = correlation_of(links)[np.ix_(used, used)]
    scale = fit_prior(variances[used], df[used], correlation=correlation).scale
    return {
        "value": float(np.sqrt(scale)),
        "from": f"measured on {df[used].sum() + used.size} pairs of {used.size} rows",
    }
