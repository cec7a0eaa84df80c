"""Photographs in folders: which files are read, what class each is of, and the split where nobody has made one."""

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from jaxtricks.data._columns import DataError, DataWarning
from jaxtricks.data._dataset import Dataset, from_arrays, stratified
from jaxtricks.data._files import KINDS, PIXELS, ImageFiles, printable, suffixes

TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "valid", "validation")  # the first that has labelled images is taken
TEST_SHARE = 0.2  # of each class, where a folder has no test images of its own
FEWEST = 3  # images of a class of which one is for the test and one can be held out
SPLIT_SEED = 17
NAMED = 12  # classes or kinds of file that a sentence names


@dataclass
class _Found:
    """What lies in the folder of a class.

    Fields:
      files: images, sorted.
      other: number of files whose ending is not read, by ending.
      deeper: how many of the images lie in folders within.
    """

    files: list[Path] = field(default_factory=list)
    other: Counter = field(default_factory=Counter)
    deeper: int = 0


Classes = dict[str, _Found]


def folder(path: Path, *, size: int, pixels: int = PIXELS, links: bool = False) -> Dataset:
    """Photographs with a folder for each class; it is split here unless there are ``train/`` and ``test/`` or ``val/``.

    ``CLASS/image``: a fifth of each class, rounded, one at least, is the test set, drawn by a fixed seed; the dataset's
    ``notes`` say so. Photographs of one moment can end up on both sides: then give ``train/CLASS/image`` and
    ``test/CLASS/image`` (or ``val/``), ImageNet's usual form. Images in folders within a class's are of that class.
    Names that begin with a dot, and ``__MACOSX``, are left out. Files of other kinds, such as .heic, are counted in
    ``notes`` and in a DataWarning.

    Images are decoded as they are read, upright as their EXIF orientation says: in training a random resized crop, in
    evaluation the centre of the image after its short side was brought to ``size * 8 / 7``.

    Args:
      path: the folder.
      size: height and width of what is read.
      pixels: greatest height times width of an image; a larger one counts as unreadable.
      links: whether symbolic links may lead out of the folder; those within it are always followed.

    Returns:
      The dataset; ``class_names`` are the names of the folders, sorted.

    Raises:
      DataError: if there are fewer than two classes, a class has no image, or too few to be split, a test class is
        unknown, a link leads out of the folder or nowhere, or what has an image's name is no file.
    """
    root = None if links else path.resolve()
    shown, notes = printable(path), []
    parts = {entry.name.lower(): Path(entry.path) for entry in _entries(path, root) if entry.is_dir()}
    train_path = next((parts[name] for name in TRAIN if name in parts), None)
    tests = [parts[name] for name in TEST if name in parts]
    if train_path is None and tests:
        raise DataError(f"{shown} has {tests[0].name}/ and no train/; allowed: both, or one folder a class.")
    train = _classes(path if train_path is None else train_path, root)
    _check_classes(path if train_path is None else train_path, train, root)
    names = tuple(train)
    if train_path is not None:
        unused = sorted(set(parts.values()) - {train_path, *tests})
        notes += [f"Not used: {some(f'{printable(part.name)}/' for part in unused)}."] if unused else []
    if loose := _loose(path if train_path is None else train_path, root):
        notes.append(f"{loose} images in {shown} lie in no folder of a class and are left out.")
        warnings.warn(notes[-1], DataWarning, stacklevel=2)
    test = None
    for part in tests:
        classes = _classes(part, root)
        labelled = any(one.files for one in classes.values())
        if labelled and test is None:
            test = classes
            notes += _check_test(part, classes, names)
        else:
            why = "it has no image in a folder of a class" if not labelled else "another one is the test set"
            notes.append(f"{printable(part.name)}/ is not used: {why}.")
    files, labels = _listed(train, names)
    if test is None:
        held = held_rows(shown, labels, names)
        kept = np.setdiff1d(np.arange(len(labels)), held)
        (x_train, y_train), (x_test, y_test) = (([files[i] for i in rows], labels[rows]) for rows in (kept, held))
        notes.append(
            f"{shown} has no test set: {len(held)} of {len(labels)} images, a fifth of each class, drawn by a fixed "
            "seed, are the test set. Give train/ and test/ to split otherwise."
        )
    else:
        x_train, y_train, (x_test, y_test) = files, labels, _listed(test, names)
    notes += _about_files(shown, [*train.values(), *(test or {}).values()])
    images = [ImageFiles(tuple(x), size, pixels=pixels) for x in (x_train, x_test)]
    dataset = from_arrays(shown, images[0], y_train, images[1], y_test, classes=len(names))
    return replace(dataset, class_names=tuple(map(printable, names)), notes=tuple(notes))


def _classes(path: Path, root: Path | None) -> Classes:
    """What lies in each folder of a folder, by name; links within it may not lead round in a circle."""
    return {entry.name: _found(Path(entry.path), root) for entry in _entries(path, root) if entry.is_dir()}


def _found(path: Path, root: Path | None) -> _Found:
    out = _Found()
    for entry, within in _walk(path, root, ()):
        ending = os.path.splitext(entry.name)[1].lower()
        if ending in suffixes():
            if not entry.is_file():
                raise DataError(f"{printable(entry.path)} is no file; allowed: images under such names.")
            out.files.append(Path(entry.path))
            out.deeper += within
        else:
            out.other[printable(ending) or "no ending"] += 1
    return out


