"""The only training loop: classification, distillation, detection and fine-tuning all go through ``fit``."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jaxtricks.data import Dataset, Feed, steps_per_epoch
from jaxtricks.train.checkpoint import Checkpoints
from jaxtricks.train.logs import Log
from jaxtricks.train.parallel import Plan, read
from jaxtricks.train.program import Program, total_steps
from jaxtricks.train.recipe import Recipe, fingerprint
from jaxtricks.train.state import State, averaged
from jaxtricks.train.stop import EarlyStopping

AHEAD = 8  # steps that may be in flight before the loop waits for the oldest
PROGRESS = 0.5  # seconds between two progress records


class NonFiniteError(FloatingPointError):
    """Loss or gradient was not finite for too many steps in a row; no such gradient was ever applied."""


@dataclass(frozen=True)
class Run:
    """What one seed gave.

    Fields:
      seed: of initial weights, order and draws.
      variables: ``(params, stats)``, the averaged ones where the recipe has an EMA.
      state: the whole state at the end.
      history: a record for each epoch.
      test: metrics on the test set, read once at the end; empty where it was not asked for.
      seconds: of the loop, without compiling.
      step_ms: mean time of a training step, input included, shared evenly where seeds ran together.
      wait_percent: share of the training time spent waiting for input.
      skipped: steps that were not applied because loss or gradient was not finite.
      cost: of the compiled step: ``train_flops`` and ``peak_bytes`` of one step, None where the backend does not tell.
    """

    seed: int
    variables: Any
    state: State
    history: list[dict]
    test: dict[str, float]
    seconds: float
    step_ms: float
    wait_percent: float
    skipped: int
    cost: dict[str, float | None] = field(default_factory=dict)


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
    log: Iterable[Log] = (),
    done: Callable[[Run], None] | None = None,
) -> list[Run]:
    """Train a recipe with one or more seeds.

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
      log: functions that take a record: ``{"kind": "start" | "progress" | "epoch" | "end", ...}``.
      done: takes each Run as soon as it is there.

    Returns:
      A Run for each seed, in order.

    Raises:
      ValueError: for seeds, batch, devices or a teacher that do not fit together.
      NonFiniteError: after ``patience`` such steps in a row.
      CheckpointMismatchError: if the folder holds another run.
    """
    plan = Plan() if plan is None else plan
    seeds = tuple(seeds)
    if not seeds or len(set(seeds)) != len(seeds) or any(isinstance(s, bool) or s != int(s) or s < 0 for s in seeds):
        raise ValueError(f"seeds is {seeds}; allowed: one or more different whole numbers of 0 or more.")
    if stop is not None and (dataset.validation is None or plan.stacked):
        raise ValueError("stop needs a validation split and seeds_on 'map'.")
    if (recipe.teacher is None) != (teacher is None):
        raise ValueError("teacher and recipe.teacher go together; allowed: both or neither.")
    if save_every is not None and save_every < 1:
        raise ValueError(f"save_every is {save_every!r}; allowed: 1 or more, or None.")
    plan.check_batch(recipe.batch, bn=recipe.bn)
    steps_per_epoch(len(dataset.train), recipe.batch)

    runs: list[Run] = []
    programs: dict[Plan, Program] = {}
    for part, group in plan.groups(seeds):
        if part not in programs:
            programs[part] = Program(recipe, dataset, part, teacher=teacher, initial=initial)
        where = None if folder is None else f"{folder}/seed{'-'.join(map(str, group))}"
        for run in _run(programs[part], group, where, save_every, stop, test, patience, tuple(log)):
            runs.append(run)
            if done is not None:
                done(run)
    return runs


def _run(program, seeds, folder, save_every, stop, test, patience, log) -> list[Run]:
    recipe, plan, dataset = program.recipe, program.plan, program.dataset
    state = program.create(seeds)
    feed = Feed(
        dataset.train,
        seeds,
        recipe.batch,
        stacked=plan.stacked,
        part=(jax.process_index(), jax.process_count()),
    )
    total = total_steps(recipe, dataset)
    history: list[dict] = []
    best, watch = None, stop.init() if stop else None
    checkpoints, wanted, done = None, {}, 0
    if folder is not None:
        checkpoints = Checkpoints(folder)
        wanted = {"recipe": fingerprint(recipe), "seeds": list(seeds), "train": len(dataset.train)}
        if checkpoints.latest() is not None:
            state, meta = checkpoints.restore(state, wanted=wanted)
            history, done = meta["history"], meta["step"]
    program.compile(state, feed)
    say = {"seeds": list(seeds), "epochs": recipe.epochs, "steps": total}
    _tell(log, kind="start", step=done, **say)

    # Devices that are cores share one pool of threads, and a collective holds a thread while it waits for the others:
    # with steps in flight all threads can be waiting for a device that has none left, which XLA ends with an abort.
    ahead = 0 if plan.collective and jax.default_backend() == "cpu" else AHEAD
    began, trained, taken = time.perf_counter(), 0.0, 0
    while done < total:
        epoch = done // feed.steps_per_epoch
        end = min((epoch + 1) * feed.steps_per_epoch, total)
        first, tick = done, time.perf_counter()
        feed.waited, told = 0.0, tick
        flight: deque = deque()
        state = plan.enter(state)
        for batch in feed.steps(done, end):
            state, record = program.step(state, plan.put_rows(batch), program.constants)
            done += 1
            flight.append(record["bad"])
            if len(flight) > ahead:
                _check(flight.popleft(), patience, done)
            now = time.perf_counter()
            if now - told > PROGRESS:
                told = now
                rate = (done - first) * recipe.batch * len(seeds) / (now - tick)
                _tell(log, kind="progress", step=done, epoch=done / feed.steps_per_epoch, images_per_second=rate, **say)
            if checkpoints and save_every and done % save_every == 0 and done < end:
                checkpoints.save(done, plan.leave(state), {**wanted, "history": history, "step": done})
        state = plan.leave(state)
        for bad in flight:
            _check(bad, patience, done)
        spent = time.perf_counter() - tick
        trained, taken = trained + spent, taken + done - first
        sums = _per_seed(state.sums, plan.stacked)
        scores = program.evaluate(state, dataset.validation)
        record = {"epoch": done / feed.steps_per_epoch, "step": done, "seconds": spent}
        record |= {"lr": float(program.schedule(done - 1)), "wait_percent": 100 * feed.waited / spent}
        record |= {"images_per_second": (done - first) * recipe.batch * len(seeds) / spent}
        records = []
        for seed, s, v in zip(seeds, sums, scores, strict=True):
            loss = float(s["loss"]) / int(s["count"]) if s["count"] else math.nan
            validation = {f"validation_{name}": value for name, value in v.items()}
            records.append({"seed": seed, **record, "train_loss": loss, "skipped": int(s["skipped"]), **validation})
            _tell(log, kind="epoch", **records[-1])
        history += records
        state = program.next_epoch(state, [v.get("loss", math.inf) for v in scores])
        ended = False
        if stop:
            if stop.metric not in scores[0]:
                raise ValueError(f"stop.metric is {stop.metric!r}; allowed: {', '.join(map(repr, scores[0]))}.")
            watch, improved, ended = stop.update(watch, scores[0][stop.metric])
            if improved:
                best = program.copy(averaged(state))
        if checkpoints:
            checkpoints.save(done, state, {**wanted, "history": history, "step": done})
        if ended:
            break
    seconds = time.perf_counter() - began
    if checkpoints:
        checkpoints.close()
    variables = best if best is not None else averaged(state)
    tests = program.evaluate(state, dataset.test, variables) if test else [{} for _ in seeds]
    _tell(log, kind="end", step=done, **say)
    step_ms = 1000 * trained / max(taken, 1) / len(seeds)
    out = []
    for i, seed in enumerate(seeds):
        own = [r for r in history if r["seed"] == seed]
        pick = (lambda tree, i=i: jax.tree.map(lambda x: x[i], tree)) if plan.stacked else (lambda tree: tree)
        wait = float(np.mean([r["wait_percent"] for r in own])) if own else 0.0
        skipped = sum(r["skipped"] for r in own)
        share = seconds / len(seeds)
        out.append(Run(seed, pick(variables), pick(state), own, tests[i], share, step_ms, wait, skipped, program.cost))
    return out


def _tell(log: tuple[Log, ...], **record) -> None:
    if jax.process_index() == 0:
        for each in log:
            each(record)


def _check(bad: jax.Array, patience: int, step: int) -> None:
    worst = int(np.max(read(bad)))
    if worst > patience:
        raise NonFiniteError(f"loss or gradient was not finite for {worst} steps in a row, up to about step {step}.")


def _per_seed(sums: dict, stacked: bool) -> list[dict]:
    host = read(sums)
    count = len(next(iter(host.values()))) if stacked else 1
    return [{k: (v[i] if stacked else v) for k, v in host.items()} for i in range(count)]
