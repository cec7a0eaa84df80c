"""The columns of a split: arrays, or records that are decoded when they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


class DataError(ValueError):
    """Data that cannot be used; the message names the file, array or record, and what is allowed."""


class DataWarning(UserWarning):
    """Files or records that are left out; the message counts and names them."""


@runtime_checkable
class Records(Protocol):
    """Rows that are decoded when they are read, all to one shape: images of files, masks.

    Several columns of one split draw their view from the same (seed, epoch, index), so that an image and its mask stay
    together. A method ``identity() -> list, text or numbers`` may say what the rows hold, such as a version or the
    times of files; without it, results and checkpoints cannot tell other contents apart (see ``data.identity``).

    Fields:
      shape: ``[N, ...]``, such as ``[N, H, W, C]``.
      dtype: of the rows; uint8 where a class has none.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """``[N, ...]``; an attribute will do."""
        ...

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """These rows, ``[B, ...]``; in training a view drawn from (seed, epoch, index).

        Raises DataError for an unreadable record, which a feed then counts and replaces; anything else ends the run.
        """
        ...


Column = np.ndarray | Records


@dataclass(frozen=True)
class Split:
    """Named columns of one length: what is known of each row.

    Fields:
      columns: name to array ``[N, ...]`` or Records. ``image`` is uint8 or floating point ``[N, H, W, C]``; the other
        names are those that the task of a recipe asks for. A varying count is padded, with a mask next to it:
        ``box [N, M, 4]``, ``box_valid [N, M]``.
    """

    columns: Mapping[str, Column]

    def __post_init__(self):
        if not isinstance(self.columns, Mapping) or not self.columns:
            raise DataError(f"columns is {type(self.columns).__name__}; allowed: a dict of one array or more.")
        for name, column in self.columns.items():
            if not isinstance(column, np.ndarray) and not isinstance(column, Records):
                raise DataError(f"column {name!r} is {type(column).__name__}; allowed: a NumPy array, or Records.")
        lengths = {name: column.shape[0] if column.shape else 0 for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"columns have {lengths} rows; allowed: one length.")

    def __len__(self) -> int:
        return next(iter(self.columns.values())).shape[0]

    def __getitem__(self, name: str) -> Column:
        if name not in self.columns:
            raise DataError(f"there is no column {name!r}; allowed: {', '.join(map(repr, self.columns))}.")
        return self.columns[name]

    @property
    def resident(self) -> bool:
        """Whether all columns are arrays."""
        return all(isinstance(column, np.ndarray) for column in self.columns.values())

    def take(self, index: np.ndarray) -> "Split":
        """The rows named by index, in that order."""
        columns: dict[str, Column] = {
            name: column[index] if isinstance(column, np.ndarray) else Subset(column, index)
            for name, column in self.columns.items()
        }
        return Split(columns)

    def read(self, index: np.ndarray, *, seed: int = 0, epoch: int = 0, train: bool = False) -> dict[str, np.ndarray]:
        """These rows of every column."""
        return {
            name: column[index]
            if isinstance(column, np.ndarray)
            else column.read(index, seed=seed, epoch=epoch, train=train)
            for name, column in self.columns.items()
        }


@dataclass(frozen=True)
class Subset:
    """Some of the records of another source."""

    records: Records
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """``[N, ...]``."""
        return (len(self.index), *self.records.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Of the rows."""
        return dtype_of(self.records)

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """As Records."""
        return self.records.read(self.index[index], seed=seed, epoch=epoch, train=train)


def dtype_of(column: Column) -> np.dtype:
    """The dtype of a column's rows.

    Args:
      column: an array or Records.

    Returns:
      The dtype; that of Records which name none is uint8.
    """
    return np.dtype(getattr(column, "dtype", np.uint8))
