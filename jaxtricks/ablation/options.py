"""What the options stand for: networks, precisions, tasks, and the tricks that were asked for."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jaxtricks import data, models, tasks, train
from jaxtricks._command import Options, Preset, UsageError, choice, choices
from jaxtricks._command import settle as _settle
from jaxtricks.ablation.variants import Setting
from jaxtricks.tricks.trick import Ladder, Trick

NETWORKS: dict[str, partial[Any]] = {name: partial(models.resnet, layout) for name, layout in models.LAYOUTS.items()}
NETWORKS |= {name: partial(models.plain, widths) for name, widths in models.WIDTHS.items()}
NETWORKS |= {"perceptron": partial(models.perceptron, (256,)), "logistic": partial(models.perceptron, ())}
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
