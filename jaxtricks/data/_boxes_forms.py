"""Which form of boxes a path holds, its splits, and where the images of each lie."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxtricks.data._annotations import Annotations, read_text
from jaxtricks.data._boxes_coco import read_coco
from jaxtricks.data._boxes_voc import read_voc
from jaxtricks.data._boxes_yolo import read_names, read_yolo
from jaxtricks.data._columns import DataError
from jaxtricks.data._files import FORMATS, printable, suffixes
from jaxtricks.data._folder import TEST, TRAIN, some

COCO = re.compile(r"annotations|instances|coco", re.IGNORECASE)  # in the name of a .json of boxes
PART = re.compile(r"(?<![a-z])(" + "|".join((*TRAIN, *TEST)) + r")(?![a-z])", re.IGNORECASE)
NAMES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
TURNED = (5, 6, 7, 8)  # EXIF orientations that change width and height


@dataclass(frozen=True)
class Part:
    """Boxes of one split.

    Fields:
      name: such as ``train``; None where the source has one split only.
      annotations: of its images.
      root: the folder that the files are relative to.
      unlisted: names of annotated images that no list of a split has.
    """

    name: str | None
    annotations: Annotations
    root: Path
    unlisted: tuple[str, ...] = ()


def annotated(path: Path) -> bool:
    """Whether a path holds boxes: a COCO ``.json``, or a folder with one, with VOC's ``.xml``, or YOLO's ``labels``.

    Args:
      path: a file or a folder.
    """
    return bool(coco_files(path)) or (path.is_dir() and bool(_voc_folders(path) or _yolo_folders(path)))


def parts_of(path: Path) -> tuple[list[Part], list[str]]:
    """The splits of boxes at a path, one or two: that for training first; and what of it is not used.

    Args:
      path: for which ``annotated`` is true.

    Returns:
      Parts, and sentences.

    Raises:
      DataError: as the readers; or if there is a test split and none for training.
    """
    if files := coco_files(path):
        return chosen(path, files, _coco, alone=".json files of boxes")
    if folders := _voc_folders(path):
        return _voc(path, folders)
    return chosen(path, _yolo_folders(path), lambda name, place: _yolo(name, place, path), alone="folders of labels")


def image_size(file: Path) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Height and width of an image file as they are stored, and upright as its EXIF orientation says.

    Args:
      file: of it.

    Returns:
      Both, or None of what is no image.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            stored, turned = (image.height, image.width), image.getexif().get(274, 1) in TURNED
    except Exception:  # whatever PIL raises on damaged bytes
        return None
    return stored, ((stored[1], stored[0]) if turned else stored)


def images_in(folder: Path) -> list[str]:
    """The names of the images in a folder and those within, sorted, with ``/`` between."""
    names = (file.relative_to(folder) for file in folder.rglob("*") if file.suffix.lower() in suffixes())
    return sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))


def chosen(path: Path, places: Mapping[Path, str | None], read, *, alone: str) -> tuple[list[Any], list[str]]:
    """One place for training and one for the test, or the only one there is.

    Args:
      path: that was asked for.
      places: within it, and the split that the name of each says, or None.
      read: ``(name, place) -> part``.
      alone: what the places are, for the message.

    Returns:
      One part or two, that for training first; and what is not used, in a sentence.

    Raises:
      DataError: if there are several places, and not one for training and one for the test.
    """
    if len(places) == 1:
        return [read(None, next(iter(places)))], []
    by_name = {name: place for place, name in reversed(list(places.items())) if name}
    train = next((name for name in TRAIN if name in by_name), None)
    test = next((name for name in TEST if name in by_name), None)
    if train is None or test is None:
        listed = some(printable(place.relative_to(path)) for place in places)
        raise DataError(f"{printable(path)} has {len(places)} {alone}: {listed}; allowed: one, or train and val.")
    unused = [place for place in places if place not in (by_name[train], by_name[test])]
    notes = [f"Not used: {some(printable(place.relative_to(path)) for place in unused)}."] if unused else []
    return [read(name, by_name[name]) for name in (train, test)], notes


def part_name(*words: str) -> str | None:
    """The split that one of some names says, such as ``train2017`` or ``instances val``; None of none.

    Args:
      *words: names of files or folders, the first that says one counts.
    """
    matches = (PART.search(word) for word in words)
    return next((match[1].lower() for match in matches if match), None)


def coco_files(path: Path) -> dict[Path, str | None]:
    """COCO's files of annotations, those of instances first, and the splits that they are.

    Args:
      path: of one, or of a folder.
    """
    if not path.is_dir():
        return {path: None} if path.is_file() and path.suffix.lower() == ".json" else {}
    folders = [path, path / "annotations", *(entry for entry in folders_in(path) if part_name(entry.name))]
    files = [
        file for folder in folders for file in sorted(folder.glob("*.json")) if COCO.search(str(file.relative_to(path)))
    ]
    names = {file: part_name(file.stem.replace("_", " "), file.parent.name) for file in files}
    instances = {file: name for file, name in names.items() if "instances" in file.stem.lower()}
    if {*TRAIN} & {*instances.values()} and {*TEST} & {*instances.values()}:  # captions and key points are no boxes
        names = dict.fromkeys(names) | instances
    return instances | names


def _coco(name: str | None, file: Path) -> Part:
    annotations = read_coco(file)
    return Part(name, annotations, coco_root(file, annotations.files))


def coco_root(file: Path, files: tuple[str, ...]) -> Path:
    """Where the images of a COCO file lie: beside it, in ``images/``, or where COCO has them, in that of the split.

    Args:
      file: of the annotations.
      files: names of the images.
    """
    here = file.parent
    above = here.parent if here.name == "annotations" else here
    split = file.stem.rpartition("_")[2]
    places = [here, here / "images", above, above / "images", above / split, above / "images" / split]
    return _fullest(places, files)


def _fullest(places: list[Path], files: tuple[str, ...]) -> Path:
    """The folder that has the most of the files, the first of equals."""
    return max(places, key=lambda place: sum((place / name).is_file() for name in files))


def _voc_folders(path: Path) -> Mapping[Path, str | None]:
    inner = path / "Annotations"
    if inner.is_dir() and any(inner.glob("*.xml")):
        return {inner: None}
    if any(path.glob("*.xml")):
        return {path: None}
    return {entry: name for entry in folders_in(path) if (name := part_name(entry.name)) and any(entry.glob("*.xml"))}


def _voc(path: Path, folders: Mapping[Path, str | None]) -> tuple[list[Part], list[str]]:
    def read(name: str | None, folder: Path) -> Part:
        annotations = read_voc(folder)
        roots = [folder, path / "JPEGImages", path / "images", path]
        return Part(name, annotations, _fullest(roots, annotations.files))

    parts, notes = chosen(path, folders, read, alone="folders of .xml")
    if len(parts) == 2:
        names = tuple(sorted({name for part in parts for name in part.annotations.class_names}))
        parts = [replace(part, annotations=_renamed(part.annotations, names)) for part in parts]
        return parts, notes
    (single,), files = parts, parts[0].annotations.files
    rows, said = listed_rows(path / "ImageSets" / "Main", files)
    if rows:
        listed = {row for at in rows.values() for row in at.tolist()}
        unlisted = tuple(name for row, name in enumerate(files) if row not in listed)
        parts = [
            replace(single, name=name, annotations=single.annotations.take(at), unlisted=unlisted)
            for name, at in rows.items()
        ]
    return parts, [*notes, *said]


def listed_rows(lists: Path, files: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The rows of VOC's lists, ``train.txt`` with ``val.txt``, or ``trainval.txt`` with ``test.txt``.

    Args:
      lists: their folder.
      files: names of the images.

    Returns:
      Name of the split to rows, that for training first, nothing where there are no such lists; and sentences on
      names that are on one side only, or in both lists.

    Raises:
      DataError: if a list names none of the images.
    """
    there = {name for name in ("train", "trainval", "test", "val") if (lists / f"{name}.txt").is_file()}
    pairs = (("trainval", "test"), ("train", "test"), ("train", "val"))
    pair = next((pair for pair in pairs if set(pair) <= there), ())
    stems = {Path(name).stem: row for row, name in enumerate(files)}
    rows, notes = {}, []
    for name in pair:
        words = dict.fromkeys(read_text(lists / f"{name}.txt").split())
        rows[name] = np.array([stems[word] for word in words if word in stems], np.int64)
        if missing := [word for word in words if word not in stems]:
            what = f"{len(missing)} of {len(words)} images have no annotation and are left out"
            notes.append(f"{printable(lists / name)}.txt: {what}, such as {printable(missing[0])}.")
        if not len(rows[name]):
            raise DataError(
                f"{printable(lists / name)}.txt names no image that has an annotation; allowed: one or more."
            )
    if rows:
        first, second = (set(row.tolist()) for row in rows.values())
        for which, words in (
            (set(range(len(files))) - first - second, "annotated images are in no list and are not used"),
            (first & second, "images are in both lists: those of the test set are trained on"),
        ):
            if which:
                notes.append(f"{printable(lists)}: {len(which)} {words}, such as {printable(files[min(which)])}.")
    return rows, notes


