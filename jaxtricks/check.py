"""Checks of arguments at trace time: one sentence that names the argument, the value and what is allowed.

chex raises AssertionError, which ``python -O`` and callers treat as a bug of ours; a wrong argument is the caller's,
so these raise ValueError (TypeError for a wrong type).
"""

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

NUMBERS = (int, float, np.number)


def rank(name: str, array, allowed: int | Iterable[int]) -> None:
    """Raise ValueError unless ``array.ndim`` is one of ``allowed``."""
    ranks = (allowed,) if isinstance(allowed, int) else tuple(allowed)
    shape = jnp.shape(array)
    if len(shape) not in ranks:
        raise ValueError(f"{name} has shape {shape}, rank {len(shape)}; allowed: rank {' or '.join(map(str, ranks))}.")


def min_rank(name: str, array, least: int) -> None:
    """Raise ValueError unless ``array.ndim >= least``."""
    shape = jnp.shape(array)
    if len(shape) < least:
        raise ValueError(f"{name} has shape {shape}, rank {len(shape)}; allowed: rank {least} or more.")


def shape(name: str, array, expected: tuple[int | None, ...]) -> None:
    """Raise ValueError unless the shape is ``expected``; None stands for any size."""
    found = jnp.shape(array)
    if len(found) != len(expected) or any(e is not None and e != f for f, e in zip(found, expected, strict=True)):
        wanted = "(" + ", ".join("any" if e is None else str(e) for e in expected) + ")"
        raise ValueError(f"{name} has shape {found}; allowed: {wanted}.")


def same_shape(name: str, array, other_name: str, other) -> None:
    """Raise ValueError unless both arrays have one shape."""
    if jnp.shape(array) != jnp.shape(other):
        wanted = f"the shape of {other_name}, {jnp.shape(other)}"
        raise ValueError(f"{name} has shape {jnp.shape(array)}; allowed: {wanted}.")


def floating(name: str, array) -> None:
    """Raise ValueError unless the array holds floating-point numbers."""
    dtype = jnp.result_type(array)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"{name} has dtype {dtype}; allowed: a floating-point dtype.")


def integer(name: str, array) -> None:
    """Raise ValueError unless the array holds integers (booleans are not integers)."""
    dtype = jnp.result_type(array)
    if not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(f"{name} has dtype {dtype}; allowed: an integer dtype.")


def option(name: str, value, allowed: Iterable) -> None:
    """Raise ValueError unless ``value`` is one of ``allowed``."""
    allowed = tuple(allowed)
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed: {', '.join(map(repr, allowed))}.")


def between(name: str, value, low, high) -> None:
    """Raise ValueError unless ``low <= value <= high``, for Python and NumPy numbers; traced values pass unseen."""
    if isinstance(value, NUMBERS) and not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; allowed: {low} to {high}.")


def positive(name: str, value) -> None:
    """Raise ValueError unless ``value > 0``, for Python and NumPy numbers; traced values pass unseen."""
    if isinstance(value, NUMBERS) and not value > 0:
        raise ValueError(f"{name} is {value!r}; allowed: greater than 0.")
