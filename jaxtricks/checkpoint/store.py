"""Saving and restoring the state of a run: orbax's Checkpointer, and what it lacks.

Orbax writes a step to a temporary folder; it is listed only when a list of the digests of its files lies there with it.
Before anything of a step is restored, every file is compared with that list. A remote step is written and checked on a
local disk, by the same code, and copied.
"""

import json
import os
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils

from jaxtricks._runtime.processes import everywhere, of_first
from jaxtricks.checkpoint import manifest
from jaxtricks.checkpoint.compare import CheckpointMismatchError, compare, compare_fields
from jaxtricks.checkpoint.errors import (
    CheckpointCorruptError,
    CheckpointSaveError,
    CheckpointWarning,
    first_line,
    reading,
)
from jaxtricks.checkpoint.leaves import (
    META,
    TEXT_LIMIT,
    close_abandoned,
    pack,
    read,
    read_meta,
    start_write,
    stored,
    unpack,
)
from jaxtricks.checkpoint.mounted import DIGITS, Mounted, remove
from jaxtricks.checkpoint.remote import Remote, folder_of

NEVER_SAVED, NONE_INTACT = -1, -2
ON_ERROR = ("raise", "warn")


class Checkpoints:
    """The checkpoints in one folder, on a disk or remote. Nothing is read or made before the first call of a method.

    Where several processes run together, all of them call the same methods. In a remote folder the first process
    writes the state of all; it passes through the memory and the temporary folder of every machine.

    Args:
      folder: made by the first save; a relative path is taken from the current folder. Or the URL of a remote folder,
        such as ``"gs://bucket/run"``, of a scheme that ``etils.epath`` knows.
      keep: how many of the newest are kept, 1 or more.
      asynchronous: whether ``save`` returns as soon as the state is copied, and the writing goes on while the run does;
        an error is then raised by the next ``check``, ``wait``, ``save``, ``restore`` or ``close`` after it happened.
      on_error: what a save that fails does: ``"raise"`` CheckpointSaveError, or ``"warn"`` and let the run go on.

    Raises:
      ValueError: if an argument is not one of those.
    """

    def __init__(
        self, folder: str | os.PathLike, *, keep: int = 2, asynchronous: bool = False, on_error: str = "raise"
    ):
        if keep < 1:
            raise ValueError(f"keep is {keep!r}; allowed: 1 or more.")
        if on_error not in ON_ERROR:
            raise ValueError(f"on_error is {on_error!r}; allowed: {', '.join(map(repr, ON_ERROR))}.")
        self.folder = folder_of(folder)
        self._place = Mounted(self.folder) if isinstance(self.folder, Path) else Remote(self.folder)
        self.keep, self.asynchronous, self.on_error = keep, asynchronous, on_error
        self._damaged: dict[int, str] = {}  # steps that restore found so; known to process 0 only
        self._pending: tuple[int, Future, Path] | None = None
        self._worker = ThreadPoolExecutor(1, "checkpoint")  # its thread starts with the first save

    def steps(self) -> list[int]:
        """The complete steps, oldest first; neither one that is being written nor one known to be damaged."""
        return [step for step in self._place.listed() if step not in self._damaged]

    def latest(self) -> int | None:
        """The newest complete step, or None if nothing was ever saved.

        Raises:
          CheckpointCorruptError: if there are steps, but none is intact.
        """
        newest = of_first(self._newest)
        if newest == NONE_INTACT:
            raise CheckpointCorruptError(self._lost())
        return None if newest == NEVER_SAVED else newest

    def save(self, step: int, state: Any, meta: dict) -> None:
        """Write the state and a JSON-able dict under this step, unless it is there already, intact, with the same dict.

        Args:
          step: 0 or more; a checkpoint of the same step that is damaged, or has another dict, is replaced.
          state: a pytree of arrays.
          meta: what else the run needs to go on.

        Raises:
          ValueError: if meta is too long to be read again, or step out of range.
          CheckpointSaveError: if this save, or an asynchronous one before it, failed, and ``on_error`` is ``"raise"``.
        """
        if (size := len(json.dumps(meta))) > TEXT_LIMIT:
            raise ValueError(f"meta is {size} characters of JSON; allowed: up to {TEXT_LIMIT}.")
        if not 0 <= step < 10**DIGITS:
            raise ValueError(f"step is {step}; allowed: 0 to {10**DIGITS - 1}.")
        self.wait()
        if of_first(lambda: self._is_saved(step, meta)):
            return
        # a name of its own: after an error the threads of the last save may still be writing to theirs
        temporary = self._place.temporary(str(of_first(lambda: int.from_bytes(os.urandom(3), "big"))))
        try:
            writing = self._begin(temporary, step, pack(state), meta)
        except Exception as error:
            work = Future()
            work.set_exception(error)
        else:
            work = self._worker.submit(self._finish, temporary, step, writing)
        self._pending = step, work, temporary
        if not self.asynchronous:
            self.wait()

    def check(self) -> None:
        """Report an asynchronous save that has failed by now, as ``on_error`` says; costs nothing, waits for nothing.

        Raises:
          CheckpointSaveError: if it failed and ``on_error`` is ``"raise"``.
        """
        if self._pending is None or not self._pending[1].done():
            return
        # processes settle together, in save; an error that ends this one anyway need not wait for that
        if jax.process_count() == 1:
            self.wait()
        elif self.on_error == "raise" and (error := self._pending[1].exception()):
            raise CheckpointSaveError(self._unsaved(self._pending[0], error)) from error

    def wait(self) -> None:
        """Wait for the save that runs, and report its failure.

        Raises:
          CheckpointSaveError: as ``check``.
        """
        if self._pending is None:
            return
        step, work, temporary = self._pending
        error = work.exception()
        self._pending = None
        if everywhere(error is None):
            self._damaged.pop(step, None)
            if left := work.result():
                warnings.warn(left, CheckpointWarning, stacklevel=3)
            else:
                self._damaged.clear()
            return
        if jax.process_index() == 0:
            with suppress(Exception):  # the next save tries again
                self._place.sweep(watch=0.1)
                remove(temporary, watch=0.1)
        close_abandoned()
        text = self._unsaved(step, error)
        if self.on_error == "raise":
            raise CheckpointSaveError(text) from error
        warnings.warn(text, CheckpointWarning, stacklevel=3)

    def restore(self, like: Any, *, wanted: dict) -> tuple[Any, dict]:
        """The newest intact state, in the structure, dtypes and shardings of ``like``.

        Every file of a step is checked before one is read; a damaged step is skipped, with one CheckpointWarning for
        all of them.

        Args:
          like: a state of the run that goes on.
          wanted: fields of ``meta`` that must agree, in all their parts where they are dicts or lists.

        Returns:
          The state and the complete meta.

        Raises:
          FileNotFoundError: if there is no checkpoint.
          CheckpointCorruptError: if there are some, but none is intact.
          CheckpointMismatchError: if meta or a leaf does not agree; it names the first part that does not.
          CheckpointSaveError: as ``check``.
        """
        self.wait()
        with self._place.copies() as copies:
            step = of_first(lambda: self._verify(copies))
            if step == NEVER_SAVED:
                raise FileNotFoundError(f"{self.folder} holds no checkpoint.")
            if step == NONE_INTACT:
                raise CheckpointCorruptError(self._lost())
            if self._damaged:
                warnings.warn(f"{self._faults()} Step {step} is restored instead.", CheckpointWarning, stacklevel=2)
            if isinstance(self._place, Remote) and jax.process_index() != 0:
                self._place.fetch(step, copies)
                if fault := manifest.damage(copies / str(step)):
                    raise CheckpointCorruptError(
                        f"{self.folder}, step {step}: this process read another copy; it {fault}."
                    )
            return self._read(copies / str(step), like, wanted)

    def close(self) -> None:
        """Wait for what is being written, report its failure, and end the thread.

        Raises:
          CheckpointSaveError: as ``check``.
        """
        try:
            self.wait()
        finally:
            self._worker.shutdown()

    def _begin(self, temporary: Path, step: int, packed: dict, meta: dict) -> Any:
        """Let orbax write to a temporary folder; when this returns, the state is copied."""
        alone = isinstance(self._place, Remote) and jax.process_count() > 1  # to the local disk of process 0
        if alone:
            packed = {name: multihost_utils.process_allgather(x, tiled=True) for name, x in packed.items()}
        if jax.process_index() == 0:
            self._place.sweep()
            temporary.mkdir(parents=True)
        elif alone:
            return nullcontext()
        return closing(start_write(temporary / str(step), packed, meta, processes={0} if alone else None))

    def _finish(self, temporary: Path, step: int, writing: Any) -> str | None:
        """Write the list of digests, and the step to its place; returns what went wrong after that."""
        with writing as checkpointer:
            if checkpointer is not None:
                checkpointer.wait_until_finished()  # in process 0 until all processes have written
        if jax.process_index() != 0:
            return None
        manifest.write(temporary / str(step))
        self._place.publish(temporary, step)
        try:
            self._place.prune(temporary, step, keep=self.keep, damaged=self._damaged)
            self._place.sweep()
            remove(temporary)
        except Exception as error:
            return f"Step {step} was saved in {self.folder}, but what is old could not be removed: {error}"
        return None

    def _unsaved(self, step: int, error: BaseException | None) -> str:
        try:
            steps = self.steps()
            left = f"the newest complete step is {steps[-1]}" if steps else "there is no other"
        except Exception as unread:  # of a remote folder, perhaps for the same reason
            left = f"the others cannot be listed ({first_line(unread)})"
        return f"step {step} was not saved in {self.folder}, {left}. {first_line(error)}"

    def _is_saved(self, step: int, meta: dict) -> bool:
        with self._place.copies() as copies:
            self._place.fetch(step, copies)
            if manifest.damage(copies / str(step)) is not None:
                return False
            try:
                saved = json.loads((copies / str(step) / "meta" / META).read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError):
                return False
            return json.dumps(saved, sort_keys=True) == json.dumps(meta, sort_keys=True)

    def _newest(self) -> int:
        if self._pending is None:  # else it may be renaming just now
            self._place.recover()
        if steps := self.steps():
            return steps[-1]
        with self._place.copies() as copies:
            return self._verify(copies)

    def _verify(self, copies: Path) -> int:
        """The newest step of which every file is as it was written; what is wrong with later ones is noted."""
        self._place.recover()
        self._damaged = {}
        for step in reversed(self._place.numbered()):
            self._place.fetch(step, copies)
            if (fault := manifest.damage(copies / str(step))) is None:
                return step
            self._damaged[step] = fault
        return NONE_INTACT if self._damaged else NEVER_SAVED

    def _read(self, where: Path, like: Any, wanted: dict) -> tuple[Any, dict]:
        packed = pack(like)
        with reading(where):
            leaves, meta = stored(where), read_meta(where)
        if difference := compare_fields(meta, wanted):
            raise CheckpointMismatchError(f"{self.folder}, step {where.name}: {difference}.")
        compare(leaves, packed, folder=self.folder)
        with reading(where):
            return unpack(read(where, packed), like), meta

    def _faults(self) -> str:
        return " ".join(f"{self.folder / str(step)}: {fault}." for step, fault in self._damaged.items())

    def _lost(self) -> str:
        return f"{self.folder} holds no intact checkpoint. {self._faults()}"
