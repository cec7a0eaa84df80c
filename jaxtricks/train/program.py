"""A recipe on a dataset under a plan: model, optimiser, constants and compiled steps, made once for all seeds."""

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from jaxtricks import opt_states
from jaxtricks._runtime import memory
from jaxtricks._runtime.arrays import to_host
from jaxtricks._runtime.chunks import chunked
from jaxtricks.data import Dataset, Feed, Split, padded
from jaxtricks.fingerprint import describe
from jaxtricks.train.build import build_constants, build_model, build_optimizer, build_schedule, optimizer_of_rates
from jaxtricks.train.metrics import EarlyStopping, computed
from jaxtricks.train.parallel import Plan
from jaxtricks.train.recipe import Recipe, RecipeError, about, check_alike, total_steps
from jaxtricks.train.state import State, create_state, dicts, eval_params
from jaxtricks.train.step import dry_run, forward, make_evaluate, make_step
from jaxtricks.train.task import check_columns

EVALUATION_BATCH = 512
RECALIBRATION_IMAGES = 2048


class Program:
    """Everything of a run that does not depend on the seed; to make one traces a step, and compiles nothing.

    Args:
      recipe, dataset, plan: as in fit.
      teacher: ``(params, stats)`` of recipe.teacher, or None.
      initial: ``(params, stats)`` that every seed starts from, instead of fresh ones and recipe.init, or None.
      stop: names the metric that is watched, or None.
      share_data_with: another program of this dataset and plan, whose arrays of the dataset serve this one, or None.

    Raises:
      DataError: if the dataset lacks a column that the task needs, or values are out of its range.
      RecipeError: if parts of the recipe do not fit each other or the dataset; nothing has been compiled then.
      ValueError: likewise, if the task has no such metric.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        plan: Plan,
        *,
        teacher: Any = None,
        initial: Any = None,
        stop: EarlyStopping | None = None,
        share_data_with: "Program | None" = None,
    ):
        self.recipe, self.dataset, self.plan, self.teacher = recipe, dataset, plan, teacher
        self.initial, self._passed = dicts(initial), initial  # the latter lives on, since programs are kept by its id
        check_columns(recipe.task, dataset)
        if stop is not None and stop.metric not in (names := recipe.task.metrics):
            raise ValueError(f"stop.metric is {stop.metric!r}; allowed: {', '.join(map(repr, sorted(names)))}.")

        # the parts that the recipe is a factory of
        self.model = build_model(recipe, dataset, axis_name=plan.axis_name if recipe.bn == "all" else None)
        self.schedule = build_schedule(recipe, dataset)
        self.tx = build_optimizer(recipe, self.schedule)
        teacher_model = None
        if recipe.teacher is not None:
            if describe(recipe.teacher.preprocess) != describe(recipe.preprocess):
                raise ValueError("recipe.teacher.preprocess differs from recipe.preprocess; allowed: the same.")
            teacher_model = build_model(recipe.teacher, dataset)
        steps = total_steps(recipe, dataset) + 1
        tabled = partial(optimizer_of_rates, recipe, self.schedule) if recipe.precision.param == "float32" else self.tx
        make = partial(make_step, recipe, tx=tabled, teacher=teacher_model)
        halves = make(self.model, axis_name=plan.axis_name)
        self.prepare, self.update = (jax.jit(half, inline=True) for half in halves)  # see _as_in_step

        # what steps read, and a step on shapes alone
        constants = build_constants(recipe, dataset)
        if teacher_model is not None:
            constants["teacher"] = jax.tree.map(np.asarray, teacher)
        variables = jax.jit(lambda key, init=self.model.init: init(key), inline=True)  # traced once, likewise
        self.model = model = SimpleNamespace(init=variables, apply=self.model.apply)
        halves = (self.prepare, self.update)
        if plan.axis_name is not None:  # outside of its mesh an axis has no name
            halves = make(model := build_model(recipe, dataset))
        parts = 1 if plan.axis_name is None else plan.size
        traceable = (_as_in_step(halves[0], plan), _as_in_step(halves[1], plan))
        others = {"parts": parts, "teacher": teacher_model, "initial": self.initial}
        rates = jax.eval_shape(jax.vmap(self.schedule), jax.ShapeDtypeStruct((steps,), jnp.int32))
        rates = jax.ShapeDtypeStruct(rates.shape, rates.dtype)  # as an array has it: not of a weak type
        dry_run(recipe, dataset, model, self.tx, traceable, constants | {"rates": rates}, **others)

        key = jax.eval_shape(lambda: jax.random.key(0))
        if recipe.recalibrate is not None and not jax.tree.leaves(jax.eval_shape(model.init, key)[1]):
            raise RecipeError("recipe.recalibrate is given, and recipe.model has no statistics; allowed: None.")

        state = jax.eval_shape(self.fresh, key)
        if recipe.ema is not None and opt_states.eval_params(state.opt, state.params) is not None:
            raise RecipeError("recipe.ema is given, and recipe.optimizer names weights to evaluate; allowed: one.")
        if opt_states.named_twice(state.opt, state.params):
            raise RecipeError("recipe.optimizer names two sets of weights to evaluate; allowed: one for each leaf.")

        def normalised(key, params, stats, batch, constants):  # a batch by its own statistics, outside of any mesh
            batch = halves[0](key, jnp.int32(0), batch, constants)
            return forward("model", model, (params, stats), batch, train=True)[1]

        self._normalised = plan.compile_statistics(normalised)

        there = {} if share_data_with is None else share_data_with.constants
        shared = {name: there[name] for name in ("data",) if name in there}
        self.constants = plan.put_replicated({k: v for k, v in constants.items() if k not in shared}) | shared
        self._create = plan.jit_create(self.fresh)
        self.step: Any = None  # of one batch
        self.chunk: Any = None  # of as many as the plan says
        self.cost: dict[str, float | None] = {}
        self._evaluates = False  # whether that is compiled
        evaluate = plan.compile_evaluate(make_evaluate(recipe, self.model))
        self._parts = lambda variables, batch: evaluate(variables, batch, {"preprocess": self.constants["preprocess"]})
        self._emptied = jax.jit(
            lambda sums, value: (jax.tree.map(jnp.zeros_like, sums), value + 0), out_shardings=plan.state_sharding
        )
        self._batches: dict[int, list] = {} if share_data_with is None else share_data_with._batches

    def create(self, seeds: tuple[int, ...]) -> State:
        """The state of these seeds before the first step."""
        return self._create(jnp.stack([jax.random.key(seed) for seed in seeds]))

    def fresh(self, key: jax.Array) -> State:
        """The state of one key before the first step; pure."""
        return create_state(self.recipe, self.model, self.tx, key, initial=self.initial)

    def compile(self, state: State, feed: Feed, *, evaluated: Split | None = None, single: bool = True) -> None:
        """Compile, unless that was done: an evaluation, a chunk of steps if the plan has one, and a ``single`` step."""
        if "rates" not in self.constants:
            rates = jax.jit(jax.vmap(self.schedule))(
                np.arange(total_steps(self.recipe, self.dataset) + 1, dtype=np.int32)
            )
            self.constants = self.constants | self.plan.put_replicated({"rates": rates})
        if not self._evaluates and evaluated is not None and evaluated.resident:
            jax.block_until_ready(self._parts(eval_params(state), next(iter(self._padded(evaluated)))))
            self._evaluates = True
        if self.step is None and single:
            batch = self.plan.put_rows(next(iter(feed.steps(0, 1))))
            self.step = self.plan.compile_step(self.prepare, self.update, state, batch, self.constants)
        if self.chunk is None and (steps := self.plan.chunk) > 1:
            _, batches = next(chunked(feed.steps(0, steps), 0, steps, size=steps, boundary=None))
            batches = self.plan.put_rows(batches, steps=steps)
            self.chunk = self.plan.compile_step(self.prepare, self.update, state, batches, self.constants, steps=steps)
        if not self.cost:
            self.cost = compiled_cost(self.chunk if self.step is None else self.step)
            memory.give_back()  # what compiling has left
            self._check_room()

    def _check_room(self) -> None:
        """Refuse a step that takes more memory than a CPU has, which would end the process without a word."""
        wanted, (device, *_) = (self.cost["peak_bytes"] or 0) * self.plan.size, self.plan.mesh.devices.flat
        if device.platform == "cpu" and jax.process_count() == 1 and wanted > (room := memory.room() or wanted):
            self.cost = {}
            raise RecipeError(
                f"recipe.batch is {self.recipe.batch}, and a step takes {wanted / 1e9:.1f} GB of memory; allowed: what "
                f"fits into the {room / 1e9:.1f} GB that this machine has for it, such as a smaller batch or image."
            )

    def take(self, state: Any, batch: dict, steps: int) -> tuple[Any, dict]:
        """So many steps, of one batch or of a stack of them: ``(state, record)``."""
        memory.give_back((self.cost["peak_bytes"] or 0) * self.plan.size)
        return (self.step if steps == 1 else self.chunk)(state, batch, self.constants)

    def evaluate(
        self, state: State, split: Split | None, variables: Any = None, *, before_batch: Callable = lambda: None
    ) -> list[dict[str, Any]]:
        """``task.evaluated`` over a split, exact to the last row, one dict a seed."""
        seeds = state.step.shape[0] if self.plan.stacked else 1
        if split is None:
            return [{} for _ in range(seeds)]
        metrics, variables = self.recipe.task.evaluated, eval_params(state) if variables is None else variables
        totals = [{name: metric.init() for name, metric in metrics.items()} for _ in range(seeds)]
        for batch in self._padded(split):
            before_batch()
            parts = to_host(self._parts(variables, batch))
            for i, total in enumerate(totals):
                for name, metric in metrics.items():
                    part = jax.tree.map(lambda leaf, i=i: leaf[i], parts[name]) if self.plan.stacked else parts[name]
                    total[name] = metric.update(total[name], part)
        return [computed(metrics, total) for total in totals]

    def evaluated(self, state: State, feed: Feed) -> tuple[Any, Any]:
        """What is evaluated: ``eval_params``, with statistics over some batches where the recipe recalibrates."""
        params, stats = eval_params(state)
        if self.recipe.recalibrate is None:
            return params, stats
        many = min(feed.steps_per_epoch, -(-RECALIBRATION_IMAGES // self.recipe.batch))
        batches = [self.plan.put_rows(batch) for batch in feed.steps(0, many)]
        with about("recalibrate"):
            update = lambda stats, batch: self._normalised(state.key, params, stats, batch, self.constants)  # noqa: E731
            return params, self.recipe.recalibrate(update, stats, batches)

    def next_epoch(self, state: State, values: list[float]) -> State:
        """The state with empty sums and the epoch's validation losses."""
        value = np.asarray(values if self.plan.stacked else values[0], np.float32)
        sums, value = self._emptied(state.sums, jax.make_array_from_process_local_data(self.plan.state_sharding, value))
        return state._replace(sums=sums, value=value)

    def _padded(self, split: Split):
        """The padded batches of a split on the devices; those of a resident split stay there."""
        if id(split) in self._batches:
            return self._batches[id(split)]
        # one size for all splits, so that one program evaluates them all
        shortest = min(len(part) for part in (self.dataset.validation, self.dataset.test, split) if part is not None)
        size = -(-min(EVALUATION_BATCH, shortest) // 64) * 64
        size = -(-size // (many := self.plan.size * jax.process_count())) * many
        share = size // jax.process_count()
        first = jax.process_index() * share
        local = slice(None) if self.plan.stacked else slice(first, first + share)  # stacked: every process holds all
        put = self.plan.put_replicated if self.plan.stacked else self.plan.put_rows
        batches = (put({k: v[local] for k, v in batch.items()}) for batch in padded(split, size))
        if split.resident:
            batches = self._batches[id(split)] = list(batches)
        return batches


def check_states(programs: Sequence[Program]) -> None:
    """Raise RecipeError, by the name of the leaf, unless one state fits all stages; nothing is compiled.

    Args:
      programs: of the stages.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    first, *others = [jax.eval_shape(program.fresh, key) for program in programs]
    start = programs[0].recipe
    for number, (program, state) in enumerate(zip(programs[1:], others, strict=True), 1):
        recipe = program.recipe  # the state is made once, by the first recipe
        for name, value, wanted in (
            ("init", recipe.init, start.init),
            ("precision.scale", recipe.precision.scale, start.precision.scale),
        ):
            if describe(value) != describe(wanted):
                raise RecipeError(f"stage {number}: recipe.{name} is {value!r}; allowed: as in stage 0, {wanted!r}.")
        check_alike(f"the state of stage {number} has", state, first)
        if jax.tree.structure(state) != jax.tree.structure(first):
            raise RecipeError(
                f"the state of stage {number} has the leaves of stage 0 in another tree; allowed: one tree."
            )


def _as_in_step(function: Callable, plan: Plan) -> Callable:
    """A jitted part of a step, for the dry run: where each device has a seed, called on a device, as the step does.

    JAX keeps what it has traced by the mesh around it too, so that the dry run and the step would trace it twice.
    """
    if plan.seeds_on != "devices":
        return function
    (axis,) = plan.mesh.axis_names
    a_seed = jax.shard_map(
        lambda args: jax.tree.map(lambda x: x[None], function(*args)),
        mesh=plan.mesh,
        in_specs=PartitionSpec(),
        out_specs=PartitionSpec(axis),
        check_vma=False,
    )
    return lambda *args: jax.tree.map(lambda x: x[0], a_seed(args))


def compiled_cost(step: Any) -> dict[str, float | None]:
    """Operations and peak bytes of a compiled step on one device, None where the backend does not tell.

    Args:
      step: what ``jax.jit(...).lower(...).compile()`` returned, or any function.

    Returns:
      ``train_flops``, floating-point operations as XLA counts them (a loop's body once), and ``peak_bytes``: arguments,
      outputs that are no donated arguments, and temporaries.
    """
    cost: dict[str, float | None] = {"train_flops": None, "peak_bytes": None}
    if hasattr(step, "cost_analysis"):
        counts = step.cost_analysis()
        counts = counts[0] if isinstance(counts, list) else counts
        cost["train_flops"] = (counts or {}).get("flops")
        held = step.memory_analysis()
        if held is not None:
            sizes = held.argument_size_in_bytes + held.output_size_in_bytes + held.temp_size_in_bytes
            cost["peak_bytes"] = sizes - held.alias_size_in_bytes
    return cost
