"""A person's own images with masks as a dataset: PNGs of the same names or COCO's outlines, brought to one size."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from jaxtricks import check
from jaxtricks.data._boxed import HELD, Letterboxed, place_of
from jaxtricks.data._boxes_forms import (
    chosen,
    coco_files,
    coco_root,
    folders_in,
    image_size,
    images_in,
    listed_rows,
    part_name,
)
from jaxtricks.data._boxes_yolo import read_names
from jaxtricks.data._columns import DataError, Split
from jaxtricks.data._dataset import Dataset, from_columns, stratified
from jaxtricks.data._files import printable
from jaxtricks.data._folder import SPLIT_SEED, TEST_SHARE, some
from jaxtricks.data._masks import IGNORE, read_mask
from jaxtricks.data._outlines import Outlines, read_outlines
from jaxtricks.data._rows import RESIDENT_LIMIT, decoded

UNNAMED = 200  # classes without names at most: more are the grey levels of a mask that was smoothed
BACKGROUND = re.compile(r"[^a-z]*background[^a-z]*", re.IGNORECASE)
PAIRS = (("images", "masks"), ("JPEGImages", "SegmentationClass"))  # folders of images and of their masks


@dataclass(frozen=True)
class Pairs:
    """Images and masks of one split.

    Fields:
      name: of the split, or None where there is one.
      images: their files.
      masks: of each the file of its mask, or its outlines.
    """

    name: str | None
    images: tuple[Path, ...]
    masks: tuple[Path | Outlines, ...]

    def take(self, name: str, rows: np.ndarray) -> "Pairs":
        """Some of them, as a split.

        Args:
          name: of the split.
          rows: integers.
        """
        return Pairs(name, tuple(self.images[i] for i in rows), tuple(self.masks[i] for i in rows))


def has_masks(path: Path) -> bool:
    """Whether a folder has images and PNGs of masks side by side, or folders of splits that have.

    Args:
      path: any.
    """
    return path.is_dir() and bool(_places(path))


def masked(path: str | Path, *, size: int = 224) -> Dataset:
    """Images with masks of a person's own: ``images/`` and ``masks/`` with PNGs, VOC's folders, or a COCO ``.json``.

    An image is scaled by one factor to fit into a square, with grey around it, which counts nothing; its mask follows,
    by the nearest pixel. Of the numbers in the masks 0 is the background, 1 to C are the classes, and 255 counts
    nothing. PNGs that hold 0 and 255 alone are those of one class, which 255 stands for. The outlines of a COCO file,
    polygons or run lengths, are painted as pycocotools paints them, where they overlap the smallest in front; crowds,
    and the boxes of objects without an outline, count nothing.

    Args:
      path: of a folder whose PNGs have the names of the images, or of a COCO ``.json``, beside or above its images, or
        of a folder with one. Splits are those of the folder (``train/``, ``val/``, also within ``images/`` and
        ``masks/``; VOC's lists); where it has none, a fifth of the images, drawn by a fixed seed, is the test set.
        ``classes.txt`` there may name the classes, the background not among them.
      size: height and width of the square, 1 or more.

    Returns:
      A dataset with ``image`` and ``mask``, uint8 ``[N, size, size]``; ``classes`` is C, without the background.

    Raises:
      DataError: if no image has a mask, a mask is no such PNG or outline, one has a class beyond the names, no class
        but the background is left for training, or all masks take more than 1 GiB.
    """
    path, size = Path(path), check.at_least("size", size, minimum=1)
    shown = printable(path)
    notes: list[str] = []
    if places := _places(path) if path.is_dir() else {}:
        parts, said = chosen(
            path, places, lambda name, place: _pairs(path, name, place, notes), alone="folders of masks"
        )
        names = read_names(path / "classes.txt") if (path / "classes.txt").is_file() else None
        if names is not None and BACKGROUND.fullmatch(names[0]):
            raise DataError(f"{shown}/classes.txt begins with {names[0]!r}; allowed: the name of class 1, after it.")
    else:
        parts, said, names = _outlined(path, shown, notes)
    notes += said
    if len(parts) == 1:
        parts = _split(shown, path, parts[0], notes)
    count = sum(len(part.images) for part in parts)
    if count * size * size > RESIDENT_LIMIT:
        raise DataError(f"{shown}: {count:,} masks at {size} x {size} take more than 1 GiB; allowed: a smaller --size.")
    splits = [
        _columns(part, size, f"{shown}, {word}", notes) for part, word in zip(parts, ("training", "test"), strict=True)
    ]
    values = [np.unique(split["mask"]) for split in splits]
    if places and not set(np.concatenate(values)) - {0, IGNORE} and any(IGNORE in one for one in values):
        splits = [_one_class(split, size) for split in splits]
        notes.append(
            f"{shown}: the masks hold 0 and 255 alone, which is taken for class 1; the border still counts nothing."
        )
    if not places and not any(np.isin(split["mask"], (0, IGNORE), invert=True).any() for split in splits):
        detect = f"For images with boxes: python -m experiments.detect --data {shlex.quote(str(path))}"
        raise DataError(f"{shown} holds no outline of an object; allowed: one or more. {detect}")
    classes = _classes(shown, splits, names)
    columns = [{name: split[name] for name in ("image", "mask")} for split in splits]
    columns = [decoded(Split(one)).columns if np.prod(one["image"].shape) <= HELD else one for one in columns]
    return replace(from_columns(shown, *columns, classes=classes), class_names=names, notes=tuple(notes))


def _classes(shown: str, splits: Sequence[dict], names: Sequence[str] | None) -> int:
    """C, of the names or of the numbers in the masks; DataError where they cannot be classes."""
    present = [set(np.unique(split["mask"]).tolist()) - {0, IGNORE} for split in splits]
    everywhere = sorted(present[0] | present[1])
    if not present[0]:
        raise DataError(f"{shown}: the training masks have no pixel of a class; allowed: some of 1 to C.")
    if names is not None and everywhere[-1] > len(names):
        raise DataError(f"{shown}: a mask has {everywhere[-1]}; allowed: 0 to {len(names)}, the names, and {IGNORE}.")
    if names is None and (everywhere[-1] >= 2 * len(everywhere) or everywhere[-1] > UNNAMED):
        raise DataError(
            f"{shown}: the masks have the numbers {some(map(str, everywhere))}; allowed: 1 to C, or names of all of "
            "them in classes.txt."
        )
    return everywhere[-1] if names is None else len(names)


def _outlined(path: Path, shown: str, notes: list[str]) -> tuple[list[Pairs], list[str], tuple[str, ...]]:
    """The images of COCO files with their outlines, what is not used, and the names of the classes."""
    names: list[tuple[str, ...]] = []

    def read(name: str | None, file: Path) -> Pairs:
        outlined = read_outlines(file)
        root = coco_root(file, outlined.files)
        names.append(outlined.class_names)
        notes.extend(f"{printable(file)}: {note}" for note in outlined.notes)
        there = [row for row, image in enumerate(outlined.files) if (root / image).is_file()]
        if missing := sorted(set(outlined.files) - {outlined.files[row] for row in there}):
            what = f"{len(missing)} of {len(outlined.files)} annotated images are not in {printable(root)}"
            if not there:
                raise DataError(f"{printable(file)}: {what}, such as {printable(missing[0])}; allowed: some of them.")
            notes.append(f"{printable(file)}: {what} and are left out, such as {printable(missing[0])}.")
        return Pairs(
            name,
            tuple(root / outlined.files[row] for row in there),
            tuple(outlined.outlines[row] for row in there),
        )

    files = coco_files(path)
    if not files:
        raise DataError(f"{shown} has no masks; allowed: images/ with masks/ beside it, or a COCO file of outlines.")
    parts, said = chosen(path, files, read, alone=".json files of annotations")
    if len(set(names)) > 1:
        raise DataError(f"{shown}: train has the classes {some(names[0])}, test {some(names[1])}; allowed: the same.")
    return parts, said, names[0]


def _places(path: Path) -> Mapping[Path, str | None]:
    """Folders of masks, and the splits that they are."""
    for images, masks in PAIRS:
        if (path / images).is_dir() and _has_png(path / masks):
            inner = {entry: part_name(entry.name) for entry in folders_in(path / masks)}
            named = {entry: name for entry, name in inner.items() if name and _has_png(entry)}
            return named or {path / masks: None}
    inner = {entry / masks: part_name(entry.name) for entry in folders_in(path) for images, masks in PAIRS[:1]}
    return {place: name for place, name in inner.items() if name and _has_png(place)}


def _has_png(folder: Path) -> bool:
    return folder.is_dir() and any(folder.rglob("*.[pP][nN][gG]"))


def _pairs(path: Path, name: str | None, masks: Path, notes: list[str]) -> Pairs:
    """The images of a folder that have a mask of the same name; what is on one side only is counted and named."""
    instead = {of_masks: of_images for of_images, of_masks in PAIRS}
    root = path / Path(*(instead.get(part, part) for part in masks.relative_to(path).parts))
    if not root.is_dir():
        raise DataError(f"{printable(masks)} has no {printable(root)} beside it; allowed: a folder of the images.")
    files = images_in(root)
    of_image = {str(Path(file).with_suffix("")): root / file for file in files}
    if twice := [file for file in files if of_image[str(Path(file).with_suffix(""))] != root / file]:
        what = f"{len(twice)} images have the name of another one but for the ending and are left out"
        notes.append(f"{printable(root)}: {what}, such as {printable(twice[0])}.")
    of_mask = {
        str(Path(file).with_suffix("")): masks / file for file in images_in(masks) if file.lower().endswith(".png")
    }
    for first, second, words in (
        (of_image, of_mask, "images have no mask"),
        (of_mask, of_image, "masks have no image"),
    ):
        if alone := sorted(set(first) - set(second)):
            named = some(printable(first[stem].name) for stem in alone[:3])
            notes.append(f"{printable(root)}: {len(alone)} {words} of their name and are left out, such as {named}.")
    both = sorted(set(of_image) & set(of_mask))
    if not both:
        raise DataError(
            f"{printable(root)} has no image with a mask of its name; allowed: a.jpg with a.png, and so on."
        )
    return Pairs(name, tuple(of_image[stem] for stem in both), tuple(of_mask[stem] for stem in both))


def _split(shown: str, path: Path, part: Pairs, notes: list[str]) -> list[Pairs]:
    rows, said = listed_rows(path / "ImageSets" / "Segmentation", [file.name for file in part.images])
    notes += said
    if not rows:
        everything = np.arange(len(part.images))
        if len(everything) < 2:
            raise DataError(f"{shown} has one image with a mask; allowed: two or more.")
        held = stratified({None: everything}, TEST_SHARE, seed=SPLIT_SEED)
        notes.append(
            f"{shown} has no test set: {len(held)} of {len(everything)} images, drawn by a fixed seed, are it."
        )
        rows = {"train": np.setdiff1d(everything, held), "test": held}
    return [part.take(name, index) for name, index in rows.items()]


def _columns(part: Pairs, size: int, shown: str, notes: list[str]) -> dict:
    """Images and masks at one size, and where in the square each image lies; what does not go together is left out."""
    kept, upright, masks, places, other = [], [], [], [], []
    for row, (image, file) in enumerate(zip(part.images, part.masks, strict=True)):
        sizes = image_size(image)
        mask = None if sizes is None else _read(file, sizes[1])
        if sizes is None or mask is None or mask.shape not in sizes:
            other.append(printable(image.name))
            continue
        place = place_of(np.array([mask.shape]), size)[0]
        kept.append(row)
        upright.append(mask.shape == sizes[1])
        places.append(place)
        masks.append(framed(mask, place, size))
    if other:
        notes.append(
            f"{shown}: {len(other)} images cannot be read, or have another height and width than their mask, and are "
            f"left out: {some(other)}."
        )
    if not kept:
        raise DataError(f"{shown} has no image that goes with its mask; allowed: one or more. {notes[-1]}")
    images = Letterboxed(tuple(part.images[row] for row in kept), size, np.array(upright))
    return {"image": images, "mask": np.stack(masks), "place": places}


def _read(mask: Path | Outlines, size: tuple[int, int]) -> np.ndarray:
    """The mask of an image that is this high and wide where its annotation does not say it."""
    if isinstance(mask, Path):
        return read_mask(mask)
    return mask.mask(size if 0 in mask.size else mask.size)


def framed(mask: np.ndarray, place: Sequence[int], size: int) -> np.ndarray:
    """A mask by the nearest pixel in a square, around which nothing counts.

    Args:
      mask: uint8 ``[H, W]``.
      place: of ``place_of``: top, left, height and width.
      size: of the square.
    """
    top, left, height, width = (int(number) for number in place)
    out = np.full((size, size), IGNORE, np.uint8)
    scaled = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
    out[top : top + height, left : left + width] = np.asarray(scaled)
    return out


def _one_class(split: dict, size: int) -> dict:
    """Masks of 0 and 255 as those of one class; the border of each square still counts nothing."""
    masks = []
    for mask, (top, left, height, width) in zip(split["mask"], split["place"], strict=True):
        out = np.full((size, size), IGNORE, np.uint8)
        inside = slice(top, top + height), slice(left, left + width)
        out[inside] = mask[inside] == IGNORE
        masks.append(out)
    return split | {"mask": np.stack(masks)}
