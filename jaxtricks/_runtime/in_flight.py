"""Steps that were started and whose records have not been read yet: reading one waits until it is done."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxtricks._runtime.arrays import gathered, to_host


class NonFiniteError(FloatingPointError):
    """Loss or gradient was not finite for too many steps in a row; no such gradient was ever applied."""


class _Step(NamedTuple):
    number: int
    steps: int
    record: dict[str, jax.Array]
    index: jax.Array
    signal: jax.Array | int


class InFlight:
    """Reads the record of each step once the steps after it are on their way, in every process at the same moment.

    Args:
      limit: calls of the device that may be in flight, 0 or more; one is a step, or a chunk of steps.
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

    def add(
        self, number: int, record: dict[str, jax.Array], index: jax.Array, *, signal: Any = 0, steps: int = 1
    ) -> None:
        """Take the step that makes ``number``, with the rows of its batch; read the oldest if there are too many.

        Of a chunk of steps it is the last one that makes ``number``; record and rows have a first axis of steps.
        """
        self._steps.append(_Step(number, steps, record, index, signal))
        if len(self._steps) > self.limit:
            self._read(self._steps.popleft())

    def drain(self) -> None:
        """Read all that are left.

        Raises:
          NonFiniteError: after more than ``max_nonfinite_steps`` such steps in a row; ``add`` raises it too.
        """
        while self._steps:
            self._read(self._steps.popleft())

    def _read(self, taken: _Step) -> None:
        bad = self._by_step(taken, "bad")
        rejected = self._by_step(taken, "rejected") if "rejected" in taken.record else np.zeros_like(bad)
        if bad.any() or rejected.any():
            loss = self._by_step(taken, "loss")
            index = gathered(taken.index).reshape(taken.steps, len(self.seeds), -1)
            for step, i in np.argwhere(bad + rejected):
                self.log(
                    kind="nonfinite" if bad[step, i] else "spike",
                    seed=self.seeds[i],
                    step=taken.number - taken.steps + 1 + int(step),
                    loss=float(loss[step, i]),
                    index=index[step, i].tolist(),
                )
        if (worst := bad.max(axis=1)).max() > self.max_nonfinite_steps:
            step = int(np.argmax(worst > self.max_nonfinite_steps))
            number = taken.number - taken.steps + 1 + step
            raise NonFiniteError(
                f"loss or gradient was not finite for {int(worst[step])} steps in a row, up to {number}."
            )
        self.signal = self.signal or int(to_host(taken.signal))

    def _by_step(self, taken: _Step, name: str) -> np.ndarray:
        """``[steps, seeds]``; pmap gives one number for each device, all alike."""
        return to_host(taken.record[name]).reshape(taken.steps, -1)[:, : len(self.seeds)]
