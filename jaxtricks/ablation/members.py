"""Networks that predict together: trained once a seed, and then combined in several ways; the command line of a table.

A group is a way to come by members, a way is what is made of their predictions. Whatever a way fits, weights or
temperatures or a second level, it fits on images held out of the training set.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxtricks import ablation, data, ensembles, optim, train
from jaxtricks.ablation import cli, output, sources, statistics
from jaxtricks.data import Dataset, Split
from jaxtricks.train import Recipe
from jaxtricks.tricks import warm_up
from jaxtricks.tricks.trick import set_fields

HELD_OUT = 0.125


class Predictions(NamedTuple):
    """What the members of a group say of a split.

    Fields:
      logits: ``[M, N, C]``.
      features: ``[N, D]`` of each member.
      labels: ``[N]``.
      trained: training images of each class, ``[C]``.
    """

    logits: np.ndarray
    features: tuple[np.ndarray, ...]
    labels: np.ndarray
    trained: np.ndarray


Way = Callable[[Predictions, Predictions], Any]  # (held-out, test) -> probabilities or scores [N, C], or classes [N]


@dataclass(frozen=True)
class Options(sources.Images):
    """Trains the members of every group with several paired seeds, and prints what ways to combine them measure."""

    seeds: int = 3
    """Number of paired seeds, 1 or more."""
    epochs: float | None = None
    """Of one network, more than 0; 8 if it is left out, and more where the images are few."""


# --- groups: (recipe, dataset, seed) -> [(recipe, variables), ...] ----------------------------------------------------


def independent(recipe: Recipe, dataset: Dataset, seed: int, *, members: int, change: Sequence[Callable] = ()):
    """Members that differ in their seeds, and in a change of the recipe for each where there are some."""
    recipes = [change[m % len(change)](recipe) if change else recipe for m in range(members)]
    return [(part, fitted(part, dataset, members * seed + m)) for m, part in enumerate(recipes)]


def snapshots(recipe: Recipe, dataset: Dataset, seed: int, *, members: int, first: float | None = None):
    """Members of one run: a cosine down to 0 for each, every one from the weights of the one before.

    Where ``first`` is given, the first takes that share of the epochs and the others short cycles up and down, as in
    fast geometric ensembling. The momentum starts anew with each.
    """
    shares = [1 / members] * members if first is None else [first, *[(1 - first) / (members - 1)] * (members - 1)]
    parts, variables = [], None
    for number, share in enumerate(shares):
        part = replace(recipe, epochs=share * recipe.epochs, warmup=recipe.warmup if number == 0 else None)
        if first is not None and number:
            part = set_fields(part, schedule=partial(optim.triangular, epochs=part.epochs, low=0.05))
        variables = fitted(part, dataset, seed, initial=variables)
        parts.append((part, variables))
    return parts


def balanced_parts(recipe: Recipe, dataset: Dataset, seed: int, *, members: int):
    """Members that are trained on balanced parts of an unbalanced set, each for as many steps as one on all of it."""
    rows = ensembles.easy_ensemble(seed, np.asarray(dataset.train["label"]), members=members)
    longer = replace(recipe, epochs=recipe.epochs * len(dataset.train) / rows.shape[1])
    longer = longer if recipe.warmup is None else warm_up(longer)
    parts = [replace(dataset, train=dataset.train.take(row)) for row in rows]
    return [(longer, fitted(longer, part, members * seed + m)) for m, part in enumerate(parts)]


def fitted(recipe: Recipe, dataset: Dataset, seed: int, *, initial: Any = None) -> Any:
    """The variables of one run; the validation split is kept from it."""
    part = replace(dataset, validation=None)
    return train.fit(recipe, part, seeds=(seed,), initial=initial, test=False)[0].variables


# --- ways: (held-out predictions, test predictions) -> what is predicted ----------------------------------------------


probabilities = jax.jit(jax.nn.softmax)


def single(held: Predictions, test: Predictions):
    """The first member alone."""
    return test.logits[0]


def last(held: Predictions, test: Predictions):
    """The last member alone."""
    return test.logits[-1]


def average(held: Predictions, test: Predictions):
    """The mean probability."""
    return ensembles.average(probabilities(test.logits))


def geometric(held: Predictions, test: Predictions):
    """The mean log-probability."""
    return ensembles.geometric(probabilities(test.logits))


def weighted(held: Predictions, test: Predictions):
    """The mean probability under the weights of smallest held-out log loss."""
    weights = ensembles.fit_weights(probabilities(held.logits), jnp.asarray(held.labels))
    return ensembles.average(probabilities(test.logits), weights=weights)


def calibrated(held: Predictions, test: Predictions):
    """The mean probability after a temperature for each member."""
    sharp = np.stack([np.asarray(ensembles.temperature(jnp.asarray(x), jnp.asarray(held.labels))) for x in held.logits])
    return ensembles.average(probabilities(test.logits / sharp[:, None, None]))


def plurality(held: Predictions, test: Predictions):
    """The class of most votes."""
    return ensembles.plurality(jnp.asarray(test.logits))


def majority(held: Predictions, test: Predictions):
    """The class of more than half of the votes, or none; accuracy is that of what is predicted."""
    return ensembles.majority(jnp.asarray(test.logits))


def borda(held: Predictions, test: Predictions):
    """Points by rank."""
    return ensembles.borda(jnp.asarray(test.logits))


def stacked(held: Predictions, test: Predictions):
    """A logistic regression of all members' probabilities, fitted on the held-out images, which none was trained on."""
    parts = [list(np.asarray(probabilities(split.logits))) for split in (held, test)]
    return second_level(parts, held, kind="logistic")


