"""What the options stand for: networks, precisions, tasks, the tricks that were asked for; and whether rows can run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from jaxtricks import data, models, tasks, train
from jaxtricks._command import Options, Preset, UsageError, choice, choices
from jaxtricks._command import settle as _settle
from jaxtricks.ablation.results import forward_cost
from jaxtricks.ablation.variants import Setting, Variant
from jaxtricks.tricks.trick import Ladder, Trick

NETWORKS = models.NETWORKS
PRECISIONS = {"float32": train.FLOAT32, "bfloat16": train.BFLOAT16, "float16": train.FLOAT16}


def task_of(dataset: data.Dataset) -> train.Task:
    """Classification of this data, the task of an experiment that names no other."""
    if dataset.classes is None:
        raise UsageError(f"--data is {dataset.name}, which has no classes; allowed: data with classes.")
    return tasks.classification(dataset.classes)


def settle(options: Options, presets: Mapping[str, Preset]) -> Preset:
    """The preset with what the command line changes; the learning rate follows the batch."""
    preset = _settle(options, presets)
    choice("--model", preset.model, NETWORKS)
    return preset


def network(name: str, dataset: data.Dataset) -> Callable:
    """The model by this name for images of this size."""
    model = NETWORKS[name]
    return partial(model, size=dataset.shape[0] * dataset.shape[1]) if model.func is models.perceptron else model


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
    """``forward_cost`` of each row by name; UsageError, with the hint where it helps, for a row that cannot be run."""
    costs, by_model = {}, {}
    for row in rows:
        recipe, row_data = row.recipe, row.dataset(source)
        try:
            plan.check_batch(recipe.batch, bn=recipe.bn)
            steps = train.epoch_steps(recipe, row_data)
            model = (id(recipe.model), recipe.task.outputs, recipe.precision.compute, row_data.shape)
            if model not in by_model:  # it is counted by tracing, which takes most of a second
                by_model[model] = forward_cost(recipe, row_data)
            costs[row.name] = by_model[model]
        except ValueError as error:
            raise UsageError(f"{row.name}: {error} {hint}" if row.tricks else str(error)) from error
        try:
            train.build_schedule(recipe, row_data)
        except ValueError as error:
            short = f"{round(recipe.epochs * steps)} steps on {len(row_data.train)} images, too few for its schedule"
            more = "allowed: more --epochs, or a smaller --batch"
            raise UsageError(f"{row.name}: {short}; {more}. {hint}" if row.tricks else f"{short}; {more}.") from error
    return costs
