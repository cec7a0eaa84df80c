"""Programs that may be kept by JAX's compilation cache, and those that must be compiled anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

LOOPS = ("scan", "while")
SUMS = ("conv_general_dilated", "dot_general", "reduce_sum", "psum", "psum_invariant", "all_gather", "ppermute")


def sums_in_a_loop(jaxpr: Any, *, inside: bool = False) -> bool:
    """Whether a loop adds up what may lie on several devices.

    Args:
      jaxpr: of a program, closed or not.
      inside: whether it is of a loop's body.

    Returns:
      Whether a convolution, a matrix product, a sum or a collective stands in the body of a loop, at any depth.
    """
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        name = equation.primitive.name
        if inside and name in SUMS:
            return True
        for value in equation.params.values():
            for part in value if isinstance(value, (tuple, list)) else (value,):
                if (hasattr(part, "eqns") or hasattr(part, "jaxpr")) and sums_in_a_loop(
                    part, inside=inside or name in LOOPS
                ):
                    return True
    return False


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
