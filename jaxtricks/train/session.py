"""One group of seeds on its way from the first step, or a checkpoint, to the last: epochs of steps, each evaluated."""

import math
import time
import warnings
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import jax
import numpy as np

from jaxtricks import opt_states
from jaxtricks._runtime.arrays import copies, row, to_host
from jaxtricks._runtime.chunks import chunked, leaves_single
from jaxtricks._runtime.guard import Active
from jaxtricks._runtime.in_flight import InFlight
from jaxtricks._runtime.signals import Interrupted
from jaxtricks._runtime.threads import cores
from jaxtricks._runtime.watchdog import LIMIT_FACTOR
from jaxtricks.checkpoint import Checkpoints, CheckpointSaveError, CheckpointWarning
from jaxtricks.data import Feed, identity
from jaxtricks.fingerprint import describe, fingerprint
from jaxtricks.train.logs import Log
from jaxtricks.train.metrics import ROWS, EarlyStopping
from jaxtricks.train.parallel import AHEAD
from jaxtricks.train.program import Program
from jaxtricks.train.recipe import Recipe, last_steps, sampler_of
from jaxtricks.train.state import Run, State, eval_params

SIGNAL_EVERY = 8  # steps after which processes tell each other whether one of them has received a signal
READERS = 4  # threads that decode records, at least; else as many as there are cores
PROGRESS = 0.5  # seconds between two progress records


