"""Where it stops being linear: compile time, step time and memory against batch, depth, devices, rows and seeds.

    python -m benchmarks.scaling
    XLA_FLAGS=--xla_force_host_platform_device_count=8 python -m benchmarks.scaling --only devices

One quantity grows while the others stay. A column says how many times as much each step of it costs as the same growth
in proportion would: 1.00 is linear, less is cheaper than linear. A line under each quantity, and ``proportional_up_to``
in the file, say up to which value each costs at most a quarter more in proportion than the cheapest before it. Each
device has 16 images; a step is that of all of them, memory is that of one. ``step_ms`` is the median of some turns,
each the mean of so many steps; ``peak_mb`` is what a step takes, left out where the compiler does not tell. Processor
time, not the clock, on a CPU.

Rows are the first ones of the Bag-of-Tricks ladder, compiled and stepped one after another; all programs are kept, as a
run keeps them. ``compile_s`` is checking all rows and compiling a step of each, ``check_s`` the checking alone;
``step_ms`` is one step of each, a sum of unlike rows; ``peak_mb`` is the largest of any row so far. ``held_mb`` says
whether memory grows with rows: what the process holds after so many, libraries and data included. Rows come first,
before other quantities leave anything behind.
"""

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import tyro

from benchmarks._figures import chosen, write
from experiments import bag_of_tricks
from jaxtricks import ablation, data, models, tasks, train
from jaxtricks._runtime import memory
from jaxtricks.ablation import cli
from jaxtricks.train.loop import program_of
from jaxtricks.tricks import bag

LAYOUT = models.Layout((1, 1), (8, 16), bottleneck=False, stem=(3, 1), pool=False)
BATCH = 32  # where it is not what grows
TOLERANCE = 0.25  # by which a cost in proportion may exceed the cheapest so far
UNITS = {"compile_s": "s", "step_ms": "ms", "peak_mb": "MB", "held_mb": "MB"}


