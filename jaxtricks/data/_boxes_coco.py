"""COCO's form of boxes: one JSON file with images, categories and annotations."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks.data._annotations import Annotations, read_json, safe_name, table_of
from jaxtricks.data._columns import DataError
from jaxtricks.data._files import printable


@dataclass(frozen=True)
class Opened:
    """A COCO file, whose images and categories are right; of its annotations the image is.

    Fields:
      shown: its path, for messages.
      images, categories: by their ids.
      files: names of the images.
      sizes: height and width of each image, 0 where the file does not say it.
      annotations: as they are written there.
    """

    shown: str
    images: dict[int, dict]
    categories: dict[int, dict]
    files: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    annotations: tuple[dict, ...]

    def names(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The names of categories, or their ids where they have none."""
        return tuple(str(self.categories[id].get("name", id)) for id in ids)

    def rows(self) -> Iterator[tuple[str, dict]]:
        """The annotations, with their place in the file, for messages; DataError for one of no image."""
        for number, one in enumerate(self.annotations):
            where = f"{self.shown}, annotation {one.get('id', number)}"
            if not isinstance(one.get("image_id"), int) or one["image_id"] not in self.images:
                raise DataError(f"{where} is of image {one.get('image_id')!r}; allowed: an id of images.")
            yield where, one


def opened(path: str | Path) -> Opened:
    """A COCO file, looked at as far as boxes and outlines have it in common.

    Args:
      path: of the ``.json``.

    Returns:
      Opened.

    Raises:
      DataError: if it is no such file, an id occurs twice, or a file lies outside of the folder.
    """
    shown = printable(path)
    content = read_json(Path(path))
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DataError(f"{shown} has no list of images; allowed: a COCO file, with images and categories.")
    images = _by_id(shown, content, "images")
    categories = _by_id(shown, content, "categories")
    if not images or not categories:
        empty = "categories" if images else "images"
        raise DataError(f"{shown} has no {empty}; allowed: one or more.")
    files = [safe_name(image.get("file_name"), f"{shown}: file_name of image {id}") for id, image in images.items()]
    if len(set(files)) < len(files):
        twice = next(name for name in files if files.count(name) > 1)
        raise DataError(f"{shown} has {twice} as two images; allowed: each file once.")
    sizes = tuple((_size(image.get("height")), _size(image.get("width"))) for image in images.values())
    annotations = tuple(_list(shown, content, "annotations"))
    ids = [str(one["id"]) for one in annotations if one.get("id") is not None]
    if twice := next((id for id, count in Counter(ids).items() if count > 1), None):
        raise DataError(f"{shown}: annotations have the id {twice} twice; allowed: each once, or none.")
    return Opened(shown, images, categories, tuple(files), sizes, annotations)


def read_coco(path: str | Path) -> Annotations:
    """The boxes of a COCO file: ``images``, ``categories`` and ``annotations`` with ``bbox`` as x, y, width, height.

    Labels are the places of the categories by their ids. Outlines, key points and captions are not read; an annotation
    without ``bbox`` is left out and counted.

    Args:
      path: of the ``.json``.

    Returns:
      Annotations; boxes, crowds and areas as they are written there.

    Raises:
      DataError: if it is no such file, an id occurs twice, an annotation names an image that is not there, or a file
        lies outside of the folder.

    Reference:
      https://cocodataset.org/#format-data
    """
    file = opened(path)
    class_ids = sorted(file.categories)
    place, label = ({id: n for n, id in enumerate(ids)} for ids in (file.images, class_ids))
    rows, without = [], 0
    for where, one in file.rows():
        box = one.get("bbox")
        if box is None or box == []:
            without += 1
            continue
        x, y, width, height = numbers(where, box)
        area = one.get("area", width * height)
        crowd = is_crowd(where, one)
        box, kind = (x, y, x + width, y + height), one.get("category_id")
        kind = label.get(kind, -1) if isinstance(kind, int) else -1
        rows.append((place[one["image_id"]], box, kind, crowd, _number(where, area)))
    image, box, labels, crowd, area = zip(*rows, strict=True) if rows else ((),) * 5
    return Annotations(
        files=file.files,
        sizes=np.array(file.sizes, np.int64).reshape(-1, 2),
        class_names=file.names(class_ids),
        image=np.array(image, np.int64),
        box=table_of(box),
        label=np.array(labels, np.int64),
        crowd=np.array(crowd, bool),
        area=np.array(area, np.float64),
        image_ids=tuple(file.images),
        class_ids=tuple(class_ids),
        notes=(f"{without} annotations have no box and are left out.",) if without else (),
    )


