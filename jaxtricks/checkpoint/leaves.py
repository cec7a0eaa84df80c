"""The leaves of a state as a checkpoint holds them, and whether leaves and fields of one are those that are wanted."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxtricks.checkpoint import manifest

TEXT_LIMIT = 16 * 2**20  # bytes of one JSON file in a checkpoint


class CheckpointMismatchError(ValueError):
    """A checkpoint of another run: the message names the leaf or field, what is stored and what was wanted."""


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


def stored(where: Path, *, item: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype of every leaf of a checkpoint, read in bounded memory.

    Args:
      where: the folder of one step.
      item: the name of the state in it.

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
    for name, leaf in dict(ocp.StandardCheckpointHandler().metadata(where / item).tree).items():
        shape, chunk = tuple(leaf.shape), leaf.storage.chunk_shape
        # a chunk is unpacked at once, whatever the array's shape
        if math.prod(chunk) > max(1, math.prod(shape)):
            raise ValueError(f"leaf {name} of shape {list(shape)} has chunks of {list(chunk)}.")
        out[name] = shape, str(np.dtype(leaf.dtype))
    return out


def compare(stored: dict[str, tuple[tuple[int, ...], str]], wanted: dict[str, jax.Array], *, folder: Any) -> None:
    """Name the first leaf that a checkpoint lacks, has too much, or has in another shape or dtype.

    Args:
      stored: from ``stored``.
      wanted: from ``pack``.
      folder: for the message.

    Raises:
      CheckpointMismatchError: if there is one.
    """
    for name, array in wanted.items():
        want = (tuple(array.shape), str(np.dtype(array.dtype)))
        if name not in stored:
            raise CheckpointMismatchError(
                f"{folder}: the checkpoint has no leaf {name}; wanted: {want[1]}{list(want[0])}."
            )
        if stored[name] != want:
            shape, dtype = stored[name]
            raise CheckpointMismatchError(
                f"{folder}: leaf {name} is {dtype}{list(shape)}; wanted: {want[1]}{list(want[0])}."
            )
    extra = sorted(set(stored) - set(wanted))
    if extra:
        raise CheckpointMismatchError(f"{folder}: the checkpoint has a leaf {extra[0]}, which this run lacks.")


def compare_fields(stored: dict, wanted: dict) -> str | None:
    """Say which is the first part of the wanted fields that is stored otherwise, and how.

    Args:
      stored: dicts, lists, text and numbers, as JSON gives them back; fields that are not wanted do not count.
      wanted: the same, tuples allowed; a dict or list inside it must agree in all its parts.

    Returns:
      Such as ``"recipe.epochs is 2.0; wanted: 4.0"``; None if all agree.

    Example:
      >>> compare_fields({"recipe": {"epochs": 2.0, "lr": [1, 2]}}, {"recipe": {"epochs": 2.0, "lr": [1, 4]}})
      'recipe.lr[1] is 2; wanted: 4'
    """
    wanted = json.loads(json.dumps(wanted))
    for name, value in wanted.items():
        if difference := _difference(name, stored.get(name, _MISSING), value):
            return difference
    return None


_MISSING = object()


def _difference(path: str, stored: Any, wanted: Any) -> str | None:
    if isinstance(stored, dict) and isinstance(wanted, dict):
        parts = [(f"{path}.{name}", name) for name in {**wanted, **stored}]
        pairs = [(at, stored.get(name, _MISSING), wanted.get(name, _MISSING)) for at, name in parts]
    elif isinstance(stored, list) and isinstance(wanted, list):
        both = itertools.zip_longest(stored, wanted, fillvalue=_MISSING)
        pairs = [(f"{path}[{i}]", *pair) for i, pair in enumerate(both)]
    else:
        texts = [_text(stored), _text(wanted)]
        return None if texts[0] == texts[1] else f"{path} is {_short(texts[0])}; wanted: {_short(texts[1])}"
    return next((difference for pair in pairs if (difference := _difference(*pair))), None)


def _text(value: Any) -> str:
    return "missing" if value is _MISSING else json.dumps(value, sort_keys=True)


def _short(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[:limit]} ..."


def _is_key(x) -> bool:
    return isinstance(x, jax.Array) and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
