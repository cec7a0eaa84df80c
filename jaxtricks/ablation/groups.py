"""Groups of networks that predict together: ways to come by them, ``(recipe, dataset, seed) -> members``.

A network's own validation split is kept from its training, for whatever is fitted above the members.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.model_selection import StratifiedKFold

from jaxtricks import ensembles, metrics, models, optim, train
from jaxtricks.data import Dataset
from jaxtricks.train import Recipe
from jaxtricks.tricks import warm_up
from jaxtricks.tricks.reweighting import confused
from jaxtricks.tricks.trick import set_fields

NEXT = 1000  # between the seeds of two parts of a run, so that each has orders of its own


class Member(NamedTuple):
    """One network of a group.

    Fields:
      recipe: it was trained by.
      variables: ``(params, stats)``.
      unseen: numbers of the training rows that were kept from it, or None for none.
    """

    recipe: Recipe
    variables: Any
    unseen: np.ndarray | None = None


def independent(
    recipe: Recipe,
    dataset: Dataset,
    seed: int,
    *,
    members: int,
    change: Sequence[Callable] = (),
    share: float = 1.0,
) -> list[Member]:
    """Members that differ in their seeds, and in a change of the recipe for each where there are some.

    Where ``share`` is less than 1, each takes that share of the epochs.
    """
    recipe = recipe if share == 1 else _of_epochs(recipe, share * recipe.epochs)
    seeds = [members * seed + m for m in range(members)]
    if not change:
        return [Member(recipe, variables) for variables in fitted(recipe, dataset, seeds)]
    recipes = [change[m % len(change)](recipe) for m in range(members)]
    return [Member(part, fitted(part, dataset, [one])[0]) for part, one in zip(recipes, seeds, strict=True)]


def snapshots(recipe: Recipe, dataset: Dataset, seed: int, *, members: int, first: float | None = None) -> list[Member]:
    """Members of one run: a cosine down to 0 for each, every one from the weights of the one before.

    Where ``first`` is given, the first takes that share of the epochs and the others short cycles up and down, as in
    fast geometric ensembling. The momentum starts anew with each.
    """
    shares = [1 / members] * members if first is None else [first, *[(1 - first) / (members - 1)] * (members - 1)]
    parts = []
    for number, share in enumerate(shares):
        part = replace(recipe, epochs=share * recipe.epochs, warmup=recipe.warmup if number == 0 else None)
        if first is not None and number:
            part = set_fields(part, schedule=partial(optim.triangular, epochs=part.epochs, low=0.05))
        parts.append(part)
    return _one_run(parts, dataset, seed)


def last_epochs(recipe: Recipe, dataset: Dataset, seed: int, *, members: int) -> list[Member]:
    """Members of one run with the recipe's own rates: the weights at the ends of its last epochs.

    The momentum starts anew with each of these epochs. The epochs are an integer, more than ``members``.
    """
    rates, per_epoch = train.build_schedule(recipe, dataset), train.epoch_steps(recipe, dataset)
    lengths, parts, done = [recipe.epochs - members + 1, *[1] * (members - 1)], [], 0
    for length in lengths:
        schedule = partial(section, rates=rates, begin=done * per_epoch)
        parts.append(replace(recipe, epochs=length, warmup=None, schedule=schedule))
        done += length
    return _one_run(parts, dataset, seed)


def section(peak: float, *, steps: int, steps_per_epoch: int, rates: Callable, begin: int):
    """A schedule that is a part of another run's rates, from one of its steps on."""
    return lambda step: rates(step + begin)


def folds(recipe: Recipe, dataset: Dataset, seed: int, *, members: int) -> list[Member]:
    """Members of a cross-validation: a fold is kept from each, which takes as many steps as a network on all rows."""
    labels, parts = np.asarray(dataset.train["label"]), []
    splits = StratifiedKFold(members, shuffle=True, random_state=seed).split(labels, labels)
    for m, (rows, unseen) in enumerate(splits):
        longer = _of_epochs(recipe, recipe.epochs * len(labels) / len(rows))
        (variables,) = fitted(longer, replace(dataset, train=dataset.train.take(rows)), [members * seed + m])
        parts.append(Member(longer, variables, unseen))
    return parts


def balanced_parts(recipe: Recipe, dataset: Dataset, seed: int, *, members: int) -> list[Member]:
    """Members that are trained on balanced parts of an unbalanced set, each for as many steps as one on all of it."""
    rows = ensembles.easy_ensemble(seed, np.asarray(dataset.train["label"]), members=members)
    longer = _of_epochs(recipe, recipe.epochs * len(dataset.train) / rows.shape[1])
    parts = [replace(dataset, train=dataset.train.take(row)) for row in rows]
    return [Member(longer, fitted(longer, part, [members * seed + m])[0]) for m, part in enumerate(parts)]


