"""Images whose classes stand in a table: a CSV, JSON lines, or a folder's metadata.csv as Hugging Face has it."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxtricks.data._columns import DataError, Records
from jaxtricks.data._dataset import Dataset, from_arrays
from jaxtricks.data._files import ImageFiles, printable
from jaxtricks.data._folder import TEST, TRAIN, held_rows, some

FILE = ("file", "file_name", "filename", "image", "path")  # the first that a table has
CLASS = ("label", "class", "category")
SPLIT = "split"
METADATA = ("metadata.csv", "metadata.jsonl")  # Hugging Face's names
ENDINGS = (".csv", ".jsonl")


def table(path: Path, *, size: int) -> Dataset:
    """Images named by a table with the columns ``file``, ``label`` and, if you like, ``split``.

    Files are relative to the table. Without a split a fifth of each class is the test set, as in ``folder``. Of the
    splits named like a test set (test, val, ...) the first is taken, as there.

    Args:
      path: of a ``.csv`` with a head line, or of ``.jsonl`` with an object a line.
      size: as in ``folder``.

    Returns:
      The dataset; ``class_names`` are the labels, sorted, numbers by their value.

    Raises:
      DataError: if a column, a label or a file is missing, a file has two labels, or it does not make two classes.
    """
    return _listed(printable(path), _rows(path), path.parent, size=size)


def metadata_of(folder: Path) -> list[Path]:
    """The tables of a folder as Hugging Face has them, in the folder or in those of its splits, that name classes."""
    places = [folder, *(folder / name for name in (*TRAIN, *TEST))]
    files = [place / name for place in places for name in METADATA if (place / name).is_file()]
    heads = {file: {name for row in _rows(file)[:1] for name in row} for file in files}
    return [file for file, head in heads.items() if head & set(FILE) and head & set(CLASS)]


def metadata(folder: Path, *, size: int) -> Dataset:
    """The images of a folder with ``metadata.csv`` or ``metadata.jsonl``; see ``table``.

    Args:
      folder: that holds one, or whose ``train/`` and ``test/`` hold one each.
      size: as in ``folder``.

    Returns:
      The dataset.

    Raises:
      DataError: as ``table``.
    """
    rows = []
    for path in metadata_of(folder):
        within = path.parent.relative_to(folder)
        for row in _rows(path):
            file = _of(row, FILE)
            part = row.get(SPLIT) or (within.parts[0] if within.parts else None)
            rows.append({**row, "file": None if file is None else str(within / file), SPLIT: part})
    return _listed(printable(folder), rows, folder, size=size)


def tabled(
    shown: str,
    labels: Sequence[str],
    splits: Sequence[str | None],
    images: Callable[[np.ndarray], Records],
    *,
    names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """A dataset from the class and the split of every row.

    Args:
      shown: name of the source, for messages.
      labels: of every row.
      splits: of every row, None where a table has none; then a fifth of each class is the test set.
      images: the images of these rows.
      names: of the classes in their order; the labels, sorted, if None.
      notes: for the dataset.

    Returns:
      The dataset.

    Raises:
      DataError: if there are fewer than two classes, a split is unknown, or one is missing.
    """
    names = _sorted(labels) if names is None else list(names)
    if len(names) < 2:
        raise DataError(f"{shown} has {len(names)} classes ({some(names)}); allowed: two or more.")
    place = {name: number for number, name in enumerate(names)}
    numbers = np.array([place[label] for label in labels], np.int64)
    parts, notes = _parts(shown, splits), list(notes)
    if parts is None:
        held = held_rows(shown, numbers, names)
        train, test = np.setdiff1d(np.arange(len(numbers)), held), held
        notes.append(
            f"{shown} has no test set: {len(held)} of {len(numbers)} images, a fifth of each class, drawn by a fixed "
            "seed, are the test set. A column split of train and test splits otherwise."
        )
    else:
        train, test, unused = parts
        notes += [f"Not used: {some(unused)} of the column split."] if unused else []
    if without := [name for number, name in enumerate(names) if number not in numbers[train]]:
        raise DataError(f"{shown}: {some(without)} has no training image; allowed: one or more of each class.")
    dataset = from_arrays(shown, images(train), numbers[train], images(test), numbers[test], classes=len(names))
    return replace(dataset, class_names=tuple(names), notes=tuple(notes))


def _rows(path: Path) -> list[dict[str, str | None]]:
    """The rows of a table, by names in small letters; values are text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(path)} is no UTF-8 text; allowed: UTF-8.") from error
    if path.suffix == ".jsonl":
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [_named(_object(path, number, line)) for number, line in lines]
    try:
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=",;\t")
    except csv.Error:  # one column, or one line
        dialect = csv.excel
    return [_named(row) for row in csv.DictReader(text.splitlines(), dialect=dialect)]


