"""Masks in files: PNG with a number of a class a pixel, in VOC's palette; and COCO's run lengths."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxtricks import check
from jaxtricks.data._columns import DataError
from jaxtricks.data._files import PIXELS, printable

IGNORE = 255  # of VOC: a pixel that counts nothing
LOW, SIGN, MORE, ZERO = 0x1F, 0x10, 0x20, 48  # of a character of COCO's text: 5 bits, their sign, whether one follows


def read_mask(path: str | Path) -> np.ndarray:
    """The classes of the pixels of a PNG: the numbers of its palette, whatever their colours, or its grey levels.

    Args:
      path: of the PNG; in VOC 0 is the background, and 255, drawn in white, counts nothing.

    Returns:
      uint8 ``[H, W]``.

    Raises:
      DataError: if it is no PNG, is damaged, has more than 89 million pixels, or colours or 16 bits a pixel, which do
        not say a class.
    """
    shown = printable(path)
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.width * image.height > PIXELS:
                raise DataError(f"{shown} has {image.width} x {image.height} pixels; allowed: {PIXELS:,} in all.")
            if image.mode not in ("P", "L", "1"):
                raise DataError(f"{shown} has mode {image.mode}; allowed: a palette, or grey of 8 bits, with a class.")
            if image.mode == "1":
                image = image.convert("L")
                return (np.asarray(image) > 0).astype(np.uint8)
            return np.array(image, np.uint8)
    except DataError:
        raise
    except Exception as error:  # whatever PIL raises on damaged bytes
        raise DataError(f"{shown} cannot be read as a PNG: {error}.") from error


def write_mask(path: str | Path, mask: np.ndarray) -> None:
    """Write classes of pixels as a PNG in VOC's colours: by eye the classes differ, and by number nothing is lost.

    Args:
      path: ends in ``.png``.
      mask: integers ``[H, W]``, 0 to 255; 255 counts nothing.

    Raises:
      DataError: if the mask is not that.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype.kind not in "iu" or not mask.size or mask.min() < 0 or mask.max() > IGNORE:
        raise DataError(f"mask is {mask.dtype} {mask.shape}; allowed: integers 0 to 255, [H, W].")
    image = Image.fromarray(mask.astype(np.uint8))
    image.putpalette(palette().ravel().tolist())
    image.save(path, "PNG")


def palette() -> np.ndarray:
    """VOC's colours of the classes 0 to 255: the bits of a number, dealt out to red, green and blue from the top.

    Returns:
      uint8 ``[256, 3]``.
    """
    number = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((number >> (3 * bit + channel)) & 1) << (7 - bit)
    return colours.astype(np.uint8)


def encode_rle(mask: np.ndarray, *, compressed: bool = True) -> dict[str, Any]:
    """COCO's run lengths of a mask: how many 0, then how many 1, and so on, down the columns.

    Args:
      mask: bool ``[H, W]``.
      compressed: whether the counts are COCO's text, as in annotations of crowds from pycocotools, or a list.

    Returns:
      ``size``, ``[H, W]``, and ``counts``.

    Raises:
      ValueError: if the mask is no such array.

    Example:
      >>> encode_rle(np.array([[True, False], [True, False], [False, True]]))
      {'size': [3, 2], 'counts': '023O'}

    Reference:
      https://github.com/cocodataset/cocoapi, common/maskApi.c.
    """
    check.rank("mask", mask, 2)
    check.boolean("mask", mask)
    flat = np.asarray(mask).ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], ends, [len(flat)]]) if len(flat) else np.zeros(1, np.int64)
    counts = np.diff(edges).tolist()
    if len(flat) and flat[0]:
        counts = [0, *counts]  # the first run is of zeros
    return {"size": list(np.shape(mask)), "counts": _to_text(counts) if compressed else counts}


def decode_rle(rle: Mapping[str, Any]) -> np.ndarray:
    """The mask of COCO's run lengths, a list of counts or text.

    Args:
      rle: with ``size``, height and width, and ``counts``.

    Returns:
      bool ``[H, W]``.

    Raises:
      DataError: if it is not that, counts are negative, or they are not those of H x W pixels.

    Example:
      >>> decode_rle({"size": [2, 2], "counts": [1, 2, 1]}).astype(int)
      array([[0, 1],
             [1, 0]])
    """
    size, counts = (rle.get(name) for name in ("size", "counts")) if isinstance(rle, Mapping) else (None, None)
    if not isinstance(size, Sequence) or len(size) != 2 or not all(_count(side) for side in size):
        raise DataError(f"size is {size!r}; allowed: height and width.")
    height, width = size
    if height * width > PIXELS:
        raise DataError(f"size is {size}; allowed: {PIXELS:,} pixels in all.")
    counts = _from_text(counts) if isinstance(counts, str | bytes) else counts
    if not isinstance(counts, Sequence) or not all(_count(count) for count in counts):
        raise DataError(f"counts is {str(counts)[:40]}; allowed: integers of 0 or more, or COCO's text of them.")
    if sum(counts) != height * width:
        raise DataError(f"counts add up to {sum(counts)}; allowed: {height * width}, the pixels of {height} x {width}.")
    runs = np.arange(len(counts)) % 2 == 1
    return np.repeat(runs, np.array(counts, np.int64)).reshape((height, width), order="F")


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _to_text(counts: Sequence[int]) -> str:
    """Differences to the count before the last, from the fourth on, in characters of 5 bits, the lowest first."""
    characters = []
    for place, count in enumerate(counts):
        rest = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            low, rest = rest & LOW, rest >> 5
            more = rest != (-1 if low & SIGN else 0)
            characters.append(chr(ZERO + (low | MORE if more else low)))
    return "".join(characters)


def _from_text(text: str | bytes) -> list[int]:
    counts, value, shift = [], 0, 0
    for byte in text.encode("latin-1", "replace") if isinstance(text, str) else text:
        bits = byte - ZERO
        if not 0 <= bits <= (LOW | MORE) or shift > 60:
            raise DataError(f"counts is {text[:40]!r}; allowed: COCO's text of run lengths.")
        value |= (bits & LOW) << shift
        shift += 5
        if not bits & MORE:
            if bits & SIGN:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    if shift:
        raise DataError(f"counts is {text[:40]!r}, cut off; allowed: COCO's text of run lengths.")
    return counts
