"""Networks made smaller in several ways: the command line of such a table.

Each network is trained once a seed. Every scheme goes on from it: step by step smaller, trained on after each. Its
row has the bytes of a file that was loaded again and gave the same logits, multiply-accumulates, the time of a batch
beside the trained network's, and accuracy before and after the last training.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxtricks import ablation, analysis, compress, train
from jaxtricks.ablation import cli, output, sources, views
from jaxtricks.ablation.compression_table import curves, table
from jaxtricks.data import Dataset
from jaxtricks.keys import named
from jaxtricks.train import Recipe
from jaxtricks.tricks import compression, students
from jaxtricks.tricks.compression import Network

BATCH = 64  # images of which the time is measured
IMAGES = 256  # training images that criteria by data see
REPEATS = 20


@dataclass(frozen=True)
class Step:
    """One change of a network, and how it is trained on.

    Fields:
      change: ``(network, batch=, key=) -> Network``.
      epochs: 0 or more.
      lr: in the recipe's.
    """

    change: Callable
    epochs: float
    lr: float = 0.1


@dataclass(frozen=True)
class Scheme:
    """A way to make a network smaller.

    Fields:
      steps: one after another.
      huffman: whether the file may have Huffman's code.
      paper: what a paper reports, and where, or None.
    """

    steps: Sequence[Step]
    huffman: bool = True
    paper: str | None = None


def from_start(
    name: str, model: Callable, epochs: float, teachers: Mapping[str, Callable] | None = None, *after: Step
) -> dict[str, Scheme]:
    """Schemes that train a smaller network from the start, by itself and taught by the trained one.

    Args:
      name: of the smaller network.
      model: ``(classes=, channels=, ...) -> Model``.
      epochs: of its training, at the recipe's rate.
      teachers: by name, ``teach`` of ``students.student``.
      *after: steps that follow.

    Returns:
      By name, one scheme without a teacher, and one for each.
    """
    ways = {name: None} | {f"{name}, {how}": teach for how, teach in (teachers or {}).items()}
    student = partial(students.student, model=model)
    return {way: Scheme([Step(partial(student, teach=teach), epochs, 1.0), *after]) for way, teach in ways.items()}


@dataclass(frozen=True)
class Options(sources.Images):
    """Trains every network with several paired seeds, makes it smaller in every way, and prints a table."""

    epochs: float | None = None
    """Passes over the training set before anything is made smaller; the experiment's if it is left out."""
    only: tuple[str, ...] = field(default_factory=tuple)
    """Names of the schemes; all of them if it is left out. The first one of the table always runs."""
    networks: tuple[str, ...] = field(default_factory=tuple)
    """Names of the networks; all of them if it is left out."""
    on: Literal["test", "held out"] = "test"
    """The images that accuracies are of: choose values on a tenth of the training set that is held out."""


@dataclass(frozen=True)
class Cell:
    """What one scheme gave with one seed.

    Fields:
      seed: of the run.
      bytes: of the file.
      macs: for one image.
      parameters: numbers in the arrays of the smaller network.
      density: share of the weights of kernels that are not 0.
      time: of a batch, in that of the trained network.
      before, after: the headline before and after the last training on.
    """

    seed: int
    bytes: int
    macs: int
    parameters: int
    density: float
    time: float
    before: float
    after: float


def measure(
    recipe: Recipe, schemes: Mapping[str, Scheme], dataset: Dataset, seed: int, folder: Path, *, say=lambda what: None
) -> dict[str, Cell]:
    """One seed of every scheme, from one trained network.

    Args:
      recipe: of the first training.
      schemes: by name.
      dataset: in memory; its test split is read.
      seed: of all trainings.
      folder: of the files.
      say: takes what begins.

    Returns:
      A cell for each scheme, or the words of the error where it is not possible or diverges.
      The first scheme's is raised.
    """
    say(f"seed {seed}: the network")
    network = compression.begin(recipe, _trained(recipe, dataset, seed, None))
    batch = _batch(recipe, dataset)
    cells = {}
    for name, scheme in schemes.items():
        say(f"seed {seed}: {name}")
        try:
            cells[name] = _cell(name, scheme, network, batch, dataset, seed, folder)
        except (FloatingPointError, ValueError) as error:  # such as a layer that would be left without a filter
            if not cells:
                raise
            cells[name] = str(error)
    return cells