def _object(path: Path, number: int, line: str) -> Mapping:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{printable(path)}, line {number} is no JSON; allowed: an object a line.") from error
    if not isinstance(row, dict):
        raise DataError(f"{printable(path)}, line {number} is {line[:20]}; allowed: an object.")
    return row


def _named(row: Mapping) -> dict[str, str | None]:
    pairs = [(str(name).strip().lower(), value) for name, value in row.items() if name is not None]
    return {name: None if value is None or not str(value).strip() else str(value).strip() for name, value in pairs}


def _of(row: Mapping[str, str | None], names: Sequence[str]) -> str | None:
    return row.get(next((name for name in names if name in row), ""))


def _listed(shown: str, rows: Sequence[Mapping[str, str | None]], root: Path, *, size: int) -> Dataset:
    """The dataset of a table's rows, once every file is there and has one label."""
    if not rows:
        raise DataError(f"{shown} has no row; allowed: a head line, then a row an image.")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for allowed in (FILE, CLASS):
        if not set(allowed) & set(columns):
            raise DataError(
                f"{shown} has the columns {some(columns)}; allowed: file and label, and split if there is a test set."
            )
    labelled: dict[str, tuple[str, str | None]] = {}
    for number, row in enumerate(rows, 1):
        file, label = _of(row, FILE), _of(row, CLASS)
        if file is None or label is None:
            raise DataError(f"{shown}, row {number} has no {'file' if file is None else 'label'}; allowed: both.")
        here = (label, row.get(SPLIT))
        if (before := labelled.setdefault(file, here)) != here:
            twice = " and as ".join(", ".join(filter(None, one)) for one in (before, here))
            raise DataError(f"{shown}, row {number}: {file} is there twice, as {twice}; allowed: once.")
    files = [root / file.replace("\\", "/") for file in labelled]
    missing = [file for file, path in zip(labelled, files, strict=True) if not path.is_file()]
    if missing:
        raise DataError(
            f"{shown} names {missing[0]} ({len(missing)} such of {len(files)}), and there is no such file; allowed: "
            f"paths relative to {printable(root)}."
        )
    notes = [f"{len(rows) - len(files)} rows of {shown} name a file again and are left out."]
    labels, splits = zip(*labelled.values(), strict=True)

    def images(index: np.ndarray) -> ImageFiles:
        return ImageFiles(tuple(files[i] for i in index), size)

    return tabled(shown, labels, splits, images, notes=notes if len(rows) > len(files) else ())


def _sorted(labels: Sequence[str]) -> list[str]:
    """The different labels, numbers by their value."""
    different = sorted(set(labels))
    return sorted(different, key=int) if all(name.isdecimal() for name in different) else different


def _parts(shown: str, splits: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray, list[str]] | None:
    """The rows for training and those for the test, and the names of other splits; None without a split."""
    counts = Counter(None if split is None else split.lower() for split in splits)
    if set(counts) == {None}:
        return None
    if None in counts:
        raise DataError(f"{shown}: {counts[None]} rows have no split; allowed: one for each row, or none at all.")
    by_name = {str(name): np.array([str(s).lower() == name for s in splits]).nonzero()[0] for name in counts}
    train = next((name for name in TRAIN if name in by_name), None)
    test = next((name for name in TEST if name in by_name), None)
    if train is None or test is None:
        raise DataError(f"{shown}: split is {some(sorted(by_name))}; allowed: train, and test or val.")
    return by_name[train], by_name[test], sorted(set(by_name) - {train, test})
