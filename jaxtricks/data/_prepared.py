"""Image sets that TFDS has prepared, read by random access without TensorFlow."""

import dataclasses
import json
import os
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks.data._columns import DataError, DataWarning, Split
from jaxtricks.data._dataset import Dataset, from_arrays
from jaxtricks.data._files import PIXELS, as_array, decode, view
from jaxtricks.data._identity import files_identity
from jaxtricks.data._rows import CORRUPT_SHARE, RESIDENT_LIMIT, check_corrupt, say_rows


class TfdsRecords:
    """A TFDS data source as Records: images of one size as they are, the others by the two views.

    Args:
      source: ``tfds.data_source`` of a set with the features image and label.
      shape: of its image feature; None where it varies.
      size: height and width of what is read where it varies.
      pixels: greatest height times width of an image.
    """

    def __init__(self, source, shape: tuple, size: int, *, pixels: int = PIXELS):
        import tensorflow_datasets as tfds

        # the encoded bytes: decoded here, they are converted and checked as files are
        self.source = dataclasses.replace(source, decoders={"image": tfds.decode.SkipDecoding()})
        self.size = size
        self.pixels = pixels
        self.fixed = None not in shape
        self.shape = (len(source), *(shape if self.fixed else (size, size, shape[-1])))

    def identity(self) -> list:
        """As Records: the files of the set, and to what size images of varying size are brought."""
        info, part = self.source.dataset_info, self.source.split
        return [info.full_name, str(part), files_identity(info.splits[part].filepaths), self.size, self.pixels]

    def labels(self) -> tuple[np.ndarray, dict[int, str]]:
        """The label of every record, int64 ``[N]``, and the records that cannot be read, row to reason."""
        labels, unreadable = np.zeros(len(self.source), np.int64), {}
        for i in range(len(self.source)):
            try:
                labels[i] = self._record(i)["label"]
            except DataError as error:
                unreadable[i] = str(error)
        return labels, unreadable

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """As Records; a damaged record is a DataError that names it: ArrayRecord has checksums, images as in decode."""
        out = np.empty((len(index), *self.shape[1:]), np.uint8)
        for row, i in enumerate(index):
            record = self._record(int(i))
            try:
                image = decode(BytesIO(record["image"]), channels=self.shape[-1], pixels=self.pixels, upright=False)
                if self.fixed and (image.height, image.width) != self.shape[1:3]:
                    raise DataError(f"it has {image.width} x {image.height} pixels; allowed: {self.shape[1:3]}")
            except DataError as error:
                raise DataError(f"record {i} cannot be read as an image: {error}.") from error
            if self.fixed:
                out[row] = as_array(image)
            else:
                out[row] = view(image, self.size, index=int(i), seed=seed, epoch=epoch, train=train)
        return out

    def _record(self, i: int) -> dict:
        try:
            return self.source[i]
        except Exception as error:  # the readers of TFDS raise all sorts
            raise DataError(f"record {i} cannot be read: {str(error).rstrip('.')}.") from error


