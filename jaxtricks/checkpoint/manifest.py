"""A list of the SHA-256 digests of all files of a folder: one changed bit is found before anything is read.

It is written as ``sha256sum`` does, so that ``cd FOLDER && sha256sum -c SHA256SUMS`` checks a folder by hand. Orbax has
no such list: it restores a flipped bit in silence (row r04 of the reliability card).
"""

import errno
import hashlib
import os
from pathlib import Path

NAME = "SHA256SUMS"
SLACK = 2**16  # bytes that a list is read beyond the length it should have, to name what is missing


def write(folder: Path) -> None:
    """Flush every file of the folder to the disk; then, last, write and flush the list.

    Args:
      folder: holds ordinary files and folders only, and is changed by nobody else.

    Raises:
      ValueError: if there is a link, or a name that a list cannot hold.
      OSError: if a file cannot be read, or the list not be written.
    """
    lines = _lines(folder, flush=True)
    for inside, _, _ in os.walk(folder):
        sync(Path(inside))
    with open(folder / NAME, "xb") as file:
        file.write(b"".join(lines))
        file.flush()
        os.fsync(file.fileno())
    sync(folder)


def damage(folder: Path) -> str | None:
    """What is wrong with a folder that ``write`` has completed, in a few words.

    No path of the list is ever opened, and not much more of it is read than a right one would have.

    Args:
      folder: the one to check.

    Returns:
      None if every file is as it was and there is no other.
    """
    if folder.is_symlink() or not folder.is_dir():
        return "is not a folder"
    if not os.path.lexists(folder / NAME):
        return f"{NAME} is missing"
    try:
        lines = _lines(folder, flush=False)
        wanted = b"".join(lines)
        with open(folder / NAME, "rb") as file:
            stored = file.read(len(wanted) + SLACK)
    except (ValueError, OSError) as error:
        return str(error)
    return None if stored == wanted else _difference(set(stored.splitlines(keepends=True)), set(lines))


def files(folder: Path) -> list[str]:
    """The names of all files in the folder, those of its own folders included, without the list.

    Args:
      folder: the one to walk.

    Returns:
      Names relative to the folder, with ``/`` between their parts, sorted.

    Raises:
      ValueError: if there is a link, a device, or a name that a list cannot hold.
    """
    names, folders = [], [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(folder).as_posix()
                if "\n" in name or "\\" in name or not name.isprintable():
                    raise ValueError(f"{name!r} is no name of a file of a checkpoint")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    raise ValueError(f"{name} is a link or a device")
                elif name != NAME:
                    names.append(name)
    return sorted(names)


def sync(folder: Path) -> None:
    """Flush a folder's own entries, the names and not the contents, to the disk.

    Args:
      folder: the one to flush.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems flush files only
            raise
    finally:
        os.close(handle)


def _lines(folder: Path, *, flush: bool) -> list[bytes]:
    lines = []
    for name in files(folder):
        with open(folder / name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if flush:
                os.fsync(file.fileno())
        lines.append(f"{digest}  {name}\n".encode())
    return lines


def _difference(stored: set[bytes], wanted: set[bytes]) -> str:
    """Name a file of which list and folder disagree; ``stored`` is what somebody wrote, and may be anything."""
    listed, present = ({line[66:-1] for line in lines} for lines in (stored, wanted))
    for names, words in (
        (present - listed, f"is not in {NAME}"),
        (listed - present, "is missing"),
        ({line[66:-1] for line in wanted - stored}, "was changed"),
    ):
        if names:
            return f"{min(names).decode(errors='replace')[:200]!r} {words}"
    return f"{NAME} is not as it was written"
