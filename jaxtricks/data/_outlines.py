"""Masks of COCO's annotations: outlines as polygons or run lengths, painted into one number a pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks.data._boxes_coco import is_crowd, numbers, opened
from jaxtricks.data._columns import DataError
from jaxtricks.data._files import PIXELS
from jaxtricks.data._masks import IGNORE, decode_rle

FINE = 5  # points a pixel that pycocotools follows an outline in
CLASSES = 254  # that a mask of 8 bits has numbers for, beside the background and what counts nothing


def polygon_mask(polygons: Sequence[Sequence[float]], *, size: tuple[int, int]) -> np.ndarray:
    """The pixels within polygons, as pycocotools counts them: what lies in one of them or more.

    Args:
      polygons: of each x and y of its points in turn, three points or more, in pixels; 0 is the left and upper border.
      size: height and width, 0 or more.

    Returns:
      bool ``[H, W]``; no pixel outside of the image.

    Raises:
      DataError: if a polygon has fewer than three points, an odd number of values, or one that is not finite.

    Example:
      >>> polygon_mask([[1, 0, 3, 0, 3, 2, 1, 2]], size=(3, 4)).astype(int)
      array([[0, 1, 1, 0],
             [0, 1, 1, 0],
             [0, 0, 0, 0]])

    Reference:
      https://github.com/cocodataset/cocoapi, common/maskApi.c.
    """
    height, width = size
    if height * width > PIXELS:
        raise DataError(f"size is {size}; allowed: {PIXELS:,} pixels in all.")
    out = np.zeros((height, width), bool)
    for values in polygons:
        points = np.asarray(values, np.float64)
        if points.ndim != 1 or len(points) < 6 or len(points) % 2:
            raise DataError(f"a polygon has {points.size} numbers; allowed: x and y of three points or more.")
        if not np.isfinite(points).all() or abs(points).max() > 2**24:
            raise DataError("a polygon has a number that is not finite, or far outside; allowed: pixels.")
        out |= _within(points.reshape(-1, 2), height, width)
    return out


def _within(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Down the columns, the outline turns pixels on and off where it crosses the middle of a column."""
    if not height * width:
        return np.zeros((height, width), bool)
    corners = np.trunc(FINE * points + 0.5).astype(np.int64)
    lines = [_line(first, last) for first, last in zip(corners, np.roll(corners, -1, 0), strict=True)]
    x, y = np.concatenate(lines).T
    moved = np.flatnonzero(x[1:] != x[:-1])
    left, upper = np.minimum(x[moved], x[moved + 1]), np.minimum(y[moved], y[moved + 1])
    # a step between fine columns is in the middle of a pixel's column in one of FINE places
    middle = (left - FINE // 2) % FINE == 0
    column = (left - FINE // 2) // FINE
    seen = middle & (column >= 0) & (column < width)
    row = np.ceil(np.clip((upper[seen] + 0.5) / FINE - 0.5, 0, height)).astype(np.int64)
    turns = np.bincount(column[seen] * height + row, minlength=height * width + 1)[: height * width]
    return (np.cumsum(turns) % 2 == 1).reshape((height, width), order="F")


def _line(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The points of the fine grid from one corner to another, both with it, ``[K, 2]``; from the lower end rounded."""
    steps = abs(last - first)
    along = 0 if steps[0] >= steps[1] else 1
    count = int(steps[along])
    start, end = (last, first) if first[along] > last[along] else (first, last)
    t = np.arange(count + 1)
    slope = (end[1 - along] - start[1 - along]) / max(count, 1)
    out = np.empty((count + 1, 2), np.int64)
    out[:, along] = start[along] + t
    out[:, 1 - along] = np.trunc(start[1 - along] + slope * t + 0.5)
    return out if start is first else out[::-1]


@dataclass(frozen=True)
class Outlines:
    """The objects of one image.

    Fields:
      where: the file and the image, for messages.
      size: height and width as the file states them, 0 where it does not.
      objects: of each its number, 1 to C, or 255 for what counts nothing; and its polygons, its run lengths, or its box
        ``(x, y, width, height)`` where it has no outline that can be painted.
    """

    where: str
    size: tuple[int, int]
    objects: tuple[tuple[int, Any], ...]

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """The number of each pixel: of objects that overlap, the smallest has it; an object has it before a crowd.

        Args:
          size: height and width of the image, in the frame of the outlines.

        Returns:
          uint8 ``[H, W]``: 0 for the background, 1 to C, and 255 where nothing counts.

        Raises:
          DataError: if run lengths are not those of this image.
        """
        painted = [(number, self._painted(outline, size)) for number, outline in self.objects]
        painted.sort(key=lambda one: (one[0] != IGNORE, -one[1].sum()))
        out = np.zeros(size, np.uint8)
        for number, inside in painted:
            out[inside] = number
        return out

    def _painted(self, outline: Any, size: tuple[int, int]) -> np.ndarray:
        if isinstance(outline, tuple):
            return _box(outline, size)
        try:
            if not isinstance(outline, Mapping):
                return polygon_mask(outline, size=size)
            inside = decode_rle(outline)
        except DataError as error:
            raise DataError(f"{self.where}: {error}") from error
        if inside.shape != tuple(size):
            raise DataError(f"{self.where}: run lengths of {inside.shape}; allowed: {tuple(size)}, as the image.")
        return inside


def _box(box: tuple[float, ...], size: tuple[int, int]) -> np.ndarray:
    out = np.zeros(size, bool)
    if np.isfinite(box).all():
        low, high = np.floor(box[:2]), np.ceil(np.add(box[:2], box[2:]))
        (x0, y0), (x1, y1) = (np.clip(end, 0, size[::-1]).astype(int) for end in (low, high))
        out[y0:y1, x0:x1] = True
    return out


@dataclass(frozen=True)
class Outlined:
    """The images of a COCO file with their objects.

    Fields:
      files: names of the images, relative to their folder.
      outlines: of each.
      class_names: of the classes 1 to C.
      notes: sentences on what was read otherwise than it is written.
    """

    files: tuple[str, ...]
    outlines: tuple[Outlines, ...]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def take(self, rows: Sequence[int]) -> "Outlined":
        """Some of the images."""
        parts = (tuple(values[i] for i in rows) for values in (self.files, self.outlines))
        return replace(self, **dict(zip(("files", "outlines"), parts, strict=True)))


def read_outlines(path: Path) -> Outlined:
    """The outlines of a COCO file.

    An annotation without one, or with one that has no area to paint (fewer than three points, numbers that are not
    finite), counts nothing within its box; and so do crowds, within their outline. Both are counted in ``notes``.

    Args:
      path: of the ``.json``.

    Returns:
      Outlined.

    Raises:
      DataError: as ``read_coco``; or if there are more than 254 classes, an annotation is of another class, or what
        stands for an outline is neither polygons nor run lengths.
    """
    file = opened(path)
    class_ids = sorted(file.categories)
    if len(class_ids) > CLASSES:
        raise DataError(f"{file.shown} has {len(class_ids)} categories; allowed: {CLASSES} for masks of 8 bits.")
    number = {id: n for n, id in enumerate(class_ids, 1)}
    objects: dict[int, list] = {id: [] for id in file.images}
    bare, crowds, unnamed = 0, 0, 0
    for where, one in file.rows():
        kind, outline = one.get("category_id"), _outline(where, one.get("segmentation"))
        kind = number.get(kind, 0) if isinstance(kind, int) else 0
        crowd = is_crowd(where, one)
        crowds += crowd
        unnamed += not kind and not crowd
        if outline is None:
            bare += 1
            outline = tuple(numbers(where, one["bbox"])) if one.get("bbox") else (0.0, 0.0, 0.0, 0.0)
            kind = 0
        objects[one["image_id"]].append((IGNORE if crowd or not kind else kind, outline))
    notes = []
    for count, words in (
        (bare, "annotations have no outline that can be painted; their boxes count nothing"),
        (unnamed, "annotations are of a class without a name and count nothing"),
        (crowds, "annotations are crowds, which count nothing"),
    ):
        notes += [f"{count} {words}."] if count else []
    outlines = [
        Outlines(f"{file.shown}, {name}", size, tuple(objects[id]))
        for id, name, size in zip(file.images, file.files, file.sizes, strict=True)
    ]
    return Outlined(file.files, tuple(outlines), file.names(class_ids), tuple(notes))


def _outline(where: str, value: Any) -> Any:
    """Polygons or run lengths; None of what has nothing to paint."""
    if value is None or value == []:
        return None
    if isinstance(value, Mapping):
        return value
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, list) and all(_is_number(number) for number in row) for row in rows):
        raise DataError(f"{where} has segmentation {str(value)[:40]}; allowed: polygons, or run lengths.")
    good = [row for row in rows if len(row) >= 6 and not len(row) % 2 and _finite(row)]
    return good if len(good) == len(rows) else None


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _finite(row: Sequence[Any]) -> bool:
    return all(value is not None and abs(value) <= 2**24 for value in row)
