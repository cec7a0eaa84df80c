"""The only training loop: classification, segmentation, detection, distillation, fine-tuning all go through ``fit``."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks._runtime.arrays import to_host
from jaxtricks._runtime.guard import UNGUARDED, Guard
from jaxtricks._runtime.signals import Interrupted
from jaxtricks._runtime.watchdog import LIMIT_FACTOR
from jaxtricks.checkpoint.remote import folder_of
from jaxtricks.checkpoint.store import ON_ERROR
from jaxtricks.data import Dataset
from jaxtricks.train.logs import Log
from jaxtricks.train.metrics import EarlyStopping
from jaxtricks.train.parallel import Plan
from jaxtricks.train.program import Program, check_states
from jaxtricks.train.recipe import Recipe, Stages, epoch_steps, stages_of
from jaxtricks.train.session import Session
from jaxtricks.train.state import Run


def fit(
    recipe: Recipe | Stages,
    dataset: Dataset,
    *,
    seeds: Iterable[int] = (0,),
    plan: Plan | None = None,
    teacher: Any = None,
    initial: Any = None,
    folder: str | Path | None = None,
    save_every: int | None = None,
    asynchronous: bool = False,
    on_error: str = "raise",
    stop: EarlyStopping | None = None,
    test: bool = True,
    max_nonfinite_steps: int = 10,
    guard: Guard | None = None,
    programs: dict[Any, list[Program]] | None = None,
    log: Iterable[Log] = (),
    done: Callable[[Run], None] | None = None,
) -> list[Run]:
    """Train a recipe with one or more seeds.

    The process is left alone: no signal handler, no hook, no thread that ends it, unless a ``guard`` asks for them.

    A run may have stages, such as mixup until the last two epochs: one state goes through all of them, each has one
    compilation of its own, and steps, schedules and epochs count on from one to the next.

    Args:
      recipe: what to train; or stages, a list of ``(epochs, recipe)``, whose recipes have one batch size and states of
        one tree. All stages but the last have an integer of epochs; the recipes' own epochs are not used.
      dataset: its validation split, where there is one, is evaluated after every epoch.
      seeds: integers of 0 to 2**32 - 1, no two alike.
      plan: where the steps run; ``Plan()``, jit over all devices, if None.
      teacher: ``(params, stats)`` of ``recipe.teacher``, where a stage has one.
      initial: ``(params, stats)`` to start from instead of fresh ones, of the same sizes (``compress.resized`` is for
        smaller ones); no recipe has an ``init`` then.
      folder: of checkpoints, or None; a run that is there goes on where it stopped.
      save_every: steps between two checkpoints; one at the end of every epoch if None.
      asynchronous: whether a checkpoint is written beside the steps that follow it.
      on_error: what a checkpoint that cannot be written does: ``"raise"`` CheckpointSaveError, at most one step after
        that is known, or ``"warn"`` and let the run go on.
      stop: when to end the run early, in any stage, and restore the best weights; needs a validation split and one
        seed at a time.
      test: whether the test set is read at the end.
      max_nonfinite_steps: steps in a row that may be skipped because loss or gradient is not finite.
      guard: what the run may change about its process. With ``Guard(signals=True)`` SIGTERM and SIGINT end it after
        the step in hand, with its state saved, a second one at once, and a signal to one of several processes ends
        all after the same step. With ``Guard(watchdog=seconds)`` a run that stands still ends its process. None:
        nothing.
      programs: a dict that keeps what is compiled, at first an empty one. A later call with the same dict, and with
        the same objects as recipe, dataset, teacher and initial, compiles nothing, so that more seeds cost only their
        steps; the data lie on the devices once for all recipes. None: nothing is kept.
      log: functions that take a record, a dict whose ``kind`` is ``"start"``, ``"progress"``, ``"epoch"``,
        ``"nonfinite"`` or ``"spike"`` (a step that was not applied: seed, step, loss, and index, the rows of its
        batch), ``"interrupted"`` or ``"end"``.
      done: takes each Run as soon as it is complete.

    Returns:
      A Run for each seed, in order.

    Raises:
      RecipeError: if parts of the recipe do not fit each other or the dataset, before anything is compiled.
      DataError: if the dataset lacks a column that the task needs, or values are out of range, likewise.
      TypeError, ValueError: for another argument that is wrong, or does not fit the others, likewise.
      NonFiniteError: after more than ``max_nonfinite_steps`` such steps in a row.
      CheckpointMismatchError: if the folder holds another run.
      CheckpointCorruptError: if the folder holds checkpoints, but none is complete.
      CheckpointSaveError: if a checkpoint cannot be written, unless ``on_error`` is ``"warn"``.
      Interrupted: a SystemExit, after SIGTERM or SIGINT, where the guard has handlers for them.
    """
    plan = Plan() if plan is None else plan
    seeds, log, stages = check_seeds(seeds), tuple(log), stages_of(recipe)
    saving = {"save_every": save_every, "asynchronous": asynchronous, "on_error": on_error}
    options = {**saving, "stop": stop, "max_nonfinite_steps": max_nonfinite_steps, "log": log}
    taught = any(part.teacher is not None for _, part in stages)
    teachers = [teacher if part.teacher is not None or not taught else None for _, part in stages]
    for (_, part), variables in zip(stages, teachers, strict=True):
        check_arguments(part, dataset, plan, teacher=variables, folder=folder, guard=guard, done=done, **options)

    runs: list[Run] = []
    programs = {} if programs is None else programs
    named = {"teachers": teachers, "teacher": teacher, "initial": initial, "stop": stop}
    with (UNGUARDED if guard is None else guard).activate() as active:
        for part, group in plan.groups(seeds):
            active.beat("making the program", LIMIT_FACTOR)
            parts = active.wait_for(partial(_kept, programs, stages, dataset, part, group, **named))
            # one group of seeds, from the first step or a checkpoint to the last
            session = Session(parts, stages, group, active=active, **options)
            try:
                if folder is not None:
                    session.resume(f"{folder}/seed{'-'.join(map(str, group))}")
                active.wait_for(partial(session.compile, test=test))
                for run in session.runs(test=test):
                    runs.append(run)
                    if done is not None:
                        active.beat("calling done", LIMIT_FACTOR)
                        done(run)
            except BaseException:
                session.abandon()
                raise
        if number := int(to_host(plan.largest(active.received))):  # it came when all was done
            raise Interrupted(number, session.done)
    return runs


def program_of(programs: dict, recipe: Recipe, dataset: Dataset, plan: Plan, group: tuple[int, ...]) -> Program:
    """The program of a recipe without a teacher, as ``fit`` keeps it in ``programs`` for a group of ``plan.groups``."""
    return _kept(programs, stages_of(recipe), dataset, plan, group, teachers=[None])[0]


def compile_for(recipe: Recipe, dataset: Dataset, plan: Plan, seeds: tuple[int, ...], programs: dict) -> None:
    """Make and compile the steps that ``fit`` would take for the first group of these seeds; ``programs`` keeps them.

    Nothing is evaluated, which could need much memory beside a run that goes on meanwhile.

    Args:
      recipe: without a teacher.
      dataset, plan, seeds, programs: as in fit.
    """
    part, group = plan.groups(seeds)[0]
    stages = stages_of(recipe)
    parts = _kept(programs, stages, dataset, part, group, teachers=[None])
    if all(program.cost for program in parts):
        return
    saving = {"save_every": None, "asynchronous": False, "on_error": "raise"}
    with UNGUARDED.activate() as active:
        session = Session(parts, stages, group, stop=None, max_nonfinite_steps=0, log=(), active=active, **saving)
        session.compile(test=False, evaluation=False)


def _kept(programs, stages, dataset, part, group, *, teachers, teacher=None, initial=None, stop=None) -> list[Program]:
    """The programs of these stages: those that are kept, or new ones, which are kept from now on."""
    others = (*(recipe for _, recipe in stages), dataset, teacher, initial)
    # the programs hold these objects, so that no other has their ids
    which = (part, len(group), stop, *map(id, others))
    if which not in programs:
        others_here = (program for stages_of_it in list(programs.values()) for program in stages_of_it)
        shared = next((program for program in others_here if program.dataset is dataset and program.plan == part), None)
        parts = {"teachers": teachers, "initial": initial, "stop": stop, "shared": shared}
        programs[which] = _programs(stages, dataset, part, **parts)
    return programs[which]


def _programs(stages, dataset: Dataset, plan: Plan, *, teachers, initial, stop, shared) -> list[Program]:
    """The program of each stage; they share the data on the devices, and one state fits them all."""
    programs: list[Program] = []
    for (_, recipe), teacher in zip(stages, teachers, strict=True):
        first = programs[0] if programs else shared
        programs.append(
            Program(recipe, dataset, plan, teacher=teacher, initial=initial, stop=stop, share_data_with=first)
        )
    check_states(programs)
    return programs


def check_arguments(
    recipe: Recipe,
    dataset: Dataset,
    plan: Plan,
    *,
    teacher: Any,
    folder: str | Path | None,
    save_every: int | None,
    asynchronous: bool,
    on_error: str,
    stop: EarlyStopping | None,
    max_nonfinite_steps: int,
    guard: Guard | None,
    log: tuple,
    done: Any,
) -> None:
    """Raise TypeError for an argument of fit of another kind, ValueError for one out of range or that fits no other.

    Args:
      recipe, dataset, plan, teacher, folder, save_every, asynchronous, on_error, stop, max_nonfinite_steps, guard, log,
        done: as in fit.
    """
    for name, value, kind in (("recipe", recipe, Recipe), ("dataset", dataset, Dataset), ("plan", plan, Plan)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} is {value!r}; allowed: a {kind.__name__}.")
    for name, value in (("save_every", save_every), ("max_nonfinite_steps", max_nonfinite_steps)):
        if value is None and name == "save_every":
            continue
        minimum = 1 if name == "save_every" else 0
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < minimum:
            raise ValueError(f"{name} is {value!r}; allowed: an integer of {minimum} or more.")
    if not isinstance(asynchronous, bool):
        raise TypeError(f"asynchronous is {asynchronous!r}; allowed: True or False.")
    if on_error not in ON_ERROR:
        raise ValueError(f"on_error is {on_error!r}; allowed: {', '.join(map(repr, ON_ERROR))}.")
    for function in log if done is None else (*log, done):
        if not callable(function):
            raise TypeError(f"log or done is {function!r}; allowed: functions.")
    if guard is not None and not isinstance(guard, Guard):
        raise TypeError(f"guard is {guard!r}; allowed: a Guard or None.")
    if folder is not None and "://" not in str(folder_of(folder)):
        path = Path(folder).expanduser().absolute()
        file = next((p for p in (path, *path.parents) if p.exists() and not p.is_dir()), None)
        if file is not None:
            raise ValueError(f"folder is {str(folder)!r}; allowed: a folder, and {file} is a file.")
    if stop is not None and not isinstance(stop, EarlyStopping):
        raise TypeError(f"stop is {stop!r}; allowed: an EarlyStopping or None.")
    if stop is not None and (dataset.validation is None or plan.stacked):
        raise ValueError("stop needs a validation split and seeds_on 'map'.")
    if (recipe.teacher is None) != (teacher is None):
        raise ValueError("teacher and recipe.teacher go together; allowed: both or neither.")
    plan.check_batch(recipe.batch, bn=recipe.bn)
    if plan.chunk > 1 and not dataset.train.resident:
        raise ValueError(f"chunk is {plan.chunk} with images that are decoded as they are read; allowed: 1.")
    epoch_steps(recipe, dataset)


def check_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """The seeds, if they are one or more different integers of 0 to 2**32 - 1; else ValueError.

    JAX keeps the low 32 bits of a larger one, so that two seeds would be one.

    Args:
      seeds: as in fit.

    Returns:
      Python integers.
    """
    numbers = tuple(seeds) if isinstance(seeds, Iterable) and not isinstance(seeds, str) else (seeds,)
    allowed = [isinstance(s, (int, np.integer)) and not isinstance(s, bool) and 0 <= s < 2**32 for s in numbers]
    if not numbers or not all(allowed) or len(set(numbers)) != len(numbers) or not isinstance(seeds, Iterable):
        raise ValueError(f"seeds is {seeds!r}; allowed: one or more different integers of 0 to 2**32 - 1.")
    return tuple(map(int, numbers))
