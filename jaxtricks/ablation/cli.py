"""What every experiment module does with its table: read the command line, train the cells, write the report."""

import difflib
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import tyro
from rich.console import Console

from jaxtricks import ablation, data, models, optim, train
from jaxtricks.ablation import Cells, Display, Ladder, Setting, Trick, rate_search, report
from jaxtricks.ablation.progress import tasks, work
from jaxtricks.tricks import bag

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "jaxtricks" / "xla"
NETWORKS = {name: partial(models.resnet, layout) for name, layout in models.LAYOUTS.items()}
NETWORKS |= {name: partial(models.plain, widths) for name, widths in models.WIDTHS.items()}
NETWORKS |= {"perceptron": partial(models.perceptron, (256,)), "logistic": partial(models.perceptron, ())}
PRECISIONS = {"float32": train.FLOAT32, "bfloat16": train.BFLOAT16, "float16": train.FLOAT16}


@dataclass(frozen=True)
class Preset:
    """A setting that was chosen on held-out images, or is a paper's.

    Fields:
      data, model, seeds, epochs, batch: as on the command line.
      lr: peak learning rate at this batch; another batch on the command line scales it linearly.
      seeds_on: as on the command line.
      merge: rungs that are taken as one.
      held_out: share of the training set that the learning curves are drawn on.
      sd: spread of the paired differences between rungs that the smallest resolvable effect assumes, in points.
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
    """Trains every rung with several paired seeds, and writes results.json, report.md and report.html."""

    preset: str = "quick"
    """A setting to start from; the other options change it."""
    mode: Literal["stack", "add-one", "leave-one-out", "pairwise"] | None = None
    """How the tricks are combined into rows; the experiment's own way if not given."""
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
    """Names of the tricks to use, all of them if none is given."""
    under: tuple[str, ...] = ()
    """Names of the settings to measure under, where the experiment has several; all of them if none is given."""
    out: Path | None = None
    """Folder of cells and report; runs/EXPERIMENT if not given. What is found there is not trained again."""
    parallel: Literal["jit", "pmap", "shard_map"] = "jit"
    """How a step is spread over the devices."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the baseline's computation."""
    tensorboard: bool = False
    """Also write TensorBoard events, to OUT/tensorboard."""
    seeds_on: Literal["map", "vmap", "devices"] | None = None
    """Seeds one after another, in one vectorised step, or one on each device; the preset's choice if not given."""


class UsageError(ValueError):
    """An option that cannot be used; the message is for the person who typed it."""


