"""Schemes of remote folders for tests: fsspec's memory, and a folder of the disk that can do no more than a store.

    memory://name/run       fsspec's memory of this process
    bucket:///tmp/x/run     files under /tmp/x/run, for several processes

Neither can rename, nor tell a link from a file; ``operations`` counts, and fails at the n-th one where it is asked to.
"""

import errno
import os
from contextlib import contextmanager
from pathlib import PurePosixPath

import fsspec
from etils import epath


class _Operations:
    def __init__(self):
        self.count, self.fails_from = 0, None

    def tick(self):
        self.count += 1
        if self.fails_from is not None and self.count > self.fails_from:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def failing_from(self, n):
        """Let every write but the first n fail."""
        self.count, self.fails_from = 0, n
        try:
            yield
        finally:
            self.fails_from = None


operations = _Operations()


class _Store(PurePosixPath):
    """What epath asks of a path, by fsspec; ``scheme`` and ``system`` are of the subclass."""

    scheme = system = ""

    def __new__(cls, *parts):
        parts = [str(part).removeprefix(cls.scheme) for part in parts]
        return super().__new__(cls, "/" + parts[0].lstrip("/"), *parts[1:])

    @property
    def _fs(self):
        return fsspec.filesystem(self.system)

    @property
    def _key(self):
        return PurePosixPath.__str__(self)

    def __str__(self):
        return self.scheme + self._key

    def __fspath__(self):
        raise TypeError(f"{self} has no path on this machine")

    def exists(self):
        return self._fs.exists(self._key)

    def is_dir(self):
        return self._fs.isdir(self._key)

    def iterdir(self):
        for name in self._fs.ls(self._key, detail=False):
            yield self / name.rstrip("/").rpartition("/")[2]

    def mkdir(self, mode=None, parents=False, exist_ok=False):
        self._fs.makedirs(self._key, exist_ok=exist_ok)

    def open(self, mode="r"):
        if "w" in mode:
            operations.tick()
        return self._fs.open(self._key, mode)

    def unlink(self, missing_ok=False):
        if self.exists() or not missing_ok:
            operations.tick()
            self._fs.rm(self._key)

    def rmtree(self, missing_ok=False):
        if self.exists() or not missing_ok:
            self._fs.rm(self._key, recursive=True)

    def rename(self, target):
        raise NotImplementedError("a store cannot rename")

    replace = rename


@epath.register_path_cls("memory://")
class Memory(_Store):
    scheme, system = "memory://", "memory"

    def __str__(self):
        return self.scheme + self._key.lstrip("/")


@epath.register_path_cls("bucket://")
class Bucket(_Store):
    scheme, system = "bucket://", "file"
