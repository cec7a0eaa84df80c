"""Where images come from: the package, scikit-learn, TFDS, a folder, a table, Parquet, an .npz file, or nowhere."""

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks.data._archive import LIMIT, read_npz
from jaxtricks.data._boxed import boxed
from jaxtricks.data._boxes_forms import annotated, coco_files
from jaxtricks.data._columns import DataError
from jaxtricks.data._dataset import Dataset, from_arrays
from jaxtricks.data._deepforest import deepforest, is_deepforest
from jaxtricks.data._files import printable
from jaxtricks.data._folder import folder
from jaxtricks.data._masked import has_masks, masked
from jaxtricks.data._packages import package_of, packaged
from jaxtricks.data._parquet import parquet, parquet_files
from jaxtricks.data._prepared import tfds_set
from jaxtricks.data._tables import ENDINGS, metadata, metadata_of, table

FASHION = tuple("T-shirt,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot".split(","))
EMBEDDED = ("fashion_mini", "digits", "fake")


def load(spec: str, *, size: int = 224, data_dir: str | None = None, masks: bool | None = None) -> Dataset:
    """The image set that a few words name.

    Args:
      spec: ``fashion_mini`` (Fashion-MNIST, 4,000 + 3,000 images, in the package), ``digits`` (scikit-learn's 8x8),
        ``fake`` (noise with a colour a class), the path of an ``.npz`` file (x_train, y_train, x_test, y_test), the
        path of a folder of photographs with one folder a class (see ``folder``), of a table of files and labels (.csv,
        .jsonl, see ``table``; also ``metadata.csv`` in a folder), of Parquet files (see ``parquet``), of images with
        boxes (see ``boxed``) or with masks (see ``masked``), of the wheel of ``deepforest`` or another package (see
        ``packaged``), or the name of a TFDS image set.
      size: height and width that images of varying size are brought to.
      data_dir: where TFDS keeps its sets; its own default if None.
      masks: of what has boxes and masks, whether the masks are read, or the boxes; of a COCO file the boxes if None,
        of VOC's folders the masks.

    Returns:
      The dataset, checked.

    Raises:
      DataError: one sentence that names what is missing or wrong, and what to do.
    """
    if spec in EMBEDDED:
        return {"fashion_mini": fashion_mini, "digits": digits, "fake": fake}[spec]()
    path = Path(spec).expanduser()
    if path.suffix == ".npz":
        return npz(path)
    if path.is_file() and is_deepforest(path):
        return deepforest(path, size=size)
    if path.is_file() and package_of(path):
        return packaged(path, size=size)
    has = {"masks": has_masks(path) or (bool(masks) and bool(coco_files(path))), "boxes": annotated(path)}
    if has["masks"] and not (masks is False and has["boxes"]):
        return masked(path, size=size)
    if has["boxes"]:
        return boxed(path, size=size)
    if path.is_file() and path.suffix in ENDINGS:
        return table(path, size=size)
    if path.exists() and not metadata_of(path) and parquet_files(path):
        return parquet(path, size=size)
    if path.is_dir():
        return metadata(path, size=size) if metadata_of(path) else folder(path, size=size)
    if path.exists():
        raise DataError(
            f"{printable(path)} is a file; allowed: a folder with one folder a class, or a .csv, .jsonl, .parquet, "
            ".npz or .json file."
        )
    if "/" in spec and not spec.replace("/", "").replace("_", "").replace(".", "").replace(":", "").isalnum():
        raise DataError(f"{spec}: no such file or folder.")
    return tfds_set(spec, size=size, data_dir=data_dir)


def fashion_mini() -> Dataset:
    """4,000 training and 3,000 test images of Fashion-MNIST, 28x28x1, balanced; shipped with the package (MIT).

    Returns:
      The dataset.
    """
    with resources.as_file(resources.files("jaxtricks.data") / "fashion_mini.npz") as path:
        return replace(npz(path, name="fashion_mini"), class_names=FASHION)


def digits() -> Dataset:
    """scikit-learn's 1,797 handwritten digits, 8x8x1: every fifth is a test image. The tier for tests.

    Returns:
      The dataset.
    """
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    test = np.arange(len(images)) % 5 == 4
    return from_arrays("digits", images[~test], bunch.target[~test], images[test], bunch.target[test])


def fake(
    *, train: int = 256, test: int = 100, classes: int = 10, shape: tuple[int, int, int] = (16, 16, 3), seed: int = 0
) -> Dataset:
    """Noise in which each class has a pattern of its own: enough to see a loss fall, and nothing to download.

    Args:
      train, test: images of each split.
      classes: their number.
      shape: ``(H, W, C)``.
      seed: of the patterns and the noise.

    Returns:
      The dataset.
    """
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(classes, *shape))

    def split(count):
        labels = np.arange(count) % classes
        noise = rng.normal(size=(count, *shape))
        return np.clip(128 + 24 * patterns[labels] + 40 * noise, 0, 255).astype(np.uint8), labels

    return from_arrays("fake", *split(train), *split(test), classes=classes)


def npz(path: Path, *, name: str | None = None, limit: int = LIMIT) -> Dataset:
    """An ``.npz`` file with x_train, y_train, x_test, y_test; it is read as a stranger's, see ``read_npz``.

    Args:
      path: of the file.
      name: for messages; the path if None.
      limit: bytes that the four arrays may take together.

    Returns:
      The dataset.

    Raises:
      DataError: if the file is missing, unreadable, or one of its four arrays is missing or wrong.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give an .npz with x_train, y_train, x_test and y_test.")
    arrays = read_npz(path, names=("x_train", "y_train", "x_test", "y_test"), limit=limit)
    return from_arrays(str(path) if name is None else name, *arrays.values())
