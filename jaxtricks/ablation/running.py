"""The training of the cells that are missing, by one process or by several that share a folder."""

import gc
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jaxtricks._runtime import memory
from jaxtricks._runtime.processes import of_first
from jaxtricks._runtime.signals import Interrupted
from jaxtricks.ablation import states
from jaxtricks.ablation.ahead import Ahead
from jaxtricks.ablation.cells import Cells, Todo, cell_of
from jaxtricks.ablation.claims import AGAIN
from jaxtricks.ablation.states import FAILURES
from jaxtricks.ablation.timing import BESIDE
from jaxtricks.ablation.variants import Variant, conflicts_of
from jaxtricks.data import DataError
from jaxtricks.train import Guard, Plan, fit

MAPPINGS = 0.5  # of those that a process may have: the programs of one row take up to a tenth


def run_cells(
    variants: Sequence[Variant],
    cells: Cells,
    *,
    seeds: Sequence[int],
    plan: Plan,
    test: bool = True,
    log: Iterable[Callable[[dict], None]] = (),
    guard: Guard | None = None,
    programs: dict | None = None,
    ahead: bool = False,
) -> None:
    """Train every cell that is missing; a cell that fails leaves its error, and the others go on, but for a DataError.

    Where other processes train cells in this folder, each cell is trained by one of them, and all return when none is
    missing; what a process had that was killed, the others take over.

    Seeds that step together fail together. Without its teacher no seed of a row is started. Each row that is to be
    trained is checked by ``tricks.lint`` first; without a log what it says is a Python warning.

    Args:
      variants: the rows.
      cells: where their files are.
      seeds: the same for every row, so that differences are paired.
      plan: where the steps run.
      test: whether the test set is read; trials that choose something leave it alone.
      log: as in fit; each record also has ``variant`` and ``rung``, its number from 1. There are four more kinds:
        ``"rung"`` with the seeds that a row is to train, ``"warning"`` with the ``message`` of a RecipeWarning before
        the row is trained, ``"failed"`` with the seeds that failed and the error, and ``"elsewhere"`` with the seeds
        that other processes have trained.
      guard, programs: as in fit; with programs that are kept a later call, of more seeds, compiles nothing. They are
        dropped before a row that could find no memory mapping left, on a CPU.
      ahead: whether the steps of the next row are compiled by a thread while one is trained. It needs programs that are
        kept, a guard with ``leave_compiler``, one process, and devices that do not wait for each other. Runs that are
        trained meanwhile are marked, and count in no ratio of times. For an accelerator: a CPU has no core to spare.

    Raises:
      ValueError: if ``ahead`` is True where that cannot be.
    """
    log, tried, ours = tuple(log), _Tried(), set()
    compiling = Ahead(plan, guard, programs, ahead=ahead)
    for variant in variants if cells.checkpoints is not None else ():  # what a process left that ended at its end
        states.forget(cells.of(variant), variant.recipe)
        if variant.recipe.teacher is not None:
            states.forget(cells.of(variant), variant.recipe.teacher)
    process = {"guard": guard, "programs": programs}
    while todo := tried.left(cells.todo(variants, seeds, test=test)):
        # rows that nobody else is at come first, so that few processes compile the same one
        done = False
        while todo:
            busy = cells.claims.elsewhere() if jax.process_index() == 0 else set()
            place = of_first(lambda todo=todo, busy=busy: _quietest(todo, busy))
            compiling.wait()
            if of_first(lambda: memory.mappings() > MAPPINGS):
                _drop(programs)
            row = todo.pop(place)
            compiling.after(todo[0] if todo and not busy else None)  # others would take the same one
            try:
                done = _run_row(row, plan, test, log, process, ours, compiling) or done
            except BaseException as error:
                if not isinstance(error, Interrupted):
                    compiling.wait()  # or the process would end within the compiler
                raise
        if not done:
            time.sleep(AGAIN)  # others have what is left
    for row in tried.rows.values():
        if seeds_elsewhere := [seed for seed in row.seeds if row.cells.path(row.variant.recipe, seed) not in ours]:
            _say(log, row, {"kind": "elsewhere", "seeds": seeds_elsewhere})


