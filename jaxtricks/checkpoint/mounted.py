"""The steps in a checkpoint folder on a mounted file system: each one is complete, or known to be damaged.

    folder/120/             a step: what was written, and its list of digests
    folder/.saving/xyz/     temporary folders: of the step that is being written, and of old ones on their way out

A step gets its number by one rename, after its list of digests lies on the disk. So a save that was cut off leaves
nothing under a number, and a numbered folder without a list is damaged.

Orbax renames too, from a temporary folder that it names after the step, but before there could be a list, and it
deletes a step before it writes it again. What is kept of ours, with the row of the reliability card that needs it:

- the rename after the list: at no moment does a save give a warning (r02), and a lost list is damage and not a save
  that was cut off (r03);
- ``recover``: a step that is replaced is there at every moment (r02);
- ``prune``: a damaged step does not count as kept, the last one saved is never removed (r03);
- a temporary folder of a new name for each save, and ``remove``, which waits: after an error orbax's threads write on,
  in files that the next attempt would make (r05, r06).
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jaxtricks.checkpoint import manifest

TEMPORARY, REPLACED = ".saving", ".replaced"
DIGITS = 9  # of a step: processes send each other steps as int32


@dataclass(frozen=True)
class Mounted:
    """A folder of checkpoints that can rename; ``Remote`` has the same methods.

    Args:
      folder: of checkpoints; nothing is there before the first save.
    """

    folder: Path

    def numbered(self) -> list[int]:
        """Everything that is named as a step, complete or not, oldest first."""
        try:
            names = [name for name in os.listdir(self.folder) if name.isascii() and name.isdigit()]
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if len(name) <= DIGITS and str(int(name)) == name)

    def listed(self) -> list[int]:
        """The steps that have a list of digests, oldest first; their files are not looked at."""
        places = {step: self.folder / str(step) for step in self.numbered()}
        return [step for step, place in places.items() if not place.is_symlink() and (place / manifest.NAME).is_file()]

    @contextmanager
    def copies(self) -> Iterator[Path]:
        """The local folder in which a step can be read under its number, once ``fetch`` was called."""
        yield self.folder

    def fetch(self, step: int, copies: Path) -> None:
        """Do nothing: the step is there already."""

    def temporary(self, name: str) -> Path:
        """Where a step is written before it is published."""
        return self.folder / TEMPORARY / name

    def publish(self, temporary: Path, step: int) -> None:
        """Move a step from its temporary folder to its place.

        Args:
          temporary: holds the step, with its list of digests.
          step: what has its place already is replaced, or comes back by ``recover`` if this is cut off.

        Raises:
          OSError: if that cannot be done.
        """
        place = self.folder / str(step)
        if os.path.lexists(place):
            os.replace(place, temporary / f"{step}{REPLACED}")
        os.replace(temporary / str(step), place)
        try:
            manifest.sync(self.folder)
        except OSError:
            os.replace(place, temporary / str(step))
            raise

    def prune(self, temporary: Path, step: int, *, keep: int, damaged: Iterable[int]) -> None:
        """Take the damaged steps away, and of the others all but the newest.

        Args:
          temporary: where they go, to be swept.
          step: the one just published, which stays.
          keep: how many stay.
          damaged: steps that do not count.

        Raises:
          OSError: if that cannot be done.
        """
        damaged = set(damaged) - {step}
        old = [s for s in self.listed() if s not in damaged][:-keep]
        for gone in (damaged | set(old)) - {step}:
            with suppress(FileNotFoundError):
                os.replace(self.folder / str(gone), temporary / f"{gone}.old")

    def recover(self) -> None:
        """Put back a step that was to be replaced, if that was cut off between its two renames.

        Raises:
          OSError: if that cannot be done.
        """
        path = self.folder / TEMPORARY
        temporaries = [] if path.is_symlink() else [t for t in path.glob("*/") if not t.is_symlink()]
        for old in (old for temporary in temporaries for old in temporary.glob(f"*{REPLACED}")):
            if not os.path.lexists(self.folder / old.stem):
                os.replace(old, self.folder / old.stem)

    def sweep(self, *, watch: float = 0.0) -> None:
        """Recover, and remove all temporary folders.

        Args:
          watch: as for ``remove``.

        Raises:
          OSError: if that cannot be done.
        """
        self.recover()
        remove(self.folder / TEMPORARY, watch=watch)


def remove(path: Path, *, watch: float = 0.0, limit: float = 5.0) -> None:
    """Remove a file, a link or a folder; again if it comes back: after an error orbax's threads write on for a while.

    Args:
      path: need not be there.
      watch: seconds for which it may not come back.
      limit: seconds after which an error of the removal is raised.

    Raises:
      OSError: if that cannot be done.
    """
    began = seen = time.monotonic()
    while os.path.lexists(path) or time.monotonic() - seen < watch:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            seen = time.monotonic()
            shutil.rmtree(path, ignore_errors=seen - began < limit)
        if watch or path.exists():
            time.sleep(0.01)
