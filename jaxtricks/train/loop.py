"""The only training loop: classification, distillation, detection and fine-tuning all go through ``fit``."""

from collections.abc import Callable, Iterable
from typing import Any

from jaxtricks._runtime.signals import Interrupted, Signals
from jaxtricks._runtime.watchdog import PATIENCE, Watchdog
from jaxtricks.data import Dataset
from jaxtricks.train.arguments import check_arguments, check_seeds
from jaxtricks.train.logs import Log
from jaxtricks.train.parallel import Plan, read
from jaxtricks.train.program import Program
from jaxtricks.train.recipe import Recipe
from jaxtricks.train.session import Run, Session
from jaxtricks.train.stages import Stages, check_states, ends, identity, recipes
from jaxtricks.train.stop import EarlyStopping


def fit(
    recipe: Recipe | Stages,
    dataset: Dataset,
    *,
    seeds: Iterable[int] = (0,),
    plan: Plan | None = None,
    teacher: Any = None,
    initial: Any = None,
    folder: str | None = None,
    save_every: int | None = None,
    asynchronous: bool = False,
    on_error: str = "raise",
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

    A run may have stages, such as mixup until the last two epochs: one state goes through all of them, each has one
    compilation of its own, and steps, schedules and epochs count on from one to the next.

    Args:
      recipe: what to train; or stages, a list of ``(epochs, recipe)``, whose recipes have one batch size, states of one
        tree, and as ``epochs`` those of all stages together. All stages but the last have whole epochs.
      dataset: its validation split, where there is one, is evaluated after every epoch.
      seeds: integers of 0 to 2**32 - 1, no two alike.
      plan: where the steps run; ``Plan()``, jit over all devices, if None.
      teacher: ``(params, stats)`` of ``recipe.teacher``, where a stage has one.
      initial: ``(params, stats)`` to start from instead of fresh ones; no recipe has an ``init`` then.
      folder: of checkpoints, or None; a run found there goes on where it stopped.
      save_every: steps between two checkpoints; one at the end of every epoch if None.
      asynchronous: whether a checkpoint is written beside the steps that follow it.
      on_error: what a checkpoint that cannot be written does: ``"raise"`` CheckpointSaveError, at most one step after
        that is known, or ``"warn"`` and let the run go on.
      stop: when to end the run early, in any stage, and restore the best weights; needs a validation split and one
        seed at a time.
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
      CheckpointCorruptError: if the folder holds checkpoints, but none is whole.
      CheckpointSaveError: if a checkpoint cannot be written, unless ``on_error`` is ``"warn"``.
      Interrupted: a SystemExit, after SIGTERM or SIGINT.
    """
    plan = Plan() if plan is None else plan
    seeds, log = check_seeds(seeds), tuple(log)
    saving = {"save_every": save_every, "asynchronous": asynchronous, "on_error": on_error}
    given = {"folder": folder, **saving, "stop": stop, "patience": patience, "log": log, "done": done}
    stages = recipes(recipe)
    taught = [each.teacher is not None for each in stages]
    teachers = [teacher if own or not any(taught) else None for own in taught]
    for each, own in zip(stages, teachers, strict=True):
        check_arguments(each, dataset, plan, teacher=own, **given)
    lasts = ends(recipe, dataset)

    runs: list[Run] = []
    programs: dict[Plan, list[Program]] = {}
    with Signals() as signals, Watchdog(watchdog) as dog:
        for part, group in plan.groups(seeds):
            dog.beat("making the program", patience=PATIENCE)
            if part not in programs:
                made = programs[part] = []
                for each, own in zip(stages, teachers, strict=True):
                    beside = made[0] if made else None
                    made.append(Program(each, dataset, part, teacher=own, initial=initial, stop=stop, beside=beside))
                check_states(made)
            where = None if folder is None else f"{folder}/seed{'-'.join(map(str, group))}"
            session = Session(
                tuple(zip(lasts, programs[part], strict=True)),
                group,
                identity=identity(recipe),
                folder=where,
                **saving,
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