def main(
    name: str,
    baseline: Callable,
    ladder: Ladder | Mapping[str, Setting],
    presets: Mapping[str, Preset],
    *,
    title: str,
    mode: str = "stack",
    dataset: Callable[[data.Dataset], data.Dataset] | None = None,
    begin: Callable[[train.Recipe, data.Dataset, data.Dataset], train.Recipe] | None = None,
    also: Callable[[Path], None] | None = None,
    factors: tuple[float, ...] = (),
) -> None:
    """Run an experiment from the command line; exit status 2 for what was typed wrong.

    Args:
      name: of the module.
      baseline: ``(augmented=, model=, lr=, batch=, epochs=) -> Recipe``.
      ladder: the tricks by name, or settings by name, each with tricks of its own.
      presets: by name; ``quick`` is the default.
      title: of the report.
      mode: how the tricks are combined unless the command line says otherwise.
      dataset: what the experiment makes of the data it is given, or None.
      begin: ``(baseline, data as given, data of the experiment) -> baseline``: makes what the rows need before they are
        built, such as weights to start from; or None.
      also: makes what the experiment shows beside the table, into the folder it is given; or None.
      factors: of each row's own learning rate, which are tried before the rows are compared; none if empty.
    """
    options = tyro.cli(Options, prog=f"python -m experiments.{name}", description=sys.modules["__main__"].__doc__)
    try:
        given = {"dataset": dataset, "begin": begin, "also": also, "factors": factors}
        run(name, options, baseline, ladder, presets, title=title, mode=mode, **given)
    except (UsageError, data.DataError) as error:
        Console(stderr=True).print(f"{name}: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except (KeyboardInterrupt, train.Interrupted) as stopped:
        Console(stderr=True).print("Stopped. The same command goes on with the cells that are missing.")
        sys.exit(stopped.code if isinstance(stopped, train.Interrupted) else 130)


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
    begin=None,
    also=None,
    factors=(),
):
    """What main does once the command line is read; returns the results."""
    began = time.perf_counter()
    setting = settle(options, presets)
    seeds = tuple(range(setting.seeds))
    if factors and set(seeds) & set(rate_search.SEEDS):
        raise UsageError(
            f"--seeds is {len(seeds)}; allowed: 1 to {min(rate_search.SEEDS)}; the search of the rates has the next."
        )
    mode = options.mode or mode
    several = isinstance(next(iter(ladder.values())), Setting)
    if several:
        ladder = under(ladder, options)
    elif options.under:
        raise UsageError(f"--under is {' '.join(options.under)}; this experiment has one setting only.")
    else:
        ladder = choose(ablation.merge(ladder, setting.merge), options.only)
    train.initialize_distributed()
    jax.config.update("jax_compilation_cache_dir", str(CACHE))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    console = Console(stderr=True, quiet=jax.process_index() > 0)
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)

    change = dataset
    dataset = data.load(setting.data, size=options.size)
    if options.images is not None:
        dataset = dataset.subset(options.images)
    given = dataset
    if change is not None:
        dataset = change(dataset)
    dataset = dataset.hold_out(setting.held_out)
    recipe = replace(
        baseline(
            augmented=bag.augmentation(dataset),
            model=network(setting.model, dataset),
            lr=setting.lr,
            batch=setting.batch,
            epochs=setting.epochs,
        ),
        precision=PRECISIONS[options.precision],
    )
    if begin is not None:
        recipe = begin(recipe, given, dataset)
    try:
        plan = train.Plan(kind=options.parallel, seeds_on=setting.seeds_on)
    except ValueError as error:
        raise UsageError(str(error)) from error
    hint = "Use --only to choose the tricks."
    try:
        rows = (ablation.settings_grid if several else ablation.variants)(recipe, ladder, mode=mode)
    except ValueError as error:
        raise UsageError(f"{error} {hint}") from error
    costs = {}
    for row in rows:  # every recipe is built once before anything is trained
        own = row.dataset(dataset)
        try:
            plan.check_batch(row.recipe.batch, bn=row.recipe.bn)
            data.steps_per_epoch(len(own.train), row.recipe.batch)
            train.build_schedule(row.recipe, own)
            costs[row.name] = work(row.recipe, own)
        except ValueError as error:
            raise UsageError(f"{row.name}: {error} {hint}" if row.tricks else str(error)) from error

    out = options.out if options.out is not None else Path("runs") / name
    try:
        cells = Cells(out, dataset)
    except OSError as error:
        raise UsageError(f"--out is {out}; allowed: a folder that can be made and written to. {error}") from error
    if also is not None and jax.process_index() == 0:
        also(cells.folder.parent)
    resolvable = ablation.resolvable(len(seeds), setting.sd)
    images = f"{len(dataset.train):,} + {len(dataset.validation):,} held out, {len(dataset.test):,} test images"
    say(f"{title}: {len(rows)} rows x {len(seeds)} seeds, {setting.model} on {setting.data}, {images}")
    device = f"{plan.size} x {jax.devices()[0].device_kind}"
    say(f"batch {recipe.batch}, learning rate {recipe.lr:g}, {recipe.epochs:g} epochs, {device}")
    say(f"Smallest effect that {len(seeds)} seeds resolve (80 % power): {resolvable:.1f} points,")
    say(f"if paired differences spread by {setting.sd:g} points ({setting.sd_from}).")
    logs = [train.json_lines(cells.folder.parent / "log.jsonl")]
    if factors:
        rows = rate_search.tuned(rows, cells, factors=factors, costs=costs, plan=plan, log=logs, console=console)
    todo = tasks(cells.todo(rows, seeds), costs)
    kept = sum(len(seeds) - len(cells.of(row).missing(row.recipe, seeds)) for row in rows)
    if kept:
        say(f"{kept} cells are there already, in {cells.folder}.")
    if options.tensorboard:
        logs.append(train.tensorboard(cells.folder.parent / "tensorboard"))
    with Display(todo, len(rows), console=console) as display:
        ablation.run_cells(rows, cells, seeds=seeds, plan=plan, log=(display.log, *logs))
    results = ablation.gather(
        rows,
        cells,
        title=title,
        command=shlex.join(["python", "-m", f"experiments.{name}", *sys.argv[1:]]),
        mode=mode,
        seeds=seeds,
        model=setting.model,
        sd_assumed={"value": setting.sd, "from": setting.sd_from},
        resolvable=resolvable,
    )
    if jax.process_index() == 0:
        report.write(results, cells.folder.parent)
        Console().print(report.table(results))
        say(f"{time.perf_counter() - began:.0f} s. Report: {cells.folder.parent / 'report.html'}")
    return results


def settle(options: Options, presets: Mapping[str, Preset]) -> Preset:
    """The preset with what the command line changes; the learning rate follows the batch."""
    preset = presets[known("--preset", options.preset, presets)]
    given = {
        k: getattr(options, k) for k in ("data", "model", "seeds", "epochs", "batch") if getattr(options, k) is not None
    }
    for option, value in {**given, "images": options.images or 1, "size": options.size}.items():
        if not isinstance(value, str) and not 0 < value < float("inf"):
            raise UsageError(f"--{option} is {value}; allowed: greater than 0.")
    setting = replace(preset, **given)
    known("--model", setting.model, NETWORKS)
    if options.seeds_on is not None or options.parallel != "jit":
        setting = replace(setting, seeds_on=options.seeds_on or "map")
    return replace(setting, lr=optim.scaled_lr(preset.lr, setting.batch, per=preset.batch))


def network(name: str, dataset: data.Dataset) -> Callable:
    """The model by this name for images of this size."""
    made = NETWORKS[name]
    return partial(made, size=dataset.shape[0] * dataset.shape[1]) if made.func is models.perceptron else made


def choose(ladder: Ladder, only: tuple[str, ...]) -> dict[str, Trick]:
    """The tricks that were asked for, in the order of the ladder."""
    wanted = [known("--only", each, ladder) for each in only]
    return {name: trick for name, trick in ladder.items() if not only or name in wanted}


def under(settings: Mapping[str, Setting], options: Options) -> dict[str, Setting]:
    """The settings that were asked for, each with the tricks that were asked for and that it has."""
    wanted = [known("--under", each, settings) for each in options.under]
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


def known(option: str, value: str, allowed: Mapping) -> str:
    """The value, if it is allowed; else an error that names what is near."""
    if value not in allowed:
        near = difflib.get_close_matches(value, list(allowed), n=1, cutoff=0.5)
        hint = f" Perhaps you meant {near[0]!r}?" if near else ""
        raise UsageError(f"{option} is {value!r}; allowed: {', '.join(allowed)}.{hint}")
    return value
