"""Arrays out of an .npz file that somebody else made: nothing in it is trusted, nothing of it runs or is unpacked."""

import math
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

LIMIT = 2**32  # bytes of arrays; ImageNet at 32 x 32 has 4.1e9
KINDS = "biufc"  # booleans, integers, floats, complex numbers: no objects, no text, no records
HEADER = 10_000  # characters of an array's header
CHUNK = 2**20  # bytes that are inflated at a time


class ArchiveError(ValueError):
    """A file is no .npz file of numbers, or damaged; the message says what is wrong with it."""


class Header(NamedTuple):
    """What a file says of an array; `Npz.read` believes it only after it has counted the bytes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    start: int
    """Bytes before the numbers."""


@dataclass(frozen=True)
class Npz:
    """An open .npz file: names first, headers and arrays when asked for. Every method raises ArchiveError."""

    archive: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]

    def header(self, name: str) -> Header:
        """Shape and dtype as the file gives them; no more than the header is read."""
        with _damage(), self.archive.open(self.members[name]) as file:
            return _header(file, name)

    def checked(self, name: str) -> Header:
        """The header of an array of numbers that agrees with the size of its member."""
        header, size = self.header(name), self.members[name].file_size
        if header.dtype.kind not in KINDS:
            raise ArchiveError(f"{name!r} has dtype {header.dtype}; allowed: numbers")
        numbers = size - header.start
        if min(header.shape, default=0) < 0 or math.prod(header.shape) * header.dtype.itemsize != numbers:
            raise ArchiveError(
                f"{name!r} has shape {header.shape} and dtype {header.dtype}, but holds {numbers:,} bytes"
            )
        return header

    def read(self, name: str) -> np.ndarray:
        """An array of numbers, whose size and checksum are verified."""
        shape, fortran, dtype, start = self.checked(name)
        array = np.empty(shape[::-1] if fortran else shape, dtype)
        view, done = memoryview(array.reshape(-1).view(np.uint8)), 0  # pyright: ignore[reportArgumentType]
        with _damage(), self.archive.open(self.members[name]) as file:
            file.read(start)
            while done < len(view):  # at the end zipfile verifies the checksum
                count = file.readinto(view[done : done + CHUNK])  # pyright: ignore[reportAttributeAccessIssue]
                if not count:
                    raise ArchiveError(f"{name!r} ends after {done:,} of {len(view):,} bytes")
                done += count
        return array.T if fortran else array


@contextmanager
def open_npz(path: str | os.PathLike) -> Iterator[Npz]:
    """Open an ``.npz`` file to look at the shapes of its arrays before any is read; read_npz where all are wanted.

    Args:
      path: of the file.

    Returns:
      A context with an `Npz`.

    Raises:
      ArchiveError: if the file is no archive, or a name occurs twice or points outside of it.
      OSError: if the file cannot be opened.
    """
    with open(path, "rb") as file:
        with _damage():
            archive = zipfile.ZipFile(file)
            opened = Npz(archive, _members(archive))
        yield opened


def read_npz(
    path: str | os.PathLike, *, names: Sequence[str] | None = None, limit: int = LIMIT
) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file of numbers, where the file may be damaged or hostile.

    Sizes are checked before memory is taken: what the headers of the arrays promise must agree with the directory of
    the archive and stay within the limit, and no more than that is inflated. The checksum of every array read is
    verified.

    Args:
      path: of the file.
      names: of the arrays to read; all of them if None. The others are not looked into.
      limit: bytes that the arrays read may take together, 0 or more.

    Returns:
      Name to array.

    Raises:
      ArchiveError: if the file is missing or no archive, a name is missing, occurs twice or points outside of the
        archive, or an array is damaged, pickled, not of numbers, larger than its member or beyond the limit.
    """
    try:
        with open_npz(path) as file:
            missing = [name for name in names or () if name not in file.members]
            if missing:
                raise ArchiveError(f"it has no array {', '.join(missing)}; it has: {', '.join(file.members) or 'none'}")
            wanted = tuple(file.members) if names is None else tuple(names)
            headers = [file.checked(name) for name in wanted]
            total = sum(math.prod(header.shape) * header.dtype.itemsize for header in headers)
            if total > limit:
                raise ArchiveError(f"its arrays take {total:,} bytes; allowed: {limit:,}, the limit")
            return {name: file.read(name) for name in wanted}
    except (ArchiveError, OSError) as error:
        words = str(error).rstrip(".") or type(error).__name__
        raise ArchiveError(f"{path} cannot be read as .npz: {words}.") from error


@contextmanager
def _damage() -> Iterator[None]:
    """Whatever zipfile, zlib and NumPy raise on hostile bytes becomes an ArchiveError."""
    try:
        yield
    except (ArchiveError, MemoryError):
        raise
    except Exception as error:
        raise ArchiveError(str(error).rstrip(".") or type(error).__name__) from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members = {}
    for member in archive.infolist():
        inner = PurePosixPath(member.filename.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts or ":" in member.filename:
            raise ArchiveError(f"the path {member.filename!r} points outside of the archive")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(f"{member.filename!r} is encrypted or packed unusually; allowed: stored or deflated")
        name = member.filename.removesuffix(".npy")
        if name in members:
            raise ArchiveError(f"it has two arrays {name!r}")
        members[name] = member
    return members


def _header(file, name: str) -> Header:
    start = file.read(8)
    if start not in (b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00"):
        raise ArchiveError(f"{name!r} is no array of numbers (a pickle is never read)")
    first = start[6] == 1
    width = file.read(2 if first else 4)
    length = int.from_bytes(width, "little")
    if length > HEADER:
        raise ArchiveError(f"{name!r} has a header of {length:,} characters; allowed: {HEADER:,}")
    text = BytesIO(width + file.read(length))
    parse = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = parse(text, max_header_size=HEADER)
    except Exception as error:  # MemoryError too: Python's parser raises it for what is nested deeply
        raise ArchiveError(f"{name!r} has a header that is none: {str(error) or type(error).__name__}") from error
    return Header(shape, fortran, dtype, 8 + len(width) + length)
