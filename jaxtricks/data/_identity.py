"""What tells two datasets apart: the images as well as the labels, so that no result or checkpoint is of other ones."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks.data._columns import Column, Subset
from jaxtricks.data._dataset import Dataset
from jaxtricks.fingerprint import fingerprint

PARTS = ("train", "validation", "test")


def identity(dataset: Dataset) -> str:
    """A digest of a dataset, to name what was made with it: results, checkpoints.

    Of an array it covers every value; of files the path, size and time of change of each; of other Records what their
    ``identity()`` returns, such as a version, and where they have none, only their class, their shape and which of them
    were taken: two such columns with other contents cannot be distinguished, but by the other columns of their split.

    Args:
      dataset: any.

    Returns:
      Sixteen hexadecimal digits, the same in every process that sees the same files.

    Example:
      >>> from jaxtricks import data
      >>> data.identity(data.fake(seed=0)) == data.identity(data.fake(seed=1))
      False
    """
    splits = {}
    for part in PARTS:
        split = getattr(dataset, part)
        splits[part] = None if split is None else {name: _column(split[name]) for name in sorted(split.columns)}
    return fingerprint([dataset.name, dataset.classes, dataset.shape, splits])


def readers(dataset: Dataset) -> list[type]:
    """The classes whose code decodes the columns of a dataset.

    Args:
      dataset: any.

    Returns:
      Each class of Records once.
    """
    splits = [split for part in PARTS if (split := getattr(dataset, part)) is not None]
    sources = [_source(column)[0] for split in splits for column in split.columns.values()]
    return list(dict.fromkeys(type(source) for source in sources if not isinstance(source, np.ndarray)))


def files_identity(files: Iterable[Path]) -> str:
    """A digest of the path, the size in bytes and the time of change of each file; no file is opened.

    Args:
      files: their paths. One that is missing counts as such: whoever reads it will name it.

    Returns:
      Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(b"%s\0%d\0%d\0" % (os.fsencode(file), *_size_and_time(file)))
    return digest.hexdigest()[:16]


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _source(column: Column) -> tuple[Column, list[np.ndarray]]:
    """What a column reads from in the end, and which rows of it were taken, and of those, and so on."""
    taken = []
    while isinstance(column, Subset):
        column, taken = column.records, [*taken, column.index]
    return column, taken


def _column(column: Column) -> Any:
    source, taken = _source(column)
    if isinstance(source, np.ndarray):
        return source
    says = getattr(source, "identity", None)
    about = says() if callable(says) else None
    return [type(source), list(source.shape), about, taken]
