"""Networks that predict together: trained once a seed, and then combined in several ways; the command line of a table.

``groups`` are ways to come by members, ``ways`` are what is made of their predictions; a row of the table is one of
each. It says what a row costs: trainings, and multiply-accumulates of a prediction, both in those of one network.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

import jax
import numpy as np
import tyro

from jaxtricks import ablation, data, ensembles
from jaxtricks._runtime.threads import enough_threads
from jaxtricks.ablation import cli, output, sources
from jaxtricks.ablation.gains import Row, add, draw, table
from jaxtricks.ablation.groups import Member, outputs
from jaxtricks.ablation.headline import plural
from jaxtricks.ablation.ways import Predictions, probabilities
from jaxtricks.data import Dataset, Split
from jaxtricks.train import Recipe

HELD_OUT = 0.125


class Group(NamedTuple):
    """A way to come by members.

    Fields:
      members: ``(recipe, dataset, seed) -> members``, such as ``partial(groups.independent, members=4)``.
      trainings: what they cost, in trainings of one network.
    """

    members: Callable
    trainings: float


class Way(NamedTuple):
    """A row of the table.

    Fields:
      group: name of its group.
      how: ``(held-out, test) -> probabilities or scores [N, C], or classes [N]``, such as ``ways.average``.
      members: those that it uses.
      trainings: in those of one network, where other members of the group are not needed; the group's if None.
      used: how many of these members predict in the end; all of them if None.
    """

    group: str
    how: Callable
    members: slice = slice(None)
    trainings: float | None = None
    used: int | None = None


@dataclass(frozen=True)
class Options(sources.Images):
    """Trains the members of every group with several paired seeds, and prints what ways to combine them measure."""

    epochs: float | None = None
    """Of one network, more than 0; the experiment's if it is left out, and more where the images are few."""
    model: str | None = None
    """Every member's network, unless its group changes it, such as resnet32; the experiment's if it is left out."""
    batch: int | None = None
    """Images in a step; 16 if it is left out."""
    lr: float | None = None
    """Peak learning rate at this batch; 0.05 at 16 if it is left out."""
    on: str = "test"
    """The images that accuracies are of: test, or held out, to choose values; a half of these is then fitted on."""
    first_seed: int = 0
    """The first of the seeds; choose values with others than the table has."""
    only: tuple[str, ...] = field(default_factory=tuple)
    """Names of the rows; all of them if it is left out. The first one of the table always runs."""


def predictions(members: Sequence[Member], dataset: Dataset, split: Split) -> Predictions:
    """What the members say of a split in memory."""
    images, labels = (np.asarray(split[name]) for name in ("image", "label"))
    said = [outputs(member.recipe, dataset, member.variables, images) for member in members]
    logits, features = np.stack([one.logits for one in said]), tuple(one.features for one in said)
    trained = data.class_counts(np.asarray(dataset.train["label"]), dataset.classes or 0)
    return Predictions(logits, features, labels, trained, said[0].layers, said[0].columns)


def with_unseen(held: Predictions, members: Sequence[Member], dataset: Dataset) -> Predictions:
    """The same with what each member of a cross-validation says of the training rows that were kept from it."""
    images, labels = (np.asarray(dataset.train[name]) for name in ("image", "label"))
    every, parts, scores = np.arange(len(labels)), [], []
    for member in members:
        rows = np.asarray(member.unseen)
        logits = outputs(member.recipe, dataset, member.variables, images[rows]).logits
        scores.append(np.mean(logits.argmax(-1) == labels[rows]))
        parts.append(ensembles.Fold(np.setdiff1d(every, rows), rows, np.asarray(probabilities(logits))))
    unseen = ensembles.out_of_fold(parts, rows=len(labels)), labels
    return held._replace(scores=np.array(scores), unseen=unseen)


def measure(
    recipe: Recipe,
    dataset: Dataset,
    groups: Mapping[str, Group],
    ways: Mapping[str, Way],
    seeds: Sequence[int],
    *,
    done: Callable[[dict[str, Row]], object] = lambda rows: None,
    say: Callable[[str], object] = lambda what: None,
) -> dict[str, Row]:
    """Every row at every seed; the members of a group are trained once a seed.

    Args:
      recipe: of one network.
      dataset: with a validation split, which no member is trained on.
      groups: by name; those of no row are not trained.
      ways: by name of the row.
      seeds: the same for every row, so that differences are paired.
      done: takes the rows after every seed.
      say: takes what begins, before the members of a group are trained.

    Returns:
      Rows by name.
    """
    one, costs = ablation.forward_cost(recipe, dataset)["macs"], {}
    rows = {n: Row(groups[w.group].trainings if w.trainings is None else w.trainings) for n, w in ways.items()}
    for seed in seeds:
        for name in dict.fromkeys(way.group for way in ways.values()):
            say(f"seed {seed}: {name}")
            members = [Member(*member) for member in groups[name].members(recipe, dataset, seed)]
            if name not in costs:  # the same for every seed
                costs[name] = [ablation.forward_cost(member.recipe, dataset)["macs"] / one for member in members]
            splits = dataset.validation or dataset.test, dataset.test
            held, test = (predictions(members, dataset, split) for split in splits)
            held = held if members[0].unseen is None else with_unseen(held, members, dataset)
            for row, way in ways.items():
                if way.group == name:
                    rows[row].passes = sum(costs[name][way.members][: way.used])
                    add(rows[row], way.how, held.of(way.members), test.of(way.members))
        done(rows)
    return rows


