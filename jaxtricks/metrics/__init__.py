"""Metrics as values or counts an example, added over the valid rows and divided once; rankings, of all rows at once."""

from jaxtricks.metrics._classification import correct
from jaxtricks.metrics._ranking import average_precision, mean_average_precision
from jaxtricks.metrics._segmentation import intersections_and_unions, mean_iou

__all__ = [
    "average_precision",
    "correct",
    "intersections_and_unions",
    "mean_average_precision",
    "mean_iou",
]


def __dir__() -> list[str]:
    return __all__
