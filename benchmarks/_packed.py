"""A set of small images in parts that are small enough to be carried one by one, and back, bit for bit.

    python -m benchmarks._packed pack cifar10.npz FOLDER
    python -m benchmarks._packed join FOLDER cifar10.npz

Every byte is what the three pixels before it leave open, in colours less the green one, and bz2 on top: CIFAR-10 is 105
MB in place of 184.
"""

import bz2
import hashlib
import itertools
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from jaxtricks.archive import read_npz

PART = 15 * 2**20  # bytes
SLICES = 16  # of an array, packed one by one, so that threads can join them


def residuals(images: np.ndarray) -> np.ndarray:
    """uint8 ``[C, N, H, W]`` that ``restored`` makes the images of again."""
    colors = _less_green(images, -1)
    padded = np.pad(colors, ((0, 0), (1, 0), (1, 0), (0, 0)))
    rest = (colors - _middle(padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1])) & 255
    return np.ascontiguousarray(rest.astype(np.uint8).transpose(3, 0, 1, 2))


def restored(rest: np.ndarray) -> np.ndarray:
    """The images, uint8 ``[N, H, W, C]``, pixel after pixel of all of them at once."""
    rest = rest.transpose(1, 2, 3, 0).astype(np.int16)
    count, height, width, channels = rest.shape
    padded = np.zeros((count, height + 1, width + 1, channels), np.int16)
    for y, x in np.ndindex(height, width):
        middle = _middle(padded[:, y + 1, x], padded[:, y, x + 1], padded[:, y, x])
        padded[:, y + 1, x + 1] = (rest[:, y, x] + middle) & 255
    return _less_green(padded[:, 1:, 1:], 1).astype(np.uint8)


def _middle(left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """The middle one of a, b and a + b - c, from the pixels to the left, above, and above to the left."""
    low, high = np.minimum(left, above), np.maximum(left, above)
    return np.clip(left + above - corner, low, high)


def _less_green(images: np.ndarray, sign: int) -> np.ndarray:
    """Red and blue less green, or plus green again, modulo 256; other numbers of channels as they are."""
    colors = images.astype(np.int16)
    if colors.shape[-1] == 3:
        shift = 128 if sign < 0 else -128
        green = colors[..., 1]
        colors = np.stack([(colors[..., i] + sign * green + shift) & 255 if i != 1 else green for i in range(3)], -1)
    return colors


def pack(file: Path, folder: Path, *, part: int = PART) -> list[Path]:
    """Write the arrays of an .npz file as parts.

    Args:
      file: an .npz file; images are uint8 arrays of rank 4.
      folder: made if missing.
      part: bytes of a part.

    Returns:
      The parts, ``NAME.000`` and so on, and ``NAME.json`` with shapes and the SHA-256 of what is joined again.
    """
    loaded = read_npz(file)
    digest, pieces, about = hashlib.sha256(), [], {}
    for name, array in loaded.items():
        image = array.dtype == np.uint8 and array.ndim == 4 and array.size > 0
        plain = [residuals(part) if image else part for part in _sliced(array if image else array.reshape(-1))]
        with ThreadPoolExecutor() as pool:
            squeezed = list(pool.map(lambda part: bz2.compress(part.tobytes()), plain))
        digest.update(array.tobytes())
        about[name] = {"shape": array.shape, "dtype": array.dtype.str, "image": image}
        about[name]["bytes"] = [len(part) for part in squeezed]
        pieces += squeezed
    everything = b"".join(pieces)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{file.stem}.{i:03d}" for i in range(-(-len(everything) // part))]
    for i, path in enumerate(paths):
        path.write_bytes(everything[i * part : (i + 1) * part])
    index = folder / f"{file.stem}.json"
    parts = {"sha256": digest.hexdigest(), "parts": len(paths), "arrays": about}
    index.write_text(json.dumps(parts, indent=1) + "\n", encoding="utf-8")
    return [*paths, index]


def _sliced(array: np.ndarray) -> list[np.ndarray]:
    return [part for part in np.array_split(array, SLICES) if len(part)]


def _opened(about: dict, squeezed: bytes) -> np.ndarray:
    """A slice of images, or of an array as a vector."""
    raw = bz2.decompress(squeezed)
    if not about["image"]:
        return np.frombuffer(raw, about["dtype"])
    height, width, channels = about["shape"][1:]
    return restored(np.frombuffer(raw, np.uint8).reshape(channels, -1, height, width))


def join(folder: Path, file: Path) -> None:
    """Make the .npz file again.

    Args:
      folder: with all parts.
      file: whose stem names the parts.

    Raises:
      SystemExit: if a part is missing, or what is joined is not what was packed.
    """
    index = json.loads((folder / f"{file.stem}.json").read_text(encoding="utf-8"))
    paths = [folder / f"{file.stem}.{i:03d}" for i in range(index["parts"])]
    if missing := [path.name for path in paths if not path.exists()]:
        raise SystemExit(f"{folder} lacks {', '.join(missing)}; allowed: all {len(paths)} parts.")
    everything, arrays, digest, place = b"".join(path.read_bytes() for path in paths), {}, hashlib.sha256(), 0
    for name, about in index["arrays"].items():
        if not isinstance(about["bytes"], list):
            raise SystemExit(f"{folder} was packed by an earlier version; allowed: parts of this one.")
        ends = place + np.cumsum([0, *about["bytes"]])
        squeezed = [everything[a:b] for a, b in itertools.pairwise(ends)]
        place = ends[-1]
        with ThreadPoolExecutor() as pool:
            opened = list(pool.map(partial(_opened, about), squeezed))
        joined = np.concatenate(opened) if opened else np.zeros(0)
        arrays[name] = joined.astype(about["dtype"]).reshape(about["shape"])  # joined, bytes are in the usual order
        digest.update(arrays[name].tobytes())
    if digest.hexdigest() != index["sha256"]:
        raise SystemExit(f"{folder}: what the parts give is not what was packed; allowed: the parts of one call.")
    np.savez(file, **arrays)


if __name__ == "__main__":
    way, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if way == "pack":
        paths = pack(source, target)
        print(f"{len(paths)} files, {sum(path.stat().st_size for path in paths) / 1e6:.0f} MB, in {target}")
    else:
        join(source, target)
