"""From image files to what a network sees, and from places in what it sees back to the pixels of the file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from jaxtricks.data import DataError
from jaxtricks.data._boxed import letterboxed, place_of
from jaxtricks.data._files import as_array, centre_view, decode


def seen(path: Path, image: Mapping[str, Any]) -> tuple[np.ndarray, tuple[int, int]]:
    """One file, as images were read for the test.

    Args:
      path: of it.
      image: of model.json: ``shape``, and ``view``, ``"letterbox"``, ``"centre"`` or ``"fit"``.

    Returns:
      uint8 ``[H, W, C]``, and height and width of the file's image, upright as its EXIF orientation says.

    Raises:
      DataError: if the file is missing or is no image; the message names it.
    """
    height, width, channels = image["shape"]
    try:
        opened = decode(path, channels=channels)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except DataError as error:
        raise DataError(f"{path} cannot be read as an image: {error}.") from error
    size_of_file = (opened.height, opened.width)
    if image["view"] == "letterbox":
        return letterboxed(opened, (height, width)), size_of_file
    if image["view"] == "centre":
        return centre_view(opened, height), size_of_file
    if opened.size != (width, height):
        opened = ImageOps.fit(opened, (width, height), Image.Resampling.BILINEAR)
    return as_array(opened), size_of_file


def boxes_in(boxes: np.ndarray, size_of_file: tuple[int, int], size: Sequence[int]) -> np.ndarray:
    """Boxes in the pixels of an image that was letterboxed.

    Args:
      boxes: xyxy in pixels of what the network sees, ``[K, 4]``.
      size_of_file: height and width of the image.
      size: of what the network sees.

    Returns:
      xyxy in pixels of the image and within it, ``[K, 4]``; one that lay in the grey around it has no area.
    """
    height, width = size_of_file
    top, left, inner_height, inner_width = place_of(np.array([size_of_file]), (size[0], size[1]))[0].tolist()
    shift, scale = np.array([left, top] * 2), np.array([width / inner_width, height / inner_height] * 2)
    return np.clip((boxes - shift) * scale, 0, np.array([width, height] * 2)).astype(np.float32)


def mask_in(mask: np.ndarray, size_of_file: tuple[int, int]) -> np.ndarray:
    """A mask in the pixels of an image that was letterboxed, by the nearest pixel.

    Args:
      mask: uint8 ``[H, W]``, of what the network sees.
      size_of_file: height and width of the image.

    Returns:
      uint8, of that height and width.
    """
    top, left, height, width = place_of(np.array([size_of_file]), (mask.shape[0], mask.shape[1]))[0].tolist()
    inside = Image.fromarray(mask[top : top + height, left : left + width])
    return np.asarray(inside.resize((size_of_file[1], size_of_file[0]), Image.Resampling.NEAREST))
