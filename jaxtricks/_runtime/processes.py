"""Decisions that all processes of a run take alike, and the end of a process that fails while the others wait."""

import os
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax.experimental import multihost_utils


def of_first(function: Callable[[], int]) -> int:
    """What a function returns in process 0, the only one that calls it.

    Args:
      function: returns an integer that fits into 32 bits.

    Returns:
      The same in every process.
    """
    value = int(function()) if jax.process_index() == 0 else 0
    return value if jax.process_count() == 1 else int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def everywhere(good: bool) -> bool:
    """Whether something holds in all processes.

    Args:
      good: whether it holds in this one.

    Returns:
      The same in every process.
    """
    return good if jax.process_count() == 1 else bool(np.all(multihost_utils.process_allgather(np.int32(good))))


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Where several processes run together, let an uncaught error end this one as soon as it is printed.

    An interpreter that ends as usual first waits, in JAX and in threads that write a checkpoint, for the other
    processes; those wait for this one, or are gone. Once this one has ended, a collective of theirs fails, and they end
    likewise. ``sys.excepthook`` is replaced while this is entered, and after an error has left it until that error is
    caught and gone, because Python calls the hook later than any ``with``. In a single process nothing is done.
    """
    if jax.process_count() == 1:
        yield
        return
    if not isinstance(sys.excepthook, _ExitHook):
        sys.excepthook = _ExitHook(sys.excepthook)
    hook = sys.excepthook
    hook.holders += 1
    try:
        yield
    except BaseException as error:
        holder = _Holder()
        error._jaxtricks_holder = holder  # pyright: ignore[reportAttributeAccessIssue] - it lives as long as the error
        weakref.finalize(holder, hook.release).atexit = False
        raise
    else:
        hook.release()


class _Holder:
    """Something of which weak references can be made; of an error they cannot."""


class _ExitHook:
    """Prints an uncaught error as the hook before it does, and ends the process, as long as it has holders."""

    def __init__(self, before: Callable):
        self.before, self.holders = before, 0

    def release(self) -> None:
        self.holders -= 1
        if not self.holders and sys.excepthook is self:
            sys.excepthook = self.before

    def __call__(self, *error) -> None:
        ends = self.holders > 0
        try:
            self.before(*error)
            if ends:
                sys.stdout.flush()
                sys.stderr.flush()
        finally:
            if ends:
                os._exit(1)
