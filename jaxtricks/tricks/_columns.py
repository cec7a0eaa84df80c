"""What a trick that makes a dataset anew needs of the one it is given: images in memory, classes that are counted."""

import numpy as np

from jaxtricks.data import DataError, Dataset, Split, decoded


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
      DataError: if its labels are no classes.
    """
    if dataset.classes is None:
        raise DataError(f"dataset.classes of {dataset.name} is None; allowed: an integer.")
    return dataset.classes
