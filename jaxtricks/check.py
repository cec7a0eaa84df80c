"""Checks of arguments at trace time: one sentence that names the argument, the value and what is allowed.

chex raises AssertionError, which ``python -O`` and callers treat as a bug of ours; a wrong argument is the caller's,
so these raise ValueError (TypeError for a wrong type).
"""

import operator
from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

NUMBERS = (int, float, np.number)


def rank(name: str, array, allowed: int | Iterable[int]) -> None:
    """Raise ValueError unless ``array.ndim`` is one of ``allowed``."""
    ranks = (allowed,) if isinstance(allowed, int) else tuple(allowed)
    shape = _shape(name, array)
    if len(shape) not in ranks:
        raise ValueError(f"{name} has shape {shape}, rank {len(shape)}; allowed: rank {' or '.join(map(str, ranks))}.")


def min_rank(name: str, array, minimum: int) -> None:
    """Raise ValueError unless ``array.ndim >= minimum``."""
    shape = _shape(name, array)
    if len(shape) < minimum:
        raise ValueError(f"{name} has shape {shape}, rank {len(shape)}; allowed: rank {minimum} or more.")


def shape(name: str, array, expected: tuple[int | None, ...]) -> None:
    """Raise ValueError unless the shape is ``expected``; None stands for any size."""
    actual = _shape(name, array)
    if len(actual) != len(expected) or any(e is not None and e != f for f, e in zip(actual, expected, strict=True)):
        wanted = "(" + ", ".join("any" if e is None else str(e) for e in expected) + ")"
        raise ValueError(f"{name} has shape {actual}; allowed: {wanted}.")


def same_shape(name: str, array, other_name: str, other) -> None:
    """Raise ValueError unless both arrays have one shape."""
    actual, wanted = _shape(name, array), _shape(other_name, other)
    if actual != wanted:
        raise ValueError(f"{name} has shape {actual}; allowed: the shape of {other_name}, {wanted}.")


def floating(name: str, array) -> None:
    """Raise ValueError unless the array holds floating-point numbers."""
    dtype = _dtype(name, array)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"{name} has dtype {dtype}; allowed: a floating-point dtype.")


def integer(name: str, array) -> None:
    """Raise ValueError unless the array holds integers (booleans are not) that JAX holds as they are.

    Without ``jax_enable_x64`` JAX keeps the low 32 bits of an int64, so that 2**32 + 1 would become 1. That is seen in
    Python and NumPy numbers, which JAX has not yet cut.
    """
    dtype = _dtype(name, array)
    if not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(f"{name} has dtype {dtype}; allowed: an integer dtype.")
    if isinstance(array, (int, np.integer, np.ndarray)) and np.size(array):
        held = np.iinfo(dtype)
        for value in (np.min(array), np.max(array)):
            if not held.min <= value <= held.max:
                raise ValueError(f"{name} holds {value}; allowed: {held.min} to {held.max}, what {dtype} can hold.")


def number(name: str, array) -> None:
    """Raise ValueError unless the array holds integers or floating-point numbers (booleans are neither)."""
    dtype = _dtype(name, array)
    if not (jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.floating)):
        raise ValueError(f"{name} has dtype {dtype}; allowed: an integer or floating-point dtype.")


def boolean(name: str, array) -> None:
    """Raise ValueError unless the array holds booleans."""
    dtype = _dtype(name, array)
    if dtype != jnp.bool_:
        raise ValueError(f"{name} has dtype {dtype}; allowed: bool.")


def option(name: str, value, allowed: Iterable) -> None:
    """Raise ValueError unless ``value`` is one of ``allowed``."""
    allowed = tuple(allowed)
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed: {', '.join(map(repr, allowed))}.")


def between(name: str, value, low, high) -> None:
    """Raise ValueError unless ``low <= value <= high``, for Python and NumPy numbers; arrays pass unseen."""
    allowed = f"{low} to {high}"
    if _is_number(name, value, allowed) and not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; allowed: {allowed}.")


def positive(name: str, value) -> None:
    """Raise ValueError unless ``value > 0``, for Python and NumPy numbers; arrays pass unseen."""
    if _is_number(name, value, "greater than 0") and not value > 0:
        raise ValueError(f"{name} is {value!r}; allowed: greater than 0.")


def at_least(name: str, value, *, minimum: int = 0) -> int:
    """The value as a Python int; ValueError unless it is an integer (no boolean, no array) of ``minimum`` or more."""
    allowed = f"an integer of {minimum} or more"
    try:
        number = operator.index(value)
    except TypeError as error:  # of a traced array JAX tells which it is
        raise ValueError(f"{name} is {value!r}; allowed: {allowed}.") from error
    if isinstance(value, bool) or number < minimum:
        raise ValueError(f"{name} is {value!r}; allowed: {allowed}.")
    return number


def _is_number(name: str, value, allowed: str) -> bool:
    """Whether the value is a Python or NumPy number; ValueError if it is no array either, but None or text."""
    if not isinstance(value, NUMBERS) and not hasattr(value, "shape"):
        raise ValueError(f"{name} is {value!r}; allowed: {allowed}.")
    return isinstance(value, NUMBERS)


def _shape(name: str, array) -> tuple[int, ...]:
    """The shape of an array or a number; ValueError for what is neither, such as None or a list."""
    if not hasattr(array, "shape") and not isinstance(array, (int, float, complex)):
        raise ValueError(f"{name} is {array!r}; allowed: an array.")
    return jnp.shape(array)


def _dtype(name: str, array) -> np.dtype:
    """The dtype in which JAX holds an array or a number."""
    _shape(name, array)
    return jnp.result_type(array)
