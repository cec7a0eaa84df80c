"""Image sets in one shape, whatever they came from, and the checks that every one of them passes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np


class DataError(ValueError):
    """Data that cannot be used; the message names the file, array or record, and what is allowed."""


@runtime_checkable
class Records(Protocol):
    """Images that are decoded when they are read, all to one shape.

    Fields:
      shape: ``[N, H, W, C]``.
    """

    shape: tuple[int, int, int, int]

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """The images of these records, uint8 ``[B, H, W, C]``; in training a view drawn from (seed, epoch, index).

        Raises DataError for an unreadable record, which a feed then counts and replaces; anything else ends the run.
        """


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Fields:
      images: uint8 ``[N, H, W, C]``, or Records.
      labels: int32 ``[N]``, 0 to C - 1.
    """

    images: np.ndarray | Records
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def resident(self) -> bool:
        """Whether the images are an array."""
        return isinstance(self.images, np.ndarray)

    def take(self, index: np.ndarray) -> "Split":
        """The rows named by index, in that order."""
        images = self.images[index] if self.resident else Subset(self.images, index)
        return Split(images, self.labels[index])

    def read(self, index: np.ndarray, *, seed: int = 0, epoch: int = 0, train: bool = False) -> np.ndarray:
        """The images of these rows as uint8."""
        if self.resident:
            return self.images[index]
        return self.images.read(index, seed=seed, epoch=epoch, train=train)


@dataclass(frozen=True)
class Subset:
    """Some of the records of another source."""

    records: Records
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``[N, H, W, C]``."""
        return (len(self.index), *self.records.shape[1:])

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """As Records."""
        return self.records.read(self.index[index], seed=seed, epoch=epoch, train=train)


@dataclass(frozen=True)
class Dataset:
    """A training set, a test set, and the split held out of the training set on which choices are made.

    Fields:
      name: as the user wrote it.
      train, test: the splits.
      validation: held out of the training set by ``hold_out``, or None.
      classes: their number.
      shape: ``(H, W, C)`` of every image.
    """

    name: str
    train: Split
    test: Split
    classes: int
    shape: tuple[int, int, int]
    validation: Split | None = None

    def hold_out(self, share: float) -> "Dataset":
        """Move a share of each class of the training set into ``validation``: the same rows, whatever the seed.

        Args:
          share: greater than 0, less than 1.

        Returns:
          A dataset with a smaller training set.

        Raises:
          DataError: if a class would be left without an image on either side.
        """
        if not 0 < share < 1:
            raise ValueError(f"share is {share!r}; allowed: greater than 0, less than 1.")
        held = []
        for label, rows in enumerate(_rows_by_class(self.train.labels, self.classes)):
            count = round(len(rows) * share)
            if not 0 < count < len(rows):
                raise DataError(
                    f"{self.name}: class {label} has {len(rows)} training images, too few to hold out {share:g}."
                )
            held.append(np.random.default_rng((7, label)).permutation(rows)[:count])
        held = np.sort(np.concatenate(held))
        kept = np.setdiff1d(np.arange(len(self.train)), held)
        return replace(self, train=self.train.take(kept), validation=self.train.take(held))

    def subset(self, images: int) -> "Dataset":
        """Keep this many training images, the same share of each class: the same rows, whatever the seed.

        Args:
          images: so many that each class keeps one, to the size of the training set.

        Returns:
          A dataset with a smaller training set.

        Raises:
          DataError: if there are fewer images than that, or a class would be left without an image.
        """
        order = np.concatenate(
            [
                # position within its class, as a share of it: sorting by it takes every class evenly
                np.stack(
                    [(np.arange(len(rows)) + 0.5) / len(rows), np.random.default_rng((11, label)).permutation(rows)]
                )
                for label, rows in enumerate(_rows_by_class(self.train.labels, self.classes))
            ],
            axis=1,
        )
        rows = order[1, np.argsort(order[0], kind="stable")].astype(np.int64)
        least = int(np.unique(self.train.labels[rows], return_index=True)[1].max()) + 1  # the last class comes in
        if not least <= images <= len(rows):
            raise DataError(f"images is {images}; allowed: {least} to {len(rows)} for {self.name}.")
        return replace(self, train=self.train.take(np.sort(rows[:images])))


def _rows_by_class(labels: np.ndarray, classes: int) -> list[np.ndarray]:
    return [np.flatnonzero(labels == label) for label in range(classes)]


def from_arrays(name: str, x_train, y_train, x_test, y_test, *, classes: int | None = None) -> Dataset:
    """A checked dataset from four arrays.

    Args:
      name: for messages and reports.
      x_train, x_test: uint8 ``[N, H, W, C]`` or ``[N, H, W]``.
      y_train, y_test: integers ``[N]``, 0 to C - 1.
      classes: C; one more than the largest training label if None.

    Returns:
      The dataset; int32 labels, images with a channel axis.

    Raises:
      DataError: for a wrong dtype, rank or length, a label out of range, a class without training images.
    """
    splits = {}
    for part, images, labels in (("train", x_train, y_train), ("test", x_test, y_test)):
        if isinstance(images, Records) and not isinstance(images, np.ndarray):
            pass
        else:
            images = np.asarray(images)
            if images.dtype != np.uint8:
                raise DataError(f"{name}: x_{part} has dtype {images.dtype}; allowed: uint8, 0 to 255.")
            if images.ndim == 3:
                images = images[..., None]
            if images.ndim != 4 or images.shape[-1] not in (1, 3):
                raise DataError(f"{name}: x_{part} has shape {images.shape}; allowed: [N, H, W] or [N, H, W, 1 or 3].")
        labels = np.asarray(labels)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise DataError(
                f"{name}: y_{part} is {labels.dtype} {labels.shape}; allowed: integers, [{images.shape[0]}]."
            )
        if not len(labels):
            raise DataError(f"{name}: the {part} split is empty; allowed: one image or more.")
        splits[part] = Split(images, labels.astype(np.int64))
    train, test = splits["train"], splits["test"]
    if train.images.shape[1:] != test.images.shape[1:]:
        wanted = f"as the training images, {train.images.shape[1:]}"
        raise DataError(f"{name}: test images are {test.images.shape[1:]}; allowed: {wanted}.")
    classes = int(train.labels.max()) + 1 if classes is None else classes
    for part, split in splits.items():
        wrong = np.flatnonzero((split.labels < 0) | (split.labels >= classes))
        if wrong.size:
            raise DataError(
                f"{name}: y_{part}[{wrong[0]}] is {split.labels[wrong[0]]} ({wrong.size} such); "
                f"allowed: 0 to {classes - 1}."
            )
    empty = np.flatnonzero(np.bincount(train.labels, minlength=classes) == 0)
    if empty.size:
        raise DataError(f"{name}: class {empty[0]} has no training image ({empty.size} such); allowed: one or more.")
    train, test = (Split(s.images, s.labels.astype(np.int32)) for s in (train, test))
    return Dataset(name, train, test, classes, tuple(int(n) for n in train.images.shape[1:]))


def class_counts(labels: Sequence[int], classes: int) -> np.ndarray:
    """How many rows each class has.

    Args:
      labels: integers ``[N]``, 0 to C - 1.
      classes: C.

    Returns:
      int64 ``[C]``.

    Raises:
      DataError: if a label is no integer, or out of range.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"labels is {labels.dtype} {labels.shape}; allowed: integers, [N].")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise DataError(f"labels[{wrong[0]}] is {labels[wrong[0]]}; allowed: 0 to {classes - 1}.")
    return np.bincount(labels, minlength=classes)
