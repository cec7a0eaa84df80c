"""Named tensors of a file, safetensors or npz. Names, shapes and dtypes come first; numbers when asked for; no pickle.

Whoever asks only for tensors whose shapes it knows needs no more memory than these, whatever the file claims.
"""

import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

LONGEST_HEADER = 16_384  # bytes of an .npy member that are looked at before anything in it is believed
NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


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
    with readers[path.suffix.lower()](path) as found:
        yield found


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
        headers = {name: Header(tuple(found.get_shape()), found.get_dtype()) for name, found in slices.items()}
        yield headers, file.get_tensor


@contextmanager
def _npz(path: Path) -> Iterator[tuple[Headers, Read]]:
    damage = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
    try:
        archive = zipfile.ZipFile(path)
    except damage as error:
        raise _refused(path, f"is no npz file ({error})") from error
    with archive:
        members: dict[str, zipfile.ZipInfo] = {}
        headers: Headers = {}
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name == member.filename:
                raise _refused(path, f"holds {name!r}, which is no array")
            if name in members:
                raise _refused(path, f"holds {name!r} twice")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _refused(path, f"holds {name!r}, compressed in a way that NumPy does not write")
            try:
                with archive.open(member) as file:
                    start = io.BytesIO(file.read(LONGEST_HEADER))
                shape, _, dtype = NPY_HEADERS[np.lib.format.read_magic(start)](start)
            except Exception as error:  # NumPy's parser of headers raises almost anything, if they were made to
                raise _refused(path, f"has no readable array in {name!r} ({error})") from error
            members[name], headers[name] = member, Header(shape, dtype.name)

        def read(name: str) -> np.ndarray:
            try:
                with archive.open(members[name]) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                    if file.read(1):  # at the end of a member, and only there, its checksum is compared
                        raise ValueError("more numbers than the shape takes")
            except damage as error:
                raise _refused(path, f"is damaged in {name!r} ({error})") from error
            return array

        yield headers, read


def _refused(path: Path, why: str) -> ValueError:
    return ValueError(
        f"path is {str(path)!r}, which {why}; allowed: a .safetensors or .npz file of arrays. A pickle (.pt, .pth, "
        ".bin) can run code and is never opened; save its state dict by safetensors.torch.save_file where PyTorch is."
    )
