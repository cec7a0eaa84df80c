"""Boxes as annotation files have them, and the padded columns that a detector is trained on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from jaxtricks import check
from jaxtricks.data._columns import DataError
from jaxtricks.data._files import printable

MOVED = 0.01  # pixels: a box that is cut by less lies within its image, but for rounding


@dataclass(frozen=True, eq=False)
class Annotations:
    """The boxes of an annotation file, a row a box, as they are written there: wrong ones too.

    Fields:
      files: names of the N images, relative to the folder of the images.
      sizes: height and width of each, int ``[N, 2]``; 0 where nothing says it.
      class_names: of the C classes, in the order of the labels.
      image: of each of the K boxes its image, int ``[K]``, 0 to N - 1.
      box: float64 ``[K, 4]``, xyxy in pixels, not cut to the image.
      label: int ``[K]``, 0 to C - 1; another number is a class without a name.
      crowd: bool ``[K]``: COCO's crowds and VOC's difficult ones, which a detector need not find; none if None.
      area: float64 ``[K]``, square pixels: COCO's, of the object's outline; that of the box if None.
      image_ids: number of each image; 1 to N if None.
      class_ids: number of each class in the file; 1 to C if None.
      notes: sentences on what was read otherwise than it is written.
    """

    files: tuple[str, ...]
    sizes: np.ndarray
    class_names: tuple[str, ...]
    image: np.ndarray
    box: np.ndarray
    label: np.ndarray
    crowd: np.ndarray = None  # pyright: ignore[reportAssignmentType]
    area: np.ndarray = None  # pyright: ignore[reportAssignmentType]
    image_ids: tuple[int, ...] | None = None
    class_ids: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        many, count = len(self.box), len(self.files)
        if self.crowd is None:
            object.__setattr__(self, "crowd", np.zeros(many, bool))
        if self.area is None:
            object.__setattr__(self, "area", _areas(self.box))
        for name, shape in (
            ("sizes", (count, 2)),
            ("image", (many,)),
            ("box", (many, 4)),
            ("label", (many,)),
            ("crowd", (many,)),
            ("area", (many,)),
        ):
            check.shape(name, getattr(self, name), shape)
        for name in ("image", "label"):
            if many and (dtype := getattr(self, name).dtype).kind not in "iu":
                raise DataError(f"{name} has dtype {dtype}; allowed: integers.")
        if many and not (0 <= self.image.min() and self.image.max() < count):
            raise DataError(f"image is {self.image.min()} to {self.image.max()}; allowed: 0 to {count - 1}.")
        for name, ids, length in (("image_ids", self.image_ids, count), ("class_ids", self.class_ids, self.classes)):
            if ids is None:
                object.__setattr__(self, name, tuple(range(1, length + 1)))
            elif len(ids) != length or len(set(ids)) != length:
                raise DataError(f"{name} has {len(ids)} numbers; allowed: {length} different ones.")

    @property
    def classes(self) -> int:
        """C."""
        return len(self.class_names)

    def take(self, images: np.ndarray) -> "Annotations":
        """Some of the images, in that order, with their boxes.

        Args:
          images: integers, 0 to N - 1, each once.

        Returns:
          Annotations of these.

        Raises:
          DataError: if images are no such numbers.
        """
        images, count = np.asarray(images), len(self.files)
        images = images if images.size else np.zeros(0, np.int64)
        inside = images.dtype.kind in "iu" and images.ndim == 1 and ((images >= 0) & (images < count)).all()
        if not inside or len(np.unique(images)) < len(images):
            raise DataError(f"images is {str(images)[:40]}; allowed: integers of 0 to {count - 1}, each once.")
        place = np.full(len(self.files), -1)
        place[images] = np.arange(len(images))
        kept = place[self.image] >= 0
        rows = {name: getattr(self, name)[kept] for name in ("box", "label", "crowd", "area")}
        return replace(
            self,
            files=tuple(self.files[i] for i in images),
            sizes=self.sizes[images],
            image=place[self.image[kept]],
            image_ids=tuple(self.image_ids[i] for i in images) if self.image_ids else None,
            **rows,
        )

    def columns(self, *, boxes: int | None = None) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """Padded columns for training, and what is left out or changed on the way, counted.

        A box is left out if its class has no name, a number of it is not finite, it is inverted, has no area, or lies
        outside of its image. A box that reaches over the border of its image, where that has a size, is cut to it.

        Args:
          boxes: M, places an image, 1 or more; as many as the fullest image needs if None. Of more boxes than that
            the largest are kept, and the others counted.

        Returns:
          ``box``, float32 ``[N, M, 4]``, zeros where there is none; ``box_label``, int32, ``box_valid`` and
          ``box_crowd``, bool, and ``box_area``, float32, ``[N, M]``; and sentences.

        Raises:
          ValueError: if boxes is no integer of 1 or more.
        """
        good, box, notes = _usable(self)
        image = self.image[good]
        order = np.lexsort((-_areas(box[good]), image))  # by image, the largest first
        rows, image = np.flatnonzero(good)[order], image[order]
        counts = np.bincount(image, minlength=len(self.files))
        slot = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        most = max(1, int(counts.max(initial=0))) if boxes is None else check.at_least("boxes", boxes, minimum=1)
        if (over := slot >= most).any():
            notes.append(
                f"{over.sum()} of {len(rows)} boxes are left out: {(counts > most).sum()} images have more than "
                f"{most}; the largest are kept."
            )
        if empty := int((counts == 0).sum()):
            notes.append(f"{empty} of {len(counts)} images have no box; all of each is background.")
        at = image[~over], slot[~over]
        rows = rows[~over]
        rows = rows[np.lexsort((rows, at[0]))]  # within an image in the order of the file
        shape = (len(self.files), most)
        out = {
            "box": np.zeros((*shape, 4), np.float32),
            "box_label": np.zeros(shape, np.int32),
            "box_valid": np.zeros(shape, bool),
            "box_crowd": np.zeros(shape, bool),
            "box_area": np.zeros(shape, np.float32),
        }
        values = (box[rows], self.label[rows], True, self.crowd[rows], self.area[rows])
        for column, value in zip(out.values(), values, strict=True):
            column[at] = value
        return out, tuple(notes)


def _usable(annotations: Annotations) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Which boxes can be learnt, all boxes cut to their images, and sentences on both."""
    box, label = annotations.box, annotations.label
    size = annotations.sizes[annotations.image][:, ::-1].astype(np.float64)  # width, height
    sized = (size > 0).all(1, keepdims=True)
    limits = np.where(sized, np.concatenate([size, size], 1), np.inf)
    with np.errstate(invalid="ignore"):
        cut = np.clip(box, np.where(sized, 0.0, -np.inf), limits)
        wrong = {
            "of a class without a name": (label < 0) | (label >= annotations.classes),
            "not finite": ~np.isfinite(box).all(1),
            "inverted": (box[:, 2] < box[:, 0]) | (box[:, 3] < box[:, 1]),
            "without an area": (box[:, 2] == box[:, 0]) | (box[:, 3] == box[:, 1]),
            "outside of the image": (cut[:, 2] <= cut[:, 0]) | (cut[:, 3] <= cut[:, 1]),
        }
    good, reasons, notes = np.ones(len(box), bool), [], []
    for reason, which in wrong.items():
        if count := int((good & which).sum()):
            reasons.append(f"{count} {reason}")
        good &= ~which
    if reasons:
        notes.append(f"{(~good).sum()} of {len(box)} boxes are left out: {', '.join(reasons)}.")
    moved = int((abs(cut[good] - box[good]) > MOVED).any(1).sum())
    if moved:
        notes.append(f"{moved} of {len(box)} boxes reach over the border of their image and are cut to it.")
    return good, cut, notes


