"""The command line of an ablation: options, the training of what is missing, the report.

A script needs a baseline, tricks and presets, and calls ``main``:

    from dataclasses import replace

    from jaxtricks import tricks
    from jaxtricks.ablation import cli

    def fast(recipe):
        return replace(recipe, lr=2 * recipe.lr)

    PRESETS = {"quick": cli.Preset("digits", "resnet_digits", seeds=2, epochs=3, batch=32, lr=0.05)}

    if __name__ == "__main__":
        cli.main("mine", tricks.standard, {"fast": tricks.Trick(fast)}, PRESETS, title="My trick")
"""

import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
from rich.console import Console

from jaxtricks import ablation, data, train
from jaxtricks._command import fit_to_images, read
from jaxtricks.ablation import Cells, Display, Ladder, Setting, common_headline, report, search
from jaxtricks.ablation.ahead import compile_rows
from jaxtricks.ablation.budget import MOST, Budget, block_size
from jaxtricks.ablation.clock import Clock, minutes, process_age
from jaxtricks.ablation.options import (  # noqa: F401 - a script finds all names here
    NETWORKS,
    PRECISIONS,
    Options,
    Preset,
    UsageError,
    check_rows,
    choice,
    choose,
    network,
    settle,
    task_of,
    under,
)
from jaxtricks.ablation.planning import smallest_effect, spread_so_far
from jaxtricks.ablation.progress import jobs, work
from jaxtricks.ablation.saved import build_recommendation
from jaxtricks.tricks import bag

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "jaxtricks" / "xla"


def main(
    name: str,
    baseline: Callable[..., train.Recipe],
    ladder: Ladder | Mapping[str, Setting],
    presets: Mapping[str, Preset],
    *,
    title: str,
    mode: str = "stack",
    dataset: Callable[[data.Dataset], data.Dataset] | None = None,
    task: Callable[[data.Dataset], train.Task] | None = None,
    begin: Callable[[train.Recipe, data.Dataset, data.Dataset], train.Recipe] | None = None,
    also: Callable[[Path], None] | None = None,
    factors: tuple[float, ...] = (),
) -> None:
    """Run an ablation from the command line; exit status 2 for what was typed wrong.

    Args:
      name: of the experiment; its folder is runs/NAME.
      baseline: ``(task=, augmented=, model=, lr=, batch=, epochs=) -> Recipe``.
      ladder: the tricks by name, or settings by name, each with tricks of its own.
      presets: by name; ``quick`` is the default.
      title: of the report.
      mode: how the tricks are combined unless the command line says otherwise.
      dataset: what the experiment makes of the data that it loads, or None.
      task: of this data; its classification if None.
      begin: ``(baseline, data as loaded, data of the experiment) -> baseline``: makes what the rows need before they
        are built, such as weights to start from; or None.
      also: makes what the experiment shows beside the table, into the folder that it gets; or None.
      factors: of each row's own learning rate, which are tried before the rows are compared; none if empty.
    """
    with exit_status(name):
        description = sys.modules["__main__"].__doc__
        options = read(sys.argv[1:], started=" ".join(started()), description=description)
        parts = {"dataset": dataset, "task": task, "begin": begin, "also": also, "factors": factors}
        clock = Clock(age=process_age())
        run(name, options, baseline, ladder, presets, title=title, mode=mode, clock=clock, **parts)


