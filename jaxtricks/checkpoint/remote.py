"""The steps in a remote checkpoint folder, such as ``gs://bucket/run``: the list of digests, written last, decides.

    folder/120/      the first attempt to save a step: what was written, then its list of digests
    folder/120-1/    the next attempt, where the first one was cut off or is damaged

A remote store has no rename. So each attempt has a name of its own; it is a step once its list is there, and the last
such attempt counts. One without a list was cut off, or is being written. Every file is read and written through
``etils.epath`` on its way from and to a folder on a local disk, where orbax works: a scheme that epath knows, or that
was added by ``epath.register_path_cls``, is enough. Tested on fsspec's memory, on a folder that cannot rename, and
through gcsfs on an emulator of Google Cloud Storage; no cloud was within reach of the tests. For ``gs://`` epath needs
tensorflow, or fsspec with gcsfs.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etils import epath

from jaxtricks.checkpoint import manifest

NAME = re.compile(r"(0|[1-9]\d{0,8})(?:-([1-9]\d{0,8}))?", re.ASCII)
BLOCK = 2**20  # bytes that are copied at once


def open_url(url: str) -> epath.Path:
    """The folder that a URL names; nothing is read.

    Args:
      url: such as ``"gs://bucket/run"``.

    Raises:
      ValueError: if epath does not know the scheme.
    """
    try:
        return epath.Path(url)
    except KeyError:
        allowed = "a path, or a URL of a scheme that etils.epath knows, such as gs://bucket/run"
        raise ValueError(f"folder is {url!r}; allowed: {allowed}.") from None


@dataclass(frozen=True)
class Remote:
    """A folder of checkpoints that cannot rename; ``Mounted`` has the same methods.

    Args:
      folder: of checkpoints; nothing is there before the first save.
    """

    folder: epath.Path

    def numbered(self) -> list[int]:
        """The steps that may be damaged or not, oldest first: those with a list of digests."""
        return self.listed()

    def listed(self) -> list[int]:
        """The steps that have a list of digests, oldest first; their files are not looked at."""
        return list(self._complete())

    @contextmanager
    def copies(self) -> Iterator[Path]:
        """A local folder in which a step can be read under its number, once ``fetch`` was called."""
        with tempfile.TemporaryDirectory(prefix="jaxtricks-reading-") as folder:
            yield Path(folder)

    def fetch(self, step: int, copies: Path) -> None:
        """Copy the last complete attempt at a step to the local folder; nothing where there is none."""
        if (attempt := self._complete().get(step)) is not None:
            _download(self._place(step, attempt), copies / str(step))

    def temporary(self, name: str) -> Path:
        """Where a step is written before it is published, on a local disk."""
        return Path(tempfile.gettempdir()) / f"jaxtricks-saving-{name}"

    def publish(self, temporary: Path, step: int) -> None:
        """Copy a step to the remote folder, its list of digests last.

        Args:
          temporary: holds the step, with its list of digests.
          step: the attempts at it that are there stay as they are.
        """
        attempt = max((a + 1 for s, a in self._attempts() if s == step), default=0)
        source, place = temporary / str(step), self._place(step, attempt)
        for name in (*manifest.files(source), manifest.NAME):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            with open(source / name, "rb") as read, (place / name).open("wb") as write:
                shutil.copyfileobj(read, write, BLOCK)

    def prune(self, temporary: Path, step: int, *, keep: int, damaged: Iterable[int]) -> None:
        """Take the damaged steps away, of the others all but the newest, and every attempt that does not count.

        Args:
          temporary: not used.
          step: the one just published, which stays.
          keep: how many stay.
          damaged: steps that do not count.
        """
        complete, damaged = self._complete(), set(damaged) - {step}
        kept = {step, *[s for s in complete if s not in damaged][-keep:]}
        for s, attempt in self._attempts():
            if s not in kept or complete[s] != attempt:
                # its list goes first: what is cut off here is no damaged step
                (self._place(s, attempt) / manifest.NAME).unlink(missing_ok=True)

    def recover(self) -> None:
        """Do nothing: an attempt never takes the place of another one."""

    def sweep(self, *, watch: float = 0.0) -> None:
        """Remove all attempts without a list of digests.

        Args:
          watch: not used, since nothing of orbax writes here.
        """
        complete = self._complete()
        for step, attempt in self._attempts():
            place = self._place(step, attempt)
            if complete.get(step) != attempt and not (place / manifest.NAME).exists():
                place.rmtree(missing_ok=True)

    def _place(self, step: int, attempt: int) -> epath.Path:
        return self.folder / (f"{step}-{attempt}" if attempt else str(step))

    def _attempts(self) -> list[tuple[int, int]]:
        """Step and attempt of everything that is named as one, in order."""
        names = [NAME.fullmatch(path.name) for path in self.folder.iterdir()] if self.folder.exists() else []
        return sorted((int(name[1]), int(name[2] or 0)) for name in names if name)

    def _complete(self) -> dict[int, int]:
        """The last attempt with a list of digests by step, in order."""
        return {s: a for s, a in self._attempts() if (self._place(s, a) / manifest.NAME).exists()}


def _download(source: epath.Path, target: Path) -> None:
    target.mkdir()
    for item in source.iterdir():
        if item.is_dir():
            _download(item, target / item.name)
        else:
            with item.open("rb") as read, open(target / item.name, "xb") as write:
                shutil.copyfileobj(read, write, BLOCK)


def folder_of(folder: str | os.PathLike) -> Path | epath.Path:
    """The folder that a path or the text of a URL names; ValueError for a URL that is a Path."""
    text = os.fspath(folder)
    if "://" in text:
        return open_url(text)
    if isinstance(folder, Path) and re.match(r"[a-z][a-z0-9+.-]+:/", text):  # a Path makes one slash of two
        raise ValueError(f"folder is {folder!r}; allowed: a path, or a URL as text.")
    return Path(folder).expanduser().absolute()
