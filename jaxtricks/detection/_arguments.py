"""What detection asks of its arguments: boxes of four numbers, a mask and labels of their number, float32 or wider."""

import jax
import jax.numpy as jnp

from jaxtricks import check


def wide(name: str, array, *, rank: int) -> jax.Array:
    """The floating-point array of that rank, in float32 or wider."""
    check.rank(name, array, rank)
    check.floating(name, array)
    return jnp.asarray(array, jnp.promote_types(jnp.result_type(array), jnp.float32))


def boxes(name: str, array, *, rank: int | None = None) -> jax.Array:
    """Boxes ``[..., 4]``, floating point, in float32 or wider; of that rank if one is asked for."""
    check.min_rank(name, array, 1) if rank is None else check.rank(name, array, rank)
    if jnp.shape(array)[-1] != 4:
        raise ValueError(f"{name} has shape {jnp.shape(array)}; allowed: (..., 4).")
    check.floating(name, array)
    return jnp.asarray(array, jnp.promote_types(jnp.result_type(array), jnp.float32))


def pairs(a_name: str, a, b_name: str, b) -> tuple[jax.Array, jax.Array]:
    """Two arrays of boxes of one shape, ``[..., 4]``."""
    a = boxes(a_name, a)
    check.same_shape(b_name, b, a_name, a)
    return a, boxes(b_name, b)


def scores(name: str, array, count: int) -> jax.Array:
    """One score for each of ``count`` boxes, in float32 or wider."""
    array = wide(name, array, rank=1)
    check.shape(name, array, (count,))
    return array


def mask(name: str, array, count: int) -> jax.Array:
    """One boolean for each of ``count`` boxes; all true for None."""
    if array is None:
        return jnp.ones(count, bool)
    check.shape(name, array, (count,))
    check.boolean(name, array)
    return jnp.asarray(array)


def labels(name: str, array, count: int) -> jax.Array | None:
    """One integer for each of ``count`` boxes, or None."""
    return None if array is None else some_labels(name, array, count)


def some_labels(name: str, array, count: int) -> jax.Array:
    """One integer for each of ``count`` boxes."""
    check.shape(name, array, (count,))
    check.integer(name, array)
    return jnp.asarray(array)


def finite(array: jax.Array) -> jax.Array:
    """Which boxes have four finite numbers, ``[...]``."""
    return jnp.isfinite(array).all(-1)


def numbers(name: str, values, *, low: float = 0.0) -> tuple[float, ...]:
    """One number or more, greater than ``low``, as a tuple; for options such as scales."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise ValueError(f"{name} is {values!r}; allowed: one number or more, in a tuple.")
    values = tuple(values)
    if not values or not all(isinstance(v, check.NUMBERS) and low < v < float("inf") for v in values):
        raise ValueError(f"{name} is {values!r}; allowed: one number or more, greater than {low:g} and finite.")
    return tuple(map(float, values))


def sizes(name: str, values, *, count: int = 2) -> tuple[int, ...]:
    """``count`` integers of 1 or more, as a tuple; for options such as height and width."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__") or len(values) != count:
        raise ValueError(f"{name} is {values!r}; allowed: {count} integers of 1 or more.")
    return tuple(check.at_least(f"{name}[{i}]", value, minimum=1) for i, value in enumerate(values))


def finite_positive(name: str, value) -> None:
    """Raise ValueError unless ``0 < value < inf``, for Python and NumPy numbers."""
    check.positive(name, value)
    if isinstance(value, check.NUMBERS) and value == float("inf"):
        raise ValueError(f"{name} is {value!r}; allowed: a finite number greater than 0.")
