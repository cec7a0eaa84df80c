"""A learning rate for every row before the rows are compared: as many tries for each, chosen on held-out images."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import jax
from rich.console import Console

from jaxtricks import check
from jaxtricks._runtime.processes import of_first
from jaxtricks.ablation.cells import Cells
from jaxtricks.ablation.headline import Headline, headline_of_task
from jaxtricks.ablation.progress import Display, jobs
from jaxtricks.ablation.running import run_cells
from jaxtricks.ablation.variants import Variant
from jaxtricks.train import Plan

SEEDS = (100, 101)  # of a search; no comparison that follows one has them


def search_rates(
    rows: Sequence[Variant],
    cells: Cells,
    *,
    factors: Sequence[float],
    costs: Mapping[str, float],
    plan: Plan,
    log: Iterable[Callable[[dict], None]],
    console: Console,
    **training,
) -> list[Variant]:
    """Try learning rates for every row, and choose: trains what is missing and leaves ``rates.md`` by the cells.

    Args:
      rows, cells, factors: as in ``rate_trials`` and ``best_rates``.
      costs: work of one seed of each row, by name.
      plan, log, training: as in ``run_cells``.
      console: where progress and choices are printed.

    Returns:
      The rows, each with the best of its rates.
    """
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    headline = headline_of_task(rows[0].recipe.task)
    trials = rate_trials(rows, factors=factors)
    work = [costs[row.name] for row in rows for _ in factors]
    todo = jobs(
        cells.todo(trials, SEEDS, test=False), {trial.name: one for trial, one in zip(trials, work, strict=True)}
    )
    say(
        f"First {len(factors)} learning rates for each row, with seeds {SEEDS[0]} and {SEEDS[1]}, on held-out images, "
        "however long that takes."
    )
    with Display(todo, len(trials), headline=headline, console=console) as display:
        run_cells(trials, cells, seeds=SEEDS, plan=plan, test=False, log=(display.log, *log), **training)
    rows, searches = best_rates(rows, cells, factors=factors, seeds=SEEDS)
    for search in searches:
        edge = ", at the edge of what was tried" if search["edge"] else ""
        say(f"{search['name']}: rate {search['rate']:.3g}{edge}")
    if jax.process_index() == 0:
        write_rates(searches, headline, cells.folder.parent / "rates.md")
    return rows


def write_rates(searches: Sequence[Mapping], headline: Headline, path: Path) -> None:
    """Write a table of what ``best_rates`` tried and chose."""
    heads = ["row", f"rate: held-out {headline.title}", "chosen"]
    lines = [heads, ["---"] * len(heads)]
    for search in searches:
        tried = zip(search["rates"], search["values"], strict=True)
        values = ", ".join(f"{rate:.3g}: {'failed' if value is None else f'{value:.2f}'}" for rate, value in tried)
        lines.append([search["name"], values, f"{search['rate']:.3g}" + (" (edge)" if search["edge"] else "")])
    path.write_text("\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n", encoding="utf-8")


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
    """The rows with the rate of the best mean held-out headline among those of ``rate_trials``.

    A rate at which a seed failed is never chosen; of equal ones the lowest is. A row of which all rates failed stays
    as it is.

    Args:
      rows, factors: as in ``rate_trials``; the rows' task says what the headline is, and which way it is better.
      cells: where the trials lie, all of them trained.
      seeds: that the trials ran with; the comparison should have others.

    Returns:
      The rows, and for each of them ``name``, ``rates`` and ``values`` as they were tried (in the unit of reports,
      None where a seed failed), ``rate`` as chosen, and ``edge``, whether that is the lowest or highest tried.

    Raises:
      ValueError: as ``rate_trials``, or if there is no held-out split.
    """
    if cells.dataset.validation is None:
        raise ValueError("cells.dataset.validation is None; allowed: images held out.")
    headline = headline_of_task(rows[0].recipe.task)
    trials = iter(rate_trials(rows, factors=factors))
    chosen, searches = [], []
    for row in rows:
        tried = [next(trials).recipe for _ in factors]
        values = [_value(recipe, cells.of(row), seeds, headline.name) for recipe in tried]
        best = of_first(lambda values=values: _best(values, headline.direction))
        recipe = row.recipe if best < 0 else tried[best]
        chosen.append(replace(row, recipe=recipe))
        searches.append(
            {
                "name": row.name,
                "rates": [one.lr for one in tried],
                "values": values,
                "rate": recipe.lr,
                "edge": best in (0, len(tried) - 1),
            }
        )
    return chosen, searches


def _best(values: Sequence[float | None], direction: int) -> int:
    """The place of the best value, the first of equal ones; -1 if there is none."""
    places = {place: direction * value for place, value in enumerate(values) if value is not None}
    return max(places, key=places.__getitem__, default=-1)


def _value(recipe, cells: Cells, seeds: Sequence[int], name: str) -> float | None:
    runs = [cell for cell in (cells.get(recipe, seed) for seed in seeds) if cell is not None and "error" not in cell]
    if len(runs) < len(seeds):
        return None
    return sum(cell["validation"][name] for cell in runs) / len(runs)
