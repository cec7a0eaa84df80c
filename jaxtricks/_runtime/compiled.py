"""Programs that may be kept by JAX's compilation cache, and those that must be compiled anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

LOOPS = ("scan", "while")


def loops_over_arrays(jaxpr: Any) -> bool:
    """Whether there is a loop in whose body devices may have to wait for each other.

    Which axes the compiler spreads is not known here, so that it is any loop but those of random bits, which work on
    unsigned integers and count.

    Args:
      jaxpr: of a program, closed or not.

    Returns:
      Whether a loop, at any depth, takes or gives anything but arrays of uint32 and scalars of integers.
    """
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        if equation.primitive.name in LOOPS and not all(map(_counts, (*equation.invars, *equation.outvars))):
            return True
        for value in equation.params.values():
            parts = value if isinstance(value, (tuple, list)) else (value,)
            if any(loops_over_arrays(part) for part in parts if hasattr(part, "eqns") or hasattr(part, "jaxpr")):
                return True
    return False


def _counts(variable: Any) -> bool:
    kind = variable.aval
    return kind.dtype == np.uint32 or (kind.shape == () and not jax.dtypes.issubdtype(kind.dtype, np.inexact))


@contextmanager
def anew() -> Iterator[None]:
    """What is compiled here is neither looked up in JAX's compilation cache nor written to it.

    XLA orders the collectives of a CPU program by a resource that they share. Read back from the cache, those in the
    body of a loop have a resource of their own (XLA as of jax 0.10.2): two devices may then wait in two collectives,
    each for the other, until XLA ends the process after 40 seconds.
    """
    before = jax.config.jax_enable_compilation_cache
    try:
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()  # or the answer of the first look would stand
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()
