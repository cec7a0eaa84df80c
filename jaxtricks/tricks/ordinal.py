"""Classes that have an order: images turned by an angle to be predicted, the task, and losses that know the order.

A class is STEP degrees wide; class ``CLASSES // 2`` is upright.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import augment, data, losses, tasks, train
from jaxtricks.data._kinds import other_kind
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks._columns import in_memory

__all__ = [
    "BINS",
    "CLASSES",
    "STEP",
    "baseline",
    "biweight",
    "distribution",
    "divergence",
    "error_in_degrees",
    "expected",
    "regressed",
    "regression",
    "spread",
    "task",
    "turned",
]

CLASSES, STEP = 13, 10.0  # degrees a class
BINS = np.arange(CLASSES, dtype=np.float32)


def turned(dataset: data.Dataset) -> data.Dataset:
    """Every image turned by an angle that is its label: the same for every seed and machine.

    Args:
      dataset: images in memory; its labels are not used.

    Returns:
      A dataset of CLASSES classes, which come equally often.

    Raises:
      DataError: for images with boxes or masks, which would not be turned with them.
    """
    if {"box", "mask"} & set(dataset.train.columns):
        raise data.DataError(other_kind(dataset, "images with a class each, or with a label that is none"))
    splits = {}
    for number, (name, split) in enumerate((("train", dataset.train), ("test", dataset.test))):
        draws = np.random.default_rng((5, number))
        label = draws.permutation(np.arange(len(split)) % CLASSES)
        angle = STEP * (label + draws.uniform(-0.5, 0.5, len(label)) - CLASSES // 2)
        images = jax.lax.map(
            lambda pair: augment.rotate(*pair), (in_memory(split, "image") / np.float32(255), angle), batch_size=256
        )
        splits[name] = (np.asarray(jnp.round(255 * images), np.uint8), label)
    return data.from_arrays(f"{dataset.name}, turned", *splits["train"], *splits["test"], classes=CLASSES)


def expected(logits):
    """The mean class under the predicted probabilities: a prediction between the classes.

    Args:
      logits: float ``[..., CLASSES]``.

    Returns:
      Float ``[...]``, 0 to CLASSES - 1.
    """
    return losses.expected_value(jax.nn.softmax(logits), bins=jnp.asarray(BINS))


def error_in_degrees(out, batch):
    """Absolute error of the expected angle.

    Args:
      out: ``(logits [B, CLASSES], taps)``.
      batch: with ``label [B]``.

    Returns:
      Float ``[B]``, in degrees, 0 to STEP * (CLASSES - 1).
    """
    return STEP * jnp.abs(expected(out[0]) - batch["label"])


def task() -> train.Task:
    """Classes of ten degrees, reported as the mean absolute error of the expected angle.

    Returns:
      The task, whose headline is ``MAE`` in degrees.
    """
    classes = tasks.classification(CLASSES)
    error = train.mean_of(error_in_degrees, unit="\N{DEGREE SIGN}", better="lower", bounds=(0.0, STEP * (CLASSES - 1)))
    return replace(classes, metrics={"loss": classes.metrics["loss"], "MAE": error}, headline="MAE")


def divergence(params, out, batch):
    """Kullback-Leibler divergence of the prediction from the soft target.

    Args:
      params: not used.
      out: ``(logits [B, C], taps)``.
      batch: with ``target [B, C]``, whose rows sum to 1.

    Returns:
      Float ``[B]``, 0 where they are equal.
    """
    return optax.losses.kl_divergence(jax.nn.log_softmax(out[0]), batch["target"])


def regressed(params, out, batch, *, loss: Callable):
    """A loss of the expected class and the true one, in units of a class.

    Args:
      params: not used.
      out: ``(logits [B, CLASSES], taps)``.
      batch: with ``label [B]``.
      loss: ``(predictions [B], targets [B]) -> [B]``.

    Returns:
      Float ``[B]``.
    """
    return loss(expected(out[0]), batch["label"].astype(jnp.float32))


def biweight(predictions, targets):
    """Tukey's biweight of residuals in units of their scale in the batch; outliers get no gradient.

    Args:
      predictions, targets: float ``[B]``.

    Returns:
      Float ``[B]``; the scale is half a class or more.
    """
    residuals = predictions - targets
    return losses.tukey_biweight(residuals / losses.mad_scale(residuals, floor=0.5))


def spread(target, *, sigma: float):
    """A Gaussian over the classes around the true one, in the place of a one-hot target.

    Args:
      target: float ``[B, CLASSES]``, one-hot.
      sigma: in classes, > 0.

    Returns:
      Float ``[B, CLASSES]``, whose rows sum to 1.
    """
    return losses.gaussian_label_distribution(target @ BINS, bins=jnp.asarray(BINS), sigma=sigma)


def distribution(recipe: Recipe, *, sigma: float) -> Recipe:
    """Label-distribution learning: neighbours of the true class are partly right.

    Args:
      recipe: of ``baseline``.
      sigma: in classes, > 0; labels that are uncertain by a class have about 1.

    Returns:
      The recipe with other targets and the divergence as its loss.
    """
    return replace(recipe, targets=partial(spread, sigma=sigma), loss=divergence)


def regression(recipe: Recipe, *, loss: Callable) -> Recipe:
    """Regression of the expected class: an error costs by how far it is.

    Args:
      recipe: of ``baseline``.
      loss: ``(predictions [B], targets [B]) -> [B]``, in units of a class.

    Returns:
      The recipe with that loss.
    """
    return replace(recipe, loss=partial(regressed, loss=loss))


def baseline(**arguments: Any) -> Recipe:
    """Cross-entropy of the classes of angles, without augmentation, which would turn or mirror the images.

    Args:
      **arguments: of ``bag.standard``; the task is replaced.

    Returns:
      The recipe.
    """
    return replace(t.modern(**arguments), task=task(), augment=None)