def main(
    name: str,
    baseline: Callable,
    groups: Mapping[str, Group],
    ways: Mapping[str, Way],
    *,
    epochs: float,
    model: str = "plain_mini",
    dataset: Callable | None = None,
    begin: Callable | None = None,
) -> None:
    """Train, combine and print, as the command line says; exit status 2 for what was typed wrong.

    Args:
      name: of the experiment.
      baseline: ``(task=, augmented=, model=, lr=, batch=, epochs=) -> Recipe``.
      groups, ways: as for ``measure``; differences are to the first row.
      epochs, model: of one network, unless the command line says otherwise.
      dataset: what the experiment makes of the data, a split of which is held out, or None.
      begin: ``(baseline, data as loaded, data of the experiment) -> baseline``, or None.
    """
    enough_threads()
    with cli.exit_status(name):
        options = tyro.cli(Options, prog=" ".join(cli.started()), description=sys.modules["__main__"].__doc__)
        run(name, options, baseline, groups, ways, epochs=epochs, model=model, dataset=dataset, begin=begin)


def run(
    name: str, options: Options, baseline, groups, ways, *, epochs, model="plain_mini", dataset=None, begin=None
) -> str:
    """What main does once the command line is read; returns the text."""
    numbers = {"seeds": options.seeds, "epochs": options.epochs, "batch": options.batch, "lr": options.lr}
    for option, value in {**numbers, "images": options.images}.items():
        if value is not None and value <= 0:
            raise cli.UsageError(f"--{option} is {value}; allowed: greater than 0.")
    model = options.model or model
    cli.choice("--model", model, cli.NETWORKS)
    cli.choice("--on", options.on, {"test": None, "held out": None})
    chosen = cli.choose(ways, options.only)
    ways = {row: way for row, way in ways.items() if row in chosen or row == next(iter(ways))}
    jax.config.update("jax_compilation_cache_dir", str(cli.CACHE))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    folder = output.folder_for(name, options.data, options.out)
    source, recipe = prepare(options, baseline, model, epochs, dataset, begin)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    about = f"paired seeds, {source.name}, {model}, {plural(recipe.epochs, 'epoch')}, {options.on} images"
    about += f", {ablation.machine()['cpu']}"

    def write(rows: dict[str, Row]) -> str:
        """What there is after a seed, so that a run that is stopped leaves its table."""
        done = len(next(iter(rows.values())).accuracy)
        text = f"{done} {about}\n\n{table(rows)}\n"
        output.write_table(folder, name, options.data, text)
        plain = {row: asdict(values) for row, values in rows.items()}
        output.write_text(folder / "results.json", json.dumps(plain, indent=1) + "\n")
        if done > 1:  # one seed has no interval
            draw(rows).savefig(folder / f"{name}.png", dpi=150)
        return text

    say = output.counted(len(seeds) * len({way.group for way in ways.values()}))
    return write(measure(recipe, source, groups, ways, seeds, done=write, say=say))


def prepare(options: Options, baseline: Callable, model: str, epochs: float, dataset, begin) -> tuple[Dataset, Recipe]:
    """The data and the recipe of a member, built and checked; nothing is trained."""
    loaded = options.load()
    cli.task_of(loaded)  # images of another kind are refused first
    source = loaded.hold_out(HELD_OUT)
    values = cli.fitted(source, lr=0.05, batch=16, epochs=epochs)
    source = source if dataset is None else dataset(source)
    typed = {"lr": options.lr, "batch": options.batch, "epochs": options.epochs}
    values |= {option: value for option, value in typed.items() if value is not None}
    parts = {"augmented": cli.bag.augmentation(source), "model": cli.network(model, source)}
    recipe = baseline(task=cli.task_of(source), **parts, **values)
    if options.on == "held out" and source.validation is not None:
        halves = [source.validation.take(np.arange(len(source.validation))[start::2]) for start in (0, 1)]
        source = replace(source, validation=halves[0], test=halves[1])
    recipe = recipe if begin is None else begin(recipe, loaded, source)
    cli.check_recipes({"a member": recipe}, source)
    return source, recipe
