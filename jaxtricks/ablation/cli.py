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

import difflib
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import tyro
from rich.console import Console

from jaxtricks import ablation, data, models, optim, tasks, train
from jaxtricks.ablation import Cells, Display, Ladder, Setting, Trick, common_headline, report, search
from jaxtricks.ablation.progress import jobs, work
from jaxtricks.tricks import bag

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "jaxtricks" / "xla"
NETWORKS = {name: partial(models.resnet, layout) for name, layout in models.LAYOUTS.items()}
NETWORKS |= {name: partial(models.plain, widths) for name, widths in models.WIDTHS.items()}
NETWORKS |= {"perceptron": partial(models.perceptron, (256,)), "logistic": partial(models.perceptron, ())}
PRECISIONS = {"float32": train.FLOAT32, "bfloat16": train.BFLOAT16, "float16": train.FLOAT16}


@dataclass(frozen=True)
class Preset:
    """Where a comparison starts from: values that were chosen on held-out images, or are a paper's.

    Fields:
      data, model, seeds, epochs, batch: as on the command line.
      lr: peak learning rate at this batch; another batch on the command line scales it linearly.
      seeds_on: as on the command line.
      merge: names of rows that are made of several tricks, with these tricks.
      held_out: share of the training set that the learning curves are drawn on.
      sd: standard deviation of the paired differences that the smallest resolvable effect assumes, in the unit of the
        headline (for percent: points).
      sd_from: where that number comes from.
    """

    data: str
    model: str
    seeds: int
    epochs: float
    batch: int
    lr: float
    seeds_on: str = "map"
    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held_out: float = 0.125
    sd: float = 0.9
    sd_from: str = "the median over the rungs of experiments/results/cifar10-5000, rounded"


@dataclass(frozen=True)
class Options:
    """Trains every row with several paired seeds, and writes results.json, report.md and report.html."""

    preset: str = "quick"
    """The values to start from; the other options change them."""
    mode: Literal["stack", "add-one", "leave-one-out", "pairwise"] | None = None
    """How the tricks are combined into rows; the experiment's way if it is left out."""
    data: str | None = None
    """fashion_mini, digits, fake, a TFDS image set, a folder of images, or an .npz file."""
    model: str | None = None
    """A network by name, such as plain_mini, resnet_mini, resnet20, resnet50."""
    seeds: int | None = None
    """Number of paired seeds, 1 or more."""
    epochs: float | None = None
    """Passes over the training set."""
    batch: int | None = None
    """Images in a step of the baseline; the learning rate is scaled with it."""
    images: int | None = None
    """Train on this many images only, the same share of each class."""
    size: int = 224
    """Height and width that images of varying size are brought to."""
    only: tuple[str, ...] = ()
    """Names of the tricks to use; all of them if it is left out."""
    under: tuple[str, ...] = ()
    """Names of the settings to measure under, where the experiment has several; all of them if it is left out."""
    out: Path | None = None
    """Folder of cells and report; runs/NAME if it is left out. What is there already is not trained again."""
    parallel: Literal["jit", "pmap", "shard_map"] = "jit"
    """How a step is spread over the devices."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the baseline's computation."""
    tensorboard: bool = False
    """Also write TensorBoard events, to OUT/tensorboard."""
    seeds_on: Literal["map", "vmap", "devices"] | None = None
    """Seeds one after another, in one vectorised step, or one on each device; the preset's choice if it is left out."""


class UsageError(ValueError):
    """An option that cannot be used; the message is for the person who typed it."""


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
    several = isinstance(next(iter(ladder.values())), Setting)
    if several:
        ladder = under(ladder, options)
    elif options.under:
        raise UsageError(f"--under is {' '.join(options.under)}; this experiment has one setting only.")
    else:
        ladder = choose(ablation.merge(ladder, preset.merge), options.only)
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
        rows = (ablation.settings_grid if several else ablation.variants)(recipe, ladder, mode=mode)
        headline = common_headline([(row.name, row.recipe.task) for row in rows])
    except ValueError as error:
        raise UsageError(f"{error} {hint}") from error
    costs = {}
    for row in rows:
        row_data = row.dataset(source)
        try:
            plan.check_batch(row.recipe.batch, bn=row.recipe.bn)
            data.steps_per_epoch(len(row_data.train), row.recipe.batch)
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
    images = f"{len(source.train):,} + {len(source.validation):,} held out, {len(source.test):,} test images"
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


def task_of(dataset: data.Dataset) -> train.Task:
    """Classification of this data, the task of an experiment that names no other."""
    if dataset.classes is None:
        raise UsageError(f"--data is {dataset.name}, which has no classes; allowed: data with classes.")
    return tasks.classification(dataset.classes)


def settle(options: Options, presets: Mapping[str, Preset]) -> Preset:
    """The preset with what the command line changes; the learning rate follows the batch."""
    preset = presets[choice("--preset", options.preset, presets)]
    names = ("data", "model", "seeds", "epochs", "batch")
    changes = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    for option, value in {**changes, "images": options.images or 1, "size": options.size}.items():
        if not isinstance(value, str) and not 0 < value < float("inf"):
            raise UsageError(f"--{option} is {value}; allowed: greater than 0.")
    settled = replace(preset, **changes)
    choice("--model", settled.model, NETWORKS)
    if options.seeds_on is not None or options.parallel != "jit":
        settled = replace(settled, seeds_on=options.seeds_on or "map")
    return replace(settled, lr=optim.scaled_lr(preset.lr, settled.batch, per=preset.batch))


def network(name: str, dataset: data.Dataset) -> Callable:
    """The model by this name for images of this size."""
    model = NETWORKS[name]
    return partial(model, size=dataset.shape[0] * dataset.shape[1]) if model.func is models.perceptron else model


def choose(ladder: Ladder, only: tuple[str, ...]) -> dict[str, Trick]:
    """The tricks that were asked for, in the order of the ladder."""
    wanted = [choice("--only", trick, ladder) for trick in only]
    return {name: trick for name, trick in ladder.items() if not only or name in wanted}


def under(settings: Mapping[str, Setting], options: Options) -> dict[str, Setting]:
    """The settings that were asked for, each with the tricks that were asked for and that it has."""
    wanted = [choice("--under", name, settings) for name in options.under]
    everything = {name: trick for setting in settings.values() for name, trick in setting.ladder.items()}
    only = tuple(choose(everything, options.only)) if options.only else ()
    out = {}
    for name, setting in settings.items():
        ladder = {trick: change for trick, change in setting.ladder.items() if not only or trick in only}
        if ladder and (not wanted or name in wanted):
            out[name] = replace(setting, ladder=ladder)
    if not out:
        raise UsageError(f"--only is {' '.join(options.only)}; under {' '.join(wanted)} there is no such trick.")
    return out


def choice(option: str, value: str, allowed: Mapping) -> str:
    """The value, if it is allowed; else an error that names what is near."""
    if value not in allowed:
        near = difflib.get_close_matches(value, list(allowed), n=1, cutoff=0.5)
        hint = f" Perhaps you meant {near[0]!r}?" if near else ""
        raise UsageError(f"{option} is {value!r}; allowed: {', '.join(allowed)}.{hint}")
    return value
