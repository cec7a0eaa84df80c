"""Detections and objects of a set of images, from padded arrays to flat ones: what the figures of boxes share."""

from typing import NamedTuple

import numpy as np

from jaxtricks import check


class Boxes(NamedTuple):
    """Boxes of all images, flat, by image.

    Fields:
      box: ``[K, 4]``, float64.
      label: int ``[K]``.
      image: int ``[K]``.
      place: int ``[K]``, of the box among all that were padded.
    """

    box: np.ndarray
    label: np.ndarray
    image: np.ndarray
    place: np.ndarray

    def take(self, index: np.ndarray) -> "Boxes":
        """Those of the index, in its order."""
        return Boxes(*(field[index] for field in self))


def flat(name: str, boxes, labels, valid, *, classes: int, rows: int | None = None) -> Boxes:
    """Padded boxes ``[N, K, 4]`` of which ``valid`` says which are there, checked."""
    check.rank(name, boxes, 3)
    check.shape(name, boxes, (rows, None, 4))
    check.number(name, boxes)
    boxes = np.asarray(boxes, np.float64)
    count = boxes.shape[:2]
    label_name, valid_name = (name.replace("boxes", word) for word in ("labels", "valid"))
    check.shape(label_name, labels, count)
    check.integer(label_name, labels)
    labels, there = np.asarray(labels), mask(valid_name, valid, count, default=True)
    upright = np.isfinite(boxes).all(-1) & (boxes[..., 2:] >= boxes[..., :2]).all(-1)
    first_wrong(name, boxes, there & ~upright, "four finite numbers with x0 <= x1 and y0 <= y1")
    first_wrong(label_name, labels, there & ~((labels >= 0) & (labels < classes)), f"0 to {classes - 1}")
    image, _ = np.nonzero(there)
    return Boxes(boxes[there], labels[there].astype(np.int64), image, np.flatnonzero(there))


def scores_of(scores, detections: Boxes, count: tuple[int, ...]) -> np.ndarray:
    """The score of each detection, checked."""
    check.shape("scores", scores, count)
    check.number("scores", scores)
    values = np.asarray(scores, np.float64).ravel()[detections.place]
    if np.isnan(values).any():
        place = np.unravel_index(int(detections.place[np.isnan(values).argmax()]), count)
        raise ValueError(f"scores{[int(i) for i in place]} is nan; allowed: numbers, where valid.")
    return values


def mask(name: str, array, count: tuple[int, ...], *, default: bool) -> np.ndarray:
    """A boolean for each box; all the default for None."""
    if array is None:
        return np.full(count, default)
    check.shape(name, array, count)
    check.boolean(name, array)
    return np.asarray(array)


def first_wrong(name: str, array: np.ndarray, wrong: np.ndarray, allowed: str) -> None:
    """Raise ValueError of the first element that is wrong."""
    if wrong.any():
        place = np.unravel_index(int(wrong.argmax()), wrong.shape)
        raise ValueError(f"{name}{[int(i) for i in place]} is {array[place]}; allowed: {allowed}, where valid.")


def area(box: np.ndarray) -> np.ndarray:
    """The area of boxes, ``[...]``."""
    return (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1])


def groups(boxes: Boxes, classes: int) -> np.ndarray:
    """A number for each image and class."""
    return boxes.image * classes + boxes.label


def ranks(group: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An order by group and falling score, and the rank of each of that order within its group."""
    order = np.lexsort((-scores, group))
    sorted_group = group[order]
    starts = np.flatnonzero(np.append(True, sorted_group[1:] != sorted_group[:-1])) if len(group) else np.zeros(0, int)
    lengths = np.diff(np.append(starts, len(group)))
    return order, np.arange(len(group)) - np.repeat(starts, lengths)


def pairs(
    detections: Boxes, objects: Boxes, crowd: np.ndarray, *, classes: int, low: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Detections and objects of one image and class that overlap by ``low`` or more: their places, and the IoU.

    Of a crowd it is the intersection by the detection's area. The pairs of a detection follow each other, by the place
    of the object.
    """
    wanted, there = groups(detections, classes), groups(objects, classes)
    by_group = np.argsort(there, kind="stable")
    first = np.searchsorted(there[by_group], wanted, side="left")
    number = np.searchsorted(there[by_group], wanted, side="right") - first
    a = np.repeat(np.arange(len(wanted)), number)
    b = by_group[np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(first, number)]
    box, other = detections.box[a], objects.box[b]
    sides = np.minimum(box[:, 2:], other[:, 2:]) - np.maximum(box[:, :2], other[:, :2])
    both = np.maximum(sides, 0).prod(-1)
    union = np.where(crowd[b], area(box), area(box) + area(other) - both)
    overlap = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    enough = overlap >= low
    return a[enough], b[enough], overlap[enough]
