"""Programs that may be kept by JAX's compilation cache, and those that must be compiled anew."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

LOOPS = ("scan", "while")
REJECTION = "random_gamma"  # draws until all elements are accepted; beta and Dirichlet draw from it


_lock, _within, _before = threading.Lock(), 0, True  # of the threads that compile anew


def loops_over_arrays(jaxpr: Any) -> bool:
    """Whether there is a loop in whose body devices may have to wait for each other.

    Which axes the compiler spreads is not known here, so that it is any loop but those of random bits, which work on
    unsigned integers and count.

    Args:
      jaxpr: of a program, closed or not.

    Returns:
      Whether a loop, at any depth, takes or gives anything but arrays of uint32 and scalars of integers; or a draw by
      rejection gives more than one number.
    """
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        name = equation.primitive.name
        if name in LOOPS and not all(map(_counts, (*equation.invars, *equation.outvars))):
            return True
        if name == REJECTION and equation.outvars[0].aval.shape:
            return True
        for value in equation.params.values():
            parts = value if isinstance(value, (tuple, list)) else (value,)
            if any(loops_over_arrays(part) for part in parts if hasattr(part, "eqns") or hasattr(part, "jaxpr")):
                return True
    return False


def _counts(variable: Any) -> bool:
    kind = variable.aval
    return kind.dtype == np.uint32 or (kind.shape == () and not jnp.issubdtype(kind.dtype, np.inexact))


@contextmanager
def anew(when: bool = True) -> Iterator[None]:
    """What is compiled here is neither looked up in JAX's compilation cache nor written to it.

    Args:
      when: False does nothing.

    The collectives in the body of a loop may overtake others on one device and not on another (XLA as of jax 0.10.2).
    Where each device has few threads, two of them can then wait in two collectives, each for the other, until XLA ends
    the process after 40 seconds. Of programs that were read back from the cache this was seen each time, of those that
    were compiled once; see ``enough_threads`` too.
    """
    if not when:
        yield
        return
    global _before, _within
    with _lock:
        if not _within:
            _before = jax.config.jax_enable_compilation_cache  # pyright: ignore[reportAttributeAccessIssue]
            _enable(False)
        _within += 1
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if not _within:
                _enable(_before)


class Halves:
    """A step of two compiled programs, one after the other, that takes what one program would take.

    Args:
      prepare: ``((key, step), batch, constants) -> batch``.
      update: ``(state, batch, constants) -> (state, record)``; its constants are without the dataset.
    """

    def __init__(self, prepare: Any, update: Any):
        self.prepare, self.update = prepare, update

    def __call__(self, state, batch, constants):
        batch = self.prepare((state.key, state.step), batch, constants)
        return self.update(state, batch, without_data(constants))

    def cost_analysis(self) -> dict[str, float]:
        """The sums of both."""
        total: dict[str, float] = {}
        for half in (self.prepare, self.update):
            for name, value in (half.cost_analysis() or {}).items():
                total[name] = total.get(name, 0.0) + value
        return total

    def memory_analysis(self) -> Any:
        """Bytes: of the arguments, where the batch between both counts once; of what is temporary in one of them."""
        first, second = (half.memory_analysis() for half in (self.prepare, self.update))
        if first is None or second is None:
            return None
        return SimpleNamespace(
            argument_size_in_bytes=first.argument_size_in_bytes + second.argument_size_in_bytes,
            output_size_in_bytes=second.output_size_in_bytes,
            temp_size_in_bytes=max(first.temp_size_in_bytes, second.temp_size_in_bytes),
            alias_size_in_bytes=second.alias_size_in_bytes,
        )


def without_data(constants: dict[str, Any]) -> dict[str, Any]:
    """The constants that an update takes."""
    return {name: value for name, value in constants.items() if name != "data"}


def compile_traced(traced: Any, *, waits: bool) -> Any:
    """Compile what was traced, ``anew`` where devices that are cores may wait for each other in a loop.

    Args:
      traced: of ``jax.jit(function).trace``.
      waits: whether its devices are cores and wait for each other at all.
    """
    with anew(waits and loops_over_arrays(traced.jaxpr)):
        return traced.lower().compile()


def called_anew(jitted: Any, *, waits: bool) -> Callable:
    """The function, of which the first call, the one that compiles, is ``anew`` where ``compile_traced`` would be.

    Args:
      jitted: of ``jax.jit``; always called with the same shapes.
      waits: as for ``compile_traced``.
    """
    if not waits:
        return jitted
    called = False

    def call(*args):
        nonlocal called
        with anew(not called and loops_over_arrays(jitted.trace(*args).jaxpr)):
            called = True
            return jitted(*args)

    return call


def _enable(value: bool) -> None:
    jax.config.update("jax_enable_compilation_cache", value)
    compilation_cache.reset_cache()  # or the answer of the first look would stand
