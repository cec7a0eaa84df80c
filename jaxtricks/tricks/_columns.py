"""What a trick that makes a dataset anew needs of the one it is given: images in memory, classes that are counted."""

import numpy as np

from jaxtricks.data import DataError, Dataset, Split, decoded
from jaxtricks.data._kinds import other_kind

CANVAS = 64  # pixels of a canvas's side
LARGEST = 1.3  # factor of the largest item on it


def in_memory(split: Split, name: str) -> np.ndarray:
    """A column as an array; use it where a dataset is made anew from all its images.

    Args:
      split: of a dataset; what is decoded when it is read is decoded once, as an evaluation sees it.
      name: of the column.

    Returns:
      The array, not copied where it is in memory already.

    Raises:
      DataError: if it does not fit in memory, a record is unreadable, or there is no column of this name.
    """
    return np.asarray(decoded(Split({name: split[name]}))[name])


def class_count(dataset: Dataset) -> int:
    """The number of classes of a dataset that has them.

    Args:
      dataset: any.

    Returns:
      1 or more.

    Raises:
      DataError: if its images have no class each.
    """
    if dataset.classes is None or "label" not in dataset.train.columns:
        raise DataError(other_kind(dataset, "images with a class each"))
    return dataset.classes


def for_canvases(dataset: Dataset, *, otherwise: str = "") -> None:
    """DataError unless the images can be put on canvases.

    Args:
      dataset: any.
      otherwise: in words, images that a command takes besides.
    """
    grey = dataset.shape[2] == 1 and round(LARGEST * max(dataset.shape[:2])) <= CANVAS
    if not grey or dataset.classes is None or "label" not in dataset.train.columns:
        small = "small grey images with a class each, which are put on canvases"
        raise DataError(other_kind(dataset, f"{otherwise}, or {small}" if otherwise else small))