def write_coco(path: str | Path, annotations: Annotations, *, decimals: int = 2) -> None:
    """Write boxes as a COCO file; what is not finite, which JSON does not have, is an error.

    Args:
      path: of the ``.json``.
      annotations: of any form.
      decimals: of a pixel, 0 or more; COCO has 2.

    Raises:
      DataError: if a number is not finite, or a box is of a class without a name.
    """
    if not np.isfinite(annotations.box).all() or not np.isfinite(annotations.area).all():
        raise DataError("box or area is not finite; allowed: finite numbers, which JSON has.")
    wrong = (annotations.label < 0) | (annotations.label >= annotations.classes)
    if wrong.any():
        raise DataError(f"label is {annotations.label[wrong][0]}; allowed: 0 to {annotations.classes - 1}.")
    image_ids, class_ids = annotations.image_ids or (), annotations.class_ids or ()
    sides = annotations.sizes.tolist()
    images = [
        {"id": id, "file_name": name} | ({"height": side[0], "width": side[1]} if min(side) > 0 else {})
        for id, name, side in zip(image_ids, annotations.files, sides, strict=True)
    ]
    categories = [{"id": id, "name": name} for id, name in zip(class_ids, annotations.class_names, strict=True)]
    box = annotations.box.copy()
    box[:, 2:] -= box[:, :2]
    rows = zip(
        annotations.image.tolist(),
        box.round(decimals).tolist(),
        annotations.label.tolist(),
        annotations.crowd.tolist(),
        annotations.area.tolist(),
        strict=True,
    )
    boxes = [  # ids from 1: pycocotools takes 0 for no match
        {
            "id": number,
            "image_id": image_ids[image],
            "category_id": class_ids[label],
            "bbox": xywh,
            "area": area,
            "iscrowd": int(crowd),
        }
        for number, (image, xywh, label, crowd, area) in enumerate(rows, 1)
    ]
    content = {"images": images, "categories": categories, "annotations": boxes}
    Path(path).write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _list(shown: str, content: Mapping[str, Any], name: str) -> list[dict]:
    rows = content.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{shown}: {name} is {type(rows).__name__}; allowed: a list of objects.")
    return rows


def _by_id(shown: str, content: Mapping[str, Any], name: str) -> dict[int, dict]:
    out = {}
    for row in _list(shown, content, name):
        id = row.get("id")
        if isinstance(id, bool) or not isinstance(id, int) or id in out:
            raise DataError(f"{shown}: {name} have the id {id!r}; allowed: an integer, each once.")
        out[id] = row
    return out


def _size(side: Any) -> int:
    return side if isinstance(side, int) and 0 < side < 2**31 else 0


def numbers(where: str, box: Any) -> tuple[float, float, float, float]:
    """The four numbers of a box; null is not finite.

    Args:
      where: the file and place, for the message.
      box: as it was read.
    """
    if not isinstance(box, list) or len(box) != 4:
        raise DataError(f"{where} has bbox {str(box)[:40]}; allowed: four numbers.")
    x, y, width, height = (_number(where, value) for value in box)
    return x, y, width, height


def is_crowd(where: str, annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation is of a crowd.

    Args:
      where: the file and place, for the message.
      annotation: as it was read.
    """
    value = annotation.get("iscrowd")
    if value not in (None, 0, 1):
        raise DataError(f"{where} has iscrowd {str(value)[:40]!r}; allowed: 0 or 1.")
    return bool(value)


def _number(where: str, value: Any) -> float:
    """A number; null is not finite, and its box will be left out and counted."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where} has {str(value)[:40]!r}; allowed: numbers.")
    try:
        return float(value)
    except OverflowError:
        return math.inf
