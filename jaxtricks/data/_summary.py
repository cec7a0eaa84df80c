"""What a set of photographs holds, in a few lines, before anything is trained; and what lies in it twice."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from jaxtricks.data._columns import Column, Split, Subset
from jaxtricks.data._dataset import Dataset
from jaxtricks.data._files import FORMATS, ImageFiles, printable
from jaxtricks.data._folder import some
from jaxtricks.data._parquet import EncodedImages

MEASURED = 200  # images whose size is looked at
BOXES = ("box_valid", "box_label", "box")
FIRST = 4096  # bytes that are compared before all are


def summary(dataset: Dataset) -> list[str]:
    """Counts by class and sizes of photographs, as lines for the user; nothing for images of one size in memory.

    Args:
      dataset: with labels, or with boxes.

    Returns:
      Lines: training and test images of each class, the smallest class first, and the range of sizes in pixels; or
      boxes of each class, boxes an image, and the range of their sides.
    """
    if "box" in dataset.train.columns and dataset.classes is not None:
        return _of_boxes(dataset)
    if "mask" in dataset.train.columns and dataset.classes is not None:
        return _of_masks(dataset)
    files = [file for _, file in _files(dataset.train)]
    if not files or dataset.classes is None or "label" not in dataset.train.columns:
        return []
    counts = [np.bincount(np.asarray(split["label"]), minlength=dataset.classes) for split in _splits(dataset)]
    names = dataset.class_names or tuple(map(str, range(dataset.classes)))
    order = np.argsort(counts[0], kind="stable")
    by_class = some(f"{names[c]} {counts[0][c]} + {counts[-1][c]}" for c in order)
    lines = [f"Images of each class, training + test: {by_class}."]
    step = max(1, len(files) // MEASURED)
    sizes = sorted(filter(None, map(_size, files[::step])), key=lambda size: size[0] * size[1])
    if sizes:
        low, middle, high = sizes[0], sizes[len(sizes) // 2], sizes[-1]
        lines.append(
            f"Sizes in pixels, of {len(sizes)} looked at: {low[0]} x {low[1]} to {high[0]} x {high[1]}, in the middle "
            f"{middle[0]} x {middle[1]}."
        )
    return lines


def _of_boxes(dataset: Dataset) -> list[str]:
    """Boxes of each class, an image, and their sides."""
    valid, label, box = ([np.asarray(split[name]) for split in _splits(dataset)] for name in BOXES)
    both = zip(_splits(dataset), valid, strict=True)
    crowds = [np.asarray(split.columns.get("box_crowd", np.zeros_like(v))) for split, v in both]
    aside = [int((v & c).sum()) for v, c in zip(valid, crowds, strict=True)]
    valid = [v & ~c for v, c in zip(valid, crowds, strict=True)]
    counts = [np.bincount(la[v], minlength=dataset.classes or 0) for la, v in zip(label, valid, strict=True)]
    names = dataset.class_names or tuple(map(str, range(dataset.classes or 0)))
    order = np.argsort(counts[0], kind="stable")
    by_class = some(f"{names[c]} {counts[0][c]} + {counts[1][c]}" for c in order)
    sides = np.sqrt(np.prod(box[0][valid[0]][:, 2:] - box[0][valid[0]][:, :2], -1))
    few, middle, many = np.percentile(valid[0].sum(1), (0, 50, 100))
    low, median, high = np.percentile(sides, (5, 50, 95)) if len(sides) else (0, 0, 0)
    height, width, _ = dataset.shape
    words = f" {aside[0]} + {aside[1]} crowds, or difficult ones, are not learnt and count neither way."
    return [
        f"Images, training + test: {len(dataset.train)} + {len(dataset.test)}, each brought to {height} x {width}.",
        f"Boxes of each class, training + test: {by_class}.{words if any(aside) else ''}",
        f"Boxes an image: {few:.0f} to {many:.0f}, in the middle {middle:.0f}; the root of their areas at this size: "
        f"{low:.0f} to {high:.0f} pixels (5 and 95 %), in the middle {median:.0f}.",
    ]


def _of_masks(dataset: Dataset) -> list[str]:
    """Pixels of each class, of those that count."""
    counts = [np.bincount(np.asarray(split["mask"]).ravel(), minlength=256) for split in _splits(dataset)]
    names = ("background", *(dataset.class_names or map(str, range(1, (dataset.classes or 0) + 1))))
    shares = [100 * count[: len(names)] / max(1, count[: len(names)].sum()) for count in counts]
    by_class = some(f"{name} {shares[0][c]:.1f} + {shares[1][c]:.1f} %" for c, name in enumerate(names))
    nothing = " + ".join(f"{100 * count[len(names) :].sum() / count.sum():.1f}" for count in counts)
    height, width, _ = dataset.shape
    return [
        f"Images, training + test: {len(dataset.train)} + {len(dataset.test)}, each brought to {height} x {width}.",
        f"Pixels of each class, training + test: {by_class}; {nothing} % of all count nothing: the frame around images "
        f"that are not square, and what the masks say by 255.",
    ]


def repeated(dataset: Dataset) -> list[str]:
    """Images that are there twice, byte for byte, where that spoils a comparison, as sentences for the user.

    Args:
      dataset: with labels; only photographs in files, or encoded in memory, are compared.

    Returns:
      A sentence on test images that are training images too, and one on images that lie in two classes.
    """
    if "label" not in dataset.train.columns:
        return []
    parts = [(part, split) for part, split in zip(("train", "test"), _splits(dataset), strict=True)]
    rows = [
        (part, int(label), file)
        for part, split in parts
        for (row, file) in _files(split)
        for label in [np.asarray(split["label"])[row]]
    ]
    groups = _alike(rows)
    leaked = [group for group in groups if len({part for part, _, _ in group}) > 1]
    torn = [group for group in groups if len({label for _, label, _ in group}) > 1]
    names = dataset.class_names or tuple(map(str, range(dataset.classes or 0)))
    out = []
    if leaked:
        count = sum(part == "test" for group in leaked for part, _, _ in group)
        out.append(
            f"Test images that are training images too, byte for byte: {count} of {len(dataset.test)}, such as "
            f"{_named(leaked[0])}. A network may know them by heart; leave one of each away."
        )
    if torn:
        pair = " and ".join(names[label] for label in sorted({label for _, label, _ in torn[0]}))
        out.append(f"Images that lie in two classes, byte for byte: {len(torn)}, such as {_named(torn[0])} ({pair}).")
    return out


def _splits(dataset: Dataset) -> tuple[Split, Split]:
    return dataset.train, dataset.test


def _files(split: Split) -> Iterator[tuple[int, Path | bytes]]:
    """Row and file, or encoded bytes, of each photograph."""
    column: Column = split["image"]
    rows = np.arange(column.shape[0])
    while isinstance(column, Subset):
        rows, column = column.index[rows], column.records
    if isinstance(column, ImageFiles):
        yield from ((row, column.files[place]) for row, place in enumerate(rows))
    elif isinstance(column, EncodedImages):
        yield from ((row, column.images[place]) for row, place in enumerate(rows))


def _alike(rows: list) -> list[list]:
    """Groups of two or more of the same bytes: of equal length first, then of equal beginning, then of equal bytes."""
    groups = [rows]
    for key in (_length, _beginning, _digest):
        finer = []
        for group in groups:
            by_key = defaultdict(list)
            for row in group:
                by_key[key(row[2])].append(row)
            finer += [part for part in by_key.values() if len(part) > 1]
        groups = finer
    return groups


def _length(file: Path | bytes) -> int | Path | bytes:
    try:
        return len(file) if isinstance(file, bytes) else file.stat().st_size
    except OSError:  # whoever reads it will name it
        return file


def _beginning(file: Path | bytes) -> bytes:
    if isinstance(file, bytes):
        return file[:FIRST]
    return _read(file, FIRST)


def _digest(file: Path | bytes) -> bytes:
    return hashlib.blake2b(file if isinstance(file, bytes) else _read(file, -1)).digest()


def _read(file: Path, count: int) -> bytes:
    """The first bytes of a file, or all; of one that cannot be read its name, which no other has."""
    try:
        with file.open("rb") as opened:
            return opened.read(count)
    except OSError:
        return os.fsencode(file)


def _named(group: Iterable) -> str:
    """The first two of a group."""
    files = [file for _, _, file in group][:2]
    return " and ".join(printable(file) for file in files if isinstance(file, Path)) or "two in the same file"


def _size(file: Path | bytes) -> tuple[int, int] | None:
    """Width and height of a photograph, from its first bytes; None of what is no image."""
    if isinstance(file, bytes):
        return None
    try:
        with Image.open(file, formats=FORMATS) as image:
            return image.size
    except Exception:  # whatever PIL raises; whoever reads it will name it
        return None
