"""What is left of the boxes that a detector says of one image, or of several views of it."""

import jax.numpy as jnp

from jaxtricks import detection
from jaxtricks.tricks._retinanet import nms

__all__ = ["by_distance", "fused", "soft", "voted"]


def soft(boxes, scores, labels, *, method: str = "linear"):
    """Soft suppression by class.

    Args:
      boxes, scores, labels: as of ``nms``.
      method: ``"linear"`` or ``"gaussian"``.

    Returns:
      Boxes ``[K, 4]``, and Kept.
    """
    kept = detection.soft_nms(boxes, scores, labels=labels, method=method, max_output=20)
    return boxes[kept.index], kept


def by_distance(boxes, scores, labels):
    """Suppression by DIoU.

    Args:
      boxes, scores, labels: as of ``nms``.

    Returns:
      Boxes ``[K, 4]``, and Kept.
    """
    kept = detection.nms(boxes, scores, labels=labels, iou_threshold=0.5, max_output=20, measure=detection.diou)
    return boxes[kept.index], kept


def voted(boxes, scores, labels):
    """Greedy suppression, then votes of all boxes of an IoU of 0.5.

    Args:
      boxes, scores, labels: as of ``nms``.

    Returns:
      Boxes ``[K, 4]``, and Kept.
    """
    chosen, kept = nms(boxes, scores, labels)
    moved = detection.vote(chosen, boxes, scores, kept_labels=labels[kept.index], labels=labels)
    return jnp.where(kept.valid[:, None], moved, 0.0), kept


def fused(boxes, scores, labels, *, views: int):
    """Boxes of several views as weighted means, where they agree.

    Args:
      boxes, scores, labels: as of ``nms``, of all views; a score of 0 is no box.
      views: their number, an integer of 1 or more.

    Returns:
      Boxes ``[K, 4]``, and Kept, whose ``index`` is that of a box of the same label.
    """
    joined = detection.weighted_fusion(boxes, scores, models=views, labels=labels, max_output=20)
    index = jnp.argmax(labels[None] == joined.label[:, None], axis=1)
    return joined.box, detection.Kept(jnp.where(joined.valid, index, 0), joined.score, joined.valid)