@contextmanager
def exit_status(name: str) -> Iterator[None]:
    """End the process with 2 and a sentence for what was typed wrong, and by a signal's status for a signal.

    Args:
      name: of the command, in front of the sentence.
    """
    try:
        yield
    except (UsageError, data.DataError) as error:
        Console(stderr=True).print(f"{name}: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except (KeyboardInterrupt, train.Interrupted) as stopped:
        Console(stderr=True).print("Stopped. The same command goes on with the cells that are missing.")
        sys.stdout.flush()
        status = 128 + stopped.signal if isinstance(stopped, train.Interrupted) else 130
        if threading.active_count() > 1:  # one may be in the compiler, which would end only in its own time
            os._exit(status)
        sys.exit(status)


def started() -> list[str]:
    """How this program was started, without its options: ``python mine.py``, or ``python -m experiments.losses``."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:
        return ["python", sys.argv[0]]
    return ["python", "-m", spec.name.removesuffix(".__main__")]


def run(
    name,
    options: Options,
    baseline,
    ladder,
    presets,
    *,
    title,
    mode="stack",
    dataset=None,
    task=None,
    begin=None,
    also=None,
    factors=(),
    clock: Clock | None = None,
):
    """What main does once the command line is read; returns the results."""
    clock = Clock() if clock is None else clock
    # What was typed is checked before data is read or anything compiles.
    preset = settle(options, presets)
    if factors and preset.seeds is not None and preset.seeds > MOST:
        raise UsageError(f"--seeds is {preset.seeds}; allowed: 1 to {MOST}; the search of the rates has the next.")
    mode = options.mode or mode
    chosen = {}
    if isinstance(next(iter(ladder.values())), Setting):
        if options.recommend or options.save:
            raise UsageError("--recommend and --save are for experiments with one setting; allowed: without them.")
        build_rows = partial(ablation.settings_grid, settings=under(ladder, options), mode=mode)
    elif options.under:
        raise UsageError(f"--under is {' '.join(options.under)}; this experiment has one setting only.")
    else:
        chosen = choose(ablation.merge(ladder, preset.merge), options.only)
        build_rows = partial(ablation.variants, ladder=chosen, mode=mode)
    train.initialize_distributed()
    jax.config.update("jax_compilation_cache_dir", str(CACHE))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    console = Console(stderr=True, quiet=jax.process_index() > 0)
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    try:
        plan = train.Plan(kind=options.parallel, seeds_on=preset.seeds_on)
    except ValueError as error:
        raise UsageError(str(error)) from error

    # The data, the baseline, and every recipe built once before anything is trained.
    loaded = data.load(preset.data, size=options.size)
    if options.images is not None:
        loaded = loaded.subset(options.images)
    source = (loaded if dataset is None else dataset(loaded)).hold_out(preset.held_out)
    held_out = 0 if source.validation is None else len(source.validation)
    images = f"{len(source.train):,} + {held_out:,} held out, {len(source.test):,} test images"
    say(f"{title}: {preset.model} on {preset.data}, {images}")
    multiple = 1 if preset.seeds_on == "devices" else plan.size
    usual, preset = preset, fit_to_images(preset, options, len(source.train), multiple=multiple)
    if preset != usual:
        of_usual = f"batch {usual.batch} and {usual.epochs:g} epochs"
        say(f"The images are few: batch {preset.batch} and {preset.epochs:g} epochs instead of {of_usual}.")
    recipe = replace(
        baseline(
            task=task_of(source) if task is None else task(source),
            augmented=bag.augmentation(source),
            model=network(preset.model, source),
            lr=preset.lr,
            batch=preset.batch,
            epochs=preset.epochs,
        ),
        precision=PRECISIONS[options.precision],
    )
    if begin is not None:
        recipe = begin(recipe, loaded, source)
    hint = "Use --only to choose the tricks."
    try:
        rows = build_rows(recipe)
        headline = common_headline([(row.name, row.recipe.task) for row in rows])
    except ValueError as error:
        raise UsageError(f"{error} {hint}") from error
    forward = check_rows(rows, source, plan, hint=hint)
    costs = {row.name: work(row.recipe, row.dataset(source), cost=forward[row.name]) for row in rows}

    # The folder, and what is going to be done in it.
    out = options.out if options.out is not None else Path("runs") / name
    try:
        if options.save is not None:
            options.save.mkdir(parents=True, exist_ok=True)  # not after an hour of training
    except OSError as error:
        raise UsageError(
            f"--save is {options.save}; allowed: a folder that can be made and written to. {error}"
        ) from error
    try:
        cells = Cells(out, source)
    except OSError as error:
        raise UsageError(f"--out is {out}; allowed: a folder that can be made and written to. {error}") from error
    if also is not None and jax.process_index() == 0:
        also(cells.folder.parent)
    device = f"{plan.size} x {jax.devices()[0].device_kind}"
    say(f"{len(rows)} rows, batch {recipe.batch}, learning rate {recipe.lr:g}, {recipe.epochs:g} epochs, {device}")

    # The cells that are missing, block after block.
    logs = [train.json_lines(cells.folder.parent / "log.jsonl")]
    guard = train.Guard(signals=True, exit_on_error=True, leave_compiler=True)
    training = {"plan": plan, "guard": guard}
    if factors:
        tried = {"factors": factors, "costs": costs, "log": [clock.log, *logs], "console": console}
        rows = search.search_rates(rows, cells, **tried, **training)
    if options.tensorboard:
        logs.append(train.tensorboard(cells.folder.parent / "tensorboard"))
    budget = Budget(
        cells.budget(rows),
        minutes=preset.minutes,
        most=preset.seeds,
        block=block_size(preset.seeds_on, plan.size),
        work=lambda seeds: sum(job.teacher + job.work * job.seeds for job in jobs(cells.todo(rows, seeds), costs)),
        one=sum(costs.values()),
        clock=clock,
    )
    seeds, programs = budget.first(), {}
    spread = spread_so_far(rows, cells, seeds, assumed=preset.sd, source=preset.sd_from)
    words = {"title": title, "command": shlex.join([*started(), *sys.argv[1:]]), "mode": mode, "margin": options.margin}
    parts = {"spread": spread, "model": preset.model, "budget": budget, "clock": clock, "costs": forward}
    results = partial(_results, rows, cells, **parts, **words)
    planned = (
        f"{len(seeds)} seeds" if preset.minutes is None else f"{preset.minutes:g} min, {len(seeds)} seeds at least"
    )
    kept = sum(len(seeds) - len(cells.of(row).missing(row.recipe, seeds)) for row in rows)
    say(planned + (f"; {kept} cells are there already, in {cells.folder}." if kept else "."))
    effect = headline.difference(f"{smallest_effect(rows, len(seeds), spread['value']):.1f}")
    differ = headline.difference(f"{spread['value']:.2g}")
    say(f"Smallest effect that {len(seeds)} seeds resolve (80 % power): {effect},")
    say(f"if paired differences spread by {differ} ({spread['from']}).")
    with Display([], len(rows), clock=clock, headline=headline, console=console, budget=budget) as display:
        try:
            while seeds:
                missing, said = cells.todo(rows, seeds), (display.log, *logs)
                display.add(jobs(missing, costs))
                compile_rows(missing, plan, programs, log=said)
                ablation.run_cells(rows, cells, seeds=seeds, log=said, programs=programs, **training)
                block = [cells.of(row).get(row.recipe, seed) for row in rows for seed in seeds]
                good = sum(cell is not None and "error" not in cell for cell in block)
                budget.finished(seeds, pace=display.pace, good=good)
                seeds = budget.next()
        except (KeyboardInterrupt, train.Interrupted):
            display.stop()
            Console().print(report.table(results(range(budget.seeds + len(seeds)))))
            raise
        finally:
            if jax.process_index() == 0:
                budget.save(pace=display.pace)

    # The report.
    clock.turn("report")
    out = results(range(budget.seeds))
    if jax.process_index() == 0:
        report.write(out, cells.folder.parent)
        Console().print(report.table(out))
        say(f"{budget.seeds} seeds: {budget.stopped}. Report: {cells.folder.parent / 'report.html'}")
        spent = ", ".join(f"{part} {minutes(seconds)}" for part, seconds in clock.spent().items())
        say(f"{minutes(clock.elapsed)}: {spent}.")
    if options.recommend or options.save:
        build_recommendation(recipe, chosen, cells, out, log=logs, say=say, save=options.save, **training)
    return out


def _results(rows, cells, seeds, *, spread, budget, clock, **words) -> dict:
    """What was trained, of these seeds."""
    return ablation.gather(
        rows,
        cells,
        seeds=tuple(seeds),
        sd_assumed=spread,
        resolvable=smallest_effect(rows, len(seeds), spread["value"]),
        budget={**budget.plain(), "seconds": clock.spent()},
        **words,
    )
