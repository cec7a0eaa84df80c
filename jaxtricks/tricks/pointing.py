"""A point in each image: a task, and what may say it: regression, the expected place of a map, the peak of a map.

The network of a recipe is ``regressor`` or ``mapper`` with a backbone. Points are x and y in pixels.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import data, detection, train
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import detecting
from jaxtricks.tricks._columns import for_canvases
from jaxtricks.tricks._point_networks import CELLS, SIZE, STRIDE, mapper, regressor

__all__ = [
    "CELLS",
    "SIZE",
    "STRIDE",
    "baseline",
    "centers",
    "distance",
    "expected",
    "heat_loss",
    "mapper",
    "peak",
    "peaked",
    "place_loss",
    "pooled",
    "regressed",
    "regressor",
    "soft",
    "task",
    "with_loss",
]

REACH = 2.5 * STRIDE / (1 - 0.7**0.5)  # half a square whose Gaussian radius is 2.5 cells, at an overlap of 0.7


def centers(dataset: data.Dataset) -> data.Dataset:
    """Canvases with one of Fashion-MNIST's items each, and the centre of its box.

    Args:
      dataset: Fashion-MNIST, or another set of small grey images with classes.

    Returns:
      A dataset of ``image`` and ``point``, float32 ``[N, 2]``, x and y in pixels.

    Raises:
      DataError: if the images cannot be put on canvases; the message names what takes them.
    """
    for_canvases(dataset)
    kinds = detecting.KINDS if dataset.classes == len(detecting.KINDS) else None
    canvases = data.shapes(dataset, size=SIZE, objects=1, kinds=kinds)
    splits = []
    for split in (canvases.train, canvases.test):
        box = np.asarray(split["box"])[:, 0]
        splits.append({"image": split["image"], "point": (box[:, :2] + box[:, 2:]) / 2})
    return data.from_columns(f"{dataset.name}, points", *splits, classes=canvases.classes)


def regressed(out):
    """The point of ``regressor``.

    Args:
      out: ``[B, 2]``.

    Returns:
      ``[B, 2]``, x and y in pixels.
    """
    return SIZE * (0.5 + out.astype(jnp.float32))


def expected(out):
    """The point of ``mapper`` as the expected place of its map, with a gradient.

    Args:
      out: ``[B, H, W, 3]``.

    Returns:
      ``[B, 2]``, x and y in pixels.
    """
    return STRIDE * (0.5 + detection.soft_argmax(out[..., 0]))


def peak(out, *, offset: bool = True):
    """The point of ``mapper`` as the highest peak of its map.

    Args:
      out: ``[B, H, W, 3]``.
      offset: whether the cell's offset is added, or the point is the cell's centre.

    Returns:
      ``[B, 2]``, x and y in pixels; without a gradient.
    """

    def one(out):
        top = detection.peaks(jax.nn.sigmoid(out[..., :1]), max_output=1)
        row, column = top.row[0], top.column[0]
        return STRIDE * (jnp.stack([column, row]) + (out[row, column, 1:] if offset else 0.5))

    return jax.vmap(one)(out)


def place_loss(params, out, batch, *, decode: Callable, loss: Callable):
    """A loss of the point, in sides of the image.

    Args:
      params: not used.
      out: of the network, and taps.
      batch: with ``point [B, 2]``.
      decode: ``out -> [B, 2]`` in pixels, such as ``expected``.
      loss: ``(predictions, targets) -> losses``, elementwise.

    Returns:
      ``[B]``.
    """
    return loss(decode(out[0]) / SIZE, batch["point"] / SIZE).sum(-1)


def heat_loss(params, out, batch):
    """Focal loss of a map that has a peak at the point, and L1 of the offset of its cell.

    Args:
      params: not used.
      out: ``[B, H, W, 3]``, and taps.
      batch: with ``point [B, 2]``.

    Returns:
      ``[B]``.
    """
    boxes = jnp.concatenate([batch["point"] - REACH, batch["point"] + REACH], -1)[:, None]
    label = jnp.zeros(1, jnp.int32)
    draw = partial(detection.heatmap_targets, shape=(CELLS, CELLS), stride=STRIDE, classes=1)
    wanted = jax.vmap(lambda box: draw(box, label))(boxes)
    of_heat = detection.heatmap_focal(out[0][..., :1], wanted.heat).sum((1, 2, 3))
    far = jnp.abs(out[0][..., 1:] - wanted.offset)
    return of_heat + jnp.where(wanted.center[..., None], far, 0.0).sum((1, 2, 3))


def distance(out, batch, *, decode: Callable):
    """How far the point is from the true one.

    Args:
      out: of the network, and taps.
      batch: with ``point [B, 2]``.
      decode: ``out -> [B, 2]`` in pixels.

    Returns:
      ``[B]``, in pixels.
    """
    return jnp.linalg.norm(decode(out[0]) - batch["point"], axis=-1)


def task(decode: Callable) -> train.Task:
    """One point an image, reported as the mean distance in pixels.

    Args:
      decode: ``out -> [B, 2]`` in pixels.

    Returns:
      The task, whose headline is ``error``.
    """
    error = train.mean_of(partial(distance, decode=decode), unit="px", better="lower", bounds=(0.0, None))
    return train.Task(
        outputs=2,
        columns=(train.Column(name="point", rank=2, kind="float", low=0, high=SIZE),),
        encode=dict,
        metrics={"error": error},
        headline="error",
    )


def with_loss(recipe: Recipe, *, loss: Callable) -> Recipe:
    """Another loss of the point, where one is trained.

    Args:
      recipe: whose loss is ``place_loss``.
      loss: elementwise, of sides of the image.

    Returns:
      The recipe.

    Raises:
      ValueError: if its loss is another.
    """
    if getattr(recipe.loss, "func", None) is not place_loss:
        raise ValueError(f"recipe.loss is {recipe.loss!r}; allowed: of a point, for it would be dropped.")
    return replace(recipe, loss=partial(recipe.loss, loss=loss))


def pooled(recipe: Recipe) -> Recipe:
    """Regression from the average of the last map, as in a classifier, in the place of all of a map.

    Args:
      recipe: of ``baseline``.

    Returns:
      The recipe.
    """
    return replace(recipe, model=partial(_regressor(recipe), tap=None))


def soft(recipe: Recipe) -> Recipe:
    """The expected place of a map in the place of regression, trained by the same loss.

    Args:
      recipe: of ``baseline``.

    Returns:
      The recipe.
    """
    return _mapped(replace(recipe, loss=partial(recipe.loss, decode=expected)), expected)


def peaked(recipe: Recipe, *, offset: bool = True) -> Recipe:
    """The highest peak of a map that learns a heat map, in the place of regression.

    Args:
      recipe: of ``baseline``.
      offset: whether the cell's offset is added.

    Returns:
      The recipe.
    """
    return _mapped(replace(recipe, loss=heat_loss), partial(peak, offset=offset))


def baseline(**arguments: Any) -> Recipe:
    """Regression by the squared error, from all of a map, without augmentation, which points do not follow.

    Args:
      **arguments: of ``bag.standard``; the task is replaced.

    Returns:
      The recipe.
    """
    recipe = replace(t.modern(**arguments), augment=None, optimizer=detecting.adam, task=task(regressed))
    squared = partial(place_loss, decode=regressed, loss=_squared)
    return replace(recipe, model=partial(regressor, backbone=recipe.model), loss=squared)


def _squared(predictions, targets):
    return jnp.square(predictions - targets)


def _regressor(recipe: Recipe) -> partial:
    """The network of a recipe; ValueError if it is none that regresses."""
    if getattr(recipe.model, "func", None) is not regressor:
        raise ValueError(f"recipe.model is {recipe.model!r}; allowed: of `baseline`, for it would be dropped.")
    return recipe.model  # pyright: ignore[reportReturnType]


def _mapped(recipe: Recipe, decode: Callable) -> Recipe:
    backbone = _regressor(recipe).keywords["backbone"]
    return replace(recipe, model=partial(mapper, backbone=backbone), task=task(decode))
