"""Checks that only augmentations need: images, sizes, ranges, batches."""

import jax.numpy as jnp

from jaxtricks import check


def image(name: str, array, *, channels: tuple[int, ...] | None = None) -> None:
    """Raise ValueError unless the array is ``[H, W, C]``, floating point, with a pixel and an allowed C."""
    check.rank(name, array, 3)
    check.floating(name, array)
    if 0 in jnp.shape(array):
        raise ValueError(f"{name} has shape {jnp.shape(array)}; allowed: at least one pixel and one channel.")
    if channels is not None and jnp.shape(array)[-1] not in channels:
        allowed = " or ".join(map(str, channels))
        raise ValueError(f"{name} has shape {jnp.shape(array)}; allowed: {allowed} channels, [H, W, C].")


def pixels(name: str, array) -> None:
    """Raise ValueError unless the array is ``[H, W, C]`` of any dtype, with at least one pixel."""
    check.rank(name, array, 3)
    if 0 in jnp.shape(array):
        raise ValueError(f"{name} has shape {jnp.shape(array)}; allowed: at least one pixel and one channel.")


def size(name: str, value) -> tuple[int, int]:
    """``(height, width)`` of a size given as one whole number or as a pair of them."""
    pair = (value, value) if isinstance(value, int) else value
    whole = isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(n, int) and n > 0 for n in pair)
    if isinstance(value, bool) or not whole:
        raise ValueError(
            f"{name} is {value!r}; allowed: a whole number of 1 or more, or a pair (height, width) of them."
        )
    return tuple(pair)


def whole(name: str, value, *, least: int) -> None:
    """Raise ValueError unless the value is a whole Python number of ``least`` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}; allowed: a whole number of {least} or more.")


def interval(name: str, value, low: float, high: float) -> None:
    """Raise ValueError unless the value is a pair with ``low <= value[0] <= value[1] <= high``."""
    pair = isinstance(value, tuple | list) and len(value) == 2
    if not pair or not low <= value[0] <= value[1] <= high:
        raise ValueError(f"{name} is {value!r}; allowed: a pair (least, greatest) within {low} to {high}.")


def entries(batch, *names: str) -> None:
    """Raise ValueError unless the batch is a dict that has all these entries, the images ``[B, H, W, C]`` first."""
    for name in names:
        if name not in batch:
            hint = " Make it from labels first: jax.nn.one_hot(label, classes)." if name == "target" else ""
            raise ValueError(f"batch has {sorted(batch)}; allowed: a batch with {name!r}.{hint}")
    check.rank('batch["image"]', batch["image"], 4)
    for name in names:
        if jnp.shape(batch[name])[:1] != jnp.shape(batch["image"])[:1]:
            raise ValueError(
                f"batch[{name!r}] has shape {jnp.shape(batch[name])}; "
                f"allowed: {jnp.shape(batch['image'])[0]} rows, as many as images."
            )
