"""Checks that only augmentations need: images, sizes, ranges, batches."""

import warnings
from collections.abc import Mapping

import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.preprocess._levels import levels_or_floats
from jaxtricks.preprocess._levels import unit as unit


def image(name: str, array, *, channels: tuple[int, ...] | None = None) -> None:
    """Raise ValueError unless the array is ``[H, W, C]``, floating point, with a pixel and an allowed C."""
    pixels(name, array)
    check.floating(name, array)
    _channels(name, array, channels)


def pixels(name: str, array) -> None:
    """Raise ValueError unless the array is ``[H, W, C]`` of any dtype, with at least one pixel; channels are last."""
    check.rank(name, array, 3)
    shape = jnp.shape(array)
    if 0 in shape:
        raise ValueError(f"{name} has shape {shape}; allowed: at least one pixel and one channel.")
    channels_last(name, shape)


def channels_last(name: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError for an image of four rows or fewer and more channels, which is ``[C, H, W]``; warn of others."""
    if shape[2] > 4 >= shape[0]:
        raise ValueError(
            f"{name} has shape {shape}, [C, H, W] as it seems; allowed: [H, W, C]. Transpose by (1, 2, 0)."
        )
    if shape[2] > 4:
        words = (
            f"{name} has shape {shape}: {shape[2]} channels as [H, W, C]. If it is [C, H, W], transpose by (1, 2, 0)."
        )
        warnings.warn(words, stacklevel=4)


def photo(name: str, array, *, channels: tuple[int, ...] | None = None) -> None:
    """Raise ValueError unless the array is ``[H, W, C]``, uint8 or floats, with a pixel and an allowed C."""
    pixels(name, array)
    levels_or_floats(name, array)
    _channels(name, array, channels)


def fill(name: str, value, dtype) -> None:
    """Raise ValueError unless the value is one number that the dtype holds as it is; an array passes with its dtype."""
    scalar(name, value)
    if jnp.issubdtype(dtype, jnp.integer) and isinstance(value, check.NUMBERS):
        held = jnp.iinfo(dtype)
        if not (held.min <= value <= held.max and value == int(value)):
            raise ValueError(f"{name} is {value!r}; allowed for {dtype}: an integer, {held.min} to {held.max}.")


def scalar(name: str, value) -> None:
    """Raise ValueError unless the value is one number: of Python, of NumPy, or an array without axes."""
    check.rank(name, value, 0)
    check.number(name, value)


def vector(name: str, value, length: int) -> None:
    """Raise ValueError unless the value is an array of so many numbers."""
    check.shape(name, value, (length,))
    check.number(name, value)


def matrix(name: str, value) -> None:
    """Raise ValueError unless the value is ``[3, 3]``, numbers."""
    check.shape(name, value, (3, 3))
    check.number(name, value)


def size(name: str, value) -> tuple[int, int]:
    """``(height, width)`` of a size given as one integer or as a pair of them."""
    pair = value if isinstance(value, tuple | list) else (value, value)
    try:
        height, width = (check.at_least(name, side, minimum=1) for side in pair)
    except ValueError as error:
        allowed = "an integer of 1 or more, or a pair (height, width) of them"
        raise ValueError(f"{name} is {value!r}; allowed: {allowed}.") from error
    return height, width


def interval(name: str, value, low: float, high: float) -> None:
    """Raise ValueError unless the value is a pair with ``low <= value[0] <= value[1] <= high``."""
    pair = isinstance(value, tuple | list) and len(value) == 2
    if not pair or not low <= value[0] <= value[1] <= high:
        raise ValueError(f"{name} is {value!r}; allowed: a pair (minimum, maximum) within {low} to {high}.")


def entries(batch, *names: str, others: bool = False) -> None:
    """Raise unless the batch is a dict with all these entries, of one number of rows; images are ``[B, H, W, C]``.

    Args:
      batch: what a user passed.
      names: the first says how many rows there are.
      others: whether all other entries have as many rows too.
    """
    if not isinstance(batch, Mapping):
        raise TypeError(f"batch is a {type(batch).__name__}; allowed: a dict with {' and '.join(map(repr, names))}.")
    names = (*names, *batch) if others else names
    for name in names:
        if name not in batch:
            hint = " Make it from labels first: jax.nn.one_hot(label, classes)." if name == "target" else ""
            raise ValueError(f"batch has {sorted(batch)}; allowed: a batch with {name!r}.{hint}")
    if "image" in names:
        check.rank('batch["image"]', batch["image"], 4)
        if 0 in jnp.shape(batch["image"])[1:]:
            shape = jnp.shape(batch["image"])
            raise ValueError(f'batch["image"] has shape {shape}; allowed: at least one pixel and one channel.')
    for name in names:
        check.min_rank(f"batch[{name!r}]", batch[name], 1)
        shape, rows = jnp.shape(batch[name]), jnp.shape(batch[names[0]])[:1]
        if shape[:1] != rows:
            raise ValueError(f"batch[{name!r}] has shape {shape}; allowed: {rows} first, as batch[{names[0]!r}].")


def partners(batch) -> None:
    """Raise ValueError unless the batch has two images or more: one alone would be its own partner."""
    shape = jnp.shape(batch["image"])
    if shape[0] < 2:
        raise ValueError(f'batch["image"] has shape {shape}; allowed: 2 examples or more, for each needs a partner.')


def _channels(name: str, array, allowed: tuple[int, ...] | None) -> None:
    if allowed is not None and jnp.shape(array)[-1] not in allowed:
        wanted = " or ".join(map(str, allowed))
        raise ValueError(f"{name} has shape {jnp.shape(array)}; allowed: {wanted} channels, [H, W, C].")
