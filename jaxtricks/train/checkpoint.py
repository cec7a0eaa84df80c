"""Saving and restoring the state of a run, on top of orbax's CheckpointManager."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp


class CheckpointMismatchError(ValueError):
    """A checkpoint of another run: the message names the leaf or field, what was found and what was wanted."""


class Checkpoints:
    """The checkpoints in one folder.

    Args:
      folder: made if missing; a relative path is taken from the current folder.
      keep: how many of the newest are kept, 1 or more.
    """

    def __init__(self, folder: str | Path, *, keep: int = 2):
        if keep < 1:
            raise ValueError(f"keep is {keep!r}; allowed: 1 or more.")
        self.folder = Path(folder).expanduser().absolute()
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True, enable_async_checkpointing=False)
        handlers = {"state": ocp.StandardCheckpointHandler(), "meta": ocp.JsonCheckpointHandler()}
        self.manager = ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers)

    def latest(self) -> int | None:
        """The newest step there is, or None."""
        return self.manager.latest_step()

    def save(self, step: int, state: Any, meta: dict) -> None:
        """Write the state and a JSON-able dict under this step; returns once they lie on disk."""
        if step in self.manager.all_steps():
            return
        items = ocp.args.Composite(state=ocp.args.StandardSave(_plain(state)), meta=ocp.args.JsonSave(meta))
        self.manager.save(step, args=items, force=True)
        self.manager.wait_until_finished()

    def restore(self, like: Any, *, wanted: dict) -> tuple[Any, dict]:
        """The newest state, in the structure, dtypes and shardings of ``like``.

        Args:
          like: a state of the run that goes on.
          wanted: fields of ``meta`` that must agree.

        Returns:
          The state and the whole meta.

        Raises:
          FileNotFoundError: if there is no checkpoint.
          CheckpointMismatchError: if meta or a leaf does not agree.
        """
        step = self.latest()
        if step is None:
            raise FileNotFoundError(f"{self.folder} holds no checkpoint.")
        meta = self.manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]
        for name, value in wanted.items():
            if meta.get(name) != value:
                raise CheckpointMismatchError(
                    f"{self.folder}, step {step}: {name} is {json.dumps(meta.get(name))}; wanted: {json.dumps(value)}."
                )
        plain = _plain(like)
        found = self.manager.item_metadata(step)["state"]
        _compare(jax.tree.map(lambda m: (tuple(m.shape), str(np.dtype(m.dtype))), dict(found.tree)), plain, self.folder)
        target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), plain)
        restored = self.manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target)))["state"]
        # a jitted copy, so that the arrays are the compiler's own and may be donated
        restored = jax.jit(lambda t: jax.tree.map(lambda x: x.copy(), t), out_shardings=_shardings(plain))(restored)
        return _unplain(restored, like), meta

    def close(self) -> None:
        """Wait for what is being written, and let go."""
        self.manager.close()


def _is_key(x) -> bool:
    return isinstance(x, jax.Array) and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def _plain(state: Any) -> dict:
    """Every leaf under one text path; random keys as their numbers."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): jax.random.key_data(x) if _is_key(x) else x for path, x in leaves}


def _unplain(plain: dict, like: Any) -> Any:
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    out = [plain[jax.tree_util.keystr(path)] for path, _ in leaves]
    out = [jax.random.wrap_key_data(x) if _is_key(old) else x for x, (_, old) in zip(out, leaves, strict=True)]
    return jax.tree_util.tree_unflatten(structure, out)


def _shardings(plain: dict) -> dict:
    return {name: x.sharding for name, x in plain.items()}


def _compare(found: dict, wanted: dict, folder: Path) -> None:
    """Name the first leaf that a checkpoint lacks, has too much, or has in another shape or dtype."""
    for name, array in wanted.items():
        want = (tuple(array.shape), str(np.dtype(array.dtype)))
        if name not in found:
            raise CheckpointMismatchError(
                f"{folder}: the checkpoint has no leaf {name}; wanted: {want[1]}{list(want[0])}."
            )
        if found[name] != want:
            shape, dtype = found[name]
            raise CheckpointMismatchError(
                f"{folder}: leaf {name} is {dtype}{list(shape)}; wanted: {want[1]}{list(want[0])}."
            )
    extra = sorted(set(found) - set(wanted))
    if extra:
        raise CheckpointMismatchError(f"{folder}: the checkpoint has a leaf {extra[0]}, which this run lacks.")
