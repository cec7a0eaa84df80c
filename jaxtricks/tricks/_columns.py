"""What a trick that makes a dataset anew needs of the one it is given: images in memory, classes that are counted."""

import numpy as np

from jaxtricks.data import DataError, Dataset, Split


def in_memory(split: Split, name: str) -> np.ndarray:
    """A column as an array; use it where a dataset is made anew from all its images.

    Args:
      split: of a dataset.
      name: of the column.

    Returns:
      The array, not copied.

    Raises:
      DataError: if the column is decoded when it is read, or there is none of this name.
    """
    column = split[name]
    if not isinstance(column, np.ndarray):
        raise DataError(f"column {name!r} is {type(column).__name__}; allowed: an array in memory.")
    return column


def class_count(dataset: Dataset) -> int:
    """The number of classes of a dataset that has them.

    Args:
      dataset: any.

    Returns:
      1 or more.

    Raises:
      DataError: if its labels are no classes.
    """
    if dataset.classes is None:
        raise DataError(f"dataset.classes of {dataset.name} is None; allowed: an integer.")
    return dataset.classes
