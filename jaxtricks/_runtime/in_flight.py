"""Steps that were started and whose records have not been read yet: reading one waits until it is done."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxtricks.train.parallel import Plan, read

AHEAD = 8  # steps that may be in flight before the loop waits for the oldest


class NonFiniteError(FloatingPointError):
    """Loss or gradient was not finite for too many steps in a row; no such gradient was ever applied."""


class _Step(NamedTuple):
    number: int
    record: dict[str, jax.Array]
    index: jax.Array
    signal: jax.Array | int


class Flight:
    """Reads the record of each step once the steps after it are on their way, in every process at the same moment.

    Args:
      plan: where the steps run.
      seeds: of the runs that step together.
      patience: steps in a row that may be skipped because loss or gradient is not finite.
      tell: takes a record of kind ``"nonfinite"`` or ``"spike"`` for each step and seed that was not applied.

    Attributes:
      ahead: steps that may be in flight.
      signal: the signal that a process said it had received when it started one of the steps read so far, or 0.
    """

    def __init__(self, plan: Plan, seeds: tuple[int, ...], *, patience: int, tell: Callable[..., None]):
        # Devices that are cores share one pool of threads, and a collective holds a thread while it waits for the
        # others: with steps in flight all threads can be waiting for a device that has none left, and XLA aborts.
        self.ahead = 0 if plan.collective and jax.default_backend() == "cpu" else AHEAD
        self.seeds, self.patience, self.tell = seeds, patience, tell
        self.signal = 0
        self._steps: deque[_Step] = deque()

    def add(self, number: int, record: dict[str, jax.Array], index: jax.Array, *, signal: jax.Array | int = 0) -> None:
        """Take the step that makes ``number``, with the rows of its batch; read the oldest if there are too many."""
        self._steps.append(_Step(number, record, index, signal))
        if len(self._steps) > self.ahead:
            self._read(self._steps.popleft())

    def land(self) -> None:
        """Read all that are left.

        Raises:
          NonFiniteError: after more than ``patience`` such steps in a row; ``add`` raises it too.
        """
        while self._steps:
            self._read(self._steps.popleft())

    def _read(self, step: _Step) -> None:
        bad = self._of_seeds(step.record["bad"])
        held = self._of_seeds(step.record["held"]) if "held" in step.record else np.zeros_like(bad)
        if bad.any() or held.any():
            loss, index = self._of_seeds(step.record["loss"]), _whole(step.index).reshape(len(self.seeds), -1)
            for i in np.flatnonzero(bad + held):
                kind = "nonfinite" if bad[i] else "spike"
                what = {"seed": self.seeds[i], "step": step.number, "loss": float(loss[i]), "index": index[i].tolist()}
                self.tell(kind=kind, **what)
        if (worst := int(bad.max())) > self.patience:
            raise NonFiniteError(f"loss or gradient was not finite for {worst} steps in a row, up to {step.number}.")
        self.signal = self.signal or int(read(step.signal))

    def _of_seeds(self, value: jax.Array) -> np.ndarray:
        """One number for each seed; pmap gives one for each device, all alike."""
        return np.ravel(read(value))[: len(self.seeds)]


def _whole(index: jax.Array) -> np.ndarray:
    """The rows of a batch of which each process has a part."""
    return np.asarray(index if index.is_fully_addressable else multihost_utils.process_allgather(index, tiled=True))
