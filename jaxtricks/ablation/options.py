"""What is typed: a preset, the options that change it, and the errors of what cannot be meant."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from jaxtricks import data, models, optim, tasks, train
from jaxtricks.ablation.variants import Setting
from jaxtricks.tricks.trick import Ladder, Trick

NETWORKS = models.NETWORKS
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
