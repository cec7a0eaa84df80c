"""The leaves of a state as a checkpoint holds them: written and read by orbax."""

import asyncio
import gc
import inspect
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from jaxtricks.checkpoint import manifest

ORBAX = Path(ocp.__file__).parent
META = "meta.json"
TEXT_LIMIT = 16 * 2**20  # bytes of one JSON file in a checkpoint


def pack(state: Any) -> dict[str, jax.Array]:
    """Every leaf under one text path; random keys as their numbers.

    Args:
      state: a pytree of arrays.

    Returns:
      A flat dict.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): jax.random.key_data(x) if _is_key(x) else x for path, x in leaves}


def unpack(packed: dict[str, jax.Array], like: Any) -> Any:
    """The inverse of ``pack``.

    Args:
      packed: a flat dict.
      like: a pytree of the structure that is wanted, random keys where they belong.

    Returns:
      The pytree.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    out = [packed[jax.tree_util.keystr(path)] for path, _ in leaves]
    out = [jax.random.wrap_key_data(x) if _is_key(old) else x for x, (_, old) in zip(out, leaves, strict=True)]
    return jax.tree_util.tree_unflatten(structure, out)


def stored(where: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype of every leaf of a checkpoint, read in bounded memory.

    Args:
      where: the folder of one step.

    Returns:
      ``(shape, dtype)`` by the leaf's path.

    Raises:
      ValueError: if a file is larger, or a chunk of an array longer, than any that a run writes.
    """
    for name in manifest.files(where):
        file = where / name
        # whatever is not an array is read at once
        if file.parent.name != "d" and (size := file.stat().st_size) > TEXT_LIMIT:
            raise ValueError(f"{name} has {size} bytes; allowed: up to {TEXT_LIMIT}.")
    out = {}
    for name, leaf in dict(ocp.StandardCheckpointHandler().metadata(epath.Path(where / "state")).tree).items():
        shape, chunk = tuple(leaf.shape), leaf.storage.chunk_shape
        # a chunk is unpacked at once, whatever the array's shape
        if math.prod(chunk) > max(1, math.prod(shape)):
            raise ValueError(f"leaf {name} of shape {list(shape)} has chunks of {list(chunk)}.")
        out[name] = shape, str(np.dtype(leaf.dtype))
    return out


def start_write(where: Path, packed: dict, meta: dict, *, processes: set[int] | None = None) -> ocp.AsyncCheckpointer:
    """Begin to write a step; when this returns, the state is copied.

    Args:
      where: the folder of the step, not there yet.
      packed: from ``pack``.
      meta: of JSON.
      processes: those that write; all that there are if None.

    Returns:
      What to wait for and to close; its errors are those of the writing.
    """
    checkpointer = _checkpointer(processes)
    items = ocp.args.Composite(state=ocp.args.StandardSave(packed), meta=ocp.args.JsonSave(meta))
    _in_daemon_thread(partial(checkpointer.save, where, args=items))
    return checkpointer


def _in_daemon_thread(call: Callable[[], Any]) -> None:
    """Call and wait. The threads that orbax starts meanwhile are daemons too, so that none holds up a process's end.

    If the folders of a step cannot be made, those threads wait for them for five minutes, and were they no daemons, a
    process that has reported its full disk would last as long. What is written is waited for by its checkpointer.
    """
    done: Future = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    done.result()


def close_abandoned() -> None:
    """Close the coroutines that orbax left behind in event loops which an error has closed; for use after an error.

    Orbax gathers its reads and writes, the first that fails ends the loop, and the others are neither cancelled nor
    awaited. Whenever they are collected, which may be long after, Python warns that a coroutine was never awaited.
    """
    for task in [x for x in gc.get_objects() if isinstance(x, asyncio.Task)]:
        coroutine = task.get_coro()
        if task.done() or not task.get_loop().is_closed() or not inspect.iscoroutine(coroutine):
            continue
        if Path(coroutine.cr_code.co_filename).is_relative_to(ORBAX):
            with suppress(RuntimeError):  # what it does on its way out may need the loop
                coroutine.close()


def read_meta(where: Path) -> dict:
    """The dict of a step."""
    return dict(_read(where, meta=ocp.args.JsonRestore())["meta"])


def read(where: Path, packed: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The leaves of a step.

    Args:
      where: the folder of one step.
      packed: arrays of the shapes, dtypes and shardings that are wanted.
    """
    shardings = {name: x.sharding for name, x in packed.items()}
    target = {name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding) for name, x in packed.items()}
    restored = _read(where, state=ocp.args.StandardRestore(target))["state"]
    # a jitted copy, so that the arrays are the compiler's own and may be donated
    return jax.jit(lambda t: jax.tree.map(lambda x: x.copy(), t), out_shardings=shardings)(restored)


def _read(where: Path, **items) -> Any:
    try:
        with closing(_checkpointer(None)) as checkpointer:
            return checkpointer.restore(where, args=ocp.args.Composite(**items))
    except Exception:
        close_abandoned()
        raise


def _checkpointer(processes: set[int] | None) -> ocp.AsyncCheckpointer:
    options = ocp.options.MultiprocessingOptions(primary_host=0, active_processes=processes)
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=options),
        state=ocp.StandardCheckpointHandler(multiprocessing_options=options),
        meta=ocp.JsonCheckpointHandler(META, multiprocessing_options=options),
    )
    directories = ocp.AsyncOptions(create_directories_asynchronously=False)
    return ocp.AsyncCheckpointer(handler, async_options=directories, multiprocessing_options=options)


def _is_key(x) -> bool:
    return isinstance(x, jax.Array) and jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key)
