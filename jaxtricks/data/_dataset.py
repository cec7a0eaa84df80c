"""Image sets in one shape, whatever they came from, and the checks that every one of them passes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jaxtricks.data._columns import Column, DataError, Records, Split, dtype_of


@dataclass(frozen=True)
class Dataset:
    """A training set, a test set, and the split held out of the training set on which choices are made.

    Fields:
      name: as the user wrote it.
      train, test: the splits, with columns of the same names, shapes and dtypes.
      classes: their number, or None where rows have none.
      shape: ``(H, W, C)`` of every image.
      validation: held out of the training set by ``hold_out``, or None.
      class_names: of the classes, in the order of the labels, or None where nobody named them.
      notes: sentences for the user, on what reading the data left out or decided.
    """

    name: str
    train: Split
    test: Split
    classes: int | None
    shape: tuple[int, int, int]
    validation: Split | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        if self.class_names is not None and len(self.class_names) != self.classes:
            raise DataError(f"class_names is {self.class_names}; allowed: one for each of {self.classes} classes.")

    def hold_out(self, share: float, *, by: str | None = "label") -> "Dataset":
        """Move a share of the training set into ``validation``: the same rows, whatever the seed.

        Args:
          share: greater than 0, less than 1; of each class it is rounded to images, one at least.
          by: an integer column ``[N]``; the share is taken of the rows of each of its values. Where there is no such
            column, or None is given, it is taken of all rows together.

        Returns:
          A dataset with a smaller training set.

        Raises:
          DataError: if a class would be left without a row on either side.
        """
        if not 0 < share < 1:
            raise ValueError(f"share is {share!r}; allowed: greater than 0, less than 1.")
        strata = _strata(self.train, by)
        for value, rows in strata.items():
            if len(rows) < 2 or round(len(rows) * share) == len(rows):
                group = "there are" if value is None else f"{self._class(value) if by == 'label' else value} has"
                raise DataError(
                    f"{self.name}: {group} {len(rows)} training images, too few to hold out {share:g} of them; "
                    "allowed: 2 or more. Add some, or leave that class out."
                )
        held = stratified(strata, share, seed=7)
        kept = np.setdiff1d(np.arange(len(self.train)), held)
        return replace(self, train=self.train.take(kept), validation=self.train.take(held))

    def _class(self, value: int) -> str:
        return f"class {value}" if self.class_names is None else f"class {self.class_names[value]!r}"

    def subset(self, images: int, *, by: str | None = "label") -> "Dataset":
        """Keep this many training rows, the same share of each class: the same rows, whatever the seed.

        Args:
          images: so many that each class keeps one, to the size of the training set.
          by: as in ``hold_out``.

        Returns:
          A dataset with a smaller training set.

        Raises:
          DataError: if there are fewer rows than that, or a class would be left without a row.
        """
        strata = _strata(self.train, by)
        order = np.concatenate(
            [
                # position within its class, as a share of it: sorting by it takes every class evenly
                np.stack(
                    [
                        (np.arange(len(rows)) + 0.5) / len(rows),
                        np.random.default_rng(_draw(11, value)).permutation(rows),
                    ]
                )
                for value, rows in strata.items()
            ],
            axis=1,
        )
        rows = order[1, np.argsort(order[0], kind="stable")].astype(np.int64)
        minimum = 1
        if by is not None and None not in strata:  # the last class comes in
            minimum = int(np.unique(np.asarray(self.train[by])[rows], return_index=True)[1].max()) + 1
        if not minimum <= images <= len(rows):
            raise DataError(f"images is {images}; allowed: {minimum} to {len(rows)} for {self.name}.")
        return replace(self, train=self.train.take(np.sort(rows[:images])))


def stratified(strata: Mapping[int | None, np.ndarray], share: float, *, seed: int) -> np.ndarray:
    """A share of the rows of each stratum, rounded, one at least: the same ones whenever it is asked for.

    Args:
      strata: value to rows.
      share: greater than 0, less than 1.
      seed: of the draws.

    Returns:
      The rows, rising.
    """
    parts = [
        np.random.default_rng(_draw(seed, value)).permutation(rows)[: max(1, round(len(rows) * share))]
        for value, rows in strata.items()
    ]
    return np.sort(np.concatenate(parts))


def _strata(split: Split, by: str | None) -> dict[int | None, np.ndarray]:
    """The rows of each value of an integer column; under None all rows, where there is no such column."""
    column = None if by is None else split.columns.get(by)
    if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.kind not in "iu":
        return {None: np.arange(len(split))}
    return {int(value): np.flatnonzero(column == value) for value in np.unique(column)}


def _draw(first: int, value: int | None) -> tuple[int, ...]:
    """What seeds the permutation of a stratum."""
    return (first,) if value is None else (first, value % 2**32)


def from_arrays(name: str, x_train, y_train, x_test, y_test, *, classes: int | None = None) -> Dataset:
    """A checked classification set from four arrays: its columns are ``image`` and ``label``.

    Args:
      name: for messages and reports.
      x_train, x_test: uint8 ``[N, H, W, C]`` or ``[N, H, W]``, or Records.
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
            images = _images(f"{name}: x_{part}", images)
        labels = np.asarray(labels)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise DataError(
                f"{name}: y_{part} is {labels.dtype} {labels.shape}; allowed: integers, [{images.shape[0]}]."
            )
        if not len(labels):
            raise DataError(f"{name}: the {part} split is empty; allowed: one image or more.")
        splits[part] = images, labels
    y_train = splits["train"][1]
    present, highest = np.unique(y_train), int(y_train.max())
    if classes is None and highest >= 2 * len(present):  # ids, say, which are no classes
        raise DataError(
            f"{name}: y_train is {int(present[0])} to {highest} in {len(present)} classes; allowed: 0 to C - 1."
        )
    if classes is None and highest == 0:
        raise DataError(f"{name}: all labels are 0, one class; allowed: two or more.")
    classes = highest + 1 if classes is None else classes
    for part, (_, labels) in splits.items():
        wrong = np.flatnonzero((labels < 0) | (labels >= classes))
        if wrong.size:
            raise DataError(
                f"{name}: y_{part}[{wrong[0]}] is {labels[wrong[0]]} ({wrong.size} such); allowed: 0 to {classes - 1}."
            )
    empty = np.flatnonzero(np.bincount(y_train.astype(np.int64), minlength=classes) == 0)
    if empty.size:
        raise DataError(f"{name}: class {empty[0]} has no training image ({empty.size} such); allowed: one or more.")
    train, test = ({"image": x, "label": y.astype(np.int32)} for x, y in splits.values())
    return from_columns(name, train, test, classes=classes)