def _walk(path: Path, root: Path | None, above: tuple[str, ...]) -> Iterator[tuple[os.DirEntry, bool]]:
    """Everything that is no folder, and whether it lies in a folder within."""
    place = os.path.realpath(path)
    if place in above:
        raise DataError(f"{printable(path)} is a link to a folder that it lies in; allowed: no circle.")
    for entry in _entries(path, root):
        if entry.is_dir() and os.path.splitext(entry.name)[1].lower() not in suffixes():
            yield from _walk(Path(entry.path), root, (*above, place))
        else:
            yield entry, bool(above)


def _check_classes(path: Path, classes: Classes, root: Path | None) -> None:
    """DataError unless there are two classes or more, each with an image."""
    shown = printable(path)
    if len(classes) < 2:
        folders = "no folder" if not classes else f"one folder, {printable(*classes)}/"
        loose = _loose(path, root)
        within = [entry.name for name in classes for entry in _entries(path / name, root) if entry.is_dir()]
        inner = f" Perhaps you meant {printable(path / next(iter(classes)))}?" if len(within) > 1 else ""
        images = f" and {loose} images in none" if loose else ""
        raise DataError(f"{shown} has {folders}{images}; allowed: two or more, one for each class.{inner}")
    for name, contents in classes.items():
        if not contents.files:
            raise DataError(
                f"{shown}/{printable(name)} has no image{_kinds(contents.other)}; allowed: one or more, of {KINDS}. "
                "A folder that is no class must lie elsewhere."
            )


def _loose(path: Path, root: Path | None) -> int:
    """How many images lie in no folder of a class."""
    return sum(os.path.splitext(entry.name)[1].lower() in suffixes() for entry in _entries(path, root))


def _check_test(path: Path, test: Classes, names: tuple[str, ...]) -> list[str]:
    """DataError if a test class is unknown; what there is to say of classes without test images."""
    unknown = sorted(set(test) - set(names))
    if unknown:
        raise DataError(
            f"{printable(path)}/{printable(unknown[0])} is no class of train/; allowed: {some(map(printable, names))}."
        )
    without = [printable(name) for name in names if name not in test or not test[name].files]
    return [f"{printable(path.name)}/ has no image of {some(without)}."] if without else []


def held_rows(shown: str, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The rows of the test set that is made here.

    Args:
      shown: name of the source, for messages.
      labels: of all rows.
      names: of the classes.

    Returns:
      A fifth of each class, one at least.

    Raises:
      DataError: if a class has fewer than three.
    """
    counts = np.bincount(labels, minlength=len(names))
    smallest = int(counts.argmin())
    if counts[smallest] < FEWEST:
        few = f"{shown}/{printable(names[smallest])} has {counts[smallest]} images"
        raise DataError(
            f"{few}; allowed: {FEWEST} or more where the folder is split here. Add some, or move it elsewhere."
        )
    return stratified({c: np.flatnonzero(labels == c) for c in range(len(names))}, TEST_SHARE, seed=SPLIT_SEED)


def _listed(classes: Classes, names: tuple[str, ...]) -> tuple[list[Path], np.ndarray]:
    """All images, and the label of each."""
    pairs = [(file, label) for label, name in enumerate(names) if name in classes for file in classes[name].files]
    return [file for file, _ in pairs], np.array([label for _, label in pairs], np.int64)


def _about_files(shown: str, contents: list[_Found]) -> list[str]:
    """What there is to say of files that are not read, with a warning, and of images in folders within."""
    notes = []
    read, deeper = sum(len(one.files) for one in contents), sum(one.deeper for one in contents)
    other = sum((one.other for one in contents), Counter())
    if other:
        all_files = read + other.total()
        left = f"{other.total()} of {all_files} files in {shown} are not read{_kinds(other)}; read are {KINDS}."
        warnings.warn(left, DataWarning, stacklevel=3)
        notes.append(left)
    if deeper:
        notes.append(f"{deeper} of {read} images lie in folders within that of their class, and are of that class.")
    return notes


def _kinds(other: Counter) -> str:
    """The endings of files that are not read, the most frequent first, in brackets."""
    return f" ({some(f'{ending} {count}' for ending, count in other.most_common())})" if other else ""


def some(words: Iterable[str]) -> str:
    """The first words of a list, and how many more there are."""
    words = list(words)
    return ", ".join(words[:NAMED]) + (f" and {len(words) - NAMED} more" if len(words) > NAMED else "")


def _entries(path: Path, root: Path | None) -> list[os.DirEntry]:
    """What lies in a folder, by name, but what is hidden; a link must lead to something, within root if it is given."""
    with os.scandir(path) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    entries = [entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX"]
    for entry in entries:
        if entry.is_symlink():
            try:
                place = Path(entry.path).resolve(strict=True)
            except (OSError, RuntimeError) as error:
                raise DataError(f"{printable(entry.path)} is a link that leads nowhere.") from error
            if root is not None and not place.is_relative_to(root):
                raise DataError(
                    f"{printable(entry.path)} leads out of the folder to {printable(place)}; "
                    "allowed by data.folder(..., links=True)."
                )
    return entries
