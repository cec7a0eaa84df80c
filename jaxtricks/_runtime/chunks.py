"""Several steps in one call of the device, so that the host's share of a small step is paid once for all of them."""

from collections.abc import Callable, Generator, Iterable
from itertools import islice, pairwise

import jax
import numpy as np

Batch = dict[str, np.ndarray]


def scanned(step: Callable) -> Callable:
    """``(state, batches, constants) -> (state, records)``, whose batches and records have a first axis of steps.

    Args:
      step: ``(state, batch, constants) -> (state, record)``.
    """
    return lambda state, batches, constants: jax.lax.scan(lambda s, batch: step(s, batch, constants), state, batches)


def chunked(
    batches: Iterable[Batch], first: int, stop: int, *, size: int, boundary: int | None
) -> Generator[tuple[int, Batch]]:
    """The batches of consecutive steps, as many as make a chunk together, and one by one where no chunk fits.

    Args:
      batches: of the steps from ``first`` up to, not including, ``stop``.
      first, stop: numbers of steps.
      size: of a chunk, 1 or more.
      boundary: no chunk goes over a multiple of this, where a checkpoint is written; None for no such places.

    Yields:
      ``(steps, batch)``: 1 and a batch, or ``size`` and a stack of batches.
    """
    batches, step = iter(batches), first
    while True:
        end = stop if boundary is None else min(stop, (step // boundary + 1) * boundary)
        taken = list(islice(batches, size if step + size <= end else 1))
        if not taken:
            return
        step += len(taken)
        yield len(taken), taken[0] if size == 1 or len(taken) < size else _stacked(taken)


def leaves_single(first: int, ends: Iterable[int], *, size: int, boundary: int | None) -> bool:
    """Whether some steps are taken one by one, from ``first`` to each of the ends in turn.

    Args:
      first: steps taken before.
      ends: where ``chunked`` begins anew, increasing.
      size, boundary: as for ``chunked``.
    """
    for end in ends:
        places = [first, *(() if boundary is None else range((first // boundary + 1) * boundary, end, boundary)), end]
        if size == 1 or any((b - a) % size for a, b in pairwise(places)):
            return True
        first = max(first, end)
    return False


def _stacked(batches: list[Batch]) -> Batch:
    return {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
