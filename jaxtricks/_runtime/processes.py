"""Decisions that all processes of a run take alike, and the end of one of them, which takes none."""

import os
import sys
from collections.abc import Callable

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


def leave_on_error() -> None:
    """Where several processes run together, let an error that nobody catches end this one as soon as it is printed.

    An interpreter that ends as usual would first wait, in JAX and in threads that write a checkpoint, for the others;
    they wait for this one, or are gone. Once it has left, a collective of theirs fails, and they end likewise.
    """
    if jax.process_count() > 1 and not isinstance(sys.excepthook, _Leave):
        sys.excepthook = _Leave(sys.excepthook)


class _Leave:
    def __init__(self, before: Callable):
        self.before = before

    def __call__(self, *error) -> None:
        try:
            self.before(*error)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(1)
