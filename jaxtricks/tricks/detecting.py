"""Detection of boxes: a RetinaNet-style baseline on any backbone, and what may be put in its parts' place."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import optax

from jaxtricks import data, detection, losses
from jaxtricks.fingerprint import describe
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks._columns import for_canvases
from jaxtricks.tricks._moved_boxes import affine, copy_paste, flip, mosaic, multi_scale, without_masks
from jaxtricks.tricks._own_boxes import fitted, task_for
from jaxtricks.tricks.detector import Detector, by_iou, changed, planned, smooth_l1
from jaxtricks.tricks.mining import hardest, mined
from jaxtricks.tricks.suppressing import by_distance, fused, soft, voted
from jaxtricks.tricks.trick import Ladder

__all__ = [
    "KINDS",
    "NAMES",
    "adam",
    "adapted",
    "affine",
    "anchor_free",
    "balanced",
    "baseline",
    "by_atss",
    "by_center",
    "by_distance",
    "by_ratio",
    "centered",
    "copy_paste",
    "fitted",
    "flip",
    "fused",
    "hardest",
    "mined",
    "mosaic",
    "multi_scale",
    "overlap",
    "peaks",
    "shapes",
    "soft",
    "task_for",
    "voted",
    "without_masks",
]

KINDS = (0, 1, 0, 2, 0, 3, 0, 3, 4, 3)  # of the classes of Fashion-MNIST
NAMES = ("top", "trousers", "dress", "shoe", "bag")  # of these kinds


def shapes(dataset: data.Dataset, *, instances: bool = False) -> data.Dataset:
    """Canvases of Fashion-MNIST's items, of five kinds; images that have boxes stay as they are.

    Args:
      dataset: Fashion-MNIST, or a part of it, by its name; another set with labels, which keeps its classes; or of
        ``data.boxed``.
      instances: whether each item has its mask, for ``copy_paste``.

    Returns:
      ``data.shapes`` of it, or the dataset.

    Raises:
      DataError: if the images have no boxes and cannot be put on canvases; the message names what takes them.
    """
    if "box" in dataset.train.columns:
        return dataset
    for_canvases(dataset, otherwise="images with boxes, as COCO, VOC or YOLO have them")
    of_fashion = "fashion" in dataset.name.lower() and dataset.classes == len(KINDS)
    if of_fashion:
        return replace(data.shapes(dataset, kinds=KINDS, instances=instances), class_names=NAMES)
    return data.shapes(dataset, instances=instances)


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
      recipe: of ``baseline``, whose matching and loss of boxes no trick has changed to others than these.

    Returns:
      The recipe.

    Raises:
      ValueError: if a trick has changed what this would drop; one that comes after it replaces matching or loss.
    """
    plan = recipe.model.keywords["plan"]  # pyright: ignore[reportFunctionMemberAccess]
    ours = {"match": by_center, "box_loss": partial(overlap, loss=losses.giou_loss)}
    for (name, value), usual in zip(ours.items(), (by_iou, smooth_l1), strict=True):
        if describe(present := getattr(plan, name)) not in (describe(usual), describe(value)):
            raise ValueError(f"{name} is {present!r}; allowed: {usual!r}, for it would be dropped.")
    return changed(recipe, anchor_free=True, **ours)


def centered(recipe: Recipe) -> Recipe:
    """A head without anchors that also says how near a cell is to its box's centre, and weighs its score by that.

    Args:
      recipe: of ``baseline``.

    Returns:
      The recipe of ``anchor_free`` with this third output.
    """
    return changed(anchor_free(recipe), centered=True)


def peaks(recipe: Recipe) -> Recipe:
    """Objects as peaks of a heat map, with an offset and a size each, in the place of anchors, matching and NMS.

    Args:
      recipe: of ``baseline``, whose matching, losses and suppression no trick has changed.

    Returns:
      The recipe.

    Raises:
      ValueError: if a trick has changed what this would drop.
    """
    return changed(recipe, heat=True)


def balanced(logits, target):
    """Cross-entropy with a weight of 0.75 on the rare positives.

    Args:
      logits: ``[A, C]``.
      target: ``[A, C]``, 0 or 1.

    Returns:
      ``[A, C]``.
    """
    return losses.balanced_cross_entropy(logits, target, alpha=0.75)


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


def adapted(recipe: Recipe, ladder: Ladder, dataset: data.Dataset) -> tuple[Ladder, list[str]]:
    """The ladder for data that may be without masks of their items.

    Args:
      recipe, ladder, dataset: the baseline, tricks by name, and the data of the experiment.

    Returns:
      The tricks that can act, and a sentence on those that are left out.
    """
    if "mask" in dataset.train.columns:
        return ladder, []
    kept = {name: trick for name, trick in ladder.items() if getattr(trick.change, "func", trick.change) != copy_paste}
    left = ", ".join(name for name in ladder if name not in kept)
    return kept, [f"{left}: left out, for {dataset.name} has no masks of its items."] if left else []
