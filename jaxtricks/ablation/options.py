"""What the options stand for: networks, precisions, tasks, the tricks that were asked for; and whether rows can run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from jaxtricks import data, models, tasks, train
from jaxtricks._command import Options, Preset, UsageError, choice, choices, few_images
from jaxtricks._command import settle as _settle
from jaxtricks.ablation.results import forward_cost
from jaxtricks.ablation.variants import Setting, Variant
from jaxtricks.data._kinds import WORDS, other_kind
from jaxtricks.tricks.trick import Ladder, Trick

NETWORKS = models.NETWORKS
PRECISIONS = {"float32": train.FLOAT32, "bfloat16": train.BFLOAT16, "float16": train.FLOAT16}


def task_of(dataset: data.Dataset) -> train.Task:
    """Classification of this data, the task of an experiment that names no other; UsageError for images of others."""
    if dataset.classes is None or "label" not in dataset.train.columns:
        raise UsageError(other_kind(dataset, "images with a class each"))
    return tasks.classification(dataset.classes)


def check_kind(task: train.Task, dataset: data.Dataset) -> None:
    """UsageError, before anything compiles, for images that lack a column which the task needs."""
    missing = [column.name for column in task.columns if column.name not in dataset.train.columns]
    if missing:
        named = f"a column {missing[0]!r}"
        raise UsageError(other_kind(dataset, f"images with {WORDS.get(missing[0], named)}"))


def settle(options: Options, presets: Mapping[str, Preset]) -> Preset:
    """The preset with what the command line changes; the learning rate follows the batch."""
    preset = _settle(options, presets)
    choice("--model", preset.model, NETWORKS)
    return preset


def network(name: str, dataset: data.Dataset) -> Callable:
    """The model by this name for images of this size."""
    model = NETWORKS[name]
    return partial(model, size=dataset.shape[0] * dataset.shape[1]) if model.func is models.perceptron else model


def fitted(dataset: data.Dataset, *, lr: float, batch: int, epochs: float) -> dict[str, Any]:
    """Rate, batch and epochs of a recipe as for many images; where they are few, a smaller batch and more epochs."""
    smaller, longer = few_images(len(dataset.train), batch=batch, epochs=epochs)
    return {"lr": lr * smaller / batch, "batch": smaller, "epochs": longer}


def side(dataset: data.Dataset) -> int:
    """Height and width of the images, for experiments on square ones."""
    height, width, _ = dataset.shape
    if height != width:
        raise UsageError(f"--data is {dataset.name}, images of {height} x {width} pixels; allowed: square ones here.")
    return height


def choose(ladder: Ladder, only: tuple[str, ...]) -> dict[str, Trick]:
    """The tricks that were asked for, in the order of the ladder."""
    wanted = choices("--only", only, ladder)
    return {name: trick for name, trick in ladder.items() if not only or name in wanted}


def under(settings: Mapping[str, Setting], options: Options) -> dict[str, Setting]:
    """The settings that were asked for, each with the tricks that were asked for and that it has."""
    wanted = choices("--under", options.under, settings)
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


def check_rows(rows: Sequence[Variant], source: data.Dataset, plan: train.Plan, *, hint: str) -> dict[str, dict]:
    """``check_steps`` and ``check_costs`` of every row."""
    for row in rows:
        check_steps(row, source, plan, hint=hint)
    return check_costs(rows, source, hint=hint)


def check_recipes(recipes: Mapping[str, train.Recipe], source: data.Dataset) -> None:
    """UsageError for a recipe that cannot be run on one device, by its name."""
    rows = [Variant(name, (name,), recipe, None, None, None) for name, recipe in recipes.items()]
    check_rows(rows, source, train.Plan(seeds_on="devices"), hint="")


def check_steps(row: Variant, source: data.Dataset, plan: train.Plan, *, hint: str) -> None:
    """UsageError, with the hint where it helps, for a row whose batch or schedule does not fit the data."""
    recipe, row_data = row.recipe, row.dataset(source)
    try:
        plan.check_batch(recipe.batch, bn=recipe.bn)
        steps = train.epoch_steps(recipe, row_data)
    except ValueError as error:
        raise UsageError(f"{row.name}: {error} {hint}".rstrip() if row.tricks else str(error)) from error
    try:
        train.build_schedule(recipe, row_data)
    except ValueError as error:
        short = f"{round(recipe.epochs * steps)} steps on {len(row_data.train)} images, too few for its schedule"
        more = "allowed: more --epochs, or a smaller --batch"
        text = f"{row.name}: {short}; {more}. {hint}".rstrip() if row.tricks else f"{short}; {more}."
        raise UsageError(text) from error


def check_costs(rows: Sequence[Variant], source: data.Dataset, *, hint: str) -> dict[str, dict]:
    """``forward_cost`` of each row by name; UsageError, with the hint where it helps, where a network does not fit."""
    costs, by_model = {}, {}
    for row in rows:
        recipe, row_data = row.recipe, row.dataset(source)
        model = (id(recipe.model), recipe.task.outputs, recipe.precision.compute, row_data.shape)
        try:
            if model not in by_model:  # it is counted by tracing, which takes most of a second
                by_model[model] = forward_cost(recipe, row_data)
        except ValueError as error:
            raise UsageError(f"{row.name}: {error} {hint}" if row.tricks else str(error)) from error
        costs[row.name] = by_model[model]
    return costs