def _areas(box: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.maximum(box[:, 2] - box[:, 0], 0) * np.maximum(box[:, 3] - box[:, 1], 0)


def table_of(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """Boxes of some rows of four numbers, float64 ``[K, 4]``, of none too."""
    return np.array(rows, np.float64).reshape(-1, 4)


def safe_name(name: Any, where: str) -> str:
    """The name of a file that an annotation gives, with ``/`` between folders.

    Args:
      name: as it was read.
      where: the file and place that it was read from, for the message.

    Returns:
      The name.

    Raises:
      DataError: if it is no text, empty, absolute, or leads out of the folder.
    """
    text = name.strip().replace("\\", "/") if isinstance(name, str) else ""
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\0" in text:
        raise DataError(f"{where} is {name!r}; allowed: the name of a file within the folder of the images.")
    return str(path)


def read_text(path: Path) -> str:
    """The text of a file.

    Args:
      path: of it.

    Returns:
      The text, without a byte order mark.

    Raises:
      DataError: if it is no UTF-8 or cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(path)} is no UTF-8 text; allowed: UTF-8.") from error
    except OSError as error:
        raise DataError(f"{printable(path)} cannot be read: {error.strerror}.") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Args:
      path: of it.

    Returns:
      Lists, dicts, text and numbers.

    Raises:
      DataError: if it is no JSON.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{printable(path)} is no JSON: {error}.") from error
