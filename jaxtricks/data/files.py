"""Images decoded as they are read: files of a folder, records of TFDS; and the two views of an image of any size."""

from pathlib import Path

import numpy as np
from PIL import Image

from jaxtricks.data.dataset import DataError

PILLOW_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".gif", ".tif", ".tiff"}


def centre_view(image: Image.Image, size: int) -> np.ndarray:
    """The evaluation view: short side to ``size * 8 / 7`` (256 for 224), then the centre.

    Args:
      image: RGB or grey, any size.
      size: height and width of the result.

    Returns:
      uint8 ``[size, size, C]``.
    """
    short = round(size * 8 / 7)
    width, height = image.size
    scale = short / min(width, height)
    image = image.resize((max(size, round(width * scale)), max(size, round(height * scale))), Image.Resampling.BILINEAR)
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return _array(image.crop((left, top, left + size, top + size)))


def random_view(image: Image.Image, size: int, rng: np.random.Generator) -> np.ndarray:
    """The training view: a crop of 8 to 100 % of the area and aspect 3/4 to 4/3, brought to one size.

    Args:
      image: RGB or grey, any size.
      size: height and width of the result.
      rng: draws the crop; the centre is taken if ten draws do not fit.

    Returns:
      uint8 ``[size, size, C]``.

    Reference:
      Szegedy et al., arXiv 1409.4842; He et al., arXiv 1812.01187, section 2.
    """
    width, height = image.size
    for _ in range(10):
        area = width * height * rng.uniform(0.08, 1.0)
        aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
            break
    else:
        w = h = min(width, height)
        left, top = (width - w) // 2, (height - h) // 2
    box = (int(left), int(top), int(left + w), int(top + h))
    return _array(image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=None))


def _array(image: Image.Image) -> np.ndarray:
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def _view(image: Image.Image, size: int, index: int, seed: int, epoch: int, train: bool) -> np.ndarray:
    if train:
        return random_view(image, size, np.random.default_rng((seed, epoch, index)))
    return centre_view(image, size)


class ImageFiles:
    """Image files as Records: any mode is brought to RGB.

    Args:
      files: their paths.
      size: height and width of what is read.
    """

    def __init__(self, files: tuple[Path, ...], size: int):
        self.files = files
        self.size = size
        self.shape = (len(files), size, size, 3)

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """As Records; an unreadable file is a DataError that names it."""
        out = np.empty((len(index), *self.shape[1:]), np.uint8)
        for row, i in enumerate(index):
            try:
                with Image.open(self.files[i]) as image:
                    out[row] = _view(image.convert("RGB"), self.size, int(i), seed, epoch, train)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                raise DataError(f"{self.files[i]} cannot be read as an image: {error}.") from error
        return out


class TfdsRecords:
    """A TFDS data source as Records: images of one size as they are, the others by the two views.

    Args:
      source: ``tfds.data_source``.
      shape: of its image feature; None where it varies.
      size: height and width of what is read where it varies.
    """

    def __init__(self, source, shape: tuple, size: int):
        self.source = source
        self.size = size
        self.fixed = None not in shape
        self.shape = (len(source), *(shape if self.fixed else (size, size, shape[-1])))

    def labels(self) -> np.ndarray:
        """The label of every record, int64 ``[N]``; images are not decoded."""
        import tensorflow_datasets as tfds

        plain = self.source
        if hasattr(plain, "decoders"):
            import dataclasses

            plain = dataclasses.replace(plain, decoders={"image": tfds.decode.SkipDecoding()})
        return np.array([plain[i]["label"] for i in range(len(plain))], np.int64)

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """As Records; an unreadable record is a DataError that names it."""
        out = np.empty((len(index), *self.shape[1:]), np.uint8)
        for row, i in enumerate(index):
            try:
                image = np.asarray(self.source[int(i)]["image"])
            except Exception as error:  # whatever the reader raises, name the record
                raise DataError(f"record {i} cannot be read: {error}.") from error
            if not self.fixed:
                plain = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
                image = _view(plain, self.size, int(i), seed, epoch, train)
            out[row] = image
        return out
