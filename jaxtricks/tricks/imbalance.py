"""Classes of unequal size: the task that reports them, the conditions, samplers, deferred or not, and remix.

A task of this module knows how many training images each class has; the tricks take their counts from it. What changes
in the course of a run is a function of the epoch, which every batch names, so that a run is one recipe. ``reweighting``
has the tricks on the loss, ``decoupling`` those on the classifier.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxtricks import augment, data, models, tasks
from jaxtricks.train import Metric, Recipe, Task
from jaxtricks.tricks import bag as t
from jaxtricks.tricks._columns import class_count
from jaxtricks.tricks.trick import Ladder, Setting, unset

__all__ = [
    "LongTailed",
    "baseline",
    "begin",
    "bounded",
    "case",
    "checked",
    "counts_of",
    "deferral",
    "progressive",
    "remixed",
    "resampled",
    "sampled",
    "setting",
    "task",
]


@dataclass(frozen=True, kw_only=True)
class LongTailed(Task):
    """Classification by classes of unequal size.

    Fields:
      counts: training images of each class.
    """

    counts: tuple[int, ...]


def task(counts) -> LongTailed:
    """Classification whose headline is the mean recall of the classes; and that of the thirds, by size.

    Args:
      counts: training images of each class, 3 classes or more.

    Returns:
      The task: ``balanced accuracy``, ``many``, ``medium`` and ``few`` beside the usual figures.
    """
    counts = tuple(int(n) for n in counts)
    base = tasks.classification(len(counts))
    order = sorted(range(len(counts)), key=lambda c: (-counts[c], c))
    thirds = dict(zip(("many", "medium", "few"), np.array_split(order, 3), strict=True))
    groups = {"balanced accuracy": order, **thirds}
    recalls = {name: _recall(tuple(int(c) for c in group), len(counts)) for name, group in groups.items()}
    parts = {field.name: getattr(base, field.name) for field in fields(base)}
    parts |= {"metrics": {**base.metrics, **recalls}, "headline": "balanced accuracy"}
    return LongTailed(**parts, counts=counts)


def _recall(group: tuple[int, ...], classes: int) -> Metric:
    """The mean recall of some classes."""
    part, compute = partial(_hits, classes=classes), partial(_mean_recall, group=group)
    return Metric(part=part, init=_nothing, update=_added, compute=compute, **tasks.SHARE)


def _hits(out, batch, *, classes):
    """Rows of each class that are no padding, and those of them that are right."""
    valid, label = batch["row_valid"], batch["label"]
    right = valid & (out[0].argmax(-1) == label)
    ones = jnp.zeros(classes, jnp.int32)
    return {"rows": ones.at[label].add(valid.astype(jnp.int32)), "right": ones.at[label].add(right.astype(jnp.int32))}


def _nothing():
    return {"rows": 0, "right": 0}


def _added(total, part):
    return {name: total[name] + part[name].astype("int64") for name in total}


def _mean_recall(total, *, group):
    rows, right = (total[name][list(group)] for name in ("rows", "right"))
    return float((right / rows).mean()) if rows.all() else float("nan")


def baseline(**parts: Any) -> Recipe:
    """As ``bag.modern``; a perceptron, whose steps cost little, takes its images as they are.

    Args:
      **parts: of ``bag.standard``.

    Returns:
      The recipe.
    """
    return (t.bare if parts["model"].func is models.perceptron else t.modern)(**parts)


def checked(dataset: data.Dataset) -> data.Dataset:
    """The data, if it has classes enough for the figures of ``task``.

    Args:
      dataset: any.

    Returns:
      The same.

    Raises:
      DataError: if images have no class each, or there are fewer than three classes.
    """
    if class_count(dataset) < 3:
        raise data.DataError(
            f"{dataset.name} has {dataset.classes} classes, of which thirds are reported; allowed: 3 or more."
        )
    return dataset


def begin(recipe: Recipe, complete: data.Dataset, dataset: data.Dataset) -> Recipe:
    """The baseline, whose task knows the classes of the data before a tail is cut.

    Args:
      recipe: the baseline.
      complete: not used.
      dataset: what the rows' data are made of, in memory.

    Returns:
      The recipe.
    """
    return replace(recipe, task=task(data.class_counts(np.asarray(dataset.train["label"]), dataset.classes or 0)))


def counts_of(recipe: Recipe) -> np.ndarray:
    """How many training images each class has.

    Args:
      recipe: of ``begin``.

    Returns:
      int64 ``[C]``.

    Raises:
      TypeError: if the task is another.
    """
    if not isinstance(recipe.task, LongTailed):
        raise TypeError(f"recipe.task is a {type(recipe.task).__name__}; allowed: a LongTailed, of imbalance.task.")
    return np.array(recipe.task.counts)


def case(recipe: Recipe, *, factor: float) -> Recipe:
    """Training classes that fall in size by a factor.

    Args:
      recipe: of ``begin``.
      factor: the size of the first class by that of the last, > 1.

    Returns:
      The recipe for ``data.long_tail`` of its data by the same factor.
    """
    before = counts_of(recipe)
    return replace(recipe, task=task(data.long_tail_counts(int(before.min()), len(before), factor=factor)))


def setting(factor: float, ladder: Ladder) -> Setting:
    """A factor, with the tricks that are measured there.

    Args:
      factor: as for ``case``.
      ladder: tricks by name.

    Returns:
      The setting, with its data.
    """
    return Setting(partial(case, factor=factor), ladder, partial(data.long_tail, factor=factor))


def sampled(recipe: Recipe, *, sampler: Callable) -> Recipe:
    """Another sampler of the training images, for as many steps as before.

    Args:
      recipe: of ``begin``, with a warm-up of ``bag.warm_up`` or none; another sampler is dropped.
      sampler: ``(seed, epoch, labels) -> rows``. Where it makes epochs longer, the run has fewer of them.

    Returns:
      The recipe with that sampler.
    """
    counts = counts_of(recipe)
    rows = len(sampler(0, 0, np.repeat(np.arange(len(counts)), counts)))
    recipe = replace(recipe, sampler=sampler, epochs=recipe.epochs * int(counts.sum()) / rows)
    return recipe if recipe.warmup is None or rows == counts.sum() else t.warm_up(recipe)


def progressive(recipe: Recipe) -> Recipe:
    """From the data's own shares to equal ones in the course of the run.

    Args:
      recipe: as for ``sampled``, of more than one epoch.

    Returns:
      The recipe with ``data.progressive``.
    """
    return sampled(recipe, sampler=partial(data.progressive, epochs=int(np.ceil(recipe.epochs))))


def bounded(recipe: Recipe, *, high: float, low: float = 0.0) -> Recipe:
    """Batches in which no class has more than a share, nor less than one; see ``data.bounded_batches``.

    Args:
      recipe: as for ``sampled``.
      high: the largest share of a class in a batch, which is rounded up to rows.
      low: the smallest, rounded down.

    Returns:
      The recipe with that sampler.
    """
    batch = recipe.batch
    bounds = {"high": int(np.ceil(high * batch)), "low": int(low * batch)}
    return sampled(recipe, sampler=partial(data.bounded_batches, batch=batch, **bounds))


def deferral(recipe: Recipe, *, share: float) -> int:
    """The epoch in which the last part of a run begins.

    Args:
      recipe: any.
      share: of the run before it, between 0 and 1.

    Returns:
      An epoch, counted from 0.

    Raises:
      ValueError: if no epoch is left on one of the sides.
    """
    at = round(share * recipe.epochs)
    if not 0 < at < recipe.epochs:
        raise ValueError(f"share is {share} of {recipe.epochs:g} epochs; allowed: an epoch before it, and one after.")
    return at


def resampled(recipe: Recipe, *, sampler: Callable, share: float = 0.8) -> Recipe:
    """Deferred re-sampling (DRS): a sampler for the last part of a run, when the features are learnt.

    Args:
      recipe: of ``begin``; its own sampler stays in the first part.
      sampler: as for ``sampled``, whose epochs are as long as those before.
      share: of the run before it, between 0 and 1.

    Returns:
      The recipe.

    Reference: Cao et al., arXiv 1906.07413.
    """
    at = deferral(recipe, share=share)
    return sampled(recipe, sampler=partial(data.deferred, at=at, first=recipe.sampler, then=sampler))


def remixed(recipe: Recipe, *, alpha: float = 1.0) -> Recipe:
    """Mixup whose labels lean to the rarer class.

    Args:
      recipe: of ``begin``, whose loss reads soft targets.
      alpha: parameter of the Beta distribution of the mixing weight, > 0.

    Returns:
      The recipe with ``augment.remix``.

    Raises:
      ValueError: if it mixes already, which this would drop.
    """
    return replace(
        unset(recipe, "mix"), mix=partial(augment.remix, counts=counts_of(recipe).astype(np.float32), alpha=alpha)
    )