def joined(held: Predictions, test: Predictions, *, kind: str):
    """A linear classifier of all members' features, fitted on the held-out images."""
    return second_level([list(split.features) for split in (held, test)], held, kind=kind)


def second_level(parts, held: Predictions, *, kind: str):
    """The scores of the test split by a linear classifier of the held-out split, which no member was trained on."""
    linear = ensembles.fit_linear(parts[0], held.labels, classes=held.logits.shape[-1], kind=kind, strength=0.1)
    return ensembles.linear_scores(linear, parts[1])


def even(held: Predictions, test: Predictions, *, how: Callable, prior: Callable | None = None):
    """The mean probability, balanced by a prior: equal shares if None."""
    mean = ensembles.average(probabilities(test.logits))
    shares = None if prior is None else jnp.asarray(prior(test), jnp.float32)
    return how(mean, prior=shares)


def by_coefficients(mean: jax.Array, *, prior: jax.Array | None):
    """Scores under the coefficients of ``ensembles.balance_predictions``."""
    return mean * ensembles.balance_predictions(mean, prior=prior, iterations=1000)[None]


def corrected(held: Predictions, test: Predictions, *, prior: Callable | None = None):
    """The mean probability by Bayes' rule, from the training shares to equal ones or a prior."""
    mean = ensembles.average(probabilities(test.logits))
    shares = jnp.ones(mean.shape[1]) if prior is None else jnp.asarray(prior(test), jnp.float32)
    return ensembles.prior_correction(mean, prior=shares, trained=jnp.asarray(test.trained))


def reversed_tail(test: Predictions) -> np.ndarray:
    """A prior that is wrong: the training shares in the order of the classes turned round."""
    return test.trained[::-1]


# --- the table --------------------------------------------------------------------------------------------------------


def predictions(members: Sequence[tuple[Recipe, Any]], dataset: Dataset, split: Split) -> Predictions:
    """What the members say of a split in memory."""
    images, labels = (np.asarray(split[name]) for name in ("image", "label"))
    logits, features = zip(*(_outputs(part, dataset, variables, images) for part, variables in members), strict=True)
    trained = data.class_counts(np.asarray(dataset.train["label"]), dataset.classes or 0)
    return Predictions(np.stack(logits), features, labels, trained)