class Session:
    """Trains the seeds that step together; to make one starts nothing.

    Args:
      programs: of the stages.
      stages: ``(epochs, recipe)`` of each.
      seeds: of the runs.
      save_every, asynchronous, on_error, stop, max_nonfinite_steps, log: as in fit.
      active: the guard of the process; it hears of every step, and tells of signals.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        stages: Sequence[tuple[float, Recipe]],
        seeds: tuple[int, ...],
        *,
        save_every: int | None,
        asynchronous: bool,
        on_error: str,
        stop: EarlyStopping | None,
        max_nonfinite_steps: int,
        log: tuple[Log, ...],
        active: Active,
    ):
        self.programs, self.stages = programs, stages
        self.recipe, self.plan, self.dataset = programs[-1].recipe, programs[-1].plan, programs[-1].dataset
        self.ends = last_steps(stages, self.dataset)
        self.seeds, self.save_every, self.max_nonfinite_steps = seeds, save_every, max_nonfinite_steps
        self.saving, self.log, self.active = {"asynchronous": asynchronous, "on_error": on_error}, log, active
        share = {"stacked": self.plan.stacked, "part": (jax.process_index(), jax.process_count())}
        share["workers"] = max(READERS, cores())
        self.feed = Feed(self.dataset.train, seeds, self.recipe.batch, sampler=sampler_of(stages), **share)
        self.chunks = {"size": self.plan.chunk, "boundary": save_every}
        self.common = {"seeds": list(seeds), "epochs": self.recipe.epochs, "steps": self.ends[-1]}
        self.done, self.taken, self.history = 0, 0, []
        self.before = self.timed = (0.0, 0.0, 0)  # seconds of the loop, those of its steps, and steps: of earlier
        self.began = time.perf_counter()  # processes; and with those of this one
        self.program = self._program_of(0)
        self.state: Any = None  # a State, once it is created or restored
        self.stop, self.best, self.checkpoints = stop, None, None
        self._seen: tuple[int, Any] = (-1, None)  # a step, and what is evaluated after it

    def resume(self, folder: str) -> None:
        """Keep checkpoints in a folder from now on, and go on from the newest one there, if there is one."""
        self._create()
        self.checkpoints = Checkpoints(folder, **self.saving)
        teachers = [part.constants["teacher"] for part in self.programs if "teacher" in part.constants]
        described = {
            f"stage {number}": {"epochs": epochs, "recipe": describe(recipe)}
            for number, (epochs, recipe) in enumerate(self.stages)
        }
        self.wanted = {
            "recipe": described["stage 0"]["recipe"] if len(described) == 1 else described,
            "seeds": list(self.seeds),
            "data": identity(self.dataset),
            "teacher": fingerprint(to_host(teachers[0])) if teachers else None,
            "initial": None if self.program.initial is None else fingerprint(to_host(self.program.initial)),
            "stop": None if self.stop is None else describe(self.stop),
        }
        if self.checkpoints.latest() is not None:
            self.active.beat("restoring a checkpoint", LIMIT_FACTOR)
            tree, meta = self.checkpoints.restore(self._tree(self.state), wanted=self.wanted)
            self.state, self.best = (tree, None) if self.stop is None else (tree["state"], tree["best"])
            self.history, self.done = meta["history"], meta["step"]
            self.before = self.timed = tuple(meta.get("timed", self.before))

    def abandon(self) -> None:
        """After an error: let a checkpoint that is being written end, and warn if it fails."""
        if self.checkpoints is not None and jax.process_count() == 1:  # several would wait for each other
            try:
                self.checkpoints.close()
            except CheckpointSaveError as error:
                warnings.warn(str(error), CheckpointWarning, stacklevel=2)

    def compile(self, *, test: bool, evaluation: bool = True) -> None:
        """Compile the steps of the stages that are not over, and what evaluates them, unless that is not wanted."""
        self._create()
        self.program = self._program_of(self._recorded)
        places = [*range(self._recorded, self.ends[-1], self.feed.steps_per_epoch), self.ends[-1]]
        single = leaves_single(self.done, places[1:], **self.chunks)
        split = self.dataset.test if test else self.dataset.validation
        about = {"evaluated": split if evaluation else None, "single": single}
        for end, program in zip(self.ends, self.programs, strict=True):
            if end >= self._recorded:
                self.active.beat("compiling the step", LIMIT_FACTOR)
                program.compile(self.state, self.feed, **about)

    def runs(self, *, test: bool) -> list[Run]:
        """Train to the end, epoch by epoch.

        Raises:
          NonFiniteError: after too many such steps in a row.
          Interrupted: after a signal, once the state is saved.
        """
        self._log(kind="start", step=self.done, **self.common)
        self.began = time.perf_counter()
        # epochs: steps, evaluation, checkpoint
        while (last := self._recorded) < self.ends[-1] and not self._judged()[1]:
            self.program = self._program_of(last + 1)
            self._train(min(last + self.feed.steps_per_epoch, self.ends[-1]))
            self._close_epoch()
        seconds = self._seconds / len(self.seeds)
        # the test set, once
        tests = self._evaluate(self.dataset.test, self.best) if test else [{} for _ in self.seeds]
        if self.checkpoints is not None:
            self.checkpoints.close()
        self._log(kind="end", step=self.done, **self.common)
        return [self._run(i, tests[i], seconds) for i in range(len(self.seeds))]

    def _create(self) -> None:
        if self.state is None:
            self.state = self.program.create(self.seeds)
            self.best = None if self.stop is None else copies(eval_params(self.state))

    def _run(self, i: int, test: dict[str, Any], seconds: float) -> Run:
        """What the seed at place i gave."""
        variables, state = (self._variables if self.best is None else self.best), self.state
        if self.plan.stacked:
            variables, state = row((variables, state), i)
        history = [record for record in self.history if record["seed"] == self.seeds[i]]
        return Run(
            self.seeds[i],
            variables,
            state,
            history,
            test,
            seconds,
            step_ms=1000 * self.timed[1] / max(self.timed[2], 1) / len(self.seeds),
            wait_percent=float(np.mean([record["wait_percent"] for record in history])) if history else 0.0,
            skipped=sum(record["skipped"] for record in history),
            cost=self.program.cost,
            decided=test.pop(ROWS, None),
        )

    def _program_of(self, step: int) -> Program:
        """Of the stage that takes this step."""
        return next(program for end, program in zip(self.ends, self.programs, strict=True) if step <= end)

    @property
    def _seconds(self) -> float:
        """Of the loop, those before a restart too."""
        return self.before[0] + time.perf_counter() - self.began

    @property
    def _recorded(self) -> int:
        """The last step of the last epoch of which there is a record."""
        return self.history[-1]["step"] if self.history else 0

    def _train(self, end: int) -> None:
        """The steps up to the end of an epoch, or to a signal."""
        several, first, state = jax.process_count() > 1, self.done, self.plan.replicate(self.state)
        limits = {"max_nonfinite_steps": self.max_nonfinite_steps, "log": self._log}
        in_flight = InFlight(self.plan.steps_in_flight, self.seeds, **limits)
        self.feed.waited = 0.0
        tick = logged = time.perf_counter()
        with closing(self.feed.steps(first, end)) as feed:
            batches = chunked(feed, first, end, **self.chunks)
            while not in_flight.signal and (several or not self.active.received):
                # the batch
                self.active.beat(f"waiting for the batch of step {self.done + 1}")
                if not (drawn := next(batches, ())):
                    break
                steps, batch = drawn
                # the step; the first ones may have to wait for what the backend sets up on its way
                settled = self.taken > AHEAD
                self.active.beat(f"taking step {self.done + 1}", steps if settled else steps * LIMIT_FACTOR)
                state, record = self.program.take(state, batch := self.plan.put_rows(batch, steps=steps), steps)
                self.done, self.taken = self.done + steps, self.taken + steps
                # what went wrong meanwhile: a checkpoint, a signal to any process, a step that was not finite
                if self.checkpoints is not None:
                    self.checkpoints.check()
                signal = self.plan.largest(self.active.received) if several and self.done % SIGNAL_EVERY < steps else 0
                in_flight.add(self.done, record, batch["index"], signal=signal, steps=steps)
                # progress, and a checkpoint in the middle of an epoch
                if (now := time.perf_counter()) - logged > PROGRESS:
                    logged = now
                    self._log(kind="progress", step=self.done, **self._speed(first, now - tick), **self.common)
                if self.save_every and self.done % self.save_every == 0 and self.done < end:
                    self._save(self.plan.unreplicate(state))
        self.state = self.plan.unreplicate(state)
        in_flight.drain()
        self.spent = time.perf_counter() - tick
        self.timed = self._seconds, self.timed[1] + self.spent, self.before[2] + self.taken
        self.speed = self._speed(first, self.spent) | {"wait_percent": 100 * self.feed.waited / self.spent}
        self._end_if_asked()

    def _close_epoch(self) -> None:
        """Evaluate, and write down what the epoch gave."""
        sums, reports = to_host((self.state.sums, opt_states.reports(self.state.opt)))
        scores, steps = self._evaluate(self.dataset.validation), self.done - self._recorded
        rate = float(self.program.schedule(self.done - 1))
        common = {"step": self.done, "seconds": self.spent, "lr": rate, "corrupt": len(self.feed.corrupt), **self.speed}
        for i, (seed, score) in enumerate(zip(self.seeds, scores, strict=True)):
            loss, count, skipped = (sums[n][i] if self.plan.stacked else sums[n] for n in ("loss", "count", "skipped"))
            mean = float(loss) / int(count) if count else math.nan
            said = {name: float(value[i] if self.plan.stacked else value) for name, value in reports.items()}
            said = {"lr": rate * said.pop("rate_scale", 1.0), **said, "skipped_percent": 100 * int(skipped) / steps}
            validation = {f"validation_{name}": value for name, value in score.items() if name != ROWS}
            record = {**common, **said, "train_loss": mean, "skipped": int(skipped), **validation}
            self.history.append({"seed": seed, **record})
            self._log(kind="epoch", **self.history[-1])
        self.state = self.program.next_epoch(self.state, [score.get("loss", math.inf) for score in scores])
        if self._judged()[0]:
            self.best = copies(self._variables)
        self._save(self.state)

    def _judged(self) -> tuple[bool, bool]:
        """What early stopping says of the epochs so far: (the last one was the best, the run ends)."""
        improved = ended = False
        if self.stop is not None:
            watch = self.stop.init()
            for record in self.history:
                watch, improved, ended = self.stop.update(watch, record[f"validation_{self.stop.metric}"])
        return improved, ended

    def _evaluate(self, split, variables=None) -> list[dict[str, Any]]:
        if split is None:
            return [{} for _ in self.seeds]
        variables = self._variables if variables is None else variables
        return self.program.evaluate(self.state, split, variables, before_batch=self._before_batch)

    @property
    def _variables(self) -> Any:
        """What is evaluated after the steps so far."""
        if self.program.recipe.recalibrate is None:
            return eval_params(self.state)
        if self._seen[0] != self.done:
            self._seen = self.done, self.program.evaluated(self.state, self.feed)
        return self._seen[1]

    def _before_batch(self) -> None:
        self._end_if_asked()
        self.active.beat("evaluating", LIMIT_FACTOR)

    def _end_if_asked(self) -> None:
        """Save and raise Interrupted if any process has received a signal."""
        if number := int(to_host(self.plan.largest(self.active.received))):
            self._save(self.state)
            if self.checkpoints is not None:
                self.checkpoints.close()
            self._log(kind="interrupted", step=self.done, signal=number, **self.common)
            raise Interrupted(number, self.done)

    def _tree(self, state: State) -> Any:
        return state if self.stop is None else {"state": state, "best": self.best}

    def _save(self, state: State) -> None:
        if self.checkpoints is not None:
            self.active.beat(f"saving step {self.done}", LIMIT_FACTOR)
            timed = self._seconds, *self.timed[1:]
            meta = {**self.wanted, "history": self.history, "step": self.done, "timed": timed}
            began = time.perf_counter()
            self.checkpoints.save(self.done, self._tree(state), meta)
            self.began += time.perf_counter() - began  # which is no training

    def _speed(self, first: int, seconds: float) -> dict[str, float]:
        rate = (self.done - first) * self.recipe.batch * len(self.seeds) / seconds
        return {"epoch": self.done / self.feed.steps_per_epoch, "images_per_second": rate}

    def _log(self, **record) -> None:
        for write in self.log if jax.process_index() == 0 else ():
            write(record)
