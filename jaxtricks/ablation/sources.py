"""The images that a command was asked for: read, described to the user, and checked before anything is trained."""

import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from jaxtricks import data
from jaxtricks._command import FILES, UsageError
from jaxtricks.data import Dataset

MANY = 1_000  # images of which reading takes so long that it is announced
PRECHECKED = 10_000  # training images up to which they are all decoded before anything is trained


@dataclass(frozen=True)
class Images:
    """What is asked of a command whose images are all in memory."""

    data: str = "fashion_mini"
    """A folder of images, a .csv of files and classes, .parquet, .npz, a TFDS set, fashion_mini, digits, fake."""
    size: int = 32
    """Height and width that images of varying size are brought to."""
    seeds: int = 4
    """Number of paired seeds, 1 or more."""
    images: int | None = None
    """Train on this many images only, the same share of each class."""
    out: Path | None = None
    """Folder of the table; runs/NAME/DATA if it is left out."""

    def load(self) -> Dataset:
        """The dataset, all of it decoded; what is to be said goes to the standard error.

        Raises:
          DataError: also if it does not fit, or an image cannot be read.
        """
        say = partial(print, file=sys.stderr)
        dataset = load(self.data, size=self.size, images=self.images, say=say)
        if dataset.train.resident and dataset.test.resident:
            return dataset
        say(f"Every image is decoded once, its centre at {dataset.shape[0]} x {dataset.shape[1]} (--size).")
        train, test = (data.decoded(split) for split in (dataset.train, dataset.test))
        return replace(dataset, train=train, test=test)


def load(
    spec: str,
    *,
    size: int,
    images: int | None,
    say: Callable[[str], None],
    masks: bool | None = None,
) -> Dataset:
    """The dataset that ``--data``, ``--size`` and ``--images`` name; what was decided or left out is said.

    Args:
      spec: as for ``data.load``.
      size: of the side of images of varying size.
      images: so many for training, or None for all.
      say: prints a line.
      masks: as for ``data.load``.

    Raises:
      DataError: as ``data.load``.
      UsageError: if there are fewer images.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", data.DataWarning)  # which is among the notes
        dataset = data.load(spec, size=size, masks=masks)
    dataset = replace(dataset, notes=(*dataset.notes, *data.repeated(dataset)))
    for line in (*data.summary(dataset), *dataset.notes):
        say(line)
    if images is None:
        return dataset
    try:
        return dataset.subset(images)
    except data.DataError as error:
        raise UsageError(f"--{error}") from error


def check_images(dataset: Dataset, *, say: Callable[[str], None]) -> None:
    """DataError that names every image that cannot be read, before anything is trained.

    Args:
      dataset: whose test and held-out images are decoded once, and those for training too where they are few; of many
        for training, the feed names what it meets.
      say: prints a line.
    """
    for part, share in (("test", 0.0), ("validation", 0.0), ("train", data.CORRUPT_SHARE)):
        split = getattr(dataset, part)
        if split is not None and (part != "train" or len(split) <= PRECHECKED):
            if not split.resident and len(split) > MANY:
                say(f"Reading {len(split):,} {part} images once, to name what cannot be read.")
            try:
                unreadable = data.check_readable(split, corrupt_share=share)
            except data.DataError as error:
                raise data.DataError(f"{dataset.name}, {part}: {error}") from error
            for reason in unreadable.values():
                say(f"{reason} Others take its place in training.")


def identity(spec: str) -> str:
    """What a spec means, wherever it is typed: a path in full, a name as it is.

    Args:
      spec: as for ``data.load``.

    Returns:
      Text.
    """
    path = Path(spec).expanduser()
    return str(path.resolve()) if path.exists() and spec not in data.EMBEDDED else spec


def short(spec: str) -> str:
    """A name for a folder of results: the last part of a path, or the name of a set.

    Args:
      spec: as for ``data.load``.

    Returns:
      Letters, digits and ``._-``.
    """
    full = Path(identity(spec))
    name = spec if not full.is_absolute() else full.stem if full.suffix in FILES else full.name
    return re.sub(r"[^\w.-]+", "_", data.printable(name)).strip("._") or "data"
