"""Steps that were started and whose records have not been read yet: reading one waits until it is done."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from jaxtricks._runtime.arrays import gathered, to_host


class NonFiniteError(FloatingPointError):
    """Loss or gradient was not finite for too many steps in a row; no such gradient was ever applied."""


class _Step(NamedTuple):
    number: int
    record: dict[str, jax.Array]
    index: jax.Array
    signal: jax.Array | int


class InFlight:
    """Reads the record of each step once the steps after it are on their way, in every process at the same moment.

    Args:
      limit: steps that may be in flight, 0 or more.
      seeds: of the runs that step together.
      max_nonfinite_steps: steps in a row that may be skipped because loss or gradient is not finite.
      log: takes a record of kind ``"nonfinite"`` or ``"spike"`` for each step and seed that was not applied.

    Attributes:
      signal: the signal that a process said it had received when it started one of the steps read so far, or 0.
    """

    def __init__(self, limit: int, seeds: tuple[int, ...], *, max_nonfinite_steps: int, log: Callable[..., None]):
        self.limit, self.seeds, self.max_nonfinite_steps, self.log = limit, seeds, max_nonfinite_steps, log
        self.signal = 0
        self._steps: deque[_Step] = deque()

    def add(self, number: int, record: dict[str, jax.Array], index: jax.Array, *, signal: jax.Array | int = 0) -> None:
        """Take the step that makes ``number``, with the rows of its batch; read the oldest if there are too many."""
        self._steps.append(_Step(number, record, index, signal))
        if len(self._steps) > self.limit:
            self._read(self._steps.popleft())

    def drain(self) -> None:
        """Read all that are left.

        Raises:
          NonFiniteError: after more than ``max_nonfinite_steps`` such steps in a row; ``add`` raises it too.
        """
        while self._steps:
            self._read(self._steps.popleft())

    def _read(self, step: _Step) -> None:
        bad = self._by_seed(step.record["bad"])
        rejected = self._by_seed(step.record["rejected"]) if "rejected" in step.record else np.zeros_like(bad)
        if bad.any() or rejected.any():
            loss = self._by_seed(step.record["loss"])
            index = gathered(step.index).reshape(len(self.seeds), -1)
            for i in np.flatnonzero(bad + rejected):
                self.log(
                    kind="nonfinite" if bad[i] else "spike",
                    seed=self.seeds[i],
                    step=step.number,
                    loss=float(loss[i]),
                    index=index[i].tolist(),
                )
        if (worst := int(bad.max())) > self.max_nonfinite_steps:
            raise NonFiniteError(f"loss or gradient was not finite for {worst} steps in a row, up to {step.number}.")
        self.signal = self.signal or int(to_host(step.signal))

    def _by_seed(self, value: jax.Array) -> np.ndarray:
        """One number for each seed; pmap gives one for each device, all alike."""
        return np.ravel(to_host(value))[: len(self.seeds)]