def _drop(programs: dict | None) -> None:
    """Let go of all that was compiled."""
    if programs is not None:
        programs.clear()
    jax.clear_caches()
    gc.collect()


class _Tried:
    """What a call has met: a cell that fails in it, here or in another process, is not tried a second time."""

    def __init__(self):
        self.rows: dict[int, Todo] = {}
        self._before: dict[Path, Any] = {}

    def left(self, todo: list[Todo]) -> list[Todo]:
        """The rows, with the seeds that are still to be tried."""
        for row in todo:
            self.rows.setdefault(row.number, row)
        kept = [row._replace(seeds=tuple(seed for seed in row.seeds if self._untouched(row, seed))) for row in todo]
        return [row for row in kept if row.seeds]

    def _untouched(self, row: Todo, seed: int) -> bool:
        """Whether the file of a cell is the one that was there at the first look, or still none."""
        path = row.cells.path(row.variant.recipe, seed)
        return bool(of_first(lambda: self._before.setdefault(path, _stamp(path)) == _stamp(path)))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_mtime_ns, about.st_ino


def _quietest(todo: list[Todo], busy: set[str]) -> int:
    """The first row of those of which the fewest cells are being trained by others."""
    names = ([row.cells.path(row.variant.recipe, seed).stem for seed in row.seeds] for row in todo)
    counts = [sum(name in busy for name in of_row) for of_row in names]
    return counts.index(min(counts))


def _say(log, row: Todo, record: dict) -> None:
    for write in log:
        write({**record, "variant": row.variant.name, "rung": row.number})


def _run_row(row: Todo, plan: Plan, test: bool, log: tuple, process: dict, ours: set[Path], compiling: Ahead) -> bool:
    """Train the cells of one row that nobody else has, its teacher first; whether there was one."""
    recipe, cells, missing, begun = row.variant.recipe, row.cells, row.seeds, False
    process = {**process, "programs": {} if process["programs"] is None else process["programs"]}
    finished: set[int] = set()
    say, teacher = partial(_say, log, row), None

    def keep(run):
        cells.put(recipe, run.seed, cell_of(run, recipe.task) | ({BESIDE: True} if compiling.overlaps else {}))
        finished.add(run.seed)

    def fail(error, failed):
        message = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        say({"kind": "failed", "seeds": list(failed), "error": message})
        for seed in failed:
            cells.put(recipe, seed, {"seed": seed, "error": message})

    # as many at a time as step together
    while missing:
        mine = cells.claim(recipe, missing, most=len(plan.groups(missing)[0][1]), test=test)
        missing = tuple(seed for seed in missing if seed not in mine)
        if not mine:
            return begun
        try:
            ours |= {cells.path(recipe, seed) for seed in mine}
            if not begun:
                begun = True
                say({"kind": "rung", "seeds": [*mine, *missing]})
                _warn_of_conflicts(row, say if log else None)
                if recipe.teacher is not None:
                    teach = lambda record: say({**record, "part": "teacher"})  # noqa: E731
                    teacher = cells.teacher(recipe.teacher, plan, teach, test=test, guard=process["guard"])
            options = {"teacher": teacher, "test": test, "log": (say, compiling.log), "done": keep, **process}
            states.train(fit, cells, recipe, mine, plan=plan, **options)
            states.forget(cells, recipe, mine)
        except DataError:  # the other rows have the same images
            raise
        except FAILURES as error:
            without_teacher = recipe.teacher is not None and teacher is None
            failed = [seed for seed in mine if seed not in finished]
            fail(error, [*failed, *missing] if without_teacher else failed)
            if without_teacher:
                return True
        finally:
            cells.unclaim(recipe, mine)
    return begun


def _warn_of_conflicts(row: Todo, say: Callable[[dict], None] | None) -> None:
    for warning in conflicts_of(row.variant.recipe, row.cells.dataset):
        if say is None:
            warnings.warn(warning, stacklevel=4)
        else:
            say({"kind": "warning", "message": str(warning)})
