"""Long-tailed training sets made of balanced ones: the exponential profile on which methods are compared."""

from dataclasses import replace

import numpy as np

from jaxtricks import check
from jaxtricks.data._columns import DataError
from jaxtricks.data._dataset import Dataset, class_counts


def long_tail_counts(largest: int, classes: int, *, factor: float) -> np.ndarray:
    r"""How many images each class keeps, the first most: as in CIFAR-10-LT.

    .. math:: n_c = \lfloor n_0 \, f^{-c / (C - 1)} \rfloor

    Args:
      largest: images of class 0, 1 or more.
      classes: C, 2 or more.
      factor: f, the size of the first class by that of the last, 1 or more.

    Returns:
      int64 ``[C]``.

    Raises:
      ValueError: if an argument is out of range, or the last class would keep no image.

    Example:
      >>> int(long_tail_counts(5000, 10, factor=100).sum())  # CIFAR-10-LT
      12406

    Reference:
      Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, arXiv 1906.07413.
    """
    largest = check.at_least("largest", largest, minimum=1)
    classes = check.at_least("classes", classes, minimum=2)
    check.between("factor", factor, 1.0, largest)
    counts = largest * float(factor) ** (-np.arange(classes) / (classes - 1))
    return np.floor(counts + 1e-9).astype(np.int64)  # 5000 / 100 is 50, and may be a little less in floating point


def long_tail(dataset: Dataset, *, factor: float) -> Dataset:
    """A dataset whose training classes fall in size by the exponential profile; all its other splits stay.

    Of each class a part is kept, the same rows whatever the seed; that of a larger factor is within that of a smaller.

    Args:
      dataset: with classes, of about equal size; the smallest is the size of class 0.
      factor: the size of the first class by that of the last, 1 or more.

    Returns:
      The dataset with fewer training images.

    Raises:
      DataError: if the dataset has no classes, their labels are not in memory, or a class has too few images.
      ValueError: if the factor is out of range.

    Reference:
      Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, arXiv 1906.07413.
    """
    labels = dataset.train["label"]
    if dataset.classes is None or not isinstance(labels, np.ndarray):
        raise DataError(f"{dataset.name}: there are no classes in memory; allowed: a column 'label', an array.")
    before = class_counts(labels, dataset.classes)
    if before.min() < factor:
        few = f"{before.min()} training images in the smallest class, too few for a long tail by {factor:g}"
        raise DataError(f"{dataset.name}: {few}; allowed: {factor:g} or more.")
    counts = long_tail_counts(int(before.min()), dataset.classes, factor=factor)
    kept = [
        np.random.default_rng((13, c)).permutation(np.flatnonzero(labels == c))[:count]
        for c, count in enumerate(counts.tolist())
    ]
    name = f"{dataset.name}, long-tailed by {factor:g}"
    return replace(dataset, name=name, train=dataset.train.take(np.sort(np.concatenate(kept))))
