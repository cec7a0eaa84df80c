"""Arrays out of an .npz file that somebody else made: nothing in it is trusted, nothing of it runs or is unpacked."""

import math
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np

from jaxtricks.data._dataset import DataError

LIMIT = 2**32  # bytes of arrays; ImageNet at 32 x 32 has 4.1e9
KINDS = "biufc"  # booleans, integers, floats, complex numbers: no objects, no text, no records
HEADER = 10_000  # characters of an array's header
CHUNK = 2**20  # bytes that are inflated at a time


def read_npz(path: Path, *, names: Sequence[str] | None = None, limit: int = LIMIT) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file of numbers.

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
      DataError: if the file is missing or no archive, a name is missing, occurs twice or points outside of the archive,
        or an array is damaged, pickled, not of numbers, larger than its member or beyond the limit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            missing = [name for name in names or () if name not in members]
            if missing:
                raise DataError(f"it has no array {', '.join(missing)}; it has: {', '.join(members) or 'none'}")
            wanted = {name: members[name] for name in (members if names is None else names)}
            total = 0
            for name, member in wanted.items():
                with archive.open(member) as file:
                    shape, _, dtype = _header(file, name, member.file_size)
                total += math.prod(shape) * dtype.itemsize
            if total > limit:
                raise DataError(f"its arrays take {total:,} bytes; allowed: {limit:,}, the limit")
            return {name: _read(archive, name, member) for name, member in wanted.items()}
    except MemoryError:
        raise
    except Exception as error:  # whatever zipfile, zlib and NumPy raise on hostile bytes
        raise DataError(f"{path} cannot be read as .npz: {str(error).rstrip('.') or type(error).__name__}.") from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members = {}
    for member in archive.infolist():
        inner = PurePosixPath(member.filename.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts or ":" in member.filename:
            raise DataError(f"the path {member.filename!r} points outside of the archive")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{member.filename!r} is encrypted or packed unusually; allowed: stored or deflated")
        name = member.filename.removesuffix(".npy")
        if name in members:
            raise DataError(f"it has two arrays {name!r}")
        members[name] = member
    return members


def _header(file, name: str, size: int) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran order, and dtype; the file is left where the numbers begin."""
    start = file.read(8)
    if start not in (b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00"):
        raise DataError(f"{name!r} is no array of numbers (a pickle is never read)")
    first = start[6] == 1
    width = file.read(2 if first else 4)
    length = int.from_bytes(width, "little")
    if length > HEADER:
        raise DataError(f"{name!r} has a header of {length:,} characters; allowed: {HEADER:,}")
    text = BytesIO(width + file.read(length))
    parse = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = parse(text, max_header_size=HEADER)
    except Exception as error:  # MemoryError too: Python's parser says so of what is nested deeply
        raise DataError(f"{name!r} has a header that is none: {str(error) or type(error).__name__}") from error
    if dtype.kind not in KINDS:
        raise DataError(f"{name!r} has dtype {dtype}; allowed: numbers")
    held = size - 8 - len(width) - length
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held:
        raise DataError(f"{name!r} has shape {shape} and dtype {dtype}, but holds {held:,} bytes")
    return shape, fortran, dtype


def _read(archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        shape, fortran, dtype = _header(file, name, member.file_size)
        array = np.empty(shape[::-1] if fortran else shape, dtype)
        view = memoryview(array.reshape(-1).view(np.uint8))
        done = 0
        while done < len(view):  # at the end zipfile verifies the checksum
            count = file.readinto(view[done : done + CHUNK])
            if not count:
                raise DataError(f"{name!r} ends after {done:,} of {len(view):,} bytes")
            done += count
    return array.T if fortran else array
