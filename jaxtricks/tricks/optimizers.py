"""Optimisers as tricks: SAM, clipping, lookahead, schedule-free SGD, and cores for ``composing.exchange``.

Those that take a recipe change one part of its optimiser and keep mask, decay and wrappers; ``rising_momentum``,
``muon`` and ``adam_then_sgd`` are cores, ``schedule -> transformation``.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import optax

from jaxtricks import analysis, check, optim
from jaxtricks.train import Recipe
from jaxtricks.tricks.composing import around, before, exchange

__all__ = [
    "adam_then_sgd",
    "adaptive_clip",
    "centralized",
    "clip_norm",
    "clip_values",
    "lookahead",
    "muon",
    "normalized",
    "rising_momentum",
    "schedule_free",
    "sharp",
    "skip_spikes",
    "watched",
]


def sharp(recipe: Recipe, *, rho: float) -> Recipe:
    """SAM: the gradient of the worst point nearby; use it where two passes a step are affordable.

    Args:
      recipe: any; other functions of its ``gradient`` stay inside.
      rho: distance in the units of the parameters, > 0.

    Returns:
      The recipe with a gradient of twice the cost.
    """
    return replace(recipe, gradient=(*recipe.gradient, partial(optim.sam, rho=rho)))


def centralized(recipe: Recipe) -> Recipe:
    """Subtract from the gradient of each unit its mean, which costs next to nothing.

    Args:
      recipe: any.

    Returns:
      The recipe with centred gradients.
    """
    return before(recipe, optim.centralize)


def adaptive_clip(recipe: Recipe, *, limit: float = 0.02) -> Recipe:
    """Limit the gradient of a unit to a share of its weights; use it without normalisation.

    Args:
      recipe: any.
      limit: share of the norm of the unit's weights, > 0.

    Returns:
      The recipe with limited gradients.

    Raises:
      ValueError: if limit is not positive.
    """
    check.positive("limit", limit)
    return before(recipe, partial(optax.adaptive_grad_clip, limit))


def clip_norm(recipe: Recipe, *, limit: float) -> Recipe:
    """Limit the norm of the gradient of all parameters: for runs that a few steep batches upset.

    Args:
      recipe: any.
      limit: of the global norm, > 0.

    Returns:
      The recipe with limited gradients.

    Raises:
      ValueError: if limit is not positive.
    """
    check.positive("limit", limit)
    return before(recipe, partial(optax.clip_by_global_norm, limit))


def clip_values(recipe: Recipe, *, limit: float) -> Recipe:
    """Limit each number of the gradient by itself, which turns its direction: for single weights that explode.

    Args:
      recipe: any.
      limit: of the absolute values, > 0.

    Returns:
      The recipe with limited gradients.

    Raises:
      ValueError: if limit is not positive.
    """
    check.positive("limit", limit)
    return before(recipe, partial(optax.clip, limit))


def normalized(recipe: Recipe) -> Recipe:
    """Divide the gradient by its norm: only its direction counts, and the rate is the length of the step.

    Args:
      recipe: any.

    Returns:
      The recipe with gradients of norm 1.
    """
    return before(recipe, optax.normalize_by_update_norm)


def watched(recipe: Recipe) -> Recipe:
    """The gradient's norm, of every layer and of all, in the record of every epoch; nothing else changes.

    Args:
      recipe: any.

    Returns:
      The recipe, whose run reports ``gradient_norm`` and ``gradient_norm/LAYER``.
    """
    return before(recipe, partial(optim.measure, _norms))


def _norms(gradients):
    layers = {f"gradient_norm/{name}": norm for name, norm in analysis.gradient_norms(gradients).items()}
    return {"gradient_norm": optax.tree.norm(gradients), **layers}


def lookahead(recipe: Recipe, *, sync_period: int = 5, slow_step_size: float = 0.5) -> Recipe:
    """Go part of the way back every few steps, which makes a run less sensitive to its rate.

    Args:
      recipe: any.
      sync_period: steps between, >= 1.
      slow_step_size: share of the way that is kept, 0 to 1.

    Returns:
      The recipe with slow weights around its optimiser.
    """
    return around(recipe, partial(optim.lookahead, sync_period=sync_period, slow_step_size=slow_step_size))


def skip_spikes(recipe: Recipe, *, window: int = 50, deviations: float = 6.0) -> Recipe:
    """Skip steps whose loss is far above the last ones: for long runs on data with broken batches.

    Args:
      recipe: any.
      window: losses to compare with, >= 2.
      deviations: how far above their mean, in standard deviations, > 0.

    Returns:
      The recipe, whose run counts the skipped steps.
    """
    return around(recipe, partial(optim.skip_spikes, window=window, deviations=deviations))


def schedule_free(recipe: Recipe, *, times: float, b1: float = 0.9) -> Recipe:
    """SGD whose average takes the place of the decay of the rate, and is what is evaluated.

    Args:
      recipe: any; its schedule becomes constant.
      times: the rate in those of the recipe, > 0.
      b1: weight of the average in the point where the gradient is taken, 0 to 1.

    Returns:
      The recipe at a constant rate, evaluated at the average.

    Raises:
      ValueError: as ``exchange``.
    """
    core = partial(_schedule_free_sgd, b1=b1)
    recipe = exchange(recipe, core=core, times=times, evaluate=_schedule_free_weights)
    return replace(recipe, schedule=optim.constant)


def rising_momentum(schedule: optax.Schedule, *, first: float, last: float, steps: int) -> optax.GradientTransformation:
    """SGD whose Nesterov momentum goes from one value to another; a core for ``exchange``.

    Args:
      schedule: ``step -> rate``.
      first, last: values of the momentum, 0 to 1.
      steps: over so many steps, >= 1.

    Returns:
      The transformation.
    """
    momentum = optax.linear_schedule(first, last, steps)
    return optax.inject_hyperparams(optax.sgd, static_args="nesterov")(schedule, momentum=momentum, nesterov=True)


def muon(
    schedule: optax.Schedule, *, weight_decay: float = 0.0, mask: Callable | None = None, share: float = 0.1
) -> optax.GradientTransformation:
    """Muon for all kernels, with decoupled decay; Adam, at a share of the rate, for the rest; a core for ``exchange``.

    Args:
      schedule: ``step -> rate``.
      weight_decay: of the kernels, 0 or more.
      mask: which kernels decay, ``params -> tree of booleans``; all of them if None.
      share: Adam's rate in those of Muon.

    Returns:
      The transformation.
    """
    return optax.contrib.muon(
        schedule,
        weight_decay=weight_decay,
        weight_decay_mask=mask,
        muon_weight_dimension_numbers=_matrices,
        adam_learning_rate=lambda step: share * schedule(step),
    )


def adam_then_sgd(schedule: optax.Schedule, *, at: int, share: float) -> optax.GradientTransformation:
    """Adam for so many steps, then SGD with Nesterov's momentum, which starts afresh; a core for ``exchange``.

    Args:
      schedule: ``step -> rate`` of SGD.
      at: the first step of SGD, >= 1.
      share: Adam's rate in those of SGD.

    Returns:
      The transformation.
    """
    adam = optax.adam(lambda step: share * schedule(step))
    sgd = optax.sgd(lambda step: schedule(step + at), momentum=0.9, nesterov=True)
    return optim.switch(at, adam, sgd)


def _schedule_free_sgd(schedule, *, b1):
    return optax.contrib.schedule_free(optax.sgd(schedule), schedule, b1)


def _schedule_free_weights(state, params):
    """The average, wherever in a state it is; a leaf that a mask hides from it is evaluated as it is."""

    def is_average(node):
        return isinstance(node, optax.contrib.ScheduleFreeState)

    def hidden(node):
        return isinstance(node, optax.MaskedNode)

    for part in filter(is_average, jax.tree.leaves(state, is_leaf=is_average)):
        b1 = part.b1
        params = jax.tree.map(
            lambda z, y, b1=b1: y if hidden(z) else (y - (1 - b1) * z) / b1, part.z, params, is_leaf=hidden
        )
    return params


def _matrices(params):
    """Which axes of a kernel are inputs and outputs; None for what is no kernel."""

    def axes(leaf):
        return optax.contrib.MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1) if leaf.ndim > 1 else None

    return jax.tree.map(axes, params)
