"""The only training loop: classification, distillation, detection and fine-tuning all go through ``fit``."""

from collections.abc import Callable, Iterable
from typing import Any

from jaxtricks.data import Dataset
from jaxtricks.train.arguments import check_arguments, check_seeds
from jaxtricks.train.logs import Log
from jaxtricks.train.parallel import Plan, read
from jaxtricks.train.program import Program
from jaxtricks.train.recipe import Recipe
from jaxtricks.train.session import Run, Session
from jaxtricks.train.signals import Interrupted, Signals
from jaxtricks.train.stop import EarlyStopping
from jaxtricks.train.watchdog import PATIENCE, Watchdog


def fit(
    recipe: Recipe,
    dataset: Dataset,
    *,
    seeds: Iterable[int] = (0,),
    plan: Plan | None = None,
    teacher: Any = None,
    initial: Any = None,
    folder: str | None = None,
    save_every: int | None = None,
    stop: EarlyStopping | None = None,
    test: bool = True,
    patience: int = 10,
    watchdog: float | None = None,
    log: Iterable[Log] = (),
    done: Callable[[Run], None] | None = None,
) -> list[Run]:
    """Train a recipe with one or more seeds.

    SIGTERM and SIGINT end it after the step in hand, with its state saved; a second one ends the process at once.
    Where several processes train together, a signal to one of them ends all, after the same step.

    Args:
      recipe: what to train.
      dataset: its validation split, where there is one, is evaluated after every epoch.
      seeds: whole numbers of 0 or more, no two alike.
      plan: where the steps run; ``Plan()``, jit over all devices, if None.
      teacher: ``(params, stats)`` of ``recipe.teacher``.
      initial: ``(params, stats)`` to start from instead of fresh ones.
      folder: of checkpoints, or None; a run found there goes on where it stopped.
      save_every: steps between two checkpoints; one at the end of every epoch if None.
      stop: when to stop early, and restore the best weights; needs a validation split and one seed at a time.
      test: whether the test set is read at the end.
      patience: steps in a row that may be skipped because loss or gradient is not finite.
      watchdog: seconds without a step after which the process ends itself, greater than 0; what gives no sign of life
        on its way, such as compiling, saving or a batch of an evaluation, may take ten times as long. None: never.
      log: functions that take a record, a dict whose ``kind`` is ``"start"``, ``"progress"``, ``"epoch"``,
        ``"nonfinite"`` or ``"spike"`` (a step that was not applied: seed, step, loss, and index, the rows of its
        batch), ``"interrupted"`` or ``"end"``.
      done: takes each Run as soon as it is there.

    Returns:
      A Run for each seed, in order.

    Raises:
      RecipeError: if parts of the recipe do not fit each other or the dataset, before anything is compiled.
      TypeError, ValueError: for another argument that is wrong, or does not fit the others, likewise.
      NonFiniteError: after more than ``patience`` such steps in a row.
      CheckpointMismatchError: if the folder holds another run.
      Interrupted: a SystemExit, after SIGTERM or SIGINT.
    """
    plan = Plan() if plan is None else plan
    seeds, log = check_seeds(seeds), tuple(log)
    given = {"teacher": teacher, "folder": folder, "save_every": save_every, "stop": stop, "patience": patience}
    check_arguments(recipe, dataset, plan, **given, log=log, done=done)

    runs: list[Run] = []
    programs: dict[Plan, Program] = {}
    with Signals() as signals, Watchdog(watchdog) as dog:
        for part, group in plan.groups(seeds):
            dog.beat("making the program", patience=PATIENCE)
            if part not in programs:
                programs[part] = Program(recipe, dataset, part, teacher=teacher, initial=initial, stop=stop)
            where = None if folder is None else f"{folder}/seed{'-'.join(map(str, group))}"
            session = Session(
                programs[part],
                group,
                folder=where,
                save_every=save_every,
                stop=stop,
                patience=patience,
                log=log,
                signals=signals,
                watchdog=dog,
            )
            for run in session.runs(test=test):
                runs.append(run)
                if done is not None:
                    dog.beat("calling done", patience=PATIENCE)
                    done(run)
    if number := int(read(plan.largest(signals.received))):  # it came when all was done
        raise Interrupted(number, session.done)
    return runs
