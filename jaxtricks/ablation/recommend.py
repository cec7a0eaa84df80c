"""A recipe to adopt: tricks chosen step by step on held-out images, confirmed with fresh seeds.

The test set decides nothing. Runs of the selection leave it alone, and those with fresh seeds read it at their end,
when the recipe is settled.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console

from jaxtricks.ablation.board import lines_of
from jaxtricks.ablation.cells import Cells
from jaxtricks.ablation.headline import Headline, headline_of, headline_of_task, plural
from jaxtricks.ablation.moderated import Moderated, moderated
from jaxtricks.ablation.progress import Display, jobs, work
from jaxtricks.ablation.running import run_cells
from jaxtricks.ablation.summary import summarise
from jaxtricks.ablation.variants import Variant
from jaxtricks.ablation.verdicts import ALPHA
from jaxtricks.train import Guard, Plan, Recipe
from jaxtricks.tricks.trick import Ladder, apply

FRESH = (200, 201, 202, 203, 204)  # seeds that no table and no search has


@dataclass(frozen=True)
class Step:
    """One step of the selection.

    Fields:
      base: tricks that were chosen before it.
      gains: by trick, what it adds to them on held-out images; None where it does not fit onto them, or a run failed.
      chosen: the trick with the largest gain of those that differ from zero, or None, which ends the selection.
    """

    base: tuple[str, ...]
    gains: Mapping[str, Moderated | None]
    chosen: str | None


@dataclass(frozen=True)
class Recommendation:
    """What to train with, and what it rests on.

    Fields:
      tricks: to adopt, in the order of the ladder; none where nothing was confirmed.
      recipe: the baseline with them.
      steps: of the selection.
      selected: the tricks that the selection ended with.
      confirmation: gain of all of them over the baseline with fresh seeds, on held-out images; None if there are none.
      test: the same gain on the test set, which chose nothing.
    """

    tricks: tuple[str, ...]
    recipe: Recipe
    steps: tuple[Step, ...]
    selected: tuple[str, ...]
    confirmation: Moderated | None
    test: Moderated | None


def candidates_of(results: Mapping[str, Any]) -> list[str]:
    """The tricks that help on the held-out images of a finished table, as its report says: by all its rows' test.

    Args:
      results: from ``gather``; its held-out values are read, not those of the test set.

    Returns:
      Names of tricks, in the order of the rows.
    """
    name = headline_of(results).name
    rows = []
    for row in results["rows"]:
        cells = [cell for cell in row["cells"] if _is_number(cell["validation"].get(name))]
        rows.append(row | {"cells": [cell | {"test": cell["validation"]} for cell in cells]})
    tested = {row.name: row for row in summarise({**results, "rows": rows})}
    names = []
    for row in tested.values():
        if row.about != "difference" or row.verdict not in ("helps", "hurts") or row.reference is None:
            continue
        with_it, without = (set(one.tricks) for one in (row, tested[row.reference]))
        if row.verdict == "hurts":  # the other side is the better one
            with_it, without = without, with_it
        if len(with_it ^ without) == 1 and with_it > without:
            names += with_it - without
    return list(dict.fromkeys(names))


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def recommend(
    baseline: Recipe,
    ladder: Ladder,
    cells: Cells,
    *,
    candidates: Sequence[str],
    seeds: Sequence[int],
    plan: Plan,
    fresh: Sequence[int] = FRESH,
    log: Iterable[Callable[[dict], None]] = (),
    guard: Guard | None = None,
    say: Callable[[str], None] = lambda text: None,
    console: Console | None = None,
) -> Recommendation:
    """Choose tricks by greedy forward selection on held-out images, and confirm them with fresh seeds.

    Each step trains what was chosen so far with one candidate more, for each candidate, and adds the one with the
    largest gain among those whose gain differs from zero at 5 %. All of the selection is then compared with the
    baseline once, with seeds that nothing else has: only a gain that differs from zero at 5 % there is recommended.

    Args:
      baseline: recipe without any trick.
      ladder: the tricks by name, in the order in which they are applied.
      cells: where runs are kept; its dataset has a held-out split.
      candidates: names of tricks to try, such as from ``candidates_of``.
      seeds: of the selection.
      plan: where the steps run.
      fresh: seeds of the confirmation, two or more, none of them in ``seeds``.
      log, guard: as in ``run_cells``.
      say: takes a line of text for the user.
      console: where progress and time left of each step are shown, or None.

    Returns:
      A Recommendation.

    Raises:
      ValueError: if there is no held-out split, a candidate is no trick, or the seeds overlap.
    """
    if cells.dataset.validation is None:
        raise ValueError("cells.dataset.validation is None; allowed: images held out.")
    if unknown := [name for name in candidates if name not in ladder]:
        raise ValueError(f"candidates is {unknown}; allowed: {', '.join(ladder)}.")
    if set(seeds) & set(fresh) or len(set(fresh)) < 2:
        raise ValueError(f"fresh is {tuple(fresh)}; allowed: two or more, none of {tuple(seeds)}.")
    headline = headline_of_task(baseline.task)
    shown = {"say": say, "console": Console(quiet=True) if console is None else console}
    run = partial(_run, cells=cells, headline=headline, plan=plan, log=tuple(log), guard=guard, **shown)

    # Greedy forward selection.
    chosen: tuple[str, ...] = ()
    rest, steps = list(candidates), []
    while rest:
        recipes = {"current": apply(baseline, chosen, ladder)}
        for name in rest:
            try:
                recipes[name] = apply(baseline, _ordered((*chosen, name), ladder), ladder)
            except ValueError as error:  # a trick may need another that is not there
                say(f"{name} does not fit onto {', '.join(chosen) or 'the baseline'}: {error}")
        gains = _gains(run(recipes, seeds, about=f"Selection, step {len(steps) + 1}"), rest, headline)
        step = Step(chosen, gains, _best(gains, headline))
        steps.append(step)
        say(_reported(step, headline))
        if step.chosen is None:
            break
        chosen = _ordered((*chosen, step.chosen), ladder)
        rest.remove(step.chosen)

    # Confirmation, and the test set.
    if not chosen:
        return Recommendation((), baseline, tuple(steps), (), None, None)
    recipe = apply(baseline, chosen, ladder)
    recipes = {"current": baseline, "selected": recipe}
    confirmation = _gains(run(recipes, fresh, test=True, about="Confirmation"), ["selected"], headline)["selected"]
    test = _gains(run(recipes, fresh, test=True, split="test"), ["selected"], headline)["selected"]
    confirmed = _best({"selected": confirmation}, headline) is not None
    return Recommendation(
        chosen if confirmed else (), recipe if confirmed else baseline, tuple(steps), chosen, confirmation, test
    )


def _run(
    recipes: Mapping[str, Recipe],
    seeds,
    *,
    cells: Cells,
    headline: Headline,
    plan,
    log,
    guard,
    say,
    console,
    about="",
    test=False,
    split="validation",
) -> dict[str, dict[int, float]]:
    """Train what is missing, and the headline of each recipe by seed; a run that failed is left out."""
    references = {name: None if name == "current" else "current" for name in recipes}
    rows = [Variant(name, (), recipe, references[name], None, None) for name, recipe in recipes.items()]
    if todo := cells.todo(rows, seeds, test=test):
        say(f"{about}: {plural(len(rows), 'recipe')}, {plural(len(seeds), 'seed')} each.")
        costs = {row.variant.name: work(row.variant.recipe, cells.dataset) for row in todo}
        shown = {"headline": headline, "console": console, "lines": lines_of(rows, cells, seeds, headline)}
        with Display(jobs(todo, costs), len(rows), **shown) as display:
            run_cells(rows, cells, seeds=seeds, plan=plan, test=test, log=(display.log, *log), guard=guard)
    runs = {name: {seed: cells.get(recipe, seed) for seed in seeds} for name, recipe in recipes.items()}
    return {
        name: {seed: cell[split][headline.name] for seed, cell in by_seed.items() if cell and "error" not in cell}
        for name, by_seed in runs.items()
    }


def _gains(
    values: Mapping[str, Mapping[int, float]], names: Sequence[str], headline: Headline
) -> dict[str, Moderated | None]:
    """The difference of each recipe to the current one, tested together."""
    current = values["current"]
    pairs = {
        name: [value - current[seed] for seed, value in values[name].items() if seed in current]
        for name in names
        if name in values
    }
    pairs = {name: differences for name, differences in pairs.items() if differences}
    contrasts = [{name: 1.0, "current": -1.0} for name in pairs]
    limits = -headline.span, headline.span
    tested = dict(zip(pairs, moderated(list(pairs.values()), contrasts=contrasts, limits=limits), strict=True))
    return {name: tested.get(name) for name in names}


def _best(gains: Mapping[str, Moderated | None], headline: Headline) -> str | None:
    """The name with the largest gain of those that differ from zero."""
    gaining = {n: headline.direction * g.mean for n, g in gains.items() if g is not None and g.p < ALPHA}
    best = max(gaining, key=gaining.__getitem__, default=None)
    return best if best is not None and gaining[best] > 0 else None


def _ordered(names: Sequence[str], ladder: Ladder) -> tuple[str, ...]:
    return tuple(name for name in ladder if name in names)


def _reported(step: Step, headline: Headline) -> str:
    base = " + ".join(("baseline", *step.base))
    tried = [f"{name} {_gain(gain, headline)}" for name, gain in step.gains.items()]
    end = f"{step.chosen} is added" if step.chosen else "none differs from zero, and the selection ends"
    return f"On {base}, held-out {headline.words}: {'; '.join(tried)}: {end}."


def sentence(choice: Recommendation, headline: Headline) -> str:
    """The recommendation in words.

    Args:
      choice: from ``recommend``.
      headline: of the task.

    Returns:
      One or two sentences.
    """
    if not choice.selected:
        return "Recommended: the baseline as it is; no trick differs from zero on held-out images."

    names = ", ".join(choice.selected)
    gains = [
        f"{name} {headline.words} {_gain(one, headline)}"
        for name, one in zip(("held-out", "test"), (choice.confirmation, choice.test), strict=True)
    ]
    if choice.tricks:
        return f"Recommended: {names}. With fresh seeds, against the baseline: {', '.join(gains)}."
    return (
        f"Recommended: the baseline as it is. Of {names}, chosen on held-out images, fresh seeds confirm no gain: "
        f"{', '.join(gains)}."
    )


def _gain(gain: Moderated | None, headline: Headline) -> str:
    if gain is None:
        return "unknown"
    return headline.difference(f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]")
