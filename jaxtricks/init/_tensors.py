"""Named tensors of a file, safetensors or npz. Names, shapes and dtypes come first; numbers when asked for; no pickle.

Whoever asks only for tensors whose shapes it knows needs no more memory than these, whatever the file claims.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxtricks import archive


class Header(NamedTuple):
    """What a file says of a tensor: its shape, and its dtype in the words of the format."""

    shape: tuple[int, ...]
    dtype: str


Headers = dict[str, Header]
Read = Callable[[str], np.ndarray]


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[tuple[Headers, Read]]:
    """The headers of a file and a function that reads one tensor, while the file is open."""
    path = Path(path)
    readers = {".safetensors": _safetensors, ".npz": _npz}
    if path.suffix.lower() not in readers:
        raise _refused(path, "has another suffix")
    with readers[path.suffix.lower()](path) as opened_file:
        yield opened_file


@contextmanager
def _safetensors(path: Path) -> Iterator[tuple[Headers, Read]]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ImportError("A .safetensors file needs safetensors: pip install 'jaxtricks[weights]'.") from error
    try:
        file = safe_open(str(path), framework="numpy")
    except SafetensorError as error:
        raise _refused(path, f"is no safetensors file ({error})") from error
    with file:
        slices = {name: file.get_slice(name) for name in file.keys()}
        headers = {name: Header(tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
        yield headers, file.get_tensor


@contextmanager
def _npz(path: Path) -> Iterator[tuple[Headers, Read]]:
    try:
        with archive.open_npz(path) as file:
            headers = {name: file.header(name) for name in file.members}
            yield {name: Header(header.shape, header.dtype.name) for name, header in headers.items()}, file.read
    except archive.ArchiveError as error:
        raise _refused(path, f"cannot be read as .npz ({error})") from error


def _refused(path: Path, why: str) -> ValueError:
    return ValueError(
        f"path is {str(path)!r}, which {why}; allowed: a .safetensors or .npz file of arrays. A pickle (.pt, .pth, "
        ".bin) can run code: `python -m jaxtricks weights FILE.pth FILE.npz` writes its tensors without running it, "
        "and so does safetensors.torch.save_file where PyTorch is."
    )
