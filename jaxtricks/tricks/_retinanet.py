"""The parts of RetinaNet that a detector has unless its plan says otherwise."""

import optax

from jaxtricks import detection


def focal(logits, target):
    """Focal loss with alpha 0.25 and gamma 2, as in RetinaNet.

    Args:
      logits: ``[A, C]``.
      target: ``[A, C]``, 0 or 1.

    Returns:
      ``[A, C]``.
    """
    return optax.sigmoid_focal_loss(logits, target, alpha=0.25, gamma=2.0)


def smooth_l1(decoded, truth, offsets, wanted):
    """Smooth L1 of the offsets, with the bend at 1/9.

    Args:
      decoded, truth: boxes, not used.
      offsets, wanted: ``[A, 4]``, predicted and true.

    Returns:
      ``[A]``.
    """
    return optax.huber_loss(offsets, wanted, delta=1 / 9).sum(-1) * 9


def by_iou(grid, boxes, valid):
    """Matching by thresholds of IoU.

    Args:
      grid: of the Detector, as ``Detector.grid``.
      boxes: ``[M, 4]``.
      valid: bool ``[M]``.

    Returns:
      detection.Match.
    """
    return detection.match_iou(grid["anchor"], boxes, valid=valid)


def nms(boxes, scores, labels, *, max_output: int = 20):
    """Greedy suppression by class at an IoU of 0.5.

    Args:
      boxes: ``[N, 4]``.
      scores: ``[N]``.
      labels: int ``[N]``.
      max_output: K, boxes that are kept at most.

    Returns:
      Boxes ``[K, 4]``, and Kept.
    """
    kept = detection.nms(boxes, scores, labels=labels, iou_threshold=0.5, max_output=max_output)
    return boxes[kept.index], kept
