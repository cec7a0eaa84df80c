"""One group of seeds on its way from the first step, or a checkpoint, to the last: the loop itself."""

import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jaxtricks._runtime.guard import Active
from jaxtricks._runtime.in_flight import AHEAD, Flight
from jaxtricks._runtime.signals import Interrupted
from jaxtricks._runtime.watchdog import LIMIT_FACTOR
from jaxtricks.checkpoint.store import Checkpoints
from jaxtricks.data import Feed
from jaxtricks.fingerprint import describe, fingerprint
from jaxtricks.train.logs import Log
from jaxtricks.train.parallel import read
from jaxtricks.train.program import Program
from jaxtricks.train.state import State, averaged
from jaxtricks.train.stop import EarlyStopping

AGREE = 8  # steps after which processes tell each other whether one of them has received a signal
PROGRESS = 0.5  # seconds between two progress records


@dataclass(frozen=True)
class Run:
    """What one seed gave.

    Fields:
      seed: of initial weights, order and draws.
      variables: ``(params, stats)``, the averaged ones where the recipe has an EMA.
      state: the whole state at the end.
      history: a record for each epoch; its ``corrupt`` counts the unreadable records that this process has met, in this
        epoch and in those before it since the run was started or resumed.
      test: metrics on the test set, read once at the end; empty where it was not asked for.
      seconds: of the loop, without compiling.
      step_ms: mean time of a training step, input included, shared evenly where seeds ran together.
      wait_percent: share of the training time spent waiting for input.
      skipped: steps that were not applied because loss or gradient was not finite.
      cost: of the compiled step, the last stage's: ``train_flops`` and ``peak_bytes`` of one step, None where the
        backend does not tell.
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


class Session:
    """Trains the seeds that step together.

    Args:
      stages: what they share, ``(last step, program)`` of each stage.
      seeds: of the runs.
      identity: what tells this run from others.
      folder: of their checkpoints, or None; a run found there goes on.
      save_every, asynchronous, on_error, stop, patience, log: as in fit.
      signals: tells whether one was received.
      watchdog: hears of every step.

    Attributes:
      done: steps taken.
    """

    def __init__(
        self,
        stages: Sequence[tuple[int, Program]],
        seeds: tuple[int, ...],
        *,
        identity: str,
        folder: str | None,
        save_every: int | None,
        asynchronous: bool,
        on_error: str,
        stop: EarlyStopping | None,
        patience: int,
        log: tuple[Log, ...],
        signals: Active,
        watchdog: Active,
    ):
        self.stages, self.identity = tuple(stages), identity
        self.total, program = self.stages[-1]
        self.recipe, self.plan, self.dataset = program.recipe, program.plan, program.dataset
        self.seeds, self.save_every, self.patience = seeds, save_every, patience
        self.log, self.signals, self.watchdog = log, signals, watchdog
        part = (jax.process_index(), jax.process_count())
        self.feed = Feed(self.dataset.train, seeds, self.recipe.batch, stacked=self.plan.stacked, part=part)
        self.say = {"seeds": list(seeds), "epochs": self.recipe.epochs, "steps": self.total}
        self.done, self.history = 0, []
        self.trained, self.taken = 0.0, 0
        self.program = self._program_of(0)
        self.state = self.program.create(seeds)
        self.stop, self.best = stop, None if stop is None else program.copy(averaged(self.state))
        self.checkpoints = None
        if folder is not None:
            self.checkpoints = Checkpoints(folder, asynchronous=asynchronous, on_error=on_error)
            self._resume()
        self.program = self._program_of(self._recorded)
        for end, program in self.stages:
            if end >= self._recorded:
                watchdog.beat("compiling the step", times=LIMIT_FACTOR)
                program.compile(self.state, self.feed)

    def runs(self, *, test: bool) -> list[Run]:
        """Train to the end, epoch by epoch.

        Raises:
          NonFiniteError: after too many such steps in a row.
          Interrupted: after a signal, once the state is saved.
        """
        self._tell(kind="start", step=self.done, **self.say)
        began = time.perf_counter()
        while (last := self._recorded) < self.total and not self._judged()[1]:
            self.program = self._program_of(last + 1)
            self._train(min(last + self.feed.steps_per_epoch, self.total))
            self._close_epoch()
        seconds = (time.perf_counter() - began) / len(self.seeds)
        tests = self._evaluate(self.dataset.test, self.best) if test else [{} for _ in self.seeds]
        if self.checkpoints is not None:
            self.checkpoints.close()
        self._tell(kind="end", step=self.done, **self.say)
        step_ms = 1000 * self.trained / max(self.taken, 1) / len(self.seeds)
        variables = averaged(self.state) if self.best is None else self.best
        out = []
        for i, seed in enumerate(self.seeds):
            own = [r for r in self.history if r["seed"] == seed]
            pick = (lambda tree, i=i: jax.tree.map(lambda x: x[i], tree)) if self.plan.stacked else (lambda tree: tree)
            wait = float(np.mean([r["wait_percent"] for r in own])) if own else 0.0
            skipped = sum(r["skipped"] for r in own)
            ours = pick(variables), pick(self.state), own, tests[i]
            out.append(Run(seed, *ours, seconds, step_ms, wait, skipped, self.program.cost))
        return out

    def _program_of(self, step: int) -> Program:
        """Of the stage that takes this step."""
        return next(program for end, program in self.stages if step <= end)

    @property
    def _recorded(self) -> int:
        """The last step of the last epoch of which there is a record."""
        return self.history[-1]["step"] if self.history else 0

    def _train(self, end: int) -> None:
        """The steps up to the end of an epoch, or to a signal."""
        several, first, state = jax.process_count() > 1, self.done, self.plan.enter(self.state)
        flight = Flight(self.plan, self.seeds, patience=self.patience, tell=self._tell)
        self.feed.waited = 0.0
        tick = told = time.perf_counter()
        with closing(self.feed.steps(first, end)) as batches:
            while not flight.signal and (several or not self.signals.received):
                self.watchdog.beat(f"waiting for the batch of step {self.done + 1}")
                if (batch := next(batches, None)) is None:
                    break
                # the first steps may have to wait for what the backend sets up on its way
                self.watchdog.beat(f"taking step {self.done + 1}", times=LIMIT_FACTOR if self.taken <= AHEAD else 1)
                batch = self.plan.put_rows(batch)
                state, record = self.program.step(state, batch, self.program.constants)
                self.done, self.taken = self.done + 1, self.taken + 1
                if self.checkpoints is not None:
                    self.checkpoints.check()
                agree = several and self.done % AGREE == 0
                signal = self.plan.largest(self.signals.received) if agree else 0
                flight.add(self.done, record, batch["index"], signal=signal)
                if (now := time.perf_counter()) - told > PROGRESS:
                    told = now
                    self._tell(kind="progress", step=self.done, **self._speed(first, now - tick), **self.say)
                if self.save_every and self.done % self.save_every == 0 and self.done < end:
                    self._save(self.plan.leave(state))
        self.state = self.plan.leave(state)
        flight.land()
        self.spent = time.perf_counter() - tick
        self.trained += self.spent
        self.speed = self._speed(first, self.spent) | {"wait_percent": 100 * self.feed.waited / self.spent}
        self._end_if_asked()

    def _close_epoch(self) -> None:
        """Evaluate, and write down what the epoch gave."""
        sums = _per_seed(self.state.sums, self.plan.stacked)
        scores = self._evaluate(self.dataset.validation)
        rate = float(self.program.schedule(self.done - 1))
        common = {"step": self.done, "seconds": self.spent, "lr": rate, "corrupt": len(self.feed.corrupt), **self.speed}
        for seed, s, v in zip(self.seeds, sums, scores, strict=True):
            loss = float(s["loss"]) / int(s["count"]) if s["count"] else math.nan
            validation = {f"validation_{name}": value for name, value in v.items()}
            record = {"seed": seed, **common, "train_loss": loss, "skipped": int(s["skipped"]), **validation}
            self.history.append(record)
            self._tell(kind="epoch", **record)
        self.state = self.program.next_epoch(self.state, [v.get("loss", math.inf) for v in scores])
        if self._judged()[0]:
            self.best = self.program.copy(averaged(self.state))
        self._save(self.state)

    def _judged(self) -> tuple[bool, bool]:
        """What early stopping says of the epochs so far: (the last one was the best, the run ends)."""
        improved = ended = False
        if self.stop is not None:
            watch = self.stop.init()
            for record in self.history:
                watch, improved, ended = self.stop.update(watch, record[f"validation_{self.stop.metric}"])
        return improved, ended

    def _evaluate(self, split, variables=None) -> list[dict[str, float]]:
        def each():
            self._end_if_asked()
            self.watchdog.beat("evaluating", times=LIMIT_FACTOR)

        return self.program.evaluate(self.state, split, variables, each=each)

    def _end_if_asked(self) -> None:
        """Save and raise Interrupted if any process has received a signal."""
        if number := int(read(self.plan.largest(self.signals.received))):
            self._save(self.state)
            if self.checkpoints is not None:
                self.checkpoints.close()
            self._tell(kind="interrupted", step=self.done, signal=number, **self.say)
            raise Interrupted(number, self.done)

    def _tree(self, state: State) -> Any:
        return state if self.stop is None else {"state": state, "best": self.best}

    def _save(self, state: State) -> None:
        if self.checkpoints is not None:
            self.watchdog.beat(f"saving step {self.done}", times=LIMIT_FACTOR)
            meta = {**self.wanted, "history": self.history, "step": self.done}
            self.checkpoints.save(self.done, self._tree(state), meta)

    def _resume(self) -> None:
        stop = None if self.stop is None else describe(self.stop)
        taught = [program.constants["teacher"] for _, program in self.stages if "teacher" in program.constants]
        self.wanted = {
            "recipe": self.identity,
            "seeds": list(self.seeds),
            "train": len(self.dataset.train),
            "labels": fingerprint(self.dataset.train.labels),
            "teacher": fingerprint(read(taught[0])) if taught else None,
            "stop": stop,
        }
        if self.checkpoints.latest() is not None:
            self.watchdog.beat("restoring a checkpoint", times=LIMIT_FACTOR)
            tree, meta = self.checkpoints.restore(self._tree(self.state), wanted=self.wanted)
            self.state, self.best = (tree, None) if stop is None else (tree["state"], tree["best"])
            self.history, self.done = meta["history"], meta["step"]

    def _speed(self, first: int, seconds: float) -> dict[str, float]:
        images = (self.done - first) * self.recipe.batch * len(self.seeds)
        return {"epoch": self.done / self.feed.steps_per_epoch, "images_per_second": images / seconds}

    def _tell(self, **record) -> None:
        if jax.process_index() == 0:
            for each in self.log:
                each(record)


def _per_seed(sums: dict, stacked: bool) -> list[dict]:
    host = read(sums)
    count = len(next(iter(host.values()))) if stacked else 1
    return [{k: (v[i] if stacked else v) for k, v in host.items()} for i in range(count)]
