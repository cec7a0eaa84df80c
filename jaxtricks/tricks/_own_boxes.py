"""A detector for a person's own images: its size, its anchors and its count of boxes follow the data."""

import math

import numpy as np

from jaxtricks import data, train
from jaxtricks.train import Recipe
from jaxtricks.tricks._plan import learnt
from jaxtricks.tricks.detector import Detector, changed, task

SHARE = (5, 95)  # percentiles of the boxes' sides that anchors are made for
COUNTED = 100  # detections an image that COCO's mean average precision counts


def task_for(dataset: data.Dataset) -> train.Task:
    """Detection of the classes of a dataset, one or more; a person's own boxes often have one.

    Args:
      dataset: with boxes.

    Returns:
      ``detector.task`` at its size.

    Raises:
      DataError: if it has no classes, or a box that is there is inverted, which would end the run when it is evaluated.
    """
    if dataset.classes is None:
        raise data.DataError(f"{dataset.name} has no classes; allowed: boxes of one class or more.")
    for part in ("train", "validation", "test"):
        split = getattr(dataset, part)
        box, valid = (None if split is None else split.columns.get(name) for name in ("box", "box_valid"))
        if isinstance(box, np.ndarray) and isinstance(valid, np.ndarray) and box.shape == (*valid.shape, 4):
            for place in np.argwhere(valid & (box[..., 2:] < box[..., :2]).any(-1))[:1]:
                where = ", ".join(map(str, place))
                raise data.DataError(
                    f"{dataset.name}: {part} box {where} is {box[tuple(place)].tolist()}, inverted; allowed: x0 <= x1 "
                    "and y0 <= y1."
                )
    height, width, _ = dataset.shape
    return task(Detector(size=(height, width), classes=dataset.classes))


def fitted(recipe: Recipe, loaded: data.Dataset, dataset: data.Dataset) -> Recipe:
    """The detector for images that came with boxes: anchors of the sizes that those to learn have, octave by octave.

    Args:
      recipe: of ``detecting.baseline``.
      loaded: the data as it was loaded.
      dataset: the data of the experiment, with a held-out split.

    Returns:
      The recipe with a plan for images and boxes of this size, crowds aside, which keeps twice as many boxes as the
      fullest image has, 20 to 100; the recipe as it was for canvases, whose images came without boxes.

    Raises:
      DataError: if no image for training has a box, as may be where few of them are asked for.
    """
    if "box" not in loaded.train.columns:
        return recipe
    columns = dataset.train.columns
    box, valid = np.asarray(columns["box"]), np.asarray(learnt(dict(columns)))
    if not valid.any():
        raise data.DataError(
            f"{dataset.name}: none of the {len(valid)} images for training has a box to learn; allowed: one or more."
        )
    sides = np.sqrt(np.prod(box[valid][:, 2:] - box[valid][:, :2], -1))
    plan = recipe.model.keywords["plan"]  # pyright: ignore[reportFunctionMemberAccess]
    scales = octaves(sides, plan.strides)
    most = min(COUNTED, max(plan.most, 2 * int(valid.sum(1).max())))
    return changed(recipe, size=dataset.shape[:2], scales=scales, most=most)


def octaves(sides: np.ndarray, strides: tuple[int, ...]) -> tuple[float, ...]:
    """Scales of the anchors of every level, so that anchors of all levels are an octave apart and cover most sides.

    Args:
      sides: roots of the boxes' areas, in pixels, one or more, greater than 0.
      strides: of the levels, each twice the one before.

    Returns:
      Scales in strides, rising: the smallest anchor is half an octave above the side that 5 % of the boxes lie below.
    """
    low, high = np.percentile(sides, SHARE)
    needed = max(1, math.ceil(math.log2(high / low) - 1e-6))
    first = low * math.sqrt(2) / strides[0]
    return tuple(float(round(first * 2 ** (len(strides) * k), 3)) for k in range(math.ceil(needed / len(strides))))
