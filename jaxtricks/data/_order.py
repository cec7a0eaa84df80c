"""The order of rows in an epoch: a permutation, or what a sampler makes of the labels."""

from collections.abc import Callable

import numpy as np

from jaxtricks.data._columns import DataError, Split

Sampler = Callable[[int, int, np.ndarray], np.ndarray]


def epoch_permutation(seed: int, epoch: int, size: int) -> np.ndarray:
    """The order of an epoch: a permutation that depends on nothing but its arguments.

    Args:
      seed: of the run, 0 or more.
      epoch: from 0.
      size: images in the split.

    Returns:
      int64 ``[size]``.
    """
    return np.random.default_rng((seed, epoch)).permutation(size)


def epoch_order(
    split: Split, seed: int, epoch: int, *, sampler: Sampler | None = None, by: str = "label"
) -> np.ndarray:
    """The rows of an epoch, in order: a permutation of all rows, or those that a sampler draws.

    Args:
      split: what is read.
      seed: of the run, 0 or more.
      epoch: from 0.
      sampler: ``(seed, epoch, labels) -> rows``, such as ``data.class_balanced``, or None for a permutation.
      by: the column, an array, that a sampler takes as its labels.

    Returns:
      int64 ``[R]``, numbers of rows; R is the length of every epoch.

    Raises:
      DataError: if there is no such column, or it is decoded when it is read.
      ValueError: if the sampler gives anything but one row or more of the split.
    """
    if sampler is None:
        return epoch_permutation(seed, epoch, len(split))
    labels = split[by]
    if not isinstance(labels, np.ndarray):
        raise DataError(f"column {by!r} is {type(labels).__name__}; allowed for a sampler: an array in memory.")
    rows = np.asarray(sampler(seed, epoch, labels))
    if rows.ndim != 1 or not rows.size or rows.dtype.kind not in "iu":
        raise ValueError(f"sampler gives {rows.dtype}{list(rows.shape)}; allowed: integers, one row or more.")
    if rows.min() < 0 or rows.max() >= len(split):
        raise ValueError(f"sampler gives rows {rows.min()} to {rows.max()}; allowed: 0 to {len(split) - 1}.")
    return rows.astype(np.int64)


def epoch_rows(split: Split, *, sampler: Sampler | None = None) -> int:
    """How many rows an epoch reads, the same number in all of them.

    Args:
      split: what is read.
      sampler: as in ``epoch_order``.

    Returns:
      The rows of the split, or of the sampler's first epoch.

    Raises:
      DataError, ValueError: as ``epoch_order``.
    """
    return len(split) if sampler is None else len(epoch_order(split, 0, 0, sampler=sampler))


def steps_per_epoch(size: int, batch: int) -> int:
    """Full batches in an epoch; the rows left over are drawn in other epochs.

    Args:
      size: rows of an epoch: the images in the split, unless a sampler draws another number.
      batch: images in a step.

    Returns:
      ``size // batch``.

    Raises:
      ValueError: if not even one batch is full, or batch is no integer of 1 or more.
    """
    if not isinstance(batch, (int, np.integer)) or not 1 <= batch <= size:
        raise ValueError(f"batch is {batch}; allowed: 1 to the {size} training images.")
    return size // batch
