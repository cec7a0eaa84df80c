"""The options of COCO's mean average precision, checked."""

import numpy as np

from jaxtricks import check
from jaxtricks.metrics import _detections
from jaxtricks.metrics._detections import Boxes

LARGEST = 1e10  # square pixels


def thresholds(iou_thresholds) -> np.ndarray:
    """The IoU thresholds, ``[T]``."""
    if isinstance(iou_thresholds, (str, bytes)) or not hasattr(iou_thresholds, "__len__") or not len(iou_thresholds):
        raise ValueError(f"iou_thresholds is {iou_thresholds!r}; allowed: one number or more, above 0, 1 or less.")
    for i, threshold in enumerate(iou_thresholds):
        check.between(f"iou_thresholds[{i}]", threshold, 0.0, 1.0)
        check.positive(f"iou_thresholds[{i}]", threshold)
    return np.array(iou_thresholds, np.float64)


def numbers(max_detections) -> tuple[int, ...]:
    """The three numbers of detections an image."""
    allowed = "three rising integers of 1 or more"
    if isinstance(max_detections, (str, bytes)) or not hasattr(max_detections, "__len__") or len(max_detections) != 3:
        raise ValueError(f"max_detections is {max_detections!r}; allowed: {allowed}.")
    numbers = tuple(check.at_least("max_detections", number, minimum=1) for number in max_detections)
    if list(numbers) != sorted(numbers):
        raise ValueError(f"max_detections is {max_detections!r}; allowed: {allowed}.")
    return numbers


def ranges(limits) -> tuple[tuple[float, float], ...]:
    """Of the areas of all, small, medium and large objects."""
    if isinstance(limits, (str, bytes)) or not hasattr(limits, "__len__") or len(limits) != 2:
        raise ValueError(f"limits is {limits!r}; allowed: two rising numbers above 0.")
    for i, limit in enumerate(limits):
        check.positive(f"limits[{i}]", limit)
    low, high = map(float, limits)
    if low > high:
        raise ValueError(f"limits is {limits!r}; allowed: two rising numbers above 0.")
    return (0.0, LARGEST), (0.0, low), (low, high), (high, LARGEST)


def areas(areas, objects: Boxes, count: tuple[int, ...]) -> np.ndarray:
    """Of the objects, as annotated or of their boxes."""
    if areas is None:
        return _detections.area(objects.box)
    check.shape("areas", areas, count)
    check.number("areas", areas)
    values = np.asarray(areas, np.float64).ravel()[objects.place]
    if not (values >= 0).all():
        raise ValueError(f"areas holds {values[~(values >= 0)][0]}; allowed: 0 or more, where valid.")
    return values
