"""Weights, costs and losses by class sizes, and labels that lean to rare classes, for recipes of ``imbalance``."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import losses
from jaxtricks.train import Recipe
from jaxtricks.tricks import objectives as o
from jaxtricks.tricks.imbalance import counts_of, deferral
from jaxtricks.tricks.trick import unset

__all__ = [
    "adjusted",
    "by_counts",
    "confused",
    "cooled",
    "costly",
    "deferred_weights",
    "effective",
    "focal_by_counts",
    "focal_deferred",
    "inverse",
    "inverse_root",
    "margins_deferred",
    "reweighted",
    "smoothed",
    "softmax_at",
    "weighted",
]


def inverse(counts):
    """Weights by the inverse of the class sizes: each class counts the same in all.

    Args:
      counts: ``[C]``.

    Returns:
      float32 ``[C]``; a training image has weight 1 on average.
    """
    return np.asarray(losses.class_weights(jnp.asarray(counts)))


def inverse_root(counts):
    """Weights by the inverse square root of the class sizes, half-way to ``inverse``.

    Args:
      counts: ``[C]``.

    Returns:
      float32 ``[C]``; a training image has weight 1 on average.
    """
    weights = 1 / np.sqrt(np.maximum(counts, 1))
    return np.float32(weights * np.sum(counts) / np.sum(counts * weights))


def effective(counts, *, beta: float = 0.999):
    """Weights by the effective number of images of a class, which grows less and less.

    Args:
      counts: ``[C]``.
      beta: of ``losses.class_weights``.

    Returns:
      float32 ``[C]``; a training image has weight 1 on average.
    """
    return np.asarray(losses.class_weights(jnp.asarray(counts), scheme="effective", beta=beta))


def weighted(params, out, batch, *, loss: Callable, weights, at: int = 0):
    """A loss times the weight of the image's class, or classes where targets are mixed, from an epoch on.

    Args:
      params, out: as for ``loss``.
      batch: with ``target [B, C]``, and ``epoch [B]``.
      loss: ``(params, out, batch) -> [B]``.
      weights: ``[C]``.
      at: the first epoch in which weights count.

    Returns:
      Float ``[B]``.
    """
    weight = batch["target"] @ jnp.asarray(weights, batch["target"].dtype)
    return loss(params, out, batch) * jnp.where(batch["epoch"] >= at, weight, 1.0)


def reweighted(recipe: Recipe, *, scheme: Callable) -> Recipe:
    """Images of rare classes count more, whatever the loss.

    Args:
      recipe: of ``begin``; its loss stays.
      scheme: ``counts -> weights``, such as ``inverse``.

    Returns:
      The recipe with the weighted loss.
    """
    return replace(recipe, loss=partial(weighted, loss=recipe.loss, weights=scheme(counts_of(recipe))))


def deferred_weights(recipe: Recipe, *, scheme: Callable, share: float = 0.8) -> Recipe:
    """Deferred re-weighting (DRW): weights for the last part of a run, when the features are learnt.

    Args:
      recipe, scheme: as for ``reweighted``.
      share: of the run before it, between 0 and 1.

    Returns:
      The recipe.

    Reference: Cao et al., arXiv 1906.07413.
    """
    parts = {"weights": scheme(counts_of(recipe)), "at": deferral(recipe, share=share)}
    return replace(recipe, loss=partial(weighted, loss=recipe.loss, **parts))


def by_counts(recipe: Recipe, *, how: Callable, loss: Callable, name: str) -> Recipe:
    """A loss that takes the class sizes, such as LDAM or balanced softmax, in the place of the recipe's.

    Args:
      recipe: of ``begin``.
      how: ``objectives.on_labels`` or ``on_targets``.
      loss: as ``how`` takes it, with one more argument.
      name: of that argument.

    Returns:
      The recipe with that loss.
    """
    return o.objective(recipe, how=how, loss=partial(loss, **{name: np.float32(counts_of(recipe))}))


def costly(recipe: Recipe, *, weight: float) -> Recipe:
    """The expected cost of mistakes beside the recipe's loss, from a matrix by class sizes.

    Args:
      recipe: of ``begin``.
      weight: of the costs; the matrix is scaled to a mean of 1 off the diagonal.

    Returns:
      The recipe with the sum.
    """
    return _with_costs(recipe, losses.costs_from_counts(jnp.asarray(counts_of(recipe))), weight)


def confused(recipe: Recipe, *, confusion, weight: float) -> Recipe:
    """The expected cost of mistakes beside the recipe's loss, from those that a network made: for a stage after it.

    Args:
      recipe: of ``begin``.
      confusion: ``[C, C]``, how often true class i was taken for j, on images that the network was not trained on.
      weight: of the costs; the matrix is scaled to a mean of 1 off the diagonal.

    Returns:
      The recipe with the sum.

    Raises:
      ValueError: if nothing was confused, so that there are no costs.
    """
    costs = losses.costs_from_confusion(jnp.asarray(confusion))
    if not costs.any():
        raise ValueError("confusion is diagonal; allowed: one mistake or more, since costs come from mistakes.")
    return _with_costs(recipe, costs, weight)


def _with_costs(recipe: Recipe, costs, weight: float) -> Recipe:
    costs = np.asarray(costs)
    costs = costs / (costs.sum() / (costs.size - len(costs)))
    second = partial(o.on_labels, loss=partial(losses.expected_cost, cost_matrix=costs))
    return o.auxiliary(recipe, second=second, weight=weight)


def smoothed(recipe: Recipe, *, head: float = 0.3, tail: float = 0.0) -> Recipe:
    """Label smoothing by class size, the most for the largest class.

    Args:
      recipe: of ``begin``, whose loss reads soft targets.
      head, tail: of ``losses.smooth_labels_by_counts``.

    Returns:
      The recipe with these targets.

    Raises:
      ValueError: if it has other targets, which this would drop.

    Reference: Zhong et al., arXiv 2104.00466.
    """
    options = {"counts": np.float32(counts_of(recipe)), "head": head, "tail": tail}
    return replace(unset(recipe, "targets"), targets=partial(losses.smooth_labels_by_counts, **options))


def softmax_at(logits, targets, *, temperatures):
    """Cross-entropy of logits by a temperature for each class.

    Args:
      logits, targets: float ``[B, C]``.
      temperatures: ``[C]``, greater than 0.

    Returns:
      Float ``[B]``.
    """
    return optax.softmax_cross_entropy(logits / jnp.asarray(temperatures, logits.dtype)[None], targets)


def cooled(recipe: Recipe, *, power: float = 0.2) -> Recipe:
    """Class-dependent temperatures (CDT) in training: logits of rare classes must be larger for the same probability.

    Args:
      recipe: of ``begin``; its loss is dropped.
      power: of the largest class size by the class's own, 0 or more; 0 gives the cross-entropy.

    Returns:
      The recipe with that loss.

    Reference: Ye et al., arXiv 2001.01385.
    """
    counts = np.maximum(counts_of(recipe), 1)
    temperatures = np.float32((counts.max() / counts) ** power)
    return o.objective(recipe, how=o.on_targets, loss=partial(softmax_at, temperatures=temperatures))


def adjusted(build: Callable, *, prior: tuple[float, ...], tau: float, **arguments):
    """A network that is evaluated as if all classes were of one size: its logits less the log of the prior.

    Args:
      build: ``(**arguments) -> Model``.
      prior: class sizes in training, greater than 0.
      tau: 1 for Bayes' rule.
      **arguments: that a recipe's model is called with.

    Returns:
      The Model; in training it is as it was.
    """
    model = build(**arguments)
    shift = tau * np.log(np.asarray(prior) / np.sum(prior), dtype=np.float32)

    def apply(params, stats, image, *, train, key=None):
        (logits, taps), stats = model.apply(params, stats, image, train=train, key=key)
        return (logits if train else logits - jnp.asarray(shift, logits.dtype)[None], taps), stats

    return model._replace(apply=apply)


def focal_by_counts(recipe: Recipe, *, scheme: Callable) -> Recipe:
    """Focal loss with weights by class sizes, in the place of the recipe's loss.

    Args:
      recipe: of ``imbalance.begin``.
      scheme: as for ``reweighted``.

    Returns:
      The recipe with that loss.

    Reference: Cui et al., arXiv 1901.05555.
    """
    return reweighted(o.objective(recipe, how=o.on_targets, loss=losses.softmax_focal), scheme=scheme)


def focal_deferred(recipe: Recipe, *, scheme: Callable, share: float = 0.8) -> Recipe:
    """Focal loss with deferred re-weighting, in the place of the recipe's loss.

    Args:
      recipe: of ``imbalance.begin``.
      scheme, share: as for ``deferred_weights``.

    Returns:
      The recipe with that loss.
    """
    recipe = o.objective(recipe, how=o.on_targets, loss=losses.softmax_focal)
    return deferred_weights(recipe, scheme=scheme, share=share)


def margins_deferred(recipe: Recipe, *, scheme: Callable, share: float = 0.8) -> Recipe:
    """LDAM with deferred re-weighting, in the place of the recipe's loss; without a normalised classifier.

    Args:
      recipe: of ``imbalance.begin``.
      scheme, share: as for ``deferred_weights``.

    Returns:
      The recipe with that loss.

    Reference: Cao et al., arXiv 1906.07413.
    """
    recipe = by_counts(recipe, how=o.on_labels, loss=losses.ldam, name="counts")
    return deferred_weights(recipe, scheme=scheme, share=share)
