"""Images decoded as they are read, whatever their mode and however damaged, and the two views of one of any size."""

import functools
import os
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from jaxtricks.data._columns import DataError
from jaxtricks.data._identity import files_identity

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
PIXELS = 89_478_485  # PIL's default for a warning; decoded to RGB, a quarter of a GiB
KINDS = "JPEG, PNG, BMP, WebP, PPM, GIF and TIFF"


@functools.cache
def suffixes() -> frozenset[str]:
    """The endings of files that are taken for images, in small letters: PIL's for the formats that are read."""
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in FORMATS)


def printable(path: str | os.PathLike) -> str:
    """A path or name as text that any file and any terminal takes; bytes that are not UTF-8 become a mark.

    Args:
      path: as the system gives it.

    Returns:
      Text of Unicode characters.
    """
    return os.fsencode(path).decode("utf-8", "replace")


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
    scaled = max(size, round(width * scale)), max(size, round(height * scale))
    left, top = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
    across, down = width / scaled[0], height / scaled[1]
    box = (left * across, top * down, min(width, (left + size) * across), min(height, (top + size) * down))
    # only what is cut out is scaled: all of an image of 60,000 x 1 pixels would take gigabytes
    return as_array(image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=None))


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


def decode(file: Path | BytesIO, *, channels: int = 3, pixels: int = PIXELS, upright: bool = True) -> Image.Image:
    """An image whatever its mode: grey, palette, CMYK, transparent and 16-bit grey ones are converted.

    Transparency is dropped. Damage is found where the format tells it: anything cut off, and any changed bit of a PNG,
    whose chunks have checksums. A changed bit in the pixels of a JPEG, WebP, GIF, BMP, TIFF or PPM is other pixels and
    nothing else. The name of a file plays no part; formats that PIL would hand to other programs are not opened. A PNG
    with more text than PIL reads is read without it.

    Args:
      file: a path, or the bytes.
      channels: 3 for RGB, 1 for grey.
      pixels: greatest height times width; PIL's own limit, twice ``PIL.Image.MAX_IMAGE_PIXELS``, holds as well.
      upright: whether it is turned as its EXIF orientation says; one that cannot be read counts as none.

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
                return _converted(_turned(image) if upright else image, channels)
            image.verify()
        if isinstance(file, BytesIO):
            file.seek(0)
        with Image.open(file, formats=FORMATS) as image:  # what was verified cannot be read any more
            return _converted(_turned(image) if upright else image, channels)
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"it is no image; allowed: {', '.join(FORMATS)}") from error
    except Exception as error:  # whatever a decoder raises on damaged bytes
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if "MAX_TEXT" in str(error):  # PIL's limits for the text of a PNG
            raw = file.read_bytes() if isinstance(file, Path) else file.getvalue()
            if len(short := _without_text(raw)) < len(raw):
                return decode(BytesIO(short), channels=channels, pixels=pixels, upright=upright)
        raise DataError(str(error) or type(error).__name__) from error


def _without_text(raw: bytes) -> bytes:
    """A PNG without its chunks of text; each chunk has 4 bytes of length, 4 of name, its content, 4 of checksum."""
    parts, at = [raw[:8]], 8
    while at < len(raw):
        end = at + 12 + int.from_bytes(raw[at : at + 4], "big")
        if raw[at + 4 : at + 8] not in (b"tEXt", b"zTXt", b"iTXt"):
            parts.append(raw[at:end])
        at = end
    return b"".join(parts)


def _turned(image: Image.Image) -> Image.Image:
    """Upright, as the EXIF orientation says."""
    image.load()  # what is wrong with the pixels is raised here
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # whatever PIL raises on damaged EXIF, of which the pixels know nothing
        return image


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
                raise DataError(f"{printable(self.files[i])} cannot be read as an image: {error}.") from error
            out[row] = view(image, self.size, index=int(i), seed=seed, epoch=epoch, train=train)
        return out