def _cell(name, scheme, network: Network, batch, dataset: Dataset, seed: int, folder: Path) -> Cell:
    smaller, before = network, float("nan")
    for number, step in enumerate(scheme.steps):
        smaller = step.change(smaller, batch=batch, key=named(jax.random.key(seed), f"{name} {number}"))
        before = _score(smaller, dataset)
        if step.epochs:
            rate = step.lr * network.recipe.lr
            on = replace(smaller.recipe, epochs=step.epochs, lr=rate, warmup=None, init=None)
            smaller = compression.trained(smaller, _trained(on, dataset, seed, (smaller.params, smaller.stats)))
    path = folder / f"{re.sub(r'[^a-zA-Z0-9]+', '_', name)}-seed{seed}.jtcz"
    after = _score(smaller, dataset)
    return Cell(seed=seed, before=before, after=after, **_size(smaller, network, scheme, batch, path))


def _trained(recipe: Recipe, dataset: Dataset, seed: int, initial):
    guard = train.Guard(signals=True, exit_on_error=True)
    plan = train.Plan(devices=tuple(jax.devices()[:1]))
    (run,) = train.fit(recipe, dataset, seeds=(seed,), plan=plan, initial=initial, test=False, guard=guard)
    return run.variables


def _score(network: Network, dataset: Dataset) -> float:
    run: Any = SimpleNamespace(variables=(network.params, network.stats))
    return views.score(network.recipe, dataset, run, views.itself)


def _batch(recipe: Recipe, dataset: Dataset) -> dict[str, jax.Array]:
    """Training images as the network takes them, and their targets."""
    rows = np.arange(min(IMAGES, len(dataset.train)))
    batch = dataset.train.take(rows).read(rows)
    stats = recipe.preprocess[0](dataset.train["image"])
    images = jax.vmap(partial(recipe.preprocess[1], stats))(batch["image"] / np.float32(255))
    encoded = recipe.task.encode({name: jnp.asarray(value) for name, value in batch.items()})
    return {name: value for name, value in {**encoded, "image": images}.items() if value.shape[:1] == (len(rows),)}


def _size(network: Network, trained: Network, scheme: Scheme, batch, path: Path) -> dict[str, Any]:
    """Bytes, counts and time of the network that the file holds; RuntimeError if it is not the one that was scored."""
    size = compress.save(path, _without_empty(network.pack(network.params), network.stats), huffman=scheme.huffman)
    if size != path.stat().st_size:
        raise RuntimeError(f"{path} has {path.stat().st_size} bytes, and save counted {size}.")
    tree = compress.load(path)
    params, stats = network.unpack(tree["params"]), tree.get("stats", {})
    image = batch["image"][:BATCH]
    model, scored, first = (_model(recipe, image) for recipe in (network.plain, network.recipe, trained.plain))
    logits = scored.apply(network.params, network.stats, image, train=False)[0][0]
    again = model.apply(params, stats, image, train=False)[0][0]
    if not np.allclose(again, logits, rtol=1e-4, atol=1e-4, equal_nan=True):
        raise RuntimeError(f"the network of {path} has other logits than the one that was saved.")
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim > 1]
    return {
        "bytes": size,
        "macs": analysis.count_macs(lambda image: model.apply(params, stats, image, train=False), image[:1]),
        "parameters": analysis.count_parameters(params),
        "density": sum(int(np.count_nonzero(leaf)) for leaf in kernels) / sum(leaf.size for leaf in kernels),
        "time": _ratio((model, params, stats), (first, trained.params, trained.stats), image),
    }


def _without_empty(params, stats):
    return {"params": params, **({"stats": stats} if jax.tree.leaves(stats) else {})}


def _model(recipe: Recipe, image):
    return recipe.model(classes=recipe.task.outputs, channels=image.shape[-1])


