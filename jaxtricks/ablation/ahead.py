"""The programs of the next row, compiled by a thread while the row in hand is trained."""

import threading
from contextlib import suppress
from typing import Any

import jax

from jaxtricks._runtime.guard import UNGUARDED, Guard
from jaxtricks.ablation.cells import Todo
from jaxtricks.train import Plan
from jaxtricks.train.loop import compile_for


class Ahead:
    """Compiles for one row at a time; ``wait`` before anything else makes programs or drops them.

    What fails is left: the row fails once more, in its place, where that is said.

    Args:
      plan, guard, programs, ahead: as in ``run_cells``.

    Raises:
      ValueError: if ``ahead`` is True where that cannot be.
    """

    def __init__(self, plan: Plan, guard: Guard | None, programs: dict | None, *, ahead: bool | None):
        self.plan, self.guard = plan, guard
        alone = jax.process_count() == 1 and not plan.collective and programs is not None
        if ahead and not alone:
            raise ValueError(
                "ahead is True; allowed: False or None without programs that are kept, with several processes, and "
                "with devices that wait for each other in a step."
            )
        self.programs = {} if programs is None else programs
        self.wanted = (alone and jax.default_backend() != "cpu") if ahead is None else ahead
        self._row: Todo | None = None
        self._thread: threading.Thread | None = None

    def after(self, row: Todo | None) -> None:
        """Name the row that comes after the one in hand, or None."""
        self._row = row if row is not None and row.variant.recipe.teacher is None else None  # it is not trained yet

    def log(self, record: dict[str, Any]) -> None:
        """Take a record of the row in hand; with its first step the next row begins to be compiled."""
        if record["kind"] == "start" and self.wanted and self._row is not None:
            row, self._row = self._row, None
            self._thread = threading.Thread(target=self._compile, args=(row,), name="jaxtricks-ahead", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Return when nothing is being compiled; a signal ends that as it ends compiling in ``fit``."""
        if self._thread is not None:
            with (UNGUARDED if self.guard is None else self.guard).activate() as active:
                active.wait_for(self._thread.join)
            self._thread = None

    def _compile(self, row: Todo) -> None:
        with suppress(Exception):  # it comes again, where the row is trained
            compile_for(row.variant.recipe, row.cells.dataset, self.plan, row.seeds, self.programs)
