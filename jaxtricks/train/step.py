"""One training step and one evaluation, as pure functions. Neither knows a trick or a task by name.

What a part raises, or gives that the next cannot take, is a RecipeError that names its field, before anything compiles.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks import opt_states
from jaxtricks._runtime.compiled import without_data
from jaxtricks.data import Dataset, Feed
from jaxtricks.keys import named
from jaxtricks.train.precision import cast_output, next_scale, to_float
from jaxtricks.train.recipe import Recipe, RecipeError, about, check_alike, check_array, check_rows, describe_value
from jaxtricks.train.state import State, all_finite, create_state, next_average, where

Batch = dict[str, jax.Array]
Tree = Any


def make_step(recipe: Recipe, model, tx, *, teacher=None, axis_name: str | None = None) -> tuple[Callable, Callable]:
    """The two halves of a training step.

    ``prepare`` works on the global batch, so that what is drawn does not depend on how the batch is spread over
    devices; ``update`` works on one device's part of it where ``axis_name`` is given, else on all of it.

    Args:
      recipe: what to compute.
      model: ``Model(init, apply)``.
      tx: an optax transformation, or ``constants -> transformation``; ``value=`` (last validation loss), ``loss=`` (of
        this batch) and ``value_fn=`` (parameters to that loss, statistics as before the step) reach it.
      teacher: a Model whose ``constants["teacher"] = (params, stats)`` give ``batch["teacher"]``, or None.
      axis_name: mesh axis to reduce over, inside shard_map or pmap.

    Returns:
      ``prepare(key, step, batch, constants) -> batch`` and ``update(state, batch, constants) -> (state, record)``,
      where record holds the step's ``loss`` and ``bad``, and ``rejected``, 1 if the optimiser refused the step, where
      part of its state is an ``opt_states.Rejects``.
    """

    def prepare(key: jax.Array, step: jax.Array, batch: Batch, constants: dict[str, Any]) -> Batch:
        key = jax.random.fold_in(key, step)
        # the rows, as floats
        batch = to_float(fetch(batch, constants))
        # augmentation, then the preprocessing that an evaluation does too
        if recipe.augment is not None:
            batch = _batch("augment", recipe.augment, named(key, "augment"), batch)
        batch = preprocessed(recipe, batch, constants)
        # what the loss compares with
        batch = _batch("task.encode", recipe.task.encode, batch)
        if recipe.targets is not None:
            batch = {**batch, "target": _targets(recipe.targets, batch)}
        # examples that are mixed, targets and all
        if recipe.mix is not None:
            batch = _batch("mix", recipe.mix, named(key, "mix"), batch)
        return {**batch, "key": jax.random.split(named(key, "model"), batch["image"].shape[0])}

    def update(state: State, batch: Batch, constants: dict[str, Any]) -> tuple[State, dict[str, jax.Array]]:
        params, stats = state.params, state.stats
        if axis_name is not None:  # without this cast the transpose would sum the gradients, and the mean be N-fold
            params, stats = jax.lax.pcast((params, stats), axis_name, to="varying")

        # the teacher's opinion
        if teacher is not None:
            out, _ = forward("teacher.model", teacher, constants["teacher"], batch, train=False)
            batch = {**batch, "teacher": jax.lax.stop_gradient(out[0])}

        # loss and gradient of this device's examples
        scale = 1.0 if state.scale is None else state.scale.value
        value_and_grad = jax.value_and_grad(objective := _objective(recipe, model, scale), has_aux=True)
        with about("gradient"):
            for wrap in recipe.gradient:
                value_and_grad = wrap(value_and_grad)
            (loss, (stats, sums)), gradients = value_and_grad(params, stats, batch)
        loss, gradients = jax.tree.map(lambda x: (x / scale).astype(x.dtype), (loss, gradients))

        # means over all devices
        if axis_name is not None:
            loss, stats, gradients = jax.lax.pmean((loss, stats, gradients), axis_name)
            sums = {
                "loss": jax.lax.psum(sums["loss"], axis_name),
                "count": sums["count"] * jax.lax.axis_size(axis_name),
            }
        check_alike("recipe.gradient gives", gradients, state.params)

        def elsewhere(params):  # the loss of this batch, for an optimiser that searches along a line
            if recipe.gradient:
                raise RecipeError("recipe.gradient is set; allowed: () with an optimiser that evaluates the loss.")
            params = params if axis_name is None else jax.lax.pcast(params, axis_name, to="varying")
            there = (objective(params, stats, batch)[0] / scale).astype(loss.dtype)
            return there if axis_name is None else jax.lax.pmean(there, axis_name)

        # the optimiser's step
        with about("optimizer"):
            optimizer: Any = tx(constants) if callable(tx) else tx
            more = {"value": state.value, "loss": loss, "value_fn": elsewhere}
            updates, opt = optimizer.update(gradients, state.opt, state.params, **more)
        check_alike("recipe.optimizer gives updates", updates, state.params)
        check_alike("recipe.optimizer gives the state", opt, state.opt)
        params = optax.apply_updates(state.params, updates)

        # a step that is not finite changes nothing; one that the optimiser refused leaves no trace in the statistics
        finite = all_finite(loss, gradients, updates, stats)
        count, before = opt_states.rejected(opt), opt_states.rejected(state.opt)
        rejected = jnp.int32(0) if count is None or before is None else jnp.where(finite, count - before, 0)
        params, opt = where(finite, (params, opt), (state.params, state.opt))
        stats = where(finite & (rejected == 0), stats, state.stats)

        # averages, loss scale and the sums of the epoch
        bad = jnp.where(finite, 0, state.bad + 1)
        state = state._replace(
            step=state.step + 1,
            params=params,
            stats=stats,
            opt=opt,
            ema=next_average(recipe.ema, state.step, state.ema, (params, stats), finite),
            scale=None if state.scale is None else next_scale(state.scale, finite, growth=recipe.precision.growth),
            bad=bad,
            sums={
                "loss": state.sums["loss"] + jnp.where(finite, sums["loss"], 0),
                "count": state.sums["count"] + jnp.where(finite, sums["count"], 0),
                "skipped": state.sums["skipped"] + jnp.where(finite, 0, 1),
            },
        )
        record = {"loss": loss, "bad": bad}
        return state, record if count is None else {**record, "rejected": rejected}

    return prepare, update


def make_evaluate(recipe: Recipe, model) -> Callable:
    """The evaluation of one padded batch.

    Args:
      recipe: gives ``preprocess`` and ``task``.
      model: ``Model(init, apply)``.

    Returns:
      ``evaluate((params, stats), batch, constants) -> {name: part}``, what the batch adds to ``task.evaluated``;
      rows of which ``batch["row_valid"]`` is false are padding.
    """

    def evaluate(variables, batch: Batch, constants: dict[str, Any]) -> dict[str, Tree]:
        batch = preprocessed(recipe, to_float(fetch(batch, constants)), constants)
        batch = _batch("task.encode", recipe.task.encode, batch)
        (out, taps), _ = forward("model", model, variables, batch, train=False)
        parts = {}
        for name, metric in recipe.task.evaluated.items():
            with about(f"task.metrics[{name!r}]"):
                parts[name] = metric.part((cast_output(out, recipe.precision), taps), batch)
        return parts

    return evaluate


def dry_run(
    recipe: Recipe,
    dataset: Dataset,
    model,
    tx: optax.GradientTransformation,
    step: tuple[Callable, Callable],
    constants: dict[str, Any],
    *,
    parts: int = 1,
    teacher=None,
    initial: Tree = None,
) -> None:
    """A step and an evaluation on shapes alone: the first part of a recipe that does not fit is named.

    Args:
      recipe, dataset: of the run.
      model: the recipe's, without a mesh axis.
      tx: the recipe's optimiser.
      step: ``(prepare, update)`` of that model.
      constants: as the step reads them.
      parts: devices that share the batch, each with a program of its own.
      teacher: the model of ``recipe.teacher``, or None.
      initial: ``(params, stats)`` to start from, or None.

    Raises:
      RecipeError: at the first part that raises, or gives what the next cannot take.
    """
    prepare, update = step
    key = jax.eval_shape(lambda: jax.random.key(0))

    # the variables: fresh ones, changed ones, given ones
    fresh = _variables("model", model, recipe, key)
    if recipe.init is not None:
        with about("init"):
            changed = jax.eval_shape(recipe.init, fresh[0])
        check_alike("recipe.init gives", changed, fresh[0])
    if initial is not None:
        if recipe.init is not None:
            raise RecipeError("recipe.init is given, and initial would undo it; allowed: one of them, or none.")
        check_alike("initial holds", initial, fresh)
    if teacher is not None and recipe.teacher is not None:
        check_alike("teacher holds", constants["teacher"], _variables("teacher.model", teacher, recipe.teacher, key))

    # one step of one device
    create = partial(create_state, recipe, model, tx, initial=initial)
    with about("optimizer"):
        state = jax.eval_shape(create, key)
    feed = Feed(dataset.train, (0,), recipe.batch)
    batch = jax.eval_shape(prepare, state.key, state.step, feed.example(), constants)
    rows, rest = divmod(batch["image"].shape[0], parts)
    if rest:
        raise RecipeError(f"recipe.augment gives {rows * parts + rest} images; allowed: a multiple of {parts} devices.")
    batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype), batch)
    after, _ = jax.eval_shape(update, state, batch, without_data(constants))
    check_alike("a step gives the state", after, state)

    # one batch of an evaluation
    constants = {"preprocess": constants["preprocess"]}
    jax.eval_shape(make_evaluate(recipe, model), fresh, feed.evaluated(), constants)
    if opt_states.waits(state.opt) and (dataset.validation is None or "loss" not in recipe.task.metrics):
        raise RecipeError(
            "recipe.optimizer waits for a plateau of the validation loss, and this run has none; "
            "allowed: a validation split and a metric 'loss'."
        )


def _variables(field: str, model, recipe: Recipe, key) -> tuple[Any, Any]:
    """Shapes of parameters, in the precision of the recipe, and of statistics."""
    with about(field):
        variables = jax.eval_shape(model.init, key)
    if not isinstance(variables, tuple) or len(variables) != 2:
        raise RecipeError(f"recipe.{field} gives variables {type(variables).__name__}; allowed: (params, stats).")
    dtype = jnp.dtype(recipe.precision.param)
    return jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, dtype), variables[0]), variables[1]


def forward(field: str, model, variables: tuple[Tree, Tree], batch: Batch, *, train: bool) -> tuple[tuple, Tree]:
    """``((output, taps), stats)`` of a network on the images of a batch; RecipeError if it is anything else."""
    with about(field):
        key = {"key": batch["key"]} if train else {}
        result = model.apply(*variables, batch["image"], train=train, **key)
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], tuple) and len(result[0]) == 2):
        raise RecipeError(f"recipe.{field} gives {describe_value(result)}; allowed: ((logits, taps), stats).")
    return result


def fetch(batch: Batch, constants: dict[str, Any]) -> Batch:
    """The rows themselves: those that ``batch["index"]`` names in the resident columns, beside what came with them."""
    if "data" not in constants:
        return dict(batch)
    return {**batch, **{name: array[batch["index"]] for name, array in constants["data"].items()}}


def preprocessed(recipe: Recipe, batch: Batch, constants: dict[str, Any]) -> Batch:
    """The batch with images as the network takes them, in training and in evaluation."""
    with about("preprocess[1]"):
        image = jax.vmap(recipe.preprocess[1], (None, 0))(constants["preprocess"], batch["image"])
    check_rows("preprocess[1]", image, batch)
    return {**batch, "image": image}


def _objective(recipe: Recipe, model, scale) -> Callable:
    """``(params, stats, batch) -> (scaled mean loss, (stats, sums))``."""

    def objective(params, stats, batch: Batch):
        (out, taps), after = forward("model", model, (params, stats), batch, train=True)
        check_alike("recipe.model gives statistics", after, stats)
        rows, target = batch["image"].shape[:1], batch.get("target")
        if target is not None and target.ndim == getattr(out, "ndim", 0) == 2:
            check_array("model gives logits, which", out, target.shape)
        with about("loss"):
            loss = recipe.loss(params, (cast_output(out, recipe.precision), taps), batch)
        check_array("loss", loss, rows)
        sums = {"loss": loss.sum(dtype=jnp.float32), "count": jnp.int32(rows[0])}
        return loss.mean(dtype=jnp.float32) * scale, (after, sums)

    return objective


def _batch(field: str, function: Callable, *args) -> Batch:
    """What a part gives: a batch with images, and as many rows in all entries."""
    with about(field):
        batch = function(*args)
    if not isinstance(batch, dict) or "image" not in batch:
        result = sorted(batch) if isinstance(batch, dict) else describe_value(batch)
        raise RecipeError(f"recipe.{field} gives {result}; allowed: a batch, a dict with 'image'.")
    for name in batch:
        check_rows(f"{field}, {name!r},", batch[name], batch)
    image = batch["image"]
    if image.ndim != 4 or not jnp.issubdtype(image.dtype, jnp.floating):
        raise RecipeError(f"recipe.{field} gives images {describe_value(image)}; allowed: floating point [B, H, W, C].")
    return dict(batch)


def _targets(targets: Callable, batch: Batch) -> jax.Array:
    if "target" not in batch:
        raise RecipeError("recipe.task.encode gives no 'target'; allowed: a batch with one, for recipe.targets.")
    with about("targets"):
        target = targets(batch["target"])
    return check_array("targets", target, batch["target"].shape)
