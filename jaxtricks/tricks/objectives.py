"""Losses as tricks: another loss in the place of a recipe's, or one added to it; all else stays.

The ``on_`` functions say what a loss is given of a batch, as ``Recipe.loss`` is called: parameters, ``(logits, taps)``,
batch. They return a loss an example, float ``[B]``, and use the parameters only where it is said.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks import losses, optim
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing
from jaxtricks.tricks.trick import Trick

__all__ = [
    "auxiliary",
    "centers",
    "centers_apart",
    "centred",
    "contrast",
    "mean_ramp",
    "objective",
    "on_angles",
    "on_classes",
    "on_labels",
    "on_probabilities",
    "on_residuals",
    "on_targets",
    "robust",
    "trick",
    "with_auxiliary",
    "with_centers",
]


def mean_ramp(logits, labels, *, s: float):
    """The ramp loss as a mean over the wrong classes, so that its gradient is of the size of the others'.

    Args:
      logits: float ``[B, C]``, C of 2 or more.
      labels: integers ``[B]``, 0 to C - 1.
      s: where the ramp ends, < 1.

    Returns:
      Float ``[B]``.
    """
    return losses.ramp(logits, labels, s=s) / (logits.shape[-1] - 1)


def on_targets(params, out, batch, *, loss: Callable):
    """A loss of logits and soft targets, the usual kind: it sees smoothing, mixup and CutMix.

    Args:
      out: ``(logits [B, C], taps)``.
      batch: with ``target [B, C]``.
      loss: ``(logits, targets) -> [B]``.

    Returns:
      Float ``[B]``.
    """
    return loss(out[0], batch["target"])


def on_labels(params, out, batch, *, loss: Callable):
    """A loss of logits and integer labels, such as a margin loss; what mixes or smooths targets is not seen by it.

    Args:
      out: ``(logits [B, C], taps)``.
      batch: with ``label [B]``.
      loss: ``(logits, labels) -> [B]``.

    Returns:
      Float ``[B]``.
    """
    return loss(out[0], batch["label"])


def on_classes(params, out, batch, *, loss: Callable):
    """A loss of each class by itself, such as binary cross-entropy, added up over the classes.

    Args:
      out, batch: as for ``on_targets``.
      loss: ``(logits, targets) -> [B, C]``.

    Returns:
      Float ``[B]``.
    """
    return loss(out[0], batch["target"]).sum(-1)


def on_residuals(params, out, batch, *, loss: Callable):
    """A loss of target minus probability, added up over the classes: robust regression of the probabilities.

    Args:
      out, batch: as for ``on_targets``.
      loss: ``residuals -> [B, C]``, residuals from -1 to 1.

    Returns:
      Float ``[B]``.
    """
    return loss(batch["target"] - jax.nn.softmax(out[0])).sum(-1)


def on_probabilities(params, out, batch, *, loss: Callable):
    """A loss of probabilities and soft targets, added up over the classes, such as the squared error.

    Args:
      out, batch: as for ``on_targets``.
      loss: ``(probabilities, targets) -> [B, C]``.

    Returns:
      Float ``[B]``.
    """
    return loss(jax.nn.softmax(out[0]), batch["target"]).sum(-1)


def on_angles(params, out, batch, *, logits: Callable):
    """Cross-entropy of logits with a margin between features and weights; use it where features are compared later.

    The classifier's bias gets no gradient and stays 0.

    Args:
      params: of a network whose last layer is ``head``.
      out: ``(logits, taps)`` with the tap ``features [B, D]``.
      batch: with ``label [B]``.
      logits: ``(features, kernel [D, C], labels) -> [B, C]``.

    Returns:
      Float ``[B]``.
    """
    with_margin = logits(out[1]["features"], params["head"]["kernel"], batch["label"])
    return -jnp.take_along_axis(jax.nn.log_softmax(with_margin), batch["label"][:, None], axis=-1)[:, 0]


def with_auxiliary(params, out, batch, *, first: Callable, second: Callable, weight: float):
    """A loss plus a weighted auxiliary one, ``first + weight * second``.

    Args:
      params, out, batch: as for ``Recipe.loss``; both losses get them.
      first: the main loss.
      second: the auxiliary loss or penalty, ``[B]`` or a scalar.
      weight: of the auxiliary loss.

    Returns:
      Float ``[B]``.
    """
    return first(params, out, batch) + weight * second(params, out, batch)


def contrast(params, out, batch, *, temperature: float):
    """The supervised contrastive loss of the features: examples of a class attract each other.

    Args:
      out: ``(logits, taps)`` with the tap ``features [B, D]``.
      batch: with ``label [B]``; an example alone in its class has loss 0.
      temperature: of the similarities, > 0.

    Returns:
      Float ``[B]``.
    """
    return losses.supervised_contrastive(out[1]["features"], batch["label"], temperature=temperature)


def centred(params, out, batch, *, first: Callable, weight: float):
    """A loss plus the weighted center loss, and the term whose gradient moves the centres.

    Args:
      params: with ``centers [C, D]``, see ``with_centers``.
      out: ``(logits, taps)`` with the tap ``features [B, D]``.
      batch: with ``label [B]``.
      first: the main loss.
      weight: of the center loss, 0 or more.

    Returns:
      Float ``[B]``.
    """
    features, labels, centers = out[1]["features"], batch["label"], params["centers"]
    pulled = weight * losses.center(features, labels, centers) + losses.center_pull(features, labels, centers)
    return first(params, out, batch) + pulled


def with_centers(build: Callable, **arguments: Any):
    """A network whose parameters also hold a centre of the features for each class, at 0.

    Args:
      build: ``(**arguments) -> Model``, with a last layer ``head``.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model; ``centers`` is float ``[C, D]``.
    """
    model = build(**arguments)

    def init(key):
        params, stats = model.init(key)
        return {**params, "centers": jnp.zeros_like(params["head"]["kernel"].T)}, stats

    return model._replace(init=init)


def centers_apart(tx: optax.GradientTransformation, *, rate: float) -> optax.GradientTransformation:
    """Plain SGD for the centres, so that momentum and decay of the network do not move them.

    Args:
      tx: the optimiser of all other parameters.
      rate: of the centres, in (0, 1]; with n examples of a class its centre goes rate * n / (1 + n) of the way to
        their mean.

    Returns:
      The transformation of all parameters.
    """
    return optim.by_path({"^centers$": optax.sgd(rate), "": tx})


def centers(recipe: Recipe, *, weight: float, rate: float = 0.5) -> Recipe:
    """Center loss added to the recipe's loss: features of a class draw together, which helps to compare them.

    Args:
      recipe: with a network that has the tap ``features`` and the layer ``head``.
      weight: of the center loss, 0 or more.
      rate: of the centres, in (0, 1].

    Returns:
      The recipe with centres among its parameters.

    Reference: Wen et al., A Discriminative Feature Learning Approach for Deep Face Recognition, ECCV 2016.
    """
    recipe = composing.around(recipe, partial(centers_apart, rate=rate))
    return replace(
        recipe,
        model=partial(with_centers, recipe.model),
        loss=partial(centred, first=recipe.loss, weight=weight),
    )


def objective(recipe: Recipe, *, how: Callable, **options: Any) -> Recipe:
    """Another loss in the place of the recipe's; tricks that added to the loss before are dropped with it.

    Args:
      recipe: any.
      how: one of the ``on_`` functions, or any ``(params, out, batch, **options) -> [B]``.
      **options: of ``how``: the loss that it calls.

    Returns:
      The recipe with that loss.
    """
    return replace(recipe, loss=partial(how, **options))


def auxiliary(recipe: Recipe, *, second: Callable, weight: float) -> Recipe:
    """An auxiliary loss added to the recipe's, such as a contrastive one or a penalty of the weights.

    Args:
      recipe: any.
      second: ``(params, out, batch) -> [B]`` or a scalar.
      weight: of the auxiliary loss.

    Returns:
      The recipe with the sum as its loss.
    """
    return replace(recipe, loss=partial(with_auxiliary, first=recipe.loss, second=second, weight=weight))


def trick(how: Callable, loss: Callable, expected: int | None = None, paper: str | None = None) -> Trick:
    """A rung of a ladder of losses.

    Args:
      how: one of the ``on_`` functions that take ``loss``.
      loss: as it takes it.
      expected: sign of the effect on accuracy: +1, -1, 0, or None.
      paper: where the loss comes from, or None.

    Returns:
      The trick.
    """
    return Trick(partial(objective, how=how, loss=loss), expected, paper)


def robust(expected: int | None) -> dict[str, Trick]:
    """Losses that bound what one example can do, with the parameters that experiments.losses chose; for wrong labels.

    Args:
      expected: sign of their effect on accuracy, which depends on the labels: +1, -1, 0, or None.

    Returns:
      Tricks by name.
    """
    return {
        "ramp": trick(on_labels, partial(mean_ramp, s=-1.0), expected, "Collobert et al. 2006"),
        "Tukey": trick(on_residuals, partial(losses.tukey_biweight, c=1.5), expected, "arXiv 1505.06606"),
        "bi-tempered": trick(on_targets, partial(losses.bi_tempered, t1=0.5, t2=2.0), expected, "arXiv 1906.03361"),
        "GCE": trick(on_targets, partial(losses.generalized_cross_entropy, q=0.7), expected, "arXiv 1805.07836"),
    }
