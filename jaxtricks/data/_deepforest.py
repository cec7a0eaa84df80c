"""The four aerial photographs of the package deepforest, whose trees have boxes, cut into tiles."""

import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from jaxtricks import check
from jaxtricks.data._annotations import Annotations
from jaxtricks.data._boxed import FILL, joined
from jaxtricks.data._boxes_voc import read_voc
from jaxtricks.data._columns import DataError
from jaxtricks.data._dataset import Dataset
from jaxtricks.data._files import decode, printable

PHOTOGRAPHS = (  # their XML files; 574, 279, 61 and 37 trees
    "2019_YELL_2_528000_4978000_image_crop2",
    "2019_YELL_2_541000_4977000_image_crop",
    "OSBS_029",
    "SOAP_061",
)
HELD_OUT = "2019_YELL_2_541000_4977000_image_crop"
ENDINGS = (".whl", ".tar.gz", ".zip")
LARGEST = 2**26  # bytes of one file of the package
VISIBLE = 0.5  # of a box's area: with less of it in a tile it is left out there


def is_deepforest(path: Path) -> bool:
    """Whether a path is a file of the package, by its name.

    Args:
      path: any.
    """
    return path.name.lower().startswith("deepforest") and path.name.lower().endswith(ENDINGS)


def deepforest(path: str | Path, *, size: int = 224, scale: float = 0.5) -> Dataset:
    """951 boxes of trees on four aerial photographs, in tiles; one photograph is the test set, all of it.

    The photographs are those of the package deepforest (MIT licence), which is not installed:
    ``pip download deepforest --no-deps`` fetches its file. All trees are of one class; living and dead ones, which one
    photograph tells apart, too.

    Args:
      path: of the wheel (.whl) or the source archive (.tar.gz, .zip).
      size: height and width of a tile, in pixels. Tiles do not overlap; the last ones are filled with grey.
      scale: of the photographs before they are cut, greater than 0 to 1. At 0.5 the roots of the areas of the boxes
        have a median of 19 pixels, and a tile has four times as many boxes as at 1.

    Returns:
      A dataset as of ``boxed``. The test set is the photograph with 279 trees. Of a tree that is cut by the border of a
      tile, the parts that have half of its area or more count; the other parts are counted in ``notes``.

    Raises:
      DataError: if the file does not hold the photographs.

    Reference:
      Weinstein et al., Individual tree-crown detection in RGB imagery using semi-supervised deep learning neural
      networks, Remote Sensing 11(11), 2019.
    """
    path, size = Path(path), check.at_least("size", size, minimum=8)
    check.positive("scale", scale)
    check.between("scale", scale, 0.0, 1.0)
    with tempfile.TemporaryDirectory() as place:
        _take_out(path, Path(place))
        annotations = read_voc([Path(place) / f"{name}.xml" for name in PHOTOGRAPHS], first=0)
        images = [_scaled(decode(Path(place) / name), scale) for name in annotations.files]
    held = np.array([Path(name).stem == HELD_OUT for name in annotations.files])
    splits, notes = [], []
    for word, numbers in (("training", np.flatnonzero(~held)), ("test", np.flatnonzero(held))):
        columns, said = _tiled(annotations.take(numbers), [images[i] for i in numbers], size)
        splits.append(columns)
        notes += [f"deepforest, {word}: {note}" for note in said]
    notes.append(f"The photograph {HELD_OUT} is the test set, all of it.")
    return joined("deepforest", *splits, class_names=("tree",), notes=notes)


def _take_out(path: Path, place: Path) -> None:
    """Write the photographs and their boxes into a folder, by names that are known here."""
    wanted = {f"{name}{ending}" for name in PHOTOGRAPHS for ending in (".xml", ".png", ".tif")}
    try:
        for name, size, read in members(path):
            if PurePosixPath(name).name in wanted and PurePosixPath(name).parent.name == "data":
                if size > LARGEST:
                    raise DataError(f"{printable(path)}: {name} has {size:,} bytes; allowed: {LARGEST:,}.")
                (place / PurePosixPath(name).name).write_bytes(read())
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DataError(f"{printable(path)} cannot be unpacked: {error}.") from error
    missing = [name for name in PHOTOGRAPHS if not (place / f"{name}.xml").is_file()]
    if missing:
        raise DataError(f"{printable(path)} has no data/{missing[0]}.xml; allowed: deepforest 1.3 to 2.1.")


def members(path: Path) -> Iterator:
    """Name, size, and a function that reads it, of every file of an archive.

    Args:
      path: of a wheel, a .zip or a .tar.gz.
    """
    if path.name.lower().endswith(".tar.gz"):
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.isfile():
                    opened = archive.extractfile(member)
                    yield member.name, member.size, lambda opened=opened: opened.read() if opened else b""
    else:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                yield member.filename, member.file_size, lambda member=member: archive.read(member)


def _scaled(image: Image.Image, scale: float) -> np.ndarray:
    sides = max(1, round(scale * image.width)), max(1, round(scale * image.height))
    return np.asarray(image.resize(sides, Image.Resampling.BILINEAR, reducing_gap=None))


def _tiled(annotations: Annotations, images: list[np.ndarray], size: int) -> tuple[dict, list[str]]:
    """The tiles of some photographs, with columns of boxes."""
    tiles, rows, cut = [], [], 0
    for number, image in enumerate(images):
        height, width = image.shape[:2]
        factor = np.array([width, height] * 2) / np.tile(annotations.sizes[number][::-1], 2)
        box = annotations.box[annotations.image == number] * factor
        area = np.prod(box[:, 2:] - box[:, :2], -1)
        for top in range(0, height, size):
            for left in range(0, width, size):
                tile = np.full((size, size, 3), FILL, np.uint8)
                part = image[top : top + size, left : left + size]
                tile[: part.shape[0], : part.shape[1]] = part
                inner = np.clip(box - [left, top, left, top], 0, np.tile(part.shape[1::-1], 2))
                seen = np.prod(inner[:, 2:] - inner[:, :2], -1)
                enough = (seen >= VISIBLE * area) & (seen > 0)
                cut += int(((seen > 0) & ~enough).sum())
                rows += [(len(tiles), *one) for one in inner[enough]]
                tiles.append(tile)
    table = np.array(rows, np.float64).reshape(-1, 5)
    boxes = Annotations(
        files=tuple(map(str, range(len(tiles)))),
        sizes=np.full((len(tiles), 2), size),
        class_names=("tree",),
        image=table[:, 0].astype(np.int64),
        box=table[:, 1:],
        label=np.zeros(len(table), np.int64),
    )
    columns, notes = boxes.columns()
    words = f"{len(annotations.box)} trees on {len(images)} photographs are {len(table)} boxes on {len(tiles)} tiles"
    first = f"{words}; {cut} parts of less than half a tree, cut off by a border, are left out."
    return columns | {"image": np.stack(tiles)}, [first, *notes]
