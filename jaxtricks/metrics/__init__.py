"""Metrics as values or counts an example, added over the valid rows and divided once; rankings, of all rows at once."""

from jaxtricks.metrics._bootstrap import bootstrap
from jaxtricks.metrics._calibration import brier, calibration_bins, calibration_error
from jaxtricks.metrics._classification import correct
from jaxtricks.metrics._coco import CocoMap, coco_map
from jaxtricks.metrics._confusion import PrecisionRecall, balanced_accuracy, confusion_matrix, precision_recall_f1
from jaxtricks.metrics._ranking import average_precision, interpolated_average_precision, mean_average_precision
from jaxtricks.metrics._segmentation import (
    boundary_intersections_and_unions,
    intersections_and_unions,
    mean_dice,
    mean_iou,
)
from jaxtricks.metrics._voc import VocMap, voc_map

__all__ = [
    "CocoMap",
    "PrecisionRecall",
    "VocMap",
    "average_precision",
    "balanced_accuracy",
    "bootstrap",
    "boundary_intersections_and_unions",
    "brier",
    "calibration_bins",
    "calibration_error",
    "coco_map",
    "confusion_matrix",
    "correct",
    "interpolated_average_precision",
    "intersections_and_unions",
    "mean_average_precision",
    "mean_dice",
    "mean_iou",
    "precision_recall_f1",
    "voc_map",
]


def __dir__() -> list[str]:
    return __all__