def by_confusion(recipe: Recipe, dataset: Dataset, seed: int, *, share: float, weight: float) -> list[Member]:
    """One network in two parts of a run, each with its own decay: the second pays for what the first confused.

    The confusion matrix is measured on the validation split between them. A weight of 0 is the same run without
    costs, to compare with.
    """
    first = _of_epochs(recipe, share * recipe.epochs)
    (variables,) = fitted(first, dataset, [seed])
    second = replace(recipe, epochs=(1 - share) * recipe.epochs, warmup=None)
    if weight:
        held = dataset.validation or dataset.test
        said = outputs(first, dataset, variables, np.asarray(held["image"])).logits.argmax(-1)
        confusion = metrics.confusion_matrix(
            jnp.asarray(said), jnp.asarray(held["label"]), classes=dataset.classes or 0
        )
        second = confused(second, confusion=confusion, weight=weight)
    (variables,) = fitted(second, dataset, [seed + NEXT], initial=variables)
    return [Member(second, variables)]


def souped(
    recipe: Recipe, dataset: Dataset, seed: int, *, members: int, share: float, rates: Sequence[float]
) -> list[Member]:
    """One network, the greedy soup of several that go on from the same trained weights, each with its seed and rate.

    Means are taken of weights and of batch statistics; a network joins where the accuracy on the validation split does
    not fall.

    Args:
      recipe: of one network.
      dataset: with a validation split.
      seed: of the common part; the others have seeds of their own.
      members: that go on, 2 or more.
      share: of the epochs, that the common part has, between 0 and 1.
      rates: of those that go on, in the recipe's, in turn.

    Returns:
      One member.
    """
    first = _of_epochs(recipe, share * recipe.epochs)
    (common,) = fitted(first, dataset, [seed])
    held = dataset.validation or dataset.test
    images, labels = (np.asarray(held[name]) for name in ("image", "label"))
    parts = []
    for m in range(members):
        lr = recipe.lr * rates[m % len(rates)]
        part = replace(recipe, epochs=(1 - share) * recipe.epochs, warmup=None, lr=lr)
        parts += fitted(part, dataset, [members * seed + m + NEXT], initial=common)

    def accuracy(variables):
        return np.mean(outputs(recipe, dataset, variables, images).logits.argmax(-1) == labels)

    soup, _ = optim.greedy_soup(parts, accuracy)
    return [Member(recipe, soup)]


class Outputs(NamedTuple):
    """What a network says of images.

    Fields:
      logits: ``[N, C]``.
      features: ``[N, D]``.
      layers: the means over positions of the maps among the taps, ``[N, D]`` each.
      columns: hyper-columns of these maps in the quarters of the image, ``[N, 4 D]``.
    """

    logits: Any
    features: Any
    layers: tuple[Any, ...]
    columns: Any


def outputs(recipe: Recipe, dataset: Dataset, variables: Any, images: np.ndarray) -> Outputs:
    """What a network says of images as they are loaded, prepared as in training."""
    model = train.build_model(recipe, dataset)
    stats = recipe.preprocess[0](dataset.train["image"])

    @jax.jit
    def out(variables, image):
        ready = jax.vmap(partial(recipe.preprocess[1], stats))(image / np.float32(255))
        (logits, taps), _ = model.apply(*variables, ready, train=False)
        maps = [taps[name] for name in sorted(taps) if taps[name].ndim == 4]
        if not maps:
            return Outputs(logits, taps["features"], (), taps["features"])
        columns = models.hyper_columns(maps, size=maps[0].shape[1:3])
        rows, wide = ((slice(-(-n // 2)), slice(n // 2, None)) for n in columns.shape[1:3])
        quarters = jnp.concatenate([columns[:, r, c].mean((1, 2)) for r in rows for c in wide], axis=-1)
        return Outputs(logits, taps["features"], tuple(m.mean((1, 2)) for m in maps), quarters)

    parts = [out(variables, part) for part in np.array_split(images, 10)]
    return jax.tree.map(lambda *some: np.concatenate([np.asarray(part, np.float32) for part in some]), *parts)


def fitted(recipe: Recipe, dataset: Dataset, seeds: Sequence[int], *, initial: Any = None) -> list[Any]:
    """The variables of a run for each seed; the validation split is kept from them."""
    runs = train.fit(recipe, replace(dataset, validation=None), seeds=tuple(seeds), initial=initial, test=False)
    return [run.variables for run in runs]


def _one_run(parts: Sequence[Recipe], dataset: Dataset, seed: int) -> list[Member]:
    """Recipes one after another, each from the weights of the one before."""
    members, variables = [], None
    for number, part in enumerate(parts):
        (variables,) = fitted(part, dataset, [seed + NEXT * number], initial=variables)
        members.append(Member(part, variables))
    return members


def _of_epochs(recipe: Recipe, epochs: float) -> Recipe:
    """The recipe with other epochs; a warm-up keeps its share of them."""
    recipe = replace(recipe, epochs=epochs)
    return recipe if recipe.warmup is None else warm_up(recipe)
