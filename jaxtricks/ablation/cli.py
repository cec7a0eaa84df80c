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
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import tyro
from rich.console import Console

from jaxtricks import ablation, data, train
from jaxtricks.ablation import Cells, Display, Ladder, Setting, common_headline, report, search
from jaxtricks.ablation.options import (  # noqa: F401 - a script finds all names here
    NETWORKS,
    PRECISIONS,
    Options,
    Preset,
    UsageError,
    choice,
    choose,
    network,
    settle,
    task_of,
    under,
)
from jaxtricks.ablation.progress import jobs, work
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
    options = tyro.cli(Options, prog=" ".join(started()), description=sys.modules["__main__"].__doc__)
    with exit_status(name):
        parts = {"dataset": dataset, "task": task, "begin": begin, "also": also, "factors": factors}
        run(name, options, baseline, ladder, presets, title=title, mode=mode, **parts)


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
        sys.exit(stopped.code if isinstance(stopped, train.Interrupted) else 130)


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
):
    """What main does once the command line is read; returns the results."""
    began = time.perf_counter()
    # What was typed is checked before data is read or anything compiles.
    preset = settle(options, presets)
    seeds = tuple(range(preset.seeds))
    if factors and set(seeds) & set(search.SEEDS):
        raise UsageError(
            f"--seeds is {len(seeds)}; allowed: 1 to {min(search.SEEDS)}; the search of the rates has the next."
        )
    mode = options.mode or mode
    if isinstance(next(iter(ladder.values())), Setting):
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
    costs = {}
    for row in rows:
        row_data = row.dataset(source)
        try:
            plan.check_batch(row.recipe.batch, bn=row.recipe.bn)
            train.epoch_steps(row.recipe, row_data)
            train.build_schedule(row.recipe, row_data)
            costs[row.name] = work(row.recipe, row_data)
        except ValueError as error:
            raise UsageError(f"{row.name}: {error} {hint}" if row.tricks else str(error)) from error

    # The folder, and what is going to be done in it.
    out = options.out if options.out is not None else Path("runs") / name
    try:
        cells = Cells(out, source)
    except OSError as error:
        raise UsageError(f"--out is {out}; allowed: a folder that can be made and written to. {error}") from error
    if also is not None and jax.process_index() == 0:
        also(cells.folder.parent)
    resolvable = ablation.resolvable(len(seeds), preset.sd)
    held_out = 0 if source.validation is None else len(source.validation)
    images = f"{len(source.train):,} + {held_out:,} held out, {len(source.test):,} test images"
    say(f"{title}: {len(rows)} rows x {len(seeds)} seeds, {preset.model} on {preset.data}, {images}")
    device = f"{plan.size} x {jax.devices()[0].device_kind}"
    say(f"batch {recipe.batch}, learning rate {recipe.lr:g}, {recipe.epochs:g} epochs, {device}")
    say(f"Smallest effect that {len(seeds)} seeds resolve (80 % power): {headline.difference(f'{resolvable:.1f}')},")
    say(f"if paired differences spread by {headline.difference(f'{preset.sd:g}')} ({preset.sd_from}).")

    # The cells that are missing.
    logs = [train.json_lines(cells.folder.parent / "log.jsonl")]
    training = {"plan": plan, "guard": train.Guard(signals=True, exit_on_error=True)}
    if factors:
        rows = search.search_rates(rows, cells, factors=factors, costs=costs, log=logs, console=console, **training)
    todo = jobs(cells.todo(rows, seeds), costs)
    kept = sum(len(seeds) - len(cells.of(row).missing(row.recipe, seeds)) for row in rows)
    if kept:
        say(f"{kept} cells are there already, in {cells.folder}.")
    if options.tensorboard:
        logs.append(train.tensorboard(cells.folder.parent / "tensorboard"))
    with Display(todo, len(rows), headline=headline, console=console) as display:
        ablation.run_cells(rows, cells, seeds=seeds, log=(display.log, *logs), **training)

    # The report.
    results = ablation.gather(
        rows,
        cells,
        title=title,
        command=shlex.join([*started(), *sys.argv[1:]]),
        mode=mode,
        seeds=seeds,
        model=preset.model,
        sd_assumed={"value": preset.sd, "from": preset.sd_from},
        resolvable=resolvable,
    )
    if jax.process_index() == 0:
        report.write(results, cells.folder.parent)
        Console().print(report.table(results))
        say(f"{time.perf_counter() - began:.0f} s. Report: {cells.folder.parent / 'report.html'}")
    return results
