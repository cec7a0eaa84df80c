"""Images decoded as they are read, whatever their mode and however damaged, and the two views of one of any size."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from jaxtricks.data._columns import DataError
from jaxtricks.data._identity import files_identity

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
PIXELS = 89_478_485  # PIL's default for a warning; decoded to RGB, a quarter of a GiB
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
    return as_array(image.crop((left, top, left + size, top + size)))


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
    return as_array(image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=None))


def as_array(image: Image.Image) -> np.ndarray:
    """The pixels of an image.

    Args:
      image: RGB or grey.

    Returns:
      uint8 ``[H, W, C]``.
    """
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def view(image: Image.Image, size: int, *, index: int, seed: int, epoch: int, train: bool) -> np.ndarray:
    """The training or the evaluation view of a record's image.

    Args:
      image: RGB or grey, any size.
      size: height and width of the result.
      index: of the record.
      seed, epoch: with index they determine the crop.
      train: whether it is the training view.

    Returns:
      uint8 ``[size, size, C]``.
    """
    if train:
        return random_view(image, size, np.random.default_rng((seed, epoch, index)))
    return centre_view(image, size)


def decode(file: Path | BytesIO, *, channels: int = 3, pixels: int = PIXELS) -> Image.Image:
    """An image whatever its mode: grey, palette, CMYK, transparent and 16-bit grey ones are converted.

    Transparency is dropped. Damage is found where the format tells it: anything cut off, and any changed bit of a PNG,
    whose chunks have checksums. A changed bit in the pixels of a JPEG, WebP, GIF, BMP, TIFF or PPM is other pixels and
    nothing else. The name of a file plays no part; formats that PIL would hand to other programs are not opened.

    Args:
      file: a path, or the bytes.
      channels: 3 for RGB, 1 for grey.
      pixels: greatest height times width; PIL's own limit, twice ``PIL.Image.MAX_IMAGE_PIXELS``, holds as well.

    Returns:
      The image, in mode RGB or L.

    Raises:
      DataError: if it cannot be decoded or is too large.
      OSError: if the file itself cannot be read: missing, forbidden, a fault of the disk.
    """
    size = file.stat().st_size if isinstance(file, Path) else file.getbuffer().nbytes
    if size > 8 * pixels:  # more than 16 bits in each of 4 channels
        raise DataError(f"it has {size:,} bytes; allowed: {8 * pixels:,}")
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > pixels:
                raise DataError(f"it has {image.width} x {image.height} pixels; allowed: {pixels:,} in all")
            if isinstance(image, TiffImageFile) and image.tag_v2.get(322, 0) * image.tag_v2.get(323, 0) > pixels:
                raise DataError(f"its tiles have more than {pixels:,} pixels")
            if image.format != "PNG":
                return _converted(image, channels)
            image.verify()
        if isinstance(file, BytesIO):
            file.seek(0)
        with Image.open(file, formats=FORMATS) as image:  # what was verified cannot be read any more
            return _converted(image, channels)
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"it is no image; allowed: {', '.join(FORMATS)}") from error
    except Exception as error:  # whatever a decoder raises on damaged bytes
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(str(error) or type(error).__name__) from error


def _converted(image: Image.Image, channels: int) -> Image.Image:
    if image.mode in ("I", "F"):
        raise DataError(f"it has mode {image.mode}, whose range is unknown; allowed: 8 or 16 bits")
    if image.mode.startswith("I;16"):  # PIL would clip at 255
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    return image.convert("RGB" if channels == 3 else "L")


class ImageFiles:
    """Image files as Records, in RGB.

    Args:
      files: their paths.
      size: height and width of what is read.
      pixels: greatest height times width of a file's image.
    """

    def __init__(self, files: tuple[Path, ...], size: int, *, pixels: int = PIXELS):
        self.files = files
        self.size = size
        self.pixels = pixels
        self.shape = (len(files), size, size, 3)

    def identity(self) -> list:
        """As Records: the files, and to what size they are brought."""
        return [files_identity(self.files), self.size, self.pixels]

    def read(self, index: np.ndarray, *, seed: int, epoch: int, train: bool) -> np.ndarray:
        """As Records; a file that is no complete image is a DataError that names it, as in decode."""
        out = np.empty((len(index), *self.shape[1:]), np.uint8)
        for row, i in enumerate(index):
            try:
                image = decode(self.files[i], pixels=self.pixels)
            except DataError as error:
                raise DataError(f"{self.files[i]} cannot be read as an image: {error}.") from error
            out[row] = view(image, self.size, index=int(i), seed=seed, epoch=epoch, train=train)
        return out