def from_columns(
    name: str, train: Mapping[str, Column], test: Mapping[str, Column], *, classes: int | None = None
) -> Dataset:
    """A dataset from named columns, for tasks other than one label an image; ``from_arrays`` is for those.

    Which columns a task needs, and their range, is checked by ``fit`` before anything is compiled.

    Args:
      name: for messages and reports.
      train, test: name to array or Records, as in Split; ``image`` among them. Arrays of 64 bits become arrays of 32.
      classes: their number, or None where rows have none.

    Returns:
      The dataset.

    Raises:
      DataError: if ``image`` is missing or of another form, a split is empty, columns differ in length, or the test set
        has other columns, or columns of other shapes or dtypes, than the training set.
    """
    splits = {}
    for part, columns in (("train", train), ("test", test)):
        if not isinstance(columns, Mapping) or "image" not in columns:
            raise DataError(f"{name}: {part} is {_say(columns)}; allowed: a dict of columns with 'image'.")
        checked = {}
        for key, column in columns.items():
            if not isinstance(column, np.ndarray) and isinstance(column, Records):
                checked[key] = column
            elif key == "image":
                checked[key] = _images(f"{name}: {part} {key!r}", column)
            else:
                checked[key] = _narrow(f"{name}: {part} {key!r}", np.asarray(column))
        splits[part] = Split(checked)
        if not len(splits[part]):
            raise DataError(f"{name}: the {part} split is empty; allowed: one image or more.")
    first, second = splits["train"], splits["test"]
    if set(first.columns) != set(second.columns):
        raise DataError(f"{name}: test has {sorted(second.columns)}; allowed: as train, {sorted(first.columns)}.")
    for key, column in first.columns.items():
        other = second[key]
        what, them = ("images are", "images") if key == "image" else (f"column {key!r} is", "column")
        if column.shape[1:] != other.shape[1:]:
            wanted = f"as the training {them}, {column.shape[1:]}"
            raise DataError(f"{name}: test {what} {other.shape[1:]}; allowed: {wanted}.")
        if dtype_of(column) != dtype_of(other):
            wanted = f"as the training {them}, {dtype_of(column)}"
            raise DataError(f"{name}: test {what} {dtype_of(other)}; allowed: {wanted}.")
    height, width, channels = (int(n) for n in first["image"].shape[1:])
    return Dataset(name, first, second, classes, (height, width, channels))


def _images(name: str, images) -> np.ndarray:
    """Images as uint8 with a channel axis."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise DataError(f"{name} has dtype {images.dtype}; allowed: uint8, 0 to 255.")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise DataError(f"{name} has shape {images.shape}; allowed: [N, H, W] or [N, H, W, 1 or 3].")
    return images


def _narrow(name: str, column: np.ndarray) -> np.ndarray:
    """A column of numbers as JAX holds it: 32 bits, and no number cut."""
    if column.dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {column.dtype}; allowed: numbers or booleans.")
    if column.dtype == np.float64:
        return column.astype(np.float32)
    if column.dtype.kind in "iu" and column.dtype.itemsize == 8:
        narrow = column.astype(np.int32)
        if (narrow != column).any():
            raise DataError(f"{name} holds {column[narrow != column].flat[0]}; allowed: what int32 can hold.")
        return narrow
    return column


def _say(columns) -> str:
    return f"a dict of {sorted(columns)}" if isinstance(columns, Mapping) else type(columns).__name__


def class_counts(labels: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """How many rows each class has.

    Args:
      labels: integers ``[N]``, 0 to C - 1.
      classes: C.

    Returns:
      int64 ``[C]``.

    Raises:
      DataError: if a label is no integer, or out of range.
    """
    values = np.asarray(labels)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(f"labels is {values.dtype} {values.shape}; allowed: integers, [N].")
    wrong = np.flatnonzero((values < 0) | (values >= classes))
    if wrong.size:
        raise DataError(f"labels[{wrong[0]}] is {values[wrong[0]]}; allowed: 0 to {classes - 1}.")
    return np.bincount(values, minlength=classes)
