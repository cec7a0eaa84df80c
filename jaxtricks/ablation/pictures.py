"""Small copies of images for a page: single ones, and a contact sheet of the training images by class."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from jaxtricks.data import DataError, Dataset, readable

SIDE = 96  # pixels of the longer side of a copy
TILE = 64  # pixels of a side in a contact sheet
ACROSS = 8  # images of a class in it
CLASSES = 20  # classes in it
SEED = 5  # of the draws


def picture(pixels: np.ndarray, *, side: int = SIDE) -> dict[str, Any]:
    """A small copy of an image.

    Args:
      pixels: uint8 ``[H, W, 1 or 3]``.
      side: greatest height and width of the copy.

    Returns:
      ``source``, an address that holds the picture itself: PNG where nothing had to be scaled, else JPEG; ``width`` and
      ``height``.
    """
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    small = max(image.size) <= side
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _addressed(image, "png" if small else "jpeg")


def pictures_of_test(dataset: Dataset, index: np.ndarray) -> list[dict[str, Any] | None]:
    """Copies of test images; None for what is no picture.

    Args:
      dataset: any.
      index: rows of its test split.

    Returns:
      One entry a row, as ``picture``.
    """
    if not len(index):
        return []
    images = np.asarray(dataset.test.take(index).read(np.arange(len(index)))["image"])
    return [picture(image) for image in images] if _is_picture(images) else [None] * len(index)


def contact_sheet(dataset: Dataset, column: str | None) -> list[dict[str, Any]]:
    """Training images of each class in a row, drawn by a fixed seed, in the view that an evaluation has.

    Args:
      dataset: any.
      column: of the classes, or None.

    Returns:
      By class ``name``, ``count`` and ``strip``, as ``picture``, of the first classes; nothing where rows have no class
      or images are no pictures.
    """
    classes = None if column is None else dataset.train[column]
    if not isinstance(classes, np.ndarray) or dataset.classes is None:
        return []
    rng, sheet = np.random.default_rng(SEED), []
    for number in range(min(CLASSES, dataset.classes)):
        rows = np.flatnonzero(classes == number)
        drawn = np.sort(rng.permutation(rows)[:ACROSS])
        try:
            images = np.asarray(readable(dataset.train, drawn))
        except DataError:  # none of them can be read, which is said elsewhere
            continue
        if not _is_picture(images):
            return []
        name = str(number) if dataset.class_names is None else dataset.class_names[number]
        sheet.append({"name": name, "count": len(rows), "strip": _strip(images)})
    return sheet


def _strip(images: np.ndarray) -> dict[str, Any]:
    """Images beside each other, those of more than ``TILE`` pixels made smaller."""
    tiles = [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in images]
    small = max(tiles[0].size) <= TILE
    for tile in tiles:
        tile.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    width, height = tiles[0].size
    strip = Image.new(tiles[0].mode, (width * ACROSS, height))
    for place, tile in enumerate(tiles):
        strip.paste(tile, (place * width, 0))
    return _addressed(strip.crop((0, 0, width * len(tiles), height)), "png" if small else "jpeg")


def _is_picture(images: np.ndarray) -> bool:
    return images.dtype == np.uint8 and images.ndim == 4 and images.shape[-1] in (1, 3) and len(images) > 0


def _addressed(image: Image.Image, kind: str) -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"optimize": True} if kind == "png" else {"quality": 82}))
    address = f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return {"source": address, "width": image.width, "height": image.height}
