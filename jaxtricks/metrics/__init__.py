"""Metrics as values or counts an example, added over the valid rows and divided once; rankings, of all rows at once."""

from jaxtricks.metrics._bootstrap import bootstrap
from jaxtricks.metrics._classification import correct
from jaxtricks.metrics._coco import CocoMap, coco_map
from jaxtricks.metrics._ranking import average_precision, interpolated_average_precision, mean_average_precision
from jaxtricks.metrics._segmentation import intersections_and_unions, mean_iou
from jaxtricks.metrics._voc import VocMap, voc_map

__all__ = [
    "CocoMap",
    "VocMap",
    "average_precision",
    "bootstrap",
    "coco_map",
    "correct",
    "interpolated_average_precision",
    "intersections_and_unions",
    "mean_average_precision",
    "mean_iou",
    "voc_map",
]


def __dir__() -> list[str]:
    return __all__
