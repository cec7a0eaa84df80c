"""One training step and one evaluation step, as pure functions. Neither knows a trick by name."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks.keys import named
from jaxtricks.train.precision import next_scale
from jaxtricks.train.recipe import Recipe
from jaxtricks.train.state import State

Batch = dict[str, jax.Array]


def make_step(
    recipe: Recipe,
    model,
    tx: optax.GradientTransformation,
    *,
    classes: int,
    teacher=None,
    axis_name: str | None = None,
) -> tuple[Callable, Callable]:
    """The two halves of a training step.

    ``prepare`` works on the global batch, so that what is drawn does not depend on how the batch is spread over
    devices; ``update`` works on one device's part of it where ``axis_name`` is given, else on the whole.

    Args:
      recipe: what to compute.
      model: ``Model(init, apply)``.
      tx: the optimiser; ``value=`` (last validation loss) and ``loss=`` (of this batch) reach it.
      classes: number of classes.
      teacher: a Model whose ``constants["teacher"] = (params, stats)`` give ``batch["teacher"]``, or None.
      axis_name: mesh axis to reduce over, inside shard_map or pmap.

    Returns:
      ``prepare(key, step, batch, constants) -> batch`` and ``update(state, batch, constants) -> (state, record)``,
      where record holds the step's ``loss`` and ``bad``, and ``held``, 1 if the optimiser held the step back, where
      part of its state has a field ``skipped`` that counts such steps.
    """
    fitted = recipe.preprocess[1]

    def prepare(key: jax.Array, step: jax.Array, batch: Batch, constants: dict[str, Any]) -> Batch:
        key = jax.random.fold_in(key, step)
        batch = fetch(batch, constants)
        batch["image"] = to_float(batch["image"])
        if recipe.augment is not None:
            batch = recipe.augment(named(key, "augment"), batch)
        batch["image"] = jax.vmap(fitted, (None, 0))(constants["preprocess"], batch["image"])
        if "label" in batch and "target" not in batch:
            batch["target"] = jax.nn.one_hot(batch["label"], classes)
        if recipe.targets is not None:
            batch["target"] = recipe.targets(batch["target"])
        if recipe.mix is not None:
            batch = recipe.mix(named(key, "mix"), batch)
        batch["key"] = jax.random.split(named(key, "model"), batch["image"].shape[0])
        return batch

    def update(state: State, batch: Batch, constants: dict[str, Any]) -> tuple[State, dict[str, jax.Array]]:
        params, stats = state.params, state.stats
        if axis_name is not None:  # without this cast the transpose would sum the gradients, and the mean be N-fold
            params, stats = jax.lax.pcast((params, stats), axis_name, to="varying")
        if teacher is not None:
            (logits, _), _ = teacher.apply(*constants["teacher"], batch["image"], train=False)
            batch = {**batch, "teacher": jax.lax.stop_gradient(logits)}
        scale = 1.0 if state.scale is None else state.scale.value

        def objective(params, stats, batch: Batch):
            (logits, taps), stats = model.apply(params, stats, batch["image"], train=True, key=batch["key"])
            each = recipe.loss(params, (put_out(logits, recipe), taps), batch)
            rows = batch["image"].shape[:1]
            if each.shape != rows:
                raise ValueError(f"recipe.loss returned shape {each.shape}; allowed: {rows}, one value an example.")
            sums = {"loss": each.sum(dtype=jnp.float32), "count": jnp.int32(rows[0])}
            return each.mean(dtype=jnp.float32) * scale, (stats, sums)

        value_and_grad = jax.value_and_grad(objective, has_aux=True)
        for wrap in recipe.gradient:
            value_and_grad = wrap(value_and_grad)
        (loss, (stats, sums)), gradients = value_and_grad(params, stats, batch)
        loss, gradients = jax.tree.map(lambda x: (x / scale).astype(x.dtype), (loss, gradients))
        if axis_name is not None:
            loss, stats, gradients = jax.lax.pmean((loss, stats, gradients), axis_name)
            sums = {
                "loss": jax.lax.psum(sums["loss"], axis_name),
                "count": sums["count"] * jax.lax.axis_size(axis_name),
            }

        updates, opt = tx.update(gradients, state.opt, state.params, value=state.value, loss=loss)
        finite = all_finite(loss, gradients, updates, stats)
        params = optax.apply_updates(state.params, updates)
        count = _held(opt)
        held = jnp.int32(0) if count is None else jnp.where(finite, count - _held(state.opt), 0)

        def where(taken, new, old):
            return jax.tree.map(lambda new, old: jnp.where(taken, new, old), new, old)

        params, opt = where(finite, (params, opt), (state.params, state.opt))
        stats = where(finite & (held == 0), stats, state.stats)  # a batch that it refused leaves no trace in them
        bad = jnp.where(finite, 0, state.bad + 1)
        sums = {
            "loss": state.sums["loss"] + jnp.where(finite, sums["loss"], 0),
            "count": state.sums["count"] + jnp.where(finite, sums["count"], 0),
            "skipped": state.sums["skipped"] + jnp.where(finite, 0, 1),
        }
        state = state._replace(
            step=state.step + 1,
            params=params,
            stats=stats,
            opt=opt,
            ema=_average(recipe.ema, state.step, state.ema, (params, stats), finite),
            scale=None if state.scale is None else next_scale(state.scale, finite, growth=recipe.precision.growth),
            bad=bad,
            sums=sums,
        )
        record = {"loss": loss, "bad": bad}
        if count is not None:
            record["held"] = held
        return state, record

    return prepare, update


def make_evaluate(recipe: Recipe, model) -> Callable:
    """The evaluation of one padded batch.

    Args:
      recipe: gives ``preprocess`` and ``metrics``.
      model: ``Model(init, apply)``.

    Returns:
      ``evaluate((params, stats), batch, constants) -> {name: sum}``; rows whose ``batch["valid"]`` is false count
      nothing. ``count`` is an exact integer, and so is the sum of every metric that is boolean.
    """

    def evaluate(variables, batch: Batch, constants: dict[str, Any]) -> dict[str, jax.Array]:
        valid = batch["valid"]
        batch = fetch(batch, constants)
        image = jax.vmap(recipe.preprocess[1], (None, 0))(constants["preprocess"], to_float(batch["image"]))
        (logits, taps), _ = model.apply(*variables, image, train=False)
        sums = {"count": valid.sum(dtype=jnp.int32)}
        for name, each in recipe.metrics((put_out(logits, recipe), taps), batch).items():
            dtype = jnp.int32 if each.dtype == jnp.bool else jnp.float32
            sums[name] = jnp.where(valid, each.astype(dtype), 0).sum(dtype=dtype)
        return sums

    return evaluate


def fetch(batch: Batch, constants: dict[str, Any]) -> Batch:
    """The rows themselves: those that ``batch["index"]`` names in the resident arrays, beside what came with them."""
    if "data" not in constants:
        return dict(batch)
    return {**batch, **{name: array[batch["index"]] for name, array in constants["data"].items()}}


def to_float(image: jax.Array) -> jax.Array:
    """uint8 images as float32 in [0, 1]; floating-point images as they are."""
    return image.astype(jnp.float32) / 255 if image.dtype == jnp.uint8 else image


def put_out(logits: Any, recipe: Recipe) -> Any:
    """What the network gave, an array or a tree of them, in the output precision of the recipe."""
    return jax.tree.map(lambda x: x.astype(recipe.precision.output), logits)


def all_finite(*trees) -> jax.Array:
    """Whether every number is finite. Sums tell, where squares could overflow: one a shape, not one a leaf."""
    of_shape = defaultdict(list)
    for leaf in jax.tree.leaves(trees):
        of_shape[leaf.shape].append(leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)))
    return jnp.isfinite(sum(sum(leaves).sum() for leaves in of_shape.values()))


def _average(decay, step, average, fresh, finite):
    """The average after a step; with a fixed decay it starts as a short one, so that the first weights soon go."""
    if decay is None:
        return None
    decay = decay(step) if callable(decay) else jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda a, f: jnp.where(finite, (a + (1 - decay) * (f - a)).astype(a.dtype), a), average, fresh)


def _held(opt) -> jax.Array | None:
    """Steps that the optimiser has held back, as its states count them; None where none of them does."""
    found = optax.tree.get_all_with_path(opt, "skipped", filtering=lambda path, _: hasattr(path[-1], "tuple_name"))
    return sum(count for _, count in found) if found else None
