"""The mean average precision of boxes as Pascal VOC defines it."""

from typing import NamedTuple

import numpy as np

from jaxtricks import check
from jaxtricks.metrics import _detections
from jaxtricks.metrics._coco import Array
from jaxtricks.metrics._ranking import interpolated_average_precision


class VocMap(NamedTuple):
    """VOC's figures of a set of images.

    Fields:
      ap: mean average precision over the classes that have an object.
      by_class: of each class, ``[C]``; NaN for one without an object.
    """

    ap: float
    by_class: np.ndarray


def voc_map(
    boxes: Array,
    scores: Array,
    labels: Array,
    target_boxes: Array,
    target_labels: Array,
    *,
    classes: int,
    valid: Array | None = None,
    target_valid: Array | None = None,
    difficult: Array | None = None,
    iou_threshold: float = 0.5,
    points: int | None = None,
) -> VocMap:
    """VOC's mean average precision, at one threshold of overlap: to compare with figures of that benchmark.

    A detection belongs to the object of its image and class that it overlaps most. It is right if that overlap is
    above the threshold and no detection of a higher score has the object; one of a difficult object counts neither
    way. It runs on the host, in float64, with coordinates as continuous places (the devkit adds a pixel to a side).

    Args:
      boxes, scores, labels, target_boxes, target_labels, classes, valid, target_valid: as of ``coco_map``.
      difficult: which objects are difficult, bool ``[N, M]``; none if None.
      iou_threshold: above 0, 1 or less.
      points: 11 for the form of VOC 2007; None for the area under the precision made monotone, from VOC 2010 on.

    Returns:
      VocMap; NaN where there is no object.

    Raises:
      ValueError: as of ``coco_map``.

    Example:
      >>> boxes, labels = np.array([[[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 9.0, 10.0]]]), np.zeros((1, 2), int)
      >>> float(voc_map(boxes, np.array([[0.5, 0.9]]), labels, boxes[:, :1], labels[:, :1], classes=1).ap)
      1.0

    Reference:
      Everingham et al., The Pascal visual object classes (VOC) challenge, IJCV 2010.
    """
    classes = check.at_least("classes", classes, minimum=1)
    check.between("iou_threshold", iou_threshold, 0.0, 1.0)
    check.positive("iou_threshold", iou_threshold)
    check.option("points", points, (None, 11))
    detections = _detections.flat("boxes", boxes, labels, valid, classes=classes)
    count = tuple(boxes.shape[:2])
    values = _detections.scores_of(scores, detections, count)
    objects = _detections.flat(
        "target_boxes", target_boxes, target_labels, target_valid, classes=classes, rows=count[0]
    )
    hard = _detections.mask("difficult", difficult, tuple(target_boxes.shape[:2]), default=False).ravel()[objects.place]

    # the object that each detection overlaps most: of equal ones the first
    detection, item, overlap = _detections.pairs(
        detections, objects, np.zeros(len(hard), bool), classes=classes, low=0.0
    )
    order = np.lexsort((item, -overlap, detection))
    detection, item, overlap = detection[order], item[order], overlap[order]
    first = np.append(True, detection[1:] != detection[:-1])[: len(detection)]
    detection, item = (x[first & (overlap > iou_threshold)] for x in (detection, item))
    chosen = np.full(len(values), -1)
    chosen[detection] = item

    by_score = np.argsort(-values, kind="stable")
    chosen, label = chosen[by_score], detections.label[by_score]
    fresh = np.zeros(len(chosen), bool)
    fresh[np.unique(chosen, return_index=True)[1]] = True
    right = (chosen >= 0) & fresh
    left_out = (chosen >= 0) & hard[chosen] if len(hard) else np.zeros(len(chosen), bool)
    by_class = np.full(classes, np.nan)
    for c in np.unique(objects.label[~hard]):
        here = (label == c) & ~left_out
        true_positives = np.cumsum(right[here])
        recall = true_positives / np.sum(objects.label[~hard] == c)
        precision = true_positives / np.arange(1, len(true_positives) + 1)
        by_class[c] = interpolated_average_precision(recall, precision, points=points) if len(recall) else 0.0
    there = by_class[~np.isnan(by_class)]
    return VocMap(float(there.mean()) if there.size else float("nan"), by_class)
