"""A person's own images with boxes as a dataset: images of any size brought to one, boxes with them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from jaxtricks import check
from jaxtricks.data._annotations import Annotations
from jaxtricks.data._boxes_forms import Part, image_size, images_in, parts_of
from jaxtricks.data._columns import DataError, Split
from jaxtricks.data._dataset import Dataset, from_columns, stratified
from jaxtricks.data._files import PIXELS, as_array, decode, printable
from jaxtricks.data._folder import SPLIT_SEED, TEST_SHARE, some
from jaxtricks.data._identity import files_identity
from jaxtricks.data._rows import decoded

FILL = 114  # the grey around an image, of 255, as in YOLO
HELD = 2**28  # bytes of images up to which they are decoded once, for every epoch sees the same


class Letterboxed:
    """Image files as Records, each scaled by one factor to fit into a square, with grey around it.

    Args:
      files: their paths.
      size: height and width of the square.
      upright: of each, whether it is turned as its EXIF orientation says, bool ``[N]``.
    """

    def __init__(self, files: tuple[Path, ...], size: int, upright: np.ndarray):
        self.files = files
        self.size = size
        self.upright = upright
        self.shape = (len(files), size, size, 3)

    def identity(self) -> list:
        """As Records: the files, and to what they are brought."""
        return [files_identity(self.files), self.size, "letterbox", self.upright.tolist()]

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """As Records; the same view in training and in evaluation."""
        out = np.empty((len(index), *self.shape[1:]), np.uint8)
        for row, i in enumerate(index):
            try:
                image = decode(self.files[i], pixels=PIXELS, upright=bool(self.upright[i]))
            except DataError as error:
                raise DataError(f"{printable(self.files[i])} cannot be read as an image: {error}.") from error
            out[row] = letterboxed(image, self.size)
        return out


def place_of(sizes: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Where images of these sizes lie in a frame: ``augment.letterboxing``'s place, on the host.

    Args:
      sizes: height and width, 1 or more, int ``[N, 2]``.
      size: of the frame, height and width; one number for a square.

    Returns:
      Top, left, height and width of each, int ``[N, 4]``.
    """
    sizes, frame = np.asarray(sizes, np.int64), np.broadcast_to(np.asarray(size, np.int64), 2)
    tall = sizes[:, :1] * frame[1] >= sizes[:, 1:] * frame[0]  # the height decides
    of_frame, of_image = np.where(tall, frame[0], frame[1]), np.where(tall, sizes[:, :1], sizes[:, 1:])
    inner = np.maximum(1, (2 * sizes * of_frame + of_image) // (2 * of_image))  # rounded, halves up
    return np.concatenate([(frame - inner) // 2, inner], 1)


def letterboxed(image: Image.Image, size: int | tuple[int, int]) -> np.ndarray:
    """An image scaled by one factor, antialiased, in the middle of a grey frame.

    Args:
      image: RGB or grey, any size.
      size: of the frame, height and width; one number for a square.

    Returns:
      uint8 ``[height, width, C]``.
    """
    ((top, left, height, width),) = place_of(np.array([[image.height, image.width]]), size)
    scaled = as_array(image.resize((int(width), int(height)), Image.Resampling.BILINEAR, reducing_gap=None))
    out = np.full((*np.broadcast_to(size, 2), scaled.shape[-1]), FILL, np.uint8)
    out[top : top + height, left : left + width] = scaled
    return out


def boxed(path: str | Path, *, size: int = 224) -> Dataset:
    """Images with boxes of a person's own, in COCO's, VOC's or YOLO's form, brought to one size.

    An image is scaled by one factor to fit into a square, and grey is put around it; its boxes follow. Nothing is left
    out without a sentence in the dataset's ``notes``.

    Args:
      path: of a COCO ``.json``, beside or above its images; or a folder with such a file, with ``Annotations/*.xml``
        and ``JPEGImages/``, or with ``labels/`` and ``images/``. Splits are those of the folder (``train``, ``val``,
        ...); where it has none, a fifth of the images, drawn by a fixed seed, is the test set.
      size: height and width of the square, 1 or more.

    Returns:
      A dataset with ``image``, ``box``, ``box_label`` and ``box_valid``, and ``box_crowd`` where there is one; boxes
      are padded to those of the fullest image.

    Raises:
      DataError: as the readers; if no annotated image is there, no box is left in a split, or the splits have other
        classes.
    """
    path, size = Path(path), check.at_least("size", size, minimum=1)
    shown = printable(path)
    parts, notes = parts_of(path)
    notes += _unannotated(shown, parts)
    if len(parts) == 1:
        parts = _split(shown, parts[0], notes)
    names = [part.annotations.class_names for part in parts]
    if names[0] != names[1]:
        raise DataError(f"{shown}: train has the classes {some(names[0])}, test {some(names[1])}; allowed: the same.")
    splits = []
    for part, word in zip(parts, ("training", "test"), strict=True):
        columns, said = _columns(part, f"{shown}, {word}", size)
        splits.append(columns)
        notes += said
    return joined(shown, *splits, class_names=names[0], notes=notes)


def joined(name: str, train: dict, test: dict, *, class_names: tuple[str, ...], notes: Sequence[str] = ()) -> Dataset:
    """A dataset of two splits with boxes, padded alike.

    Args:
      name: of it.
      train, test: ``image`` and the columns of ``Annotations.columns``.
      class_names: of the classes.
      notes: for the user.

    Returns:
      The dataset; images are decoded once where they are few.
    """
    most = max(train["box"].shape[1], test["box"].shape[1])
    crowd = ("box_crowd",) if train["box_crowd"].any() or test["box_crowd"].any() else ()
    splits = []
    for columns in (train, test):
        out = {"image": columns["image"]}
        for key in ("box", "box_label", "box_valid", *crowd):
            column = columns[key]
            out[key] = np.pad(column, [(0, 0), (0, most - column.shape[1])] + [(0, 0)] * (column.ndim - 2))
        split = Split(out)
        few = np.prod(columns["image"].shape) <= HELD
        splits.append(decoded(split).columns if few else split.columns)
    dataset = from_columns(name, *splits, classes=len(class_names))
    return replace(dataset, class_names=class_names, notes=tuple(notes))


def _unannotated(shown: str, parts: Sequence[Part]) -> Iterator[str]:
    """What is to be said of images beside the annotated ones."""
    for root in dict.fromkeys(part.root for part in parts):
        named = {name for part in parts if part.root == root for name in (*part.annotations.files, *part.unlisted)}
        if alone := [name for name in images_in(root) if name not in named]:
            yield (
                f"{shown}: {len(alone)} images in {printable(root)} have no annotation and are not used, such as "
                f"{printable(alone[0])}."
            )


def _split(shown: str, part: Part, notes: list[str]) -> list[Part]:
    """A fifth of the images for the test; of those that are there."""
    there = [i for i, name in enumerate(part.annotations.files) if (part.root / name).is_file()]
    if len(there) < 2:
        raise DataError(
            f"{shown} names {len(part.annotations.files)} images, of which {len(there)} are in {printable(part.root)}; "
            "allowed: two or more, by the names of the annotations."
        )
    held = stratified({None: np.array(there)}, TEST_SHARE, seed=SPLIT_SEED)
    notes.append(
        f"{shown} has no test set: {len(held)} of {len(there)} images, drawn by a fixed seed, are the test set. "
        "Photographs of one place can lie on both sides; give train and val to split otherwise."
    )
    notes += part.annotations.notes
    annotations = replace(part.annotations, notes=())
    missing = [i for i in range(len(annotations.files)) if i not in set(there)]
    rest = np.array(sorted({*there, *missing} - set(held.tolist())))  # what is missing is named with the training set
    return [
        replace(part, name=name, annotations=annotations.take(rows)) for name, rows in (("train", rest), ("test", held))
    ]


def _columns(part: Part, shown: str, size: int) -> tuple[dict, list[str]]:
    """The images of a split that are there, and their boxes at the new size; what is left out, in sentences."""
    annotations, notes = part.annotations, [f"{shown}: {note}" for note in part.annotations.notes]
    if len(annotations.box) and np.nan_to_num(abs(annotations.box), posinf=2.0).max() <= 1:
        raise DataError(
            f"{shown} has boxes within the first pixel of their images, all {len(annotations.box)} of them, such as "
            f"{annotations.box[0].tolist()}; allowed: pixels. Parts of the image are for YOLO's form."
        )
    places = _present(annotations, part.root, shown, notes)
    sides, upright = _sizes(annotations, places, part.root, shown, notes)
    annotations = replace(annotations, sizes=sides).take(np.flatnonzero(sides[:, 0] > 0))
    files = tuple(part.root / name for name in annotations.files)
    columns, said = annotations.columns()
    notes += [f"{shown}: {note}" for note in said]
    if not columns["box_valid"].any():
        raise DataError(" ".join([f"{shown} has no box that can be learnt; allowed: one or more.", *notes]))
    place = place_of(annotations.sizes, size).astype(np.float64)
    scale = (place[:, 2:] / annotations.sizes)[:, ::-1]  # x, y
    shift = place[:, 1::-1]
    moved = columns["box"] * np.tile(scale, 2)[:, None] + np.tile(shift, 2)[:, None]
    columns["box"] = np.where(columns["box_valid"][..., None], moved, 0).astype(np.float32)
    return columns | {"image": Letterboxed(files, size, upright[sides[:, 0] > 0])}, notes


def _present(annotations: Annotations, root: Path, shown: str, notes: list[str]) -> np.ndarray:
    """Which images are files in the folder; what is on one side only is counted and named."""
    there = np.array([(root / name).is_file() for name in annotations.files], bool)
    if missing := [name for name, is_there in zip(annotations.files, there, strict=True) if not is_there]:
        boxes = int((~there[annotations.image]).sum())
        what = f"{len(missing)} of {len(there)} annotated images are not in {printable(root)}"
        if not there.any():
            raise DataError(f"{shown}: {what}, such as {printable(missing[0])}; allowed: paths relative to it.")
        notes.append(f"{shown}: {what} and are left out with {boxes} boxes, such as {printable(missing[0])}.")
    return there


def _sizes(annotations: Annotations, there: np.ndarray, root: Path, shown: str, notes: list[str]):
    """Height and width of each image in the frame of its boxes, 0 of those that are left out; whether it is turned."""
    sides, upright = np.zeros_like(annotations.sizes), np.ones(len(there), bool)
    unreadable, other = [], []
    for i in np.flatnonzero(there):
        sizes = image_size(root / annotations.files[i])
        stated = tuple(annotations.sizes[i].tolist())
        if sizes is None:
            unreadable.append(annotations.files[i])
        elif stated in (sizes[1], (0, 0)) or 0 in stated:
            sides[i] = sizes[1]
        elif stated == sizes[0]:
            sides[i], upright[i] = sizes[0], False
        else:
            other.append(f"{printable(annotations.files[i])}, {stated} against {sizes[1]}")
    if unreadable:
        notes.append(f"{shown}: {len(unreadable)} images cannot be read and are left out: {some(unreadable)}.")
    if other:
        notes.append(
            f"{shown}: {len(other)} images have another height and width than their annotation says and are left out, "
            f"such as {some(other[:3])}."
        )
    return sides, upright