def _renamed(annotations: Annotations, names: tuple[str, ...]) -> Annotations:
    """The same boxes with the labels of other names, among which are all of its own."""
    place = np.array([names.index(name) for name in annotations.class_names], np.int64)
    return replace(annotations, class_names=names, class_ids=None, label=place[annotations.label])


def _yolo_folders(path: Path) -> Mapping[Path, str | None]:
    flat = path / "labels"
    if flat.is_dir():
        inner = {
            entry: name for entry in folders_in(flat) if (name := part_name(entry.name)) and any(entry.rglob("*.txt"))
        }
        if inner or any(flat.rglob("*.txt")):
            return inner or {flat: None}
    labels_of = {entry / "labels": part_name(entry.name) for entry in folders_in(path)}
    return {labels: name for labels, name in labels_of.items() if name and any(labels.glob("*.txt"))}


def _yolo(name: str | None, labels: Path, path: Path) -> Part:
    """A folder of labels; the images lie in that of the same name with ``images`` for ``labels``."""
    inner = labels.relative_to(path)
    root = path / Path(*("images" if part == "labels" else part for part in inner.parts))
    if not root.is_dir():
        raise DataError(f"{printable(path)} has {printable(inner)} and no {printable(root.relative_to(path))}.")
    places = [folder / file for folder in (path, labels) for file in NAMES]
    listed = next((file for file in places if file.is_file()), None)
    if listed is None:
        raise DataError(f"{printable(path)} has no names of classes; allowed: {', '.join(NAMES)}, one of them.")
    files = images_in(root)
    sizes = [size[1] if (size := image_size(root / file)) else (0, 0) for file in files]
    annotations = read_yolo(labels, files=files, sizes=sizes, class_names=read_names(listed))
    stems = {str(Path(file).with_suffix("")) for file in files}
    alone = [text for text in labels.rglob("*.txt") if str(text.relative_to(labels).with_suffix("")) not in stems]
    alone = [text for text in alone if text.name not in NAMES]
    notes = _without(alone, labels)
    return Part(name, replace(annotations, notes=(*annotations.notes, *notes)), root)


def _without(texts: list[Path], labels: Path) -> Iterator[str]:
    if texts:
        named = some(printable(text.relative_to(labels)) for text in sorted(texts)[:3])
        yield f"{len(texts)} .txt files have no image and are left out, such as {named}."


def folders_in(path: Path) -> list[Path]:
    """The folders in a folder, but hidden ones, by name.

    Args:
      path: of it.
    """
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
