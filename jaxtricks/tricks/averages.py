"""Averages of weights as tricks, and batch statistics for them; a moving or uniform one is ``set_fields(ema=...)``."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxtricks import layers, optim
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing

__all__ = ["latest", "latest_weights", "recalibrated"]


class LatestState(NamedTuple):
    """What ``latest`` remembers: steps so far, the last trees, oldest first, their mean, and the optimiser's state."""

    count: jax.Array
    history: tuple
    average: Any
    inner: Any


def latest(tx: optax.GradientTransformation, *, every: int, last: int) -> optax.GradientTransformationExtraArgs:
    """An optimiser that is evaluated at the mean of its latest weights: LAWA, by ``optim.lawa``.

    Args:
      tx: the complete optimiser.
      every: steps between two of the trees, >= 1.
      last: how many trees, >= 1; before there are so many, the first weights stand for those that lack.

    Returns:
      The transformation.
    """
    tx = optax.with_extra_args_support(tx)

    def init(params):
        copies = tuple(jax.tree.map(jnp.copy, params) for _ in range(last))
        return LatestState(jnp.zeros([], jnp.int32), copies, jax.tree.map(jnp.copy, params), tx.init(params))

    def update(updates, state, params, **extra):
        updates, inner = tx.update(updates, state.inner, params, **extra)
        count = jnp.asarray(optax.safe_increment(state.count))
        history, average = jax.lax.cond(
            count % every == 0,
            lambda tree: optim.lawa(state.history, tree, last=last),
            lambda tree: (state.history, state.average),
            optax.apply_updates(params, updates),
        )
        return updates, LatestState(count, history, average, inner)

    return optim.evaluate_at(
        optax.GradientTransformationExtraArgs(init, update),  # pyright: ignore[reportArgumentType]
        _mean_of_latest,
    )


def _mean_of_latest(state: Any, params):
    return state.average


def latest_weights(recipe: Recipe, *, every: int, last: int) -> Recipe:
    """LAWA: the mean of the latest weights is evaluated, batch statistics recalibrated.

    Args:
      recipe: any without another average.
      every, last: as for ``latest``.

    Returns:
      The recipe.
    """
    recipe = composing.around(recipe, partial(latest, every=every, last=last))
    return recalibrated(recipe)


def recalibrated(recipe: Recipe, **fields: Any) -> Recipe:
    """Batch statistics of the weights that are evaluated, from training images; it needs batch normalisation.

    Args:
      recipe: any.
      **fields: of ``Recipe`` that change with it, such as ``ema``.

    Returns:
      The recipe with ``layers.recalibrate``.

    Raises:
      ValueError: if it has another ``recalibrate``, which this would drop.
    """
    if recipe.recalibrate not in (None, layers.recalibrate):
        raise ValueError(f"recipe.recalibrate is {recipe.recalibrate!r}; allowed: None, for recalibrated sets it.")
    return replace(recipe, recalibrate=layers.recalibrate, **fields)