@dataclass(frozen=True)
class Options:
    """What to measure."""

    batches: tuple[int, ...] = (16, 32, 64, 128)
    """Images in a step."""
    depths: tuple[int, ...] = (1, 2, 4, 8)
    """Blocks of each stage."""
    seeds: tuple[int, ...] = (1, 2, 4, 8)
    """In one vectorised step."""
    rows: tuple[int, ...] = (2, 4, 8)
    """Of the ladder, the baseline included; 2 to 12, for the last one has a teacher, which is trained."""
    size: int = 28
    """Height and width of the images."""
    steps: int = 5
    """Of a turn."""
    turns: int = 3
    """That are timed, after one that is not."""
    only: tuple[str, ...] = ()
    """Quantities, such as batch or depth; all of them if none."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def recipe_of(dataset: data.Dataset, *, batch: int = BATCH, depth: int = 1) -> train.Recipe:
    """A small residual network with crops and flips."""
    return bag.standard(
        task=tasks.classification(dataset.classes),
        augmented=bag.augmentation(dataset),
        model=partial(models.resnet, LAYOUT._replace(blocks=(depth,) * len(LAYOUT.widths))),
        lr=0.05,
        batch=batch,
        epochs=1,
    )


def cost(
    recipe: train.Recipe,
    dataset: data.Dataset,
    plan: train.Plan,
    *,
    seeds: int,
    steps: int,
    turns: int,
    programs: dict | None = None,
) -> dict[str, float]:
    """Seconds of compiling, milliseconds of a step, and its peak memory if that is known; ``programs`` as in fit."""
    began, used = time.perf_counter(), time.process_time()
    group = tuple(range(seeds))
    program = program_of({} if programs is None else programs, recipe, dataset, plan, group)
    feed = data.Feed(dataset.train, group, recipe.batch, stacked=plan.stacked)
    state = program.create(group)
    program.compile(state, feed)
    cpu = jax.default_backend() == "cpu"
    clock = time.process_time if cpu else time.perf_counter
    compiling = time.process_time() - used if cpu else time.perf_counter() - began
    batch, spent = plan.put_rows(next(iter(feed.steps(0, 1)))), []
    for _ in range(1 + turns):
        began = clock()
        for _ in range(steps):
            state, record = program.take(state, batch, 1)
            jax.block_until_ready(record)
        jax.block_until_ready(state)
        spent.append(clock() - began)
    costs = {"compile_s": compiling, "step_ms": 1000 * statistics.median(spent[1:]) / steps}
    peak = program.cost["peak_bytes"]
    return costs if peak is None else costs | {"peak_mb": peak / 1e6}


def first_rows(
    dataset: data.Dataset, counts: tuple[int, ...], *, steps: int, turns: int
) -> Iterator[tuple[int, dict[str, float]]]:
    """``(rows, cost)``: what so many rows of a ladder cost; each is compiled once."""
    # The warm-up of the ladder has its five epochs, ResNet-B its bottlenecks.
    base = replace(recipe_of(dataset), epochs=120, model=models.NETWORKS["resnet_digits"])
    plan, programs, costs = train.Plan(devices=(jax.devices()[0],)), {}, []
    for count in sorted(counts):
        began = time.process_time()
        rows = ablation.variants(base, dict(list(bag_of_tricks.LADDER.items())[: count - 1]))
        cli.check_rows(rows, dataset, plan, hint="")
        checking = time.process_time() - began
        for row in rows[len(costs) :]:
            costs.append(cost(row.recipe, dataset, plan, seeds=1, steps=steps, turns=turns, programs=programs))
        gc.collect()
        compiling, stepping = (sum(row[name] for row in costs) for name in ("compile_s", "step_ms"))
        of_rows = {"compile_s": checking + compiling, "check_s": checking, "step_ms": stepping}
        if all("peak_mb" in row for row in costs):
            of_rows["peak_mb"] = max(row["peak_mb"] for row in costs)
        yield count, of_rows | {"held_mb": memory.resident() / 1e6}


def proportional_up_to(costs: Mapping[int, float], *, tolerance: float = TOLERANCE) -> int:
    """The last value before the first whose cost, divided by the value, exceeds the lowest so far by the tolerance."""
    reached, lowest = min(costs), float("inf")
    for value in sorted(costs):
        share = costs[value] / value
        if share > (1 + tolerance) * lowest:
            break
        reached, lowest = value, min(lowest, share)
    return reached


def ends(rows: Mapping[int, Mapping[str, float]]) -> dict[str, int]:
    """``proportional_up_to`` of each column that was measured."""
    measured = [name for name in UNITS if all(name in costs for costs in rows.values())]
    return {name: proportional_up_to({value: costs[name] for value, costs in rows.items()}) for name in measured}


def quantities(options: Options) -> dict[str, Callable[[], Iterator[tuple[int, dict[str, float]]]]]:
    """``() -> (value, cost)`` of each quantity."""
    dataset = data.fake(train=4 * max(BATCH, *options.batches), test=8, shape=(options.size, options.size, 1))
    one = train.Plan(devices=(jax.devices()[0],))
    timed = {"steps": options.steps, "turns": options.turns}
    here = partial(cost, dataset=dataset, **timed)
    devices = [n for n in (1, 2, 4, 8, 16) if n <= len(jax.devices())]
    plans = {n: replace(one, devices=tuple(jax.devices()[:n])) for n in devices}
    vmap = replace(one, seeds_on="vmap")
    return {
        "rows": lambda: first_rows(dataset, options.rows, **timed),
        "batch": lambda: ((n, here(recipe_of(dataset, batch=n), plan=one, seeds=1)) for n in options.batches),
        "depth": lambda: ((n, here(recipe_of(dataset, depth=n), plan=one, seeds=1)) for n in options.depths),
        "seeds": lambda: ((n, here(recipe_of(dataset), plan=vmap, seeds=n)) for n in options.seeds),
        "devices": lambda: (
            (n, here(recipe_of(dataset, batch=16 * n), plan=plan, seeds=1)) for n, plan in plans.items()
        ),
    }


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    if wrong := [count for count in options.rows if not 2 <= count <= len(bag_of_tricks.LADDER)]:
        raise SystemExit(f"--rows is {wrong[0]}; allowed: 2 to {len(bag_of_tricks.LADDER)}, without the teacher's.")
    figures: dict = {
        "command": " ".join(["python -m benchmarks.scaling", *sys.argv[1:]]),
        "machine": ablation.machine(),
        "tolerance": TOLERANCE,
        "proportional_up_to": {},
        "quantities": {},
    }
    every = quantities(options)
    for name in chosen(every, options.only):
        titles = " ".join(f"{column.split('_')[0]:>18s}" for column in UNITS)
        print(f"{name:8s} {titles}   and times as much as in proportion")
        rows, before = {}, None
        for value, costs in every[name]():
            words = []
            for column, unit in UNITS.items():
                shown = f"{costs[column]:.1f} {unit}" if column in costs else ""
                if shown and before and column in before[1]:
                    shown += f" x{costs[column] / before[1][column] / (value / before[0]):.2f}"
                words.append(f"{shown:>18s}")
            print(f"{value:8d} {' '.join(words)}", flush=True)
            rows[value], before = costs, (value, costs)
        figures["quantities"][name], figures["proportional_up_to"][name] = rows, ends(rows)
        said = ", ".join(f"{column.split('_')[0]} {value}" for column, value in ends(rows).items())
        print(f"{'':8s} proportional within {100 * TOLERANCE:.0f} %, of up to {max(rows)}, up to: {said}", flush=True)
        write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