def _ratio(this: tuple, other: tuple, image: jax.Array) -> float:
    """The shortest time of a batch through one network in that through another; they take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    runs = [jax.jit(partial(model.apply, train=False)) for model, *_ in (this, other)]
    arguments = [jax.tree.map(jnp.asarray, (params, stats, image)) for _, params, stats in (this, other)]
    for turn in range(REPEATS + 2):
        for seconds, run, part in zip(times, runs, arguments, strict=True):
            began = time.perf_counter()
            jax.block_until_ready(run(*part)[0][0])
            if turn > 1:
                seconds.append(time.perf_counter() - began)
    return min(times[0]) / min(times[1])  # other jobs only add to it


def main(name: str, rows: Callable[[Dataset], Mapping[str, tuple[Recipe, Mapping[str, Scheme]]]]) -> None:
    """Train, make smaller, measure and print, as the command line says; exit status 2 for what was typed wrong.

    Args:
      name: of the experiment.
      rows: makes for the data, by name of a network, its recipe and the schemes by name; the first one of them, such
        as ``compression.fixed`` for as many epochs, is what the others are compared with.
    """
    with cli.exit_status(name):
        options = tyro.cli(Options, prog=" ".join(cli.started()), description=sys.modules["__main__"].__doc__)
        run(name, rows, options)


def run(name: str, rows: Callable, options: Options) -> str:
    """What main does once the command line is read; returns the text."""
    for option, value in {"seeds": options.seeds, "images": options.images or 1, "epochs": options.epochs or 1}.items():
        if not 0 < value < float("inf"):
            raise cli.UsageError(f"--{option} is {value}; allowed: greater than 0.")
    folder = output.folder_for(name, options.data, options.out)
    dataset, networks = prepare(rows, options)
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{options.seeds} paired seeds, {dataset.name}, accuracies of {options.on} images, "
    text += f"{ablation.machine()['cpu']}\n"
    results = {}
    for network, (recipe, schemes) in networks.items():
        first, *_ = schemes
        chosen = {k: v for k, v in schemes.items() if not options.only or k == first or k in options.only}
        (folder / network).mkdir(exist_ok=True)
        say = output.counted(options.seeds * (1 + len(chosen)))
        cells = {scheme: [] for scheme in chosen}
        for seed in range(options.seeds):
            for scheme, cell in measure(recipe, chosen, dataset, seed, folder / network, say=say).items():
                cells[scheme].append(cell)
            results[network] = {k: [c if isinstance(c, str) else vars(c) for c in row] for k, row in cells.items()}
            output.write_text(folder / "results.json", json.dumps(results, indent=1) + "\n")
        plain = 4 * cells[first][0].parameters
        papers = {name: scheme.paper for name, scheme in chosen.items() if scheme.paper}
        text += f"\n{network}: {plain:,} bytes in float32\n{table(cells, plain=plain, papers=papers)}\n"
        curves(cells, folder / f"{network}.png", title=f"{network}, {options.seeds} paired seeds")
    output.write_table(folder, name, options.data, text)
    return text


def prepare(rows: Callable, options: Options) -> tuple[Dataset, dict[str, tuple[Recipe, Mapping[str, Scheme]]]]:
    """The data and the networks that were asked for, built and checked; nothing is trained."""
    dataset = options.load()
    if options.on == "held out":
        held = dataset.hold_out(0.1)
        dataset = replace(held, test=held.validation, validation=None)
    networks = rows(dataset)
    for scheme in options.only:
        cli.choice("--only", scheme, {name: None for _, schemes in networks.values() for name in schemes})
    for network in options.networks:
        cli.choice("--networks", network, networks)
    longer = {} if options.epochs is None else {"epochs": options.epochs}
    asked = {
        network: (replace(recipe, **longer), schemes)
        for network, (recipe, schemes) in networks.items()
        if not options.networks or network in options.networks
    }
    cli.check_recipes({network: recipe for network, (recipe, _) in asked.items()}, dataset)
    return dataset, asked
