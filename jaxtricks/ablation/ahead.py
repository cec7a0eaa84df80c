"""The programs of all rows, compiled side by side before the first row is trained.

While one row is compiled, the recipe of the next is traced, which needs Python alone. Nothing trains meanwhile, so that
what is said of a row's cost stays true.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from jaxtricks.ablation.cells import Todo
from jaxtricks.train import Plan
from jaxtricks.train.loop import compile_programs

WORKERS = 2  # rows at a time: the compiler has threads of its own


def compile_rows(
    rows: Sequence[Todo], plan: Plan, programs: dict, *, test: bool = True, log: Iterable[Callable[[dict], None]] = ()
) -> None:
    """Compile the programs of rows of which cells are missing.

    Left out are rows with a teacher, whose weights are not there yet, and all where the devices of a plan wait for each
    other, since two programs at once could wait for ever. A row that cannot be compiled is left to ``fit``, which says
    why.

    Args:
      rows: in their order.
      plan: of the run.
      programs: where they are kept, as in fit.
      test: as in fit.
      log: as in ``run_cells``; of each row there is a record ``"rung"`` when it is begun, and ``"compiled"`` after it.
    """
    log = tuple(log)

    def say(row: Todo, kind: str):
        for write in log:
            write({"kind": kind, "variant": row.variant.name, "rung": row.number, "seeds": list(row.seeds)})

    waiting = [row for row in rows if row.variant.recipe.teacher is None]
    if plan.collective or len(waiting) < 2:
        return
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="jaxtricks-compiling")
    running: dict[Future, Todo] = {}
    try:
        while waiting or running:
            while waiting and len(running) < WORKERS:
                row = waiting.pop(0)
                say(row, "rung")
                options = {"seeds": row.seeds, "plan": plan, "programs": programs, "test": test}
                running[pool.submit(compile_programs, row.variant.recipe, row.cells.dataset, **options)] = row
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                row = running.pop(future)
                if future.exception() is None:
                    say(row, "compiled")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