def tfds_set(spec: str, *, size: int, data_dir: str | None = None) -> Dataset:
    """A TFDS image classification set, read by random access without TensorFlow.

    Sets of one fixed image size that fit are read into memory once; the others are decoded as they are read. Records of
    those whose checksum is wrong are left out of the training set, with a warning that names them, up to 1 %; in a
    test set, or one that is read into memory, they are an error.

    Args:
      spec: the set's name, with ``:version`` or ``/config`` if wanted.
      size: height and width of what is read, for sets whose images vary in size.
      data_dir: where the prepared set lies; ``TFDS_DATA_DIR`` or ``~/tensorflow_datasets`` if None.

    Returns:
      The dataset; its test split is ``test``, or ``validation`` where ``test`` has no labels (ImageNet).

    Raises:
      DataError: if tensorflow-datasets, the set, or a prepared copy of it is missing, damaged or of other images; the
        message says what to do.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(f"{spec}: pip install tensorflow-datasets to read it ({error}).") from error
    data_dir = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets") if data_dir is None else data_dir
    _check_description(Path(data_dir).expanduser() / spec.split("/")[0].split(":")[0])
    try:
        builder = tfds.builder(spec, data_dir=data_dir, file_format="array_record")
    except tfds.core.DatasetNotFoundError as error:
        raise DataError(
            f"{spec!r} is no file or folder, and is no image set known here; allowed: fashion_mini, digits, fake, a "
            "folder, an .npz file, or the name of a TFDS image set."
        ) from error
    except Exception as error:  # its readers of metadata raise all sorts on a damaged file
        if "Parsing builder name string" in str(error):
            raise DataError(f"{spec}: no such file or folder, and no name of a TFDS image set.") from error
        raise DataError(f"{spec}: TFDS cannot open it: {_first_line(error)}.") from error
    features: Any = builder.info.features  # a FeaturesDict, or None
    if not {"image", "label"} <= set(features or ()):
        raise DataError(f"{spec} has the features {sorted(features or ())}; allowed: sets with image and label.")
    code = f"import tensorflow_datasets as t; t.builder({spec!r}, file_format='array_record').download_and_prepare()"
    command = f'python -c "{code}"'
    if not builder.info.splits:
        raise DataError(f"{spec} is not prepared; run: pip install tensorflow-cpu && {command}")
    test_name = "validation" if builder.name.startswith("imagenet2012") or "test" not in builder.info.splits else "test"
    try:
        parts = {part: builder.as_data_source(part) for part in ("train", test_name)}  # pyright: ignore[reportCallIssue]
    except (ImportError, ModuleNotFoundError) as error:
        raise DataError(f"{spec}: reading ArrayRecord needs another package: {error}.") from error
    except Exception as error:
        raise DataError(f"{spec} cannot be read ({_first_line(error)}); prepare it again: {command}") from error
    shape = features["image"].shape
    if features["image"].np_dtype != np.uint8 or shape[-1] not in (1, 3):
        raise DataError(f"{spec} has images of {features['image'].np_dtype} {shape}; allowed: uint8, 1 or 3 channels.")
    splits, notes = [], []
    for part, source in parts.items():
        records = TfdsRecords(source, shape, size)
        labels, unreadable = records.labels()
        fits = None not in shape and len(labels) * int(np.prod(shape)) <= RESIDENT_LIMIT
        try:
            check_corrupt(unreadable, 0.0 if fits or part == test_name else CORRUPT_SHARE, len(labels))
            images = records.read(np.arange(len(labels)), seed=0, epoch=0, train=False) if fits else records
        except DataError as error:
            raise DataError(f"{spec}, {part}: {error} Prepare it again: {command}") from error
        split = Split({"image": images, "label": labels})
        if unreadable:  # not even their labels are known
            left_out = f"{spec}, {part}: {say_rows(list(unreadable))} of {len(labels)} cannot be read and are left out."
            warnings.warn(left_out, DataWarning, stacklevel=2)
            notes.append(left_out)
            split = split.take(np.setdiff1d(np.arange(len(labels)), list(unreadable)))
        splits += [split["image"], split["label"]]
    label = features["label"]
    dataset = from_arrays(spec, *splits, classes=label.num_classes)
    return dataclasses.replace(dataset, class_names=tuple(label.names), notes=tuple(notes))


def _check_description(path: Path) -> None:
    """Raise DataError where a set without code of its own describes its features by classes that are not TFDS's.

    TFDS imports the module of any class that a ``features.json`` names, also one that lies beside the data.
    """
    classes = []

    def collect(entry: dict) -> dict:
        classes.extend(entry[key] for key in ("pythonClassName", "python_class_name", "type") if key in entry)
        if isinstance(entry.get("json"), str):  # a description within the description
            json.loads(entry["json"], object_hook=collect)
        return entry

    for file in sorted((*path.glob("*/features.json"), *path.glob("*/*/features.json"))):
        try:
            json.loads(file.read_text(encoding="utf-8"), object_hook=collect)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file} is no description of features: {_first_line(error)}.") from error
        for name in classes:
            if isinstance(name, str) and not name.startswith("tensorflow_datasets."):
                raise DataError(f"{file} names the class {name!r}; allowed: classes of tensorflow_datasets.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
