"""Detection of boxes: a RetinaNet-style baseline on any backbone, and what may be put in its parts' place."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks import augment, data, detection, losses
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks._own_boxes import fitted, task_for
from jaxtricks.tricks.detector import Detector, changed, nms, planned
from jaxtricks.tricks.trick import unset

__all__ = [
    "KINDS",
    "adam",
    "affine",
    "anchor_free",
    "balanced",
    "baseline",
    "by_atss",
    "by_center",
    "by_distance",
    "by_ratio",
    "fitted",
    "flip",
    "mined",
    "mosaic",
    "overlap",
    "shapes",
    "soft",
    "task_for",
    "voted",
]

KINDS = (0, 1, 0, 2, 0, 3, 0, 3, 4, 3)  # of Fashion-MNIST: tops, trousers, dresses, shoes, bags


def shapes(dataset: data.Dataset) -> data.Dataset:
    """Canvases of Fashion-MNIST's items, of five kinds; images that have boxes stay as they are.

    Args:
      dataset: Fashion-MNIST, or a part of it; or of ``data.boxed``.

    Returns:
      ``data.shapes`` of it, or the dataset.
    """
    if "box" in dataset.train.columns:
        return dataset
    return data.shapes(dataset, kinds=KINDS if dataset.classes == len(KINDS) else None)


def overlap(decoded, truth, offsets, wanted, *, loss: Callable):
    """A loss of the decoded boxes by their overlap.

    Args:
      decoded, truth: ``[A, 4]``, xyxy in pixels.
      offsets, wanted: not used.
      loss: such as ``losses.giou_loss``.

    Returns:
      ``[A]``.
    """
    return loss(decoded, truth)


def by_center(grid, boxes, valid):
    """Matching by place and size, as FCOS: a level learns boxes of up to 8 of its strides.

    Args:
      grid: of ``Detector.grid``.
      boxes: ``[M, 4]``.
      valid: bool ``[M]``.

    Returns:
      detection.Match.
    """
    stride = grid["stride"]
    low = jnp.where(stride == stride.min(), 0.0, 3.0 * stride)
    high = jnp.where(stride == stride.max(), jnp.inf, 6.0 * stride)
    return detection.match_centers(grid["point"], boxes, jnp.stack([low, high], -1), radius=1.5 * stride, valid=valid)


def by_atss(grid, boxes, valid):
    """Matching by ATSS.

    Args:
      grid: of ``Detector.grid``.
      boxes: ``[M, 4]``.
      valid: bool ``[M]``.

    Returns:
      detection.Match.
    """
    return detection.match_atss(grid["anchor"], boxes, sizes=grid["sizes"], valid=valid)


def by_ratio(grid, boxes, valid):
    """Matching by ratio and cell, as YOLOv5.

    Args:
      grid: of ``Detector.grid``.
      boxes: ``[M, 4]``.
      valid: bool ``[M]``.

    Returns:
      detection.Match.
    """
    return detection.match_ratio(grid["anchor"], boxes, grid["stride"], valid=valid)


def anchor_free(recipe: Recipe) -> Recipe:
    """Distances from the cells' centres in the place of anchors, matched by place and size, with the GIoU loss.

    Args:
      recipe: of ``baseline``.

    Returns:
      The recipe.
    """
    return changed(recipe, anchor_free=True, match=by_center, box_loss=partial(overlap, loss=losses.giou_loss))


def mined(of_score, positive, *, ratio: float = 3.0):
    """Of the background the hardest anchors, ``ratio`` times as many as there are positives.

    Args:
      of_score: ``[A, C]``.
      positive: bool ``[A]``.
      ratio: greater than 0.

    Returns:
      Weights 0 and 1, ``[A, 1]``.
    """
    weights = losses.hard_negative_weights(jax.lax.stop_gradient(of_score.sum(-1)), positive, ratio=ratio)
    return weights[:, None]


def balanced(logits, target):
    """Cross-entropy with a weight of 0.75 on the rare positives.

    Args:
      logits: ``[A, C]``.
      target: ``[A, C]``, 0 or 1.

    Returns:
      ``[A, C]``.
    """
    return losses.balanced_cross_entropy(logits, target, alpha=0.75)


def soft(boxes, scores, labels, *, method: str = "linear", max_output: int = 20):
    """Soft suppression by class.

    Args:
      boxes, scores, labels: as of ``nms``.
      method: ``"linear"`` or ``"gaussian"``.
      max_output: K.

    Returns:
      Boxes ``[K, 4]``, and Kept.
    """
    kept = detection.soft_nms(boxes, scores, labels=labels, method=method, max_output=max_output)
    return boxes[kept.index], kept


def by_distance(boxes, scores, labels, *, max_output: int = 20):
    """Suppression by DIoU.

    Args:
      boxes, scores, labels, max_output: as of ``nms``.

    Returns:
      Boxes ``[K, 4]``, and Kept.
    """
    kept = detection.nms(boxes, scores, labels=labels, iou_threshold=0.5, max_output=20, measure=detection.diou)
    return boxes[kept.index], kept


def voted(boxes, scores, labels, *, max_output: int = 20):
    """Greedy suppression, then votes of all boxes of an IoU of 0.5.

    Args:
      boxes, scores, labels, max_output: as of ``nms``.

    Returns:
      Boxes ``[K, 4]``, and Kept.
    """
    chosen, kept = nms(boxes, scores, labels, max_output=max_output)
    moved = detection.vote(chosen, boxes, scores, kept_labels=labels[kept.index], labels=labels)
    return jnp.where(kept.valid[:, None], moved, 0.0), kept


def flip(recipe: Recipe) -> Recipe:
    """Mirrored images, with their boxes.

    Args:
      recipe: without an augmentation.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has one, which this would drop.
    """
    return replace(unset(recipe, "augment"), augment=augment.each_sample(augment.random_flip_sample))


def affine(recipe: Recipe) -> Recipe:
    """Images moved, scaled and turned a little, whose boxes follow.

    Args:
      recipe: without an augmentation.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has one, which this would drop.
    """
    move = partial(augment.random_affine_sample, angle=5.0, shift=0.1, scale=(0.8, 1.25), visible=0.3)
    return replace(unset(recipe, "augment"), augment=augment.each_sample(move))


def mosaic(recipe: Recipe, *, scale: tuple[float, float] = (1.0, 1.0)) -> Recipe:
    """Four images in one, each at a random scale.

    Args:
      recipe: without an augmentation.
      scale: as for ``augment.mosaic``.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has one, which this would drop.
    """
    return replace(unset(recipe, "augment"), augment=partial(_four, scale=scale))


def _four(key, batch, *, scale):
    instances = tuple(name for name in ("box_label", "box_crowd") if name in batch)
    return augment.mosaic(key, batch, scale=scale, visible=0.3, instances=instances)


def adam(schedule):
    """AdamW with a decay of 1e-4.

    Args:
      schedule: of the rate.

    Returns:
      The transformation.
    """
    return optax.adamw(schedule, weight_decay=1e-4)


def baseline(**arguments: Any) -> Recipe:
    """RetinaNet-small: focal loss, smooth L1, three anchors a cell of two levels, NMS.

    Args:
      **arguments: of ``bag.standard``; of the task the number of classes counts.

    Returns:
      The recipe, for canvases of 64 x 64 pixels; ``fitted`` makes that of other images.
    """
    recipe = replace(t.modern(**arguments), augment=None, optimizer=adam)
    plan = Detector(size=(64, 64), classes=recipe.task.outputs)
    return planned(recipe, plan, recipe.model)
