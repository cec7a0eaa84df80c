"""Where it stops being linear: compile time, step time and memory against batch, depth, devices, rows and seeds.

    python -m benchmarks.scaling
    XLA_FLAGS=--xla_force_host_platform_device_count=8 python -m benchmarks.scaling --only devices

One quantity grows while the others stay. A column says how many times as much each step of it costs as the same growth
in proportion would: 1.00 is linear, less is cheaper than linear. Rows are those of the Bag-of-Tricks ladder, whose cost
before the first step (building, tracing, checking) is measured. Processor time, not the clock, on a CPU.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import tyro

from benchmarks._figures import chosen, write
from experiments import bag_of_tricks
from jaxtricks import ablation, data, models, tasks, train
from jaxtricks.ablation import cli
from jaxtricks.train.program import Program
from jaxtricks.tricks import bag

LAYOUT = models.Layout((1, 1), (8, 16), bottleneck=False, stem=(3, 1), pool=False)
UNITS = {"compile_s": "s", "step_ms": "ms", "peak_mb": "MB"}


@dataclass(frozen=True)
class Options:
    """What to measure."""

    batches: tuple[int, ...] = (16, 32, 64, 128)
    """Images in a step."""
    depths: tuple[int, ...] = (1, 2, 4, 8)
    """Blocks of each stage."""
    seeds: tuple[int, ...] = (1, 2, 4, 8)
    """In one vectorised step."""
    rows: tuple[int, ...] = (1, 2, 4, 8)
    """Rungs of the ladder."""
    size: int = 28
    """Height and width of the images."""
    steps: int = 5
    """That are timed."""
    only: tuple[str, ...] = ()
    """Quantities, such as batch or depth; all of them if none."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def recipe_of(dataset: data.Dataset, *, batch: int = 32, depth: int = 1) -> train.Recipe:
    """A small residual network with crops and flips."""
    return bag.standard(
        task=tasks.classification(dataset.classes),
        augmented=bag.augmentation(dataset),
        model=partial(models.resnet, LAYOUT._replace(blocks=(depth, depth))),
        lr=0.05,
        batch=batch,
        epochs=1,
    )


def cost(recipe: train.Recipe, dataset: data.Dataset, plan: train.Plan, *, seeds: int, steps: int) -> dict[str, float]:
    """Seconds of compiling, milliseconds of a step, and its peak memory."""
    began, used = time.perf_counter(), time.process_time()
    program = Program(recipe, dataset, plan)
    group = tuple(range(seeds))
    feed = data.Feed(dataset.train, group, recipe.batch, stacked=plan.stacked)
    state = program.create(group)
    program.compile(state, feed)
    cpu = jax.default_backend() == "cpu"
    clock = time.process_time if cpu else time.perf_counter
    compiling = time.process_time() - used if cpu else time.perf_counter() - began
    batch = plan.put_rows(next(iter(feed.steps(0, 1))))
    for timed in (False, True):
        began = clock()
        for _ in range(steps):
            state, record = program.take(state, batch, 1)
            jax.block_until_ready(record)
        jax.block_until_ready(state)
        if timed:
            spent = clock() - began
    peak = program.cost["peak_bytes"]
    return {"compile_s": compiling, "step_ms": 1000 * spent / steps, "peak_mb": (peak or 0) / 1e6}


def before_the_first_step(dataset: data.Dataset, rungs: int) -> dict[str, float]:
    """What the rows of a ladder cost before anything is compiled."""
    began = time.process_time()
    # Nothing is trained. The warm-up of the ladder has its five epochs, ResNet-B its bottlenecks.
    base = replace(recipe_of(dataset), epochs=120, model=models.NETWORKS["resnet_digits"])
    ladder = dict(list(bag_of_tricks.LADDER.items())[:rungs])
    rows = ablation.variants(base, ladder)
    cli.check_rows(rows, dataset, train.Plan(devices=(jax.devices()[0],)), hint="")
    return {"compile_s": time.process_time() - began, "step_ms": 0.0, "peak_mb": 0.0}


def quantities(options: Options) -> dict[str, Callable[[], Iterator[tuple[int, dict[str, float]]]]]:
    """``() -> (value, cost)`` of each quantity."""
    dataset = data.fake(train=max(options.batches) * 4, test=8, shape=(options.size, options.size, 1))
    one = train.Plan(devices=(jax.devices()[0],))
    here = partial(cost, dataset=dataset, steps=options.steps)
    devices = [n for n in (1, 2, 4, 8, 16) if n <= len(jax.devices())]
    plans = {n: replace(one, devices=tuple(jax.devices()[:n])) for n in devices}
    vmap = replace(one, seeds_on="vmap")
    return {
        "batch": lambda: ((n, here(recipe_of(dataset, batch=n), plan=one, seeds=1)) for n in options.batches),
        "depth": lambda: ((n, here(recipe_of(dataset, depth=n), plan=one, seeds=1)) for n in options.depths),
        "seeds": lambda: ((n, here(recipe_of(dataset), plan=vmap, seeds=n)) for n in options.seeds),
        "devices": lambda: (
            (n, here(recipe_of(dataset, batch=16 * n), plan=plan, seeds=1)) for n, plan in plans.items()
        ),
        "rows": lambda: ((n, before_the_first_step(dataset, n)) for n in options.rows),
    }


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    figures: dict = {
        "command": " ".join(["python -m benchmarks.scaling", *sys.argv[1:]]),
        "machine": ablation.machine(),
        "quantities": {},
    }
    every = quantities(options)
    for name in chosen(every, options.only):
        print(f"{name:8s} {'compile':>18s} {'step':>18s} {'memory':>18s}   and times as much as in proportion")
        rows, before = {}, None
        for value, costs in every[name]():
            words = []
            for column, unit in UNITS.items():
                now = costs[column]
                then = before[1][column] if before else 0.0
                share = f" x{now / then / (value / before[0]):.2f}" if before and then else ""
                words.append(f"{f'{now:.1f} {unit}{share}':>18s}" if now else f"{'':18s}")
            print(f"{value:8d} {' '.join(words)}", flush=True)
            rows[value], before = costs, (value, costs)
        figures["quantities"][name] = rows
        write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
