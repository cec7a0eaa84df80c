"""Whether the leaves and fields of a checkpoint are the ones that a run wants; the first that is not is named."""

import itertools
import json
from typing import Any

import jax
import numpy as np


class CheckpointMismatchError(ValueError):
    """A checkpoint of another run: the message names the leaf or field, what is stored and what was wanted."""


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
