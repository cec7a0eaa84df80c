"""Images within Parquet files, as Hugging Face's image sets have them; pyarrow reads them."""

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks.data._columns import DataError
from jaxtricks.data._dataset import Dataset
from jaxtricks.data._files import PIXELS, decode, printable, view
from jaxtricks.data._folder import TEST, TRAIN, some
from jaxtricks.data._identity import files_identity
from jaxtricks.data._tables import CLASS, SPLIT, tabled

IMAGE = ("image", "img", "picture")


def parquet_files(path: Path) -> list[Path]:
    """The Parquet files that a path names: itself, or those in a folder or in its ``data/``."""
    if path.is_file():
        return [path] if path.suffix == ".parquet" else []
    return sorted(path.glob("*.parquet")) or sorted((path / "data").glob("*.parquet"))


def parquet(path: Path, *, size: int) -> Dataset:
    """Images and labels of Parquet files: a column ``image`` of encoded bytes, and ``label``.

    The split is a column ``split``, or the beginning of a file's name, such as ``train-00000-of-00002.parquet``; else a
    fifth of each class is the test set, as in ``folder``. The names of the classes are those that Hugging Face's
    metadata has. All bytes are read into memory; images are decoded as they are read.

    Args:
      path: a file, or a folder of such files.
      size: as in ``folder``.

    Returns:
      The dataset.

    Raises:
      DataError: if pyarrow is missing, a file cannot be read, or a column is missing.
    """
    try:
        import pyarrow
        from pyarrow import parquet as reader
    except ImportError as error:
        raise DataError("Parquet files need pyarrow; allowed: pip install 'jaxtricks[parquet]'.") from error
    shown, files = printable(path), parquet_files(path)
    images: list[Any] = []
    labels: list[Any] = []
    splits: list[str | None] = []
    names = None
    for file in files:
        try:
            table = reader.read_table(file)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{printable(file)} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
        columns = table.column_names
        image, label = (next((n for n in allowed if n in columns), None) for allowed in (IMAGE, CLASS))
        if image is None or label is None:
            raise DataError(f"{printable(file)} has the columns {some(columns)}; allowed: image and label.")
        names = names or _class_names(table.schema.metadata, label)
        images += [_bytes(file, value) for value in table.column(image).to_pylist()]
        labels += table.column(label).to_pylist()
        named = table.column(SPLIT).to_pylist() if SPLIT in columns else [_split_of(file)] * len(table)
        splits += named
    labelled = [row for row, label in enumerate(labels) if label is not None and label != -1]  # -1: not published
    without = len(labels) - len(labelled)
    notes = [f"{without} rows have no label and are left out."] if without else []
    names = names if all(isinstance(labels[row], int) for row in labelled) else None
    if names and (wrong := [labels[row] for row in labelled if not 0 <= labels[row] < len(names)]):
        raise DataError(
            f"{shown} has the label {wrong[0]}; allowed: 0 to {len(names) - 1}, as its metadata names them."
        )
    texts = [names[labels[row]] if names else str(labels[row]) for row in labelled]
    identity = files_identity(files)

    def records(index: np.ndarray) -> EncodedImages:
        rows = [labelled[i] for i in index]
        return EncodedImages([images[row] for row in rows], size, name=shown, identity=[identity, rows])

    return tabled(shown, texts, [splits[row] for row in labelled], records, names=names, notes=notes)


class EncodedImages:
    """Encoded images in memory as Records, in RGB.

    Args:
      images: the bytes of each.
      size: height and width of what is read.
      name: of the source, for messages.
      identity: of what the rows hold, as in Records.
    """

    def __init__(self, images: list[bytes], size: int, *, name: str, identity: Any):
        self.images, self.size, self.name = images, size, name
        self.about = identity
        self.shape = (len(images), size, size, 3)

    def identity(self) -> list:
        """As Records."""
        return [self.about, self.size]

    def contents(self, row: int) -> bytes:
        """The encoded image of a row."""
        return self.images[row]

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """As Records; what is no complete image is a DataError that names the row."""
        out = np.empty((len(index), *self.shape[1:]), np.uint8)
        for place, i in enumerate(index):
            try:
                image = decode(BytesIO(self.images[i]), pixels=PIXELS)
            except DataError as error:
                raise DataError(f"{self.name}, image {i} cannot be read: {error}.") from error
            out[place] = view(image, self.size, index=int(i), seed=seed, epoch=epoch, train=train)
        return out


def _bytes(file: Path, value: Any) -> bytes:
    """The encoded image of a cell: bytes, or Hugging Face's pair of bytes and path."""
    value = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(value, bytes):
        raise DataError(f"{printable(file)} has images that are no bytes; allowed: encoded images within the file.")
    return value


def _split_of(file: Path) -> str | None:
    """The split that a file's name begins with, or None."""
    word = re.split(r"[-_.]", file.name.lower())[0]
    return word if word in (*TRAIN, *TEST) else None


def _class_names(metadata: Any, label: str) -> list[str] | None:
    """The names of the classes in Hugging Face's metadata, or None."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
        return [str(name) for name in names]
    except (KeyError, TypeError, ValueError):
        return None
