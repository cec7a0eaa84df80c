"""YOLO's form of boxes: a text file for each image, a line a box, in parts of the image."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxtricks.data._annotations import Annotations, read_text, table_of
from jaxtricks.data._columns import DataError
from jaxtricks.data._files import printable


def read_yolo(
    labels: str | Path,
    *,
    files: Sequence[str],
    sizes: Sequence[tuple[int, int]] | np.ndarray,
    class_names: Sequence[str],
) -> Annotations:
    """The boxes of YOLO's text files: a line ``class x y width height``, the centre and parts of the image's sides.

    A line of a class and three points or more is an outline, as for segmentation: its box is the smallest that holds
    it. An image without a file has no box, as YOLO has it; that is counted.

    Args:
      labels: folder of the files, named as the images, with the ending ``.txt``.
      files: names of the images.
      sizes: their height and width, ``[N, 2]``, which the files do not say.
      class_names: of the classes 0, 1, ...; ``read_names`` reads those of a ``data.yaml`` or ``classes.txt``.

    Returns:
      Annotations.

    Raises:
      DataError: if a line is none of these.

    Reference:
      https://docs.ultralytics.com/datasets/detect
    """
    sizes = np.array(sizes, np.int64).reshape(-1, 2)
    if len(sizes) != len(files):
        raise DataError(f"sizes has {len(sizes)} rows; allowed: one for each of {len(files)} files.")
    rows, missing, outlines = [], 0, 0
    for number, name in enumerate(files):
        path = Path(labels) / Path(name).with_suffix(".txt")
        if not path.is_file():
            missing += 1
            continue
        height, width = sizes[number].tolist()
        for line, text in enumerate(read_text(path).splitlines(), 1):
            if not text.strip():
                continue
            kind, numbers = _line(f"{printable(path)}, line {line}", text.split())
            if len(numbers) == 4:
                x, y, w, h = numbers
                corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            else:
                outlines += 1
                corners = (min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))
            box = [part * side for part, side in zip(corners, (width, height, width, height), strict=True)]
            rows.append((number, kind, box))
    image, kinds, box = zip(*rows, strict=True) if rows else ((),) * 3
    notes = [f"{missing} of {len(files)} images have no .txt file: they have no box."] if missing else []
    notes += [f"{outlines} of {len(rows)} boxes are those of outlines."] if outlines else []
    return Annotations(
        files=tuple(files),
        sizes=sizes,
        class_names=tuple(class_names),
        image=np.array(image, np.int64),
        box=table_of(box),
        label=np.array(kinds, np.int64),
        class_ids=tuple(range(len(class_names))),
        notes=tuple(notes),
    )


def write_yolo(folder: str | Path, annotations: Annotations, *, decimals: int = 6) -> None:
    """Write boxes as YOLO's text files; areas, names of classes, and which are crowds, they have not: these are lost.

    Args:
      folder: that is there.
      annotations: of any form.
      decimals: of the parts of a side; 6 are usual.

    Raises:
      DataError: if the size of an image with a box is not known, a class is below 0, or two images have one name but
        for the ending.
    """
    stems = [str(Path(name).with_suffix("")) for name in annotations.files]
    if len(set(stems)) < len(stems):
        raise DataError(f"two images are {next(s for s in stems if stems.count(s) > 1)}; allowed: different names.")
    for number, name in enumerate(annotations.files):
        rows = annotations.image == number
        height, width = annotations.sizes[number].tolist()
        if rows.any() and not (height > 0 and width > 0):
            raise DataError(f"sizes of {name} is {height} x {width}; allowed: 1 or more, for parts of the image.")
        if (annotations.label[rows] < 0).any():
            raise DataError(f"label is {annotations.label[rows].min()}; allowed: 0 or more.")
        box = annotations.box[rows]
        centre, extent = (box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]
        parts = np.concatenate([centre, extent], 1) / np.array([[width, height, width, height]]).clip(1)
        lines = [
            " ".join([str(int(label)), *(f"{value:.{decimals}f}" for value in line)])
            for label, line in zip(annotations.label[rows], parts, strict=True)
        ]
        path = (Path(folder) / name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_names(path: str | Path) -> tuple[str, ...]:
    """The names of the classes: of ``classes.txt``, ``obj.names`` (a line each), or the ``names`` of a ``data.yaml``.

    Of YAML this much is read: ``names:`` with a list in brackets, a list of lines ``- name``, or lines ``0: name``.

    Args:
      path: of the file.

    Returns:
      The names, in the order of the labels.

    Raises:
      DataError: if there is none, or they are written otherwise.
    """
    path = Path(path)
    shown, text = printable(path), read_text(path)
    if path.suffix not in (".yaml", ".yml"):
        names = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        names = _yaml_names(shown, text.splitlines())
    if not names:
        raise DataError(f"{shown} has no name of a class; allowed: one or more.")
    return tuple(names)


def _yaml_names(shown: str, lines: Sequence[str]) -> list[str]:
    start = next((n for n, line in enumerate(lines) if re.match(r"names\s*:", line)), None)
    if start is None:
        raise DataError(f"{shown} has no names; allowed: a line names: and the classes.")
    rest = _plain(lines[start].split(":", 1)[1]).strip()
    if rest:
        text = " ".join([rest, *map(_plain, lines[start + 1 :])]) if "]" not in rest else rest
        listed = re.match(r"\[([^\[\]{}]*)\]", text)
        if listed is None:
            raise DataError(f"{shown} has names: {rest[:40]}; allowed: [a, b], or a line each.")
        parts = re.findall(r"""\s*('[^']*'|"[^"]*"|[^,]+)\s*(?:,|$)""", listed[1])  # a comma within quotes is no end
        return [_unquoted(part) for part in parts if part.strip()]
    names, numbers = [], []
    for line in map(_plain, lines[start + 1 :]):
        item = re.match(r"\s*(?:-\s+|(\d+)\s*:\s+)(.+)", line)
        if not line.strip():
            continue
        if item is None:
            break
        names.append(_unquoted(item[2]))
        numbers.append(len(numbers) if item[1] is None else int(item[1]))
    if sorted(numbers) != list(range(len(numbers))):
        raise DataError(f"{shown} has the classes {numbers}; allowed: 0, 1, 2, ..., each once.")
    return [names[numbers.index(label)] for label in range(len(names))]


def _plain(line: str) -> str:
    """A line without its comment."""
    return re.sub(r"(^|\s)#.*", "", line).rstrip()


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _line(where: str, words: Sequence[str]) -> tuple[int, list[float]]:
    try:
        kind, numbers = int(words[0]), [float(word) for word in words[1:]]
    except ValueError as error:
        raise DataError(f"{where} is {' '.join(words)[:40]!r}; allowed: an integer, and numbers.") from error
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        raise DataError(f"{where} has {len(words)} numbers; allowed: 5, or 7, 9, 11, ... of an outline.")
    return kind, numbers
