"""A recipe on a dataset under a plan: model, optimiser, constants and compiled steps, made once for all seeds."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks.data import Dataset, Feed, Split, padded, readable, steps_per_epoch
from jaxtricks.fingerprint import describe
from jaxtricks.train.parallel import Plan, read
from jaxtricks.train.recipe import Recipe
from jaxtricks.train.rehearsal import RecipeError, built, rehearse
from jaxtricks.train.state import State, average_of, averaged, create_state
from jaxtricks.train.step import make_evaluate, make_step
from jaxtricks.train.stop import EarlyStopping

EVALUATION_BATCH = 512
FIT_IMAGES = 2048  # images that preprocessing is fitted on where they are decoded as they are read


class Program:
    """Everything of a run that does not depend on the seed.

    Args:
      recipe, dataset, plan: as in fit.
      teacher: ``(params, stats)`` of recipe.teacher, or None.
      initial: ``(params, stats)`` that every seed starts from, instead of fresh ones and recipe.init, or None.
      stop: names the metric that is watched, or None.
      beside: the program of another stage of the run, whose arrays of the dataset serve this one too, or None.

    Raises:
      RecipeError: if parts of the recipe do not fit each other or the dataset; nothing has been compiled then.
      ValueError: likewise, if the recipe has no such metric.
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
        beside: "Program | None" = None,
    ):
        self.recipe, self.dataset, self.plan, self.initial = recipe, dataset, plan, initial
        self.model = build_model(recipe, dataset, axis_name=plan.axis_name if recipe.bn == "all" else None)
        self.schedule = build_schedule(recipe, dataset)
        self.tx = build_optimizer(recipe, self.schedule)

        constants = build_constants(recipe, dataset)
        if beside is not None:
            constants.pop("data", None)
        teacher_model = None
        if recipe.teacher is not None:
            if describe(recipe.teacher.preprocess) != describe(recipe.preprocess):
                raise ValueError("recipe.teacher.preprocess differs from recipe.preprocess; allowed: the same.")
            teacher_model = build_model(recipe.teacher, dataset)
            constants["teacher"] = jax.tree.map(np.asarray, teacher)
        metrics = rehearse(
            recipe,
            dataset,
            build_model(recipe, dataset),
            self.tx,
            constants["preprocess"],
            parts=1 if plan.axis_name is None else plan.size,
            teacher=teacher_model,
            trained=teacher,
            initial=initial,
        )
        if stop is not None and stop.metric not in metrics:
            raise ValueError(f"stop.metric is {stop.metric!r}; allowed: {', '.join(map(repr, metrics))}.")
        self.constants = plan.put_whole(constants)
        if beside is not None and "data" in beside.constants:
            self.constants["data"] = beside.constants["data"]
        self.prepare, self.update = make_step(
            recipe, self.model, self.tx, classes=dataset.classes, teacher=teacher_model, axis_name=plan.axis_name
        )
        self.step = None
        self.cost: dict[str, float | None] = {}
        self._evaluate = plan.compile_evaluate(make_evaluate(recipe, self.model))
        self._emptied = jax.jit(
            lambda sums, value: (jax.tree.map(jnp.zeros_like, sums), value + 0), out_shardings=plan.of_state
        )
        self._batches: dict[int, list] = {} if beside is None else beside._batches

    def create(self, seeds: tuple[int, ...]) -> State:
        """The state of these seeds before the first step."""
        return self.plan.create(self.fresh, jnp.stack([jax.random.key(seed) for seed in seeds]))

    def fresh(self, key: jax.Array) -> State:
        """The state of one key before the first step; pure."""
        state = create_state(self.recipe, self.model, self.tx, key)
        if self.initial is None:
            return state
        params, stats = jax.tree.map(jnp.asarray, self.initial)
        average = None if state.ema is None else average_of(params, stats)
        return state._replace(params=params, stats=stats, opt=self.tx.init(params), ema=average)

    def compile(self, state: State, feed: Feed) -> None:
        """Compile the step for this state and the batches of this feed, unless that was done."""
        if self.step is None:
            batch = self.plan.put_rows(next(iter(feed.steps(0, 1))))
            self.step = self.plan.compile_step(self.prepare, self.update, state, batch, self.constants)
            self.cost = compiled_cost(self.step)

    def evaluate(
        self, state: State, split: Split | None, variables: Any = None, *, each: Callable[[], None] = lambda: None
    ) -> list[dict[str, float]]:
        """Means of the metrics over a split, exact to the last row, one dict a seed; ``each`` is called every batch."""
        seeds = state.step.shape[0] if self.plan.stacked else 1
        if split is None:
            return [{} for _ in range(seeds)]
        variables = averaged(state) if variables is None else variables
        constants = {"preprocess": self.constants["preprocess"]}
        sums = []
        for batch in self._padded(split):
            each()
            sums.append(read(self._evaluate(variables, batch, constants)))
        out = []
        for i in range(seeds):
            total = {name: sum((s[name][i] if self.plan.stacked else s[name]).item() for s in sums) for name in sums[0]}
            count = total.pop("count")
            out.append({name: value / count for name, value in total.items()})
        return out

    def next_epoch(self, state: State, values: list[float]) -> State:
        """The state with empty sums and the epoch's validation losses."""
        value = np.asarray(values if self.plan.stacked else values[0], np.float32)
        sums, value = self._emptied(state.sums, jax.make_array_from_process_local_data(self.plan.of_state, value))
        return state._replace(sums=sums, value=value)

    def copy(self, tree: Any) -> Any:
        """Arrays of their own, which the next step does not donate."""
        return jax.tree.map(jnp.copy, tree)

    def _padded(self, split: Split):
        """The padded batches of a split on the devices; those of a resident split stay there."""
        if id(split) in self._batches:
            return self._batches[id(split)]
        size = -(-min(EVALUATION_BATCH, len(split)) // 64) * 64
        many = self.plan.size * jax.process_count()
        size = -(-size // many) * many
        share = size // jax.process_count()
        first = jax.process_index() * share
        own = slice(None) if self.plan.stacked else slice(first, first + share)  # stacked: every process holds it whole
        put = self.plan.put_whole if self.plan.stacked else self.plan.put_rows
        batches = (put({k: v[own] for k, v in batch.items()}) for batch in padded(split, size))
        if split.resident:
            batches = self._batches[id(split)] = list(batches)
        return batches


def build_model(recipe: Recipe, dataset: Dataset, *, axis_name: str | None = None):
    """The recipe's model for this dataset, computing in the recipe's precision.

    Args:
      recipe: gives ``model`` and ``precision``.
      dataset: gives the numbers of classes and channels.
      axis_name: mesh axis over which batch statistics are averaged, or None.

    Returns:
      ``Model(init, apply)``.

    Raises:
      RecipeError: if it takes other arguments, or gives no model.
    """
    model = built(
        "model",
        recipe.model,
        classes=dataset.classes,
        channels=dataset.shape[-1],
        dtype=jnp.dtype(recipe.precision.compute),
        axis_name=axis_name,
    )
    if not (callable(getattr(model, "init", None)) and callable(getattr(model, "apply", None))):
        raise RecipeError(f"recipe.model gives {model!r}; allowed: Model(init, apply).")
    return model


def total_steps(recipe: Recipe, dataset: Dataset) -> int:
    """Steps of a whole run.

    Args:
      recipe: gives ``epochs`` and ``batch``.
      dataset: gives the size of the training set.

    Returns:
      An integer, 1 or more.
    """
    return max(1, round(recipe.epochs * steps_per_epoch(len(dataset.train), recipe.batch)))


def build_schedule(recipe: Recipe, dataset: Dataset) -> Callable:
    """The learning rate of each step: the recipe's schedule, behind its warm-up if it has one.

    Args:
      recipe: gives ``schedule``, ``warmup``, ``lr``, ``epochs`` and ``batch``.
      dataset: gives the size of the training set.

    Returns:
      ``step -> learning rate``.

    Raises:
      RecipeError: if one of them takes other arguments, or what comes out gives no number for a step.
    """
    schedule = recipe.schedule if recipe.warmup is None else built("warmup", recipe.warmup, recipe.schedule)
    per_epoch = steps_per_epoch(len(dataset.train), recipe.batch)
    rate = built("schedule", schedule, recipe.lr, steps=total_steps(recipe, dataset), steps_per_epoch=per_epoch)
    found = built("schedule", jax.eval_shape, rate, jax.ShapeDtypeStruct((), jnp.int32))
    if getattr(found, "shape", None) != ():
        raise RecipeError(f"recipe.schedule gives {found} for a step; allowed: one number.")
    return rate


def build_optimizer(recipe: Recipe, schedule: Callable) -> optax.GradientTransformationExtraArgs:
    """The recipe's optimiser, which may take the loss and the last validation loss.

    Args:
      recipe: gives ``optimizer``.
      schedule: ``step -> learning rate``.

    Returns:
      An optax transformation.

    Raises:
      RecipeError: if it is none.
    """
    tx = built("optimizer", recipe.optimizer, schedule)
    if not isinstance(tx, optax.GradientTransformation):
        raise RecipeError(f"recipe.optimizer gives {tx!r}; allowed: an optax transformation.")
    return optax.with_extra_args_support(tx)


def build_constants(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """What every step reads beside its batch, a teacher's weights aside.

    Args:
      recipe: gives ``preprocess``, which is fitted here: on the whole training set where it is an array, else on rows
        spread evenly over it.
      dataset: gives the training set.

    Returns:
      ``preprocess``, its statistics, and ``data``, the ``image`` and ``label`` arrays of a training set that is one.

    Raises:
      RecipeError: if the preprocessing cannot be fitted on these images.
    """
    split = dataset.train
    images = split.images if split.resident else readable(split, _spread(len(split)))
    constants = {"preprocess": built("preprocess[0]", recipe.preprocess[0], images)}
    if split.resident:
        constants["data"] = {"image": split.images, "label": split.labels}
    return constants


def compiled_cost(step: Any) -> dict[str, float | None]:
    """Operations and peak bytes of a compiled step on one device, None where the backend does not tell.

    Args:
      step: what ``jax.jit(...).lower(...).compile()`` returned, or any function.

    Returns:
      ``train_flops``, floating-point operations as XLA counts them (a loop's body once), and ``peak_bytes``: arguments,
      outputs that are no donated arguments, and temporaries.
    """
    cost = {"train_flops": None, "peak_bytes": None}
    if hasattr(step, "cost_analysis"):
        found = step.cost_analysis()
        found = found[0] if isinstance(found, list) else found
        cost["train_flops"] = (found or {}).get("flops")
        memory = step.memory_analysis()
        if memory is not None:
            sizes = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
            cost["peak_bytes"] = sizes - memory.alias_size_in_bytes
    return cost


def _spread(size: int) -> np.ndarray:
    return np.unique(np.linspace(0, size - 1, min(size, FIT_IMAGES)).astype(np.int64))
