"""The programs of the next row, compiled by a thread while the row in hand is trained."""

import threading
from contextlib import suppress
from typing import Any

import jax

from jaxtricks._runtime.guard import Guard
from jaxtricks._runtime.signals import Interrupted
from jaxtricks._runtime.watchdog import LIMIT_FACTOR
from jaxtricks.ablation.cells import Todo
from jaxtricks.train import Plan
from jaxtricks.train.loop import compile_for


class Ahead:
    """Compiles for one row at a time; ``wait`` before anything else makes programs or drops them.

    What fails is left: the row fails once more, in its place, where that is said. Under a guard with ``leave_compiler``
    ``fit`` compiles in a thread too, so that contexts of JAX reach neither.

    Fields:
      overlaps: whether the seeds in hand are trained beside the compiler, so that their time is not theirs alone.

    Args:
      plan, guard, programs, ahead: as in ``run_cells``.

    Raises:
      ValueError: if ``ahead`` is True where that cannot be.
    """

    def __init__(self, plan: Plan, guard: Guard | None, programs: dict | None, *, ahead: bool):
        left = guard is not None and guard.leave_compiler
        if ahead and (programs is None or not left or plan.collective or jax.process_count() > 1):
            raise ValueError(
                "ahead is True; allowed: False without programs that are kept, without a guard that leaves the "
                "compiler, with several processes, and with devices that wait for each other in a step."
            )
        self.plan, self.guard, self.wanted = plan, guard, ahead
        self.programs = {} if programs is None else programs
        self.overlaps = False
        self._row: Todo | None = None
        self._thread: threading.Thread | None = None

    def after(self, row: Todo | None) -> None:
        """Name the row that comes after the one in hand, or None; of one with a teacher, that is not trained yet."""
        self._row = row if row is not None and row.variant.recipe.teacher is None else None

    def log(self, record: dict[str, Any]) -> None:
        """Take a record of the row in hand; with its first step the next row begins to be compiled."""
        if record["kind"] != "start":
            return
        if self.wanted and self._row is not None:
            row, self._row = self._row, None
            thread = threading.Thread(target=self._compile, args=(row,), name="jaxtricks-ahead", daemon=True)
            with suppress(RuntimeError):  # there may be no thread left
                thread.start()
                self._thread = thread
        self.overlaps = self._thread is not None and self._thread.is_alive()

    def wait(self) -> None:
        """Return when nothing is being compiled.

        Raises:
          Interrupted: after a signal, at once.
        """
        if self._thread is not None and self.guard is not None:
            with self.guard.activate() as active:
                active.beat("compiling the next row", LIMIT_FACTOR)
                active.wait_for(self._thread.join)
                if active.received:
                    raise Interrupted(active.received, 0)
            self._thread = None

    def _compile(self, row: Todo) -> None:
        with suppress(Exception):  # it comes again, where the row is trained
            compile_for(row.variant.recipe, row.cells.dataset, self.plan, row.seeds, self.programs)
