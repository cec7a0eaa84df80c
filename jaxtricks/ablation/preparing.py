"""What a command is going to train, built and checked: data, baseline, rows, costs; nothing is trained yet."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax

from jaxtricks import ablation, data, portable, tasks, train
from jaxtricks._command import Options, Preset, UsageError, fit_to_images
from jaxtricks._runtime.distributed import is_one_of_several
from jaxtricks._runtime.threads import enough_threads
from jaxtricks.ablation import sources
from jaxtricks.ablation.budget import MOST
from jaxtricks.ablation.headline import Headline, common_headline, plural
from jaxtricks.ablation.options import (
    PRECISIONS,
    check_costs,
    check_kind,
    check_steps,
    choose,
    network,
    settle,
    task_of,
    under,
)
from jaxtricks.ablation.recommend import FRESH
from jaxtricks.ablation.variants import Setting, Variant
from jaxtricks.tricks import bag
from jaxtricks.tricks.trick import Ladder, Trick

HINT = "Use --only to choose the tricks."


@dataclass(frozen=True)
class Prepared:
    """A comparison that is ready to be trained.

    Fields:
      preset: with what was typed, and fitted to the number of images.
      mode: how the tricks are combined.
      plan: where the steps run.
      source: the data, with a held-out split.
      recipe: the baseline.
      chosen: the tricks by name, where there is one setting.
      rows: of the table.
      headline: what they are compared by.
      forward: ``forward_cost`` of each row by name.
    """

    preset: Preset
    mode: str
    plan: train.Plan
    source: data.Dataset
    recipe: train.Recipe
    chosen: Mapping[str, Trick]
    rows: Sequence[Variant]
    headline: Headline
    forward: Mapping[str, dict[str, int]]


@dataclass(frozen=True)
class Choice:
    """What was typed, settled before data is read.

    Fields:
      preset: with what was typed.
      mode: how the tricks are combined.
      settings: those that were asked for, by name; empty where there is one.
      tricks: those that were asked for, by name, where there is one setting.
    """

    preset: Preset
    mode: str
    settings: Mapping[str, Setting]
    tricks: Mapping[str, Trick]

    def counted(self, tricks: Ladder) -> "Choice":
        """With other tricks in the place of those that have their names."""

        def instead(ladder):
            return {name: tricks.get(name, trick) for name, trick in ladder.items()}

        settings = {name: replace(one, ladder=instead(one.ladder)) for name, one in self.settings.items()}
        return replace(self, settings=settings, tricks=instead(self.tricks))

    def rows(self, recipe: train.Recipe) -> list[Variant]:
        """The rows of the table."""
        if self.settings:
            return ablation.settings_grid(recipe, self.settings, mode=self.mode)
        return ablation.variants(recipe, self.tricks, mode=self.mode)


def chosen(
    options: Options,
    ladder: Ladder | Mapping[str, Setting],
    presets: Mapping[str, Preset],
    *,
    mode: str,
    factors: Sequence[float] = (),
) -> Choice:
    """What was typed, checked before data is read or anything compiles.

    Args:
      options: as they were read.
      ladder, presets, mode, factors: as for ``cli.main``.

    Raises:
      UsageError: if something of it does not exist, or does not go together.
    """
    preset = settle(options, presets)
    if preset.seeds_on != "devices" or is_one_of_several():
        enough_threads()
    first, most = options.first_seed, MOST if factors else FRESH[0]
    if preset.seeds is not None and first + preset.seeds > most and (factors or options.recommend or options.save):
        has = "the search of the rates" if factors else "the confirmation"
        typed = f"{preset.seeds} with --first-seed {first}" if first else str(preset.seeds)
        raise UsageError(f"--seeds is {typed}; allowed: 1 to {most - first}; {has} has the next.")
    mode = options.mode or mode
    if isinstance(next(iter(ladder.values())), Setting):
        if options.recommend or options.save:
            raise UsageError("--recommend and --save are for experiments with one setting; allowed: without them.")
        return Choice(preset, mode, under(ladder, options), {})  # pyright: ignore[reportArgumentType]
    if options.under:
        raise UsageError(f"--under is {' '.join(options.under)}; this experiment has one setting only.")
    tricks = ablation.merge(ladder, preset.merge)  # pyright: ignore[reportArgumentType]
    return Choice(preset, mode, {}, choose(tricks, options.only))


def join_processes() -> None:
    """``train.initialize_distributed``, before the first array.

    Raises:
      UsageError: if the environment names some of what it takes.
    """
    try:
        train.initialize_distributed()
    except ValueError as error:
        raise UsageError(str(error)) from error


def prepare(
    choice: Choice,
    options: Options,
    baseline: Callable[..., train.Recipe],
    *,
    title: str,
    dataset: Callable[[data.Dataset], data.Dataset] | None = None,
    task: Callable[[data.Dataset], train.Task] | None = None,
    begin: Callable[[train.Recipe, data.Dataset, data.Dataset], train.Recipe] | None = None,
    counted: Callable[[int], Ladder] | None = None,
    adapted: Callable[[train.Recipe, Ladder, data.Dataset], tuple[Ladder, list[str]]] | None = None,
    masks: bool | None = None,
    say: Callable[[str], None],
) -> Prepared:
    """Read the data, and build every recipe once; ``begin`` alone may train, after all else is checked.

    Args:
      choice: from ``chosen``.
      options: as they were read.
      baseline, title, dataset, task, begin, counted, adapted, masks: as for ``cli.main``.
      say: prints a line.

    Raises:
      UsageError, DataError: one sentence on what does not fit, and what does.
    """
    preset = choice.preset
    if (several := jax.process_count()) > 1 and preset.seeds_on == "devices":
        if options.seeds_on is not None:
            allowed = "allowed: --seeds-on map, or vmap"
            raise UsageError(f"--seeds-on is devices with {several} processes; {allowed}.")
        preset = replace(preset, seeds_on="map")
        say(f"{several} processes train each network together: one seed after another (--seeds-on map).")
    try:
        plan = train.Plan(kind=options.parallel, seeds_on=preset.seeds_on)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if options.ahead and (plan.collective or several > 1):
        raise UsageError("--ahead is given, and devices share a batch; allowed: one device, or a seed on each.")
    loaded = sources.load(preset.data, size=options.size, images=options.images, say=say, masks=masks)
    if options.size != Options.size and options.size not in loaded.shape[:2]:
        has = f"its images have {loaded.shape[0]} x {loaded.shape[1]} pixels"
        raise UsageError(f"--size is {options.size}, which does nothing to {preset.data}: {has}; allowed: without it.")
    if dataset is None and task is None:
        task_of(loaded)  # images of another kind are refused first
    source = (loaded if dataset is None else dataset(loaded)).hold_out(preset.held_out)
    held_out = 0 if source.validation is None else len(source.validation)
    images = f"{len(source.train):,} + {held_out:,} held out, {len(source.test):,} test images"
    say(f"{title}: {preset.model} on {source.name}, {images}")
    if source.train.resident and not loaded.train.resident:
        say(f"Every image was decoded once, its centre at {loaded.shape[0]} x {loaded.shape[1]} (--size).")
    _check_settings(choice.settings, lambda name: _data_of(choice.settings[name], source))
    multiple = 1 if preset.seeds_on == "devices" else plan.size
    usual, preset = preset, fit_to_images(preset, options, len(source.train), multiple=multiple)
    if preset != usual:
        said = zip(*((f"batch {one.batch}", plural(one.epochs, "epoch")) for one in (preset, usual)), strict=True)
        now, before = (" and ".join(side) for side in zip(*(pair for pair in said if pair[0] != pair[1]), strict=True))
        say(f"The images are few: {now} instead of {before}.")
    recipe = replace(
        baseline(
            task=_classes(source) if task is None else task(source),
            augmented=bag.augmentation(source),
            model=network(preset.model, source),
            lr=preset.lr,
            batch=preset.batch,
            epochs=preset.epochs,
        ),
        precision=PRECISIONS[options.precision],
    )
    check_kind(recipe.task, source)
    if not choice.settings:
        check_steps(Variant("baseline", (), recipe, None, None, None), source, plan, hint="")
    if counted is not None:
        choice = choice.counted(counted(max(1, round(recipe.epochs * (len(source.train) // recipe.batch)))))
    if begin is not None:
        recipe = begin(recipe, loaded, source)
    if adapted is not None:
        choice = _of_those_that_act(choice, *adapted(recipe, choice.tricks, source), asked=bool(options.only), say=say)
    try:
        rows = choice.rows(recipe)
        headline = common_headline([(row.name, row.recipe.task) for row in rows])
    except ValueError as error:
        raise UsageError(f"{error} {HINT}") from error
    _check_rows(choice, rows, source, plan)
    forward = check_costs(rows, source, hint=HINT)
    if options.recommend or options.save:
        _check_saved(rows, source)
    return Prepared(preset, choice.mode, plan, source, recipe, choice.tricks, rows, headline, forward)


def _classes(source: data.Dataset) -> train.Task:
    """Classification; of what an experiment made of its data, such as canvases, the baseline takes the number alone."""
    return task_of(source) if source.classes is None else tasks.classification(source.classes)


def _of_those_that_act(choice: Choice, tricks: Ladder, sentences: Sequence[str], *, asked: bool, say) -> Choice:
    """With the tricks that can act on these data; UsageError if another one was asked for, or none is left."""
    if not tricks or (asked and set(choice.tricks) - set(tricks)):
        raise UsageError(" ".join([*sentences, f"What fits: --only {shlex.join(tricks)}." if tricks else HINT]))
    for sentence in sentences:
        say(sentence)
    return replace(choice, tricks=tricks)


def _check_rows(choice: Choice, rows: Sequence[Variant], source: data.Dataset, plan: train.Plan) -> None:
    """UsageError for rows whose batch or schedule does not fit the data, with the settings or tricks that do."""
    check = partial(check_steps, source=source, plan=plan)
    if choice.settings:
        rows_of = {name: [row for row in rows if row.name.startswith(f"{name}: ")] for name in choice.settings}
        _check_settings(choice.settings, lambda name: [check(row, hint="") for row in rows_of[name]])
    elif choice.mode == "add-one":
        baseline, *others = rows
        check(baseline, hint="")
        by_name = {row.name: row for row in others}
        _check_settings(by_name, lambda name: check(by_name[name], hint=""), option="--only")
    else:
        for row in rows:
            check(row, hint=HINT)


def _check_saved(rows: Sequence[Variant], source: data.Dataset) -> None:
    """UsageError for a network that could not be kept, before any is trained."""
    for row in rows:
        try:
            portable.kind(row.recipe, row.dataset(source))
        except ValueError as error:
            raise UsageError(f"--recommend and --save keep no network of {row.name}: {error}") from error


def _data_of(setting: Setting, source: data.Dataset) -> data.Dataset:
    return source if setting.data is None else setting.data(source)


def _check_settings(names: Iterable[str], check: Callable[[str], Any], *, option: str = "--under") -> None:
    """UsageError with what the check says of the first name that does not fit the data, and with those that do."""
    wrong = {}
    for name in (names := list(names)):
        try:
            check(name)
        except ValueError as error:
            text = str(error).rstrip(". ")
            wrong[name] = text if text.startswith(name) else f"{name}: {text}"
    if wrong:
        fit = shlex.join(name for name in names if name not in wrong)
        way = f"What fits: {option} {fit}." if fit else "Nothing of this experiment fits this data."
        raise UsageError(f"{next(iter(wrong.values()))}. {way}")
