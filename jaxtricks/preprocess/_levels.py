"""Images of 8-bit grey levels: computed on as floats in [0, 1], and rounded back."""

import functools
import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.experimental import checkify

from jaxtricks import check

SLACK = 0.01  # what bfloat16 makes of a sum that is 1


def in_float32(function: Callable) -> Callable:
    """Let a function of a floating-point ``image`` take uint8 too, and compute in float32 at least.

    uint8 goes in as 255ths, and the result is rounded to them once: a NaN becomes 0. Narrower floats come back in their
    dtype.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def apply(*args, **options):
        bound = signature.bind(*args, **options)
        dtype = levels_or_floats("image", bound.arguments["image"])
        bound.arguments["image"] = floats(bound.arguments["image"])
        return like(function(*bound.args, **bound.kwargs), dtype)

    return apply


def levels_or_floats(name: str, array) -> jnp.dtype:
    """The dtype of an array of uint8 or floats; ValueError for another."""
    check.min_rank(name, array, 0)
    dtype = jnp.result_type(array)
    if dtype != jnp.uint8 and not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"{name} has dtype {dtype}; allowed: uint8 or a floating-point dtype.")
    return dtype


def unit(name: str, array) -> None:
    """Raise ValueError if floats lie outside [0, 1], as those of 0 to 255 do, or standardised ones.

    Their values are seen outside of jit, under vmap and gradients too. In a compiled program they are not: there it is
    a ``checkify.debug_check``, which costs nothing unless the program is built by ``checkify.checkify``. A NaN passes.
    """
    if jnp.result_type(array) == jnp.uint8:
        return
    values = _values(array)
    if values is not None:
        with jax.ensure_compile_time_eval():  # a constant within a program that is being traced is seen too
            low, high = float(jnp.min(values)), float(jnp.max(values))
        if low < -SLACK:
            hint = "Standardise after augmentation, not before."
        elif high > 1 + SLACK:
            hint = "Divide by 255, or give uint8."
        else:
            return
        raise ValueError(f"{name} holds {low:.3g} to {high:.3g}; allowed: floats in [0, 1], or uint8. {hint}")
    low, high = jnp.min(array), jnp.max(array)
    right = ~((low < -SLACK) | (high > 1 + SLACK))
    message = name + " holds {low} to {high}; allowed: floats in [0, 1], or uint8."
    checkify.debug_check(right, message, low=low, high=high)


def floats(image: jax.Array) -> jax.Array:
    """An image of uint8 or floats in float32 or wider."""
    image = jnp.asarray(image)
    if image.dtype == jnp.uint8:
        return image.astype(jnp.float32) / 255
    return image.astype(jnp.promote_types(image.dtype, jnp.float32))


def like(image: jax.Array, dtype) -> jax.Array:
    """An image of floats in the dtype of another: rounded to 255ths for uint8."""
    return rounded(255 * image, dtype) if dtype == jnp.uint8 and image.dtype != dtype else image.astype(dtype)


def rounded(image: jax.Array, dtype) -> jax.Array:
    """Floats in the units of a dtype: rounded to integer levels for uint8, a NaN to 0."""
    if dtype == jnp.uint8:
        image = jnp.round(jnp.where(image > 0, jnp.minimum(image, 255), 0))  # a NaN is not more than 0
    return image.astype(dtype)


def _values(array):
    """The numbers of an array outside of jit, those behind tracers of vmap and gradients too; None under jit."""
    while isinstance(array, Tracer):
        array = getattr(array, "val", getattr(array, "primal", None))
    return array if isinstance(array, (jax.Array, np.ndarray)) else None
