"""Saving and restoring the state of a run: orbax's CheckpointManager, and what it lacks.

Orbax writes a step next to the others; it is listed only when a list of the digests of its files lies on the disk with
it. Before anything of a step is restored, every file is compared with that list.
"""

import json
import os
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jaxtricks._runtime.processes import everywhere, of_first
from jaxtricks.checkpoint import layout, manifest
from jaxtricks.checkpoint.leaves import TEXT_LIMIT, CheckpointMismatchError, compare, pack, stored, unpack

META = "meta.json"
NEVER_SAVED, NONE_WHOLE = -1, -2
ON_ERROR = ("raise", "warn")


class CheckpointCorruptError(RuntimeError):
    """There are checkpoints, but none can be used: the message names each step and what is wrong with it."""


class CheckpointSaveError(OSError):
    """A step was not saved: the message names it, why, and the newest step that there still is."""


class CheckpointWarning(RuntimeWarning):
    """A checkpoint was skipped because it is damaged, or, where that was asked for, not saved."""


class Checkpoints:
    """The checkpoints in one folder. Where several processes run together, all of them call the same methods.

    Args:
      folder: made if missing; a relative path is taken from the current folder.
      keep: how many of the newest are kept, 1 or more.
      asynchronous: whether ``save`` returns as soon as the state is copied, and the writing goes on beside the run; an
        error is then told by the next ``check``, ``wait``, ``save``, ``restore`` or ``close`` after it happened.
      on_error: what a save that fails does: ``"raise"`` CheckpointSaveError, or ``"warn"`` and let the run go on.

    Raises:
      ValueError: if an argument is not one of those.
    """

    def __init__(self, folder: str | Path, *, keep: int = 2, asynchronous: bool = False, on_error: str = "raise"):
        if keep < 1:
            raise ValueError(f"keep is {keep!r}; allowed: 1 or more.")
        if on_error not in ON_ERROR:
            raise ValueError(f"on_error is {on_error!r}; allowed: {', '.join(map(repr, ON_ERROR))}.")
        if "://" in str(folder):
            raise ValueError(f"folder is {str(folder)!r}; allowed: a path of a mounted file system.")
        self.folder = Path(folder).expanduser().absolute()
        self.keep, self.asynchronous, self.on_error = keep, asynchronous, on_error
        self.folder.mkdir(parents=True, exist_ok=True)
        self._damaged: dict[int, str] = {}  # steps that restore found so; known to process 0 only
        self._pending: tuple[int, Future] | None = None
        self._worker = ThreadPoolExecutor(1, "checkpoint")
        self._manager = self._open()

    def steps(self) -> list[int]:
        """The whole steps there are, oldest first; neither one that is being written nor one known to be damaged."""
        return [step for step in layout.listed(self.folder) if step not in self._damaged]

    def latest(self) -> int | None:
        """The newest whole step, or None if nothing was ever saved.

        Raises:
          CheckpointCorruptError: if there are steps, but none is whole.
        """
        newest = of_first(self._newest)
        if newest == NONE_WHOLE:
            raise CheckpointCorruptError(self._lost())
        return None if newest == NEVER_SAVED else newest

    def save(self, step: int, state: Any, meta: dict) -> None:
        """Write the state and a JSON-able dict under this step, unless it is there already: whole, with the same dict.

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
        if not 0 <= step < 10**layout.DIGITS:
            raise ValueError(f"step is {step}; allowed: 0 to {10**layout.DIGITS - 1}.")
        self.wait()
        if of_first(lambda: self._there(step, meta)):
            return
        try:
            self._begin(step, pack(state), meta)
        except Exception as error:
            work = Future()
            work.set_exception(error)
        else:
            work = self._worker.submit(self._finish, step)
        self._pending = step, work
        if not self.asynchronous:
            self.wait()

    def check(self) -> None:
        """Tell of an asynchronous save that has failed by now, as ``on_error`` says; costs nothing, waits for nothing.

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
        """Wait for the save that runs, and tell of its failure.

        Raises:
          CheckpointSaveError: as ``check``.
        """
        if self._pending is None:
            return
        step, work = self._pending
        error = work.exception()
        self._pending = None
        if everywhere(error is None):
            self._manager.reload()  # orbax: what it wrote is no longer on the stage
            self._damaged.pop(step, None)
            if left := work.result():
                warnings.warn(left, CheckpointWarning, stacklevel=3)
            else:
                self._damaged.clear()
            return
        with suppress(Exception):
            self._manager.close()
        self._manager = self._open()
        if jax.process_index() == 0:
            with suppress(OSError):  # the next save tries again
                layout.sweep(self.folder, watch=0.1)
        text = self._unsaved(step, error)
        if self.on_error == "raise":
            raise CheckpointSaveError(text) from error
        warnings.warn(text, CheckpointWarning, stacklevel=3)

    def restore(self, like: Any, *, wanted: dict) -> tuple[Any, dict]:
        """The newest whole state, in the structure, dtypes and shardings of ``like``.

        Every file of a step is checked before one is read; a damaged step is skipped, with one CheckpointWarning for
        all of them.

        Args:
          like: a state of the run that goes on.
          wanted: fields of ``meta`` that must agree.

        Returns:
          The state and the whole meta.

        Raises:
          FileNotFoundError: if there is no checkpoint.
          CheckpointCorruptError: if there are some, but none is whole.
          CheckpointMismatchError: if meta or a leaf does not agree.
          CheckpointSaveError: as ``check``.
        """
        self.wait()
        step = of_first(self._verify)
        if step == NEVER_SAVED:
            raise FileNotFoundError(f"{self.folder} holds no checkpoint.")
        if step == NONE_WHOLE:
            raise CheckpointCorruptError(self._lost())
        if self._damaged:
            warnings.warn(f"{self._faults()} Step {step} is restored instead.", CheckpointWarning, stacklevel=2)
        where, packed = self.folder / str(step), pack(like)
        with _reading(where):
            found = stored(where, item="state")
            meta = dict(self._read(step, meta=ocp.args.JsonRestore())["meta"])
        for name, value in wanted.items():
            if meta.get(name) != value:
                raise CheckpointMismatchError(
                    f"{self.folder}, step {step}: {name} is {json.dumps(meta.get(name))}; wanted: {json.dumps(value)}."
                )
        compare(found, packed, folder=self.folder)
        target = {name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding) for name, x in packed.items()}
        with _reading(where):
            restored = self._read(step, state=ocp.args.StandardRestore(target))["state"]
        # a jitted copy, so that the arrays are the compiler's own and may be donated
        shardings = {name: x.sharding for name, x in packed.items()}
        restored = jax.jit(lambda t: jax.tree.map(lambda x: x.copy(), t), out_shardings=shardings)(restored)
        return unpack(restored, like), meta

    def close(self) -> None:
        """Wait for what is being written, tell of its failure, and let go.

        Raises:
          CheckpointSaveError: as ``check``.
        """
        try:
            self.wait()
        finally:
            self._worker.shutdown()
            self._manager.close()

    def _open(self) -> ocp.CheckpointManager:
        options = ocp.CheckpointManagerOptions(
            create=False,
            save_root_metadata=False,
            enable_async_checkpointing=self.asynchronous,
            async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
        )
        handlers = {"state": ocp.StandardCheckpointHandler(), "meta": ocp.JsonCheckpointHandler(META)}
        # a name of its own: after an error the threads of the last manager may still be writing to theirs
        self._stage = self.folder / layout.STAGE / str(of_first(lambda: int.from_bytes(os.urandom(3), "big")))
        return ocp.CheckpointManager(self._stage, options=options, item_handlers=handlers)

    def _begin(self, step: int, packed: dict, meta: dict) -> None:
        """Clear the stage, and let orbax write there; an asynchronous write has copied the state when this returns."""
        if jax.process_index() == 0:
            layout.sweep(self.folder)
            self._stage.mkdir(parents=True)
        items = ocp.args.Composite(state=ocp.args.StandardSave(packed), meta=ocp.args.JsonSave(meta))
        self._manager.save(step, args=items, force=True)

    def _finish(self, step: int) -> str | None:
        """Put the list of digests in, and the step in its place; returns what went wrong after that."""
        self._manager.wait_until_finished()  # orbax lets process 0 go on when all processes have written
        if jax.process_index() != 0:
            return None
        layout.publish(self._stage, self.folder, step)
        try:
            layout.prune(self._stage, self.folder, step, keep=self.keep, damaged=self._damaged)
            layout.sweep(self.folder)
        except OSError as error:
            return f"Step {step} was saved in {self.folder}, but what is old could not be removed: {error}"
        return None

    def _unsaved(self, step: int, error: BaseException | None) -> str:
        steps = self.steps()
        left = f"the newest whole step is {steps[-1]}" if steps else "there is no other"
        return f"step {step} was not saved in {self.folder}, {left}. {_first_line(error)}"

    def _there(self, step: int, meta: dict) -> bool:
        place = self.folder / str(step)
        if manifest.damage(place) is not None:
            return False
        try:
            stored = json.loads((place / "meta" / META).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return False
        return json.dumps(stored, sort_keys=True) == json.dumps(meta, sort_keys=True)

    def _newest(self) -> int:
        if self._pending is None:  # else it may be renaming just now
            layout.recover(self.folder)
        steps = self.steps()
        return steps[-1] if steps else self._verify()

    def _verify(self) -> int:
        layout.recover(self.folder)
        step, self._damaged = layout.newest_whole(self.folder)
        if step is not None:
            return step
        return NONE_WHOLE if self._damaged else NEVER_SAVED

    def _faults(self) -> str:
        return " ".join(f"{self.folder / str(step)}: {fault}." for step, fault in self._damaged.items())

    def _lost(self) -> str:
        return f"{self.folder} holds no whole checkpoint. {self._faults()}"

    def _read(self, step: int, **items) -> Any:
        return self._manager.restore(step, directory=self.folder, args=ocp.args.Composite(**items))


@contextmanager
def _reading(where: Path):
    """Errors of files that are as they were written, but not as a checkpoint is."""
    try:
        yield
    except Exception as error:
        text = f"{where} cannot be read, although its files are as {manifest.NAME} says. {_first_line(error)}"
        raise CheckpointCorruptError(text) from error


def _first_line(error: BaseException | None) -> str:
    if error is None:
        return "Another process failed."
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
