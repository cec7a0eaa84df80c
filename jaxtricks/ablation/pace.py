"""How seeds and steps are put together on this device: measured in the first seconds of a run, and said."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax

from jaxtricks.ablation.cells import Cells
from jaxtricks.ablation.variants import Variant
from jaxtricks.data import Dataset, Feed
from jaxtricks.train import Plan, Recipe
from jaxtricks.train.loop import program_of

CHUNK = 16  # steps in one call
STEPS = 64  # timed, after as many that are not
GAIN = 0.95  # of the time so far, which another way must stay below to be chosen


def step_ms(recipe: Recipe, dataset: Dataset, plan: Plan, seeds: Sequence[int], *, programs: dict) -> float:
    """Milliseconds of a step and seed, compiled before.

    Args:
      recipe: without a teacher.
      dataset: in memory where the plan has chunks.
      plan: where the steps run.
      seeds: that run together, as the plan says.
      programs: as in fit; what is compiled here serves the run.

    Returns:
      The mean over 64 steps or a little more.
    """
    part, group = plan.groups(tuple(seeds))[0]
    program = program_of(programs, recipe, dataset, part, group)
    feed = Feed(dataset.train, group, recipe.batch, stacked=part.stacked, sampler=recipe.sampler)
    state = program.create(group)
    program.compile(state, feed, single=part.chunk == 1)
    state, rows = part.replicate(state), next(iter(feed.steps(0, 1)))
    if part.chunk > 1:
        rows = jax.tree.map(lambda array: array[None].repeat(part.chunk, 0), rows)
    record: Any = None
    for timed in (False, True):
        began, taken = time.perf_counter(), 0
        while taken < STEPS:
            state, record = program.take(state, part.put_rows(rows, steps=part.chunk), part.chunk)
            taken += part.chunk
            if jax.default_backend() == "cpu":
                jax.block_until_ready(record)
        jax.block_until_ready((state, record))
        if timed:
            return 1000 * (time.perf_counter() - began) / taken / len(group)
    raise AssertionError("unreachable")


def on_accelerators(
    row: Variant, cells: Cells, plan: Plan, *, seeds: int, choose: bool, programs: dict, say: Callable[[str], None]
) -> Plan:
    """The fastest plan where the device is an accelerator; on a CPU, where compiling takes longer, the plan itself.

    Args:
      row: the first one.
      cells: of the run.
      plan, seeds, programs: as in ``fastest``.
      choose: whether the way to run seeds may be chosen; on several devices it stays.
      say: takes a sentence.

    Returns:
      A plan.
    """
    if jax.default_backend() == "cpu" or jax.process_count() > 1 or row.recipe.teacher is not None:
        return plan
    first = row.recipe, cells.of(row).dataset
    choose = choose and plan.size == 1
    plan, said = fastest(*first, plan, seeds=seeds, choose_seeds=choose, programs=programs, measure=step_ms)
    say(said)
    return plan


def fastest(
    recipe: Recipe,
    dataset: Dataset,
    plan: Plan,
    *,
    seeds: int,
    choose_seeds: bool,
    programs: dict,
    measure: Callable[..., float],
) -> tuple[Plan, str]:
    """The plan with the fastest step and seed, out of few: chunks of steps, and seeds in one step.

    Args:
      recipe: the baseline.
      dataset: of the run.
      plan: to start from.
      seeds: that are trained in one vectorised step if that is chosen, 1 or more.
      choose_seeds: whether seeds one after another and in one step are compared, or the plan's way stays.
      programs: as in fit.
      measure: as ``step_ms``.

    Returns:
      The plan, and a sentence with the figures; of a way that needs more memory than there is, that.
    """
    ways = ("map", "vmap") if choose_seeds and seeds > 1 else (plan.seeds_on,)
    names = {"map": "one after another", "vmap": f"{seeds} in one step", "devices": "one on each device"}
    best, time_of_best, figures = replace(plan, seeds_on=ways[0], chunk=1), float("inf"), []
    candidates = [(ways[0], 1), *([(ways[0], CHUNK)] if dataset.train.resident and plan.kind != "pmap" else [])]
    candidates += [(way, None) for way in ways[1:]]  # with the better one of the two
    for way, chunk in candidates:
        candidate = replace(plan, seeds_on=way, chunk=best.chunk if chunk is None else chunk)
        together = {"map": 1, "vmap": seeds, "devices": plan.size}[way]
        scan = "" if candidate.chunk == 1 else f", {candidate.chunk} steps in a scan"
        try:
            ms = measure(recipe, dataset, candidate, range(together), programs=programs)
        except jax.errors.JaxRuntimeError as error:
            if not figures or "RESOURCE_EXHAUSTED" not in str(error):  # the plain way has to run
                raise
            figures.append(f"{names[way]}{scan} does not fit into the memory")
            continue
        figures.append(f"{names[way]}{scan} {ms:.2f}")
        if ms < GAIN * time_of_best:
            best, time_of_best = candidate, ms
    scan = "" if best.chunk == 1 else f", {best.chunk} steps in a scan"
    return best, f"Milliseconds a step and seed, measured now: {'; '.join(figures)}. So {names[best.seeds_on]}{scan}."