def _outputs(recipe: Recipe, dataset: Dataset, variables: Any, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    model = train.build_model(recipe, dataset)
    stats = recipe.preprocess[0](dataset.train["image"])

    @jax.jit
    def out(variables, image):
        ready = jax.vmap(partial(recipe.preprocess[1], stats))(image / np.float32(255))
        (logits, taps), _ = model.apply(*variables, ready, train=False)
        return logits, taps["features"]

    parts = [out(variables, part) for part in np.array_split(images, 10)]
    return tuple(np.concatenate([np.asarray(part[i], np.float32) for part in parts]) for i in (0, 1))  # pyright: ignore[reportReturnType]


def measure(recipe: Recipe, dataset: Dataset, groups, ways, seeds: Sequence[int]) -> dict[str, dict[str, list[float]]]:
    """Accuracy and coverage, in percent, and error correlation of the members, by row and seed."""
    rows: dict[str, dict[str, list[float]]] = {name: {"accuracy": [], "coverage": [], "alike": []} for name in ways}
    for seed in seeds:
        for group, (members_of, _, _) in groups.items():
            members = members_of(recipe, dataset, seed)
            held, test = (
                predictions(members, dataset, split) for split in (dataset.validation or dataset.test, dataset.test)
            )
            right = jnp.asarray(test.logits.argmax(-1) == test.labels[None])
            pairs = np.asarray(ensembles.error_correlation(right))[np.triu_indices(len(members), 1)]
            for name, (of, way) in ways.items():
                if of == group:
                    said = np.asarray(way(held, test))
                    said = said.argmax(-1) if said.ndim == 2 else said
                    covered, accuracy = ensembles.coverage(jnp.asarray(said), jnp.asarray(test.labels))
                    alike = float(pairs.mean()) if len(pairs) else np.nan
                    values = (100 * float(accuracy), 100 * float(covered), alike)
                    for column, value in zip(rows[name].values(), values, strict=True):
                        column.append(value)
    return rows


def table(rows: Mapping[str, Mapping[str, Sequence[float]]], groups, ways) -> str:
    """The rows as text; differences are to the first one."""
    reference, width = next(iter(rows)), max(map(len, rows))
    lines = [f"{'':{width}}  test accuracy, %; difference, points [95 %]; training, test x one; error correlation"]
    for name, row in rows.items():
        _, trained, passes = groups[ways[name][0]]
        line = f"{name:{width}}  {np.mean(row['accuracy']):6.2f}"
        if name != reference:
            c = statistics.paired(row["accuracy"], rows[reference]["accuracy"])
            line += f"  {c.mean:+.2f} [{c.low:+.2f}, {c.high:+.2f}]"
        one = ways[name][1] in (single, last)
        alone = ways[name][1] is single and trained == passes  # of several members, of which the others are not needed
        line += f"  x {1 if alone else trained:g}, x {1 if one else passes:g}"
        line += "" if one or np.isnan(row["alike"]).all() else f"  {np.mean(row['alike']):.2f}"
        covered = np.mean(row["coverage"])
        lines.append(line + (f"  of {covered:.1f} %" if covered < 100 else ""))
    return "\n".join(lines)


def main(name: str, baseline: Callable, model: str, groups, ways, *, dataset: Callable | None = None) -> None:
    """Train, combine and print, as the command line says; exit status 2 for what was typed wrong.

    Args:
      name: of the experiment.
      baseline: ``(task=, augmented=, model=, lr=, batch=, epochs=) -> Recipe``.
      model: of every member, by name.
      groups: name to ``(members, trainings of one network that they cost, forward passes)``.
      ways: name of the row to ``(group, way)``; differences are to the first row.
      dataset: what the experiment makes of the data, or None.
    """
    options = tyro.cli(Options, prog=" ".join(cli.started()), description=sys.modules["__main__"].__doc__)
    with cli.exit_status(name):
        run(name, options, baseline, model, groups, ways, dataset=dataset)


def run(name: str, options: Options, baseline, model: str, groups, ways, *, dataset=None) -> str:
    """What main does once the command line is read; returns the text."""
    for option, value in {"seeds": options.seeds, "epochs": options.epochs or 1, "images": options.images or 1}.items():
        if value <= 0:
            raise cli.UsageError(f"--{option} is {value}; allowed: greater than 0.")
    jax.config.update("jax_compilation_cache_dir", str(cli.CACHE))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    folder = output.folder_for(name, options.data, options.out)
    source, recipe = prepare(options, baseline, model, dataset)
    text = f"{options.seeds} paired seeds, {source.name}, {recipe.epochs:g} epochs, {ablation.machine()['cpu']}\n\n"
    text += table(measure(recipe, source, groups, ways, range(options.seeds)), groups, ways) + "\n"
    output.write_table(folder, name, options.data, text)
    return text


def prepare(options: Options, baseline: Callable, model: str, dataset: Callable | None) -> tuple[Dataset, Recipe]:
    """The data and the recipe of a member, built and checked; nothing is trained."""
    source = options.load().hold_out(HELD_OUT)
    source = source if dataset is None else dataset(source)
    values = cli.fitted(source, lr=0.05, batch=16, epochs=8.0)
    values |= {} if options.epochs is None else {"epochs": options.epochs}
    parts = {"augmented": cli.bag.augmentation(source), "model": cli.network(model, source)}
    recipe = baseline(task=cli.task_of(source), **parts, **values)
    cli.check_recipes({"a member": recipe}, source)
    return source, recipe
