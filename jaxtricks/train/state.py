"""The complete state of a run as one pytree, and what a run gives."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import opt_states
from jaxtricks.keys import named
from jaxtricks.train.precision import LossScale, init_scale

Tree = Any


class State(NamedTuple):
    """Everything a step reads and writes.

    Fields:
      step: int32, steps taken, skipped ones included; with the seed it gives the position in the data.
      key: the run's key; every draw of a step is folded from it, by step and by name.
      params, stats: the model's parameters and batch statistics.
      opt: the optimiser's state.
      ema: ``(params, stats)`` averaged, in float32 where theirs are narrower, or None.
      scale: the loss scale, or None.
      value: float32, the last validation loss; infinity before the first.
      bad: int32, steps in a row that were skipped because loss or gradient was not finite.
      sums: ``loss``, ``count``, ``skipped`` since the epoch began.
    """

    step: jax.Array
    key: jax.Array
    params: Tree
    stats: Tree
    opt: Tree
    ema: tuple[Tree, Tree] | None
    scale: LossScale | None
    value: jax.Array
    bad: jax.Array
    sums: dict[str, jax.Array]


@dataclass(frozen=True)
class Run:
    """What one seed gave.

    Fields:
      seed: of initial weights, order and draws.
      variables: ``(params, stats)`` that are evaluated: the best ones after early stopping, else the averaged ones
        where the recipe has an EMA, or those that the optimiser names; with statistics of their own where the recipe
        recalibrates. The network takes images that went through ``recipe.preprocess``, fitted to the training images
        (``build_constants``), not pixels / 255.
      state: the complete state at the end, whatever was the best.
      history: a record for each epoch; its ``corrupt`` counts unreadable records since the process started, ``lr`` is
        the rate that acted, plateaus included, ``skipped_percent`` the share of the steps that changed nothing, and
        what ``opt_states.reports`` finds in the optimiser stands there by its name.
      test: metrics on the test set, read once at the end; empty where it was not asked for.
      decided: the class of each test row, ``[N]``, where the task decides on one and the test set was read; else None.
      seconds: of the loop, without compiling.
      step_ms: mean time of a training step, input included, shared evenly where seeds ran together.
      wait_percent: share of the training time spent waiting for input.
      skipped: steps that were not applied because loss or gradient was not finite.
      cost: ``train_flops`` and ``peak_bytes`` of a step of the last stage, None where the backend does not tell.
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
    decided: np.ndarray | None = None


def create_state(recipe, model, tx: optax.GradientTransformation, key: jax.Array, *, initial: Tree = None) -> State:
    """The state before the first step; pure.

    Args:
      recipe: gives ``init``, ``ema`` and ``precision``.
      model: gives fresh parameters and statistics, from ``named(key, "init")``.
      tx: gives the optimiser's state.
      key: the run's key.
      initial: ``(params, stats)`` to start from instead of fresh ones and ``recipe.init``, or None.

    Returns:
      The state. Run it under ``jax.jit`` with the shardings you want, so that the result may be donated.
    """
    if initial is None:
        params, stats = model.init(named(key, "init"))
        params = jax.tree.map(lambda p: p.astype(recipe.precision.param), params)
        if recipe.init is not None:
            params = recipe.init(params)
    else:
        params, stats = jax.tree.map(jnp.asarray, initial)
    return State(
        step=jnp.int32(0),
        key=key,
        params=params,
        stats=stats,
        opt=tx.init(params),
        ema=None if recipe.ema is None else average_of(params, stats),
        scale=init_scale(recipe.precision),
        value=jnp.float32(jnp.inf),
        bad=jnp.int32(0),
        sums=zero_sums(),
    )


def dicts(tree: Tree) -> Tree:
    """A tree whose mappings, such as flax's ``FrozenDict``, are dicts: what models take.

    Args:
      tree: tuples, lists and mappings of arrays, or None.

    Returns:
      The same leaves.
    """
    if isinstance(tree, Mapping):
        return {name: dicts(part) for name, part in tree.items()}
    if isinstance(tree, (tuple, list)) and not hasattr(tree, "_fields"):
        return type(tree)(map(dicts, tree))
    return tree


def average_of(params: Tree, stats: Tree) -> tuple[Tree, Tree]:
    """The average of one step: copies, in float32 where the numbers are narrower.

    A narrow one would stand still: bfloat16 has eight bits, and a decay of 0.999 adds a thousandth of a difference.

    Args:
      params, stats: of a model.

    Returns:
      ``(params, stats)``.
    """

    def wide(leaf):
        narrow = jnp.issubdtype(leaf.dtype, jnp.floating)
        return jnp.array(leaf, jnp.promote_types(leaf.dtype, jnp.float32) if narrow else leaf.dtype)

    return jax.tree.map(wide, (params, stats))


def zero_sums() -> dict[str, jax.Array]:
    """Sums of an epoch that has not begun."""
    return {"loss": jnp.float32(0), "count": jnp.int32(0), "skipped": jnp.int32(0)}


def eval_params(state: State) -> tuple[Tree, Tree]:
    """The variables to evaluate: the moving average where there is one, else what the optimiser names, else its own.

    Args:
      state: of a run. An optimiser names other weights by a part of its state of type ``opt_states.Evaluates``, as
        ``optim.evaluate_at`` does.

    Returns:
      ``(params, stats)``, in the dtypes of the parameters and statistics.
    """
    if state.ema is not None:
        variables = state.params, state.stats
        return jax.tree.map(lambda a, p: a if a.dtype == p.dtype else a.astype(p.dtype), state.ema, variables)
    named_by_optimizer = opt_states.eval_params(state.opt, state.params)
    return (state.params if named_by_optimizer is None else named_by_optimizer), state.stats


def all_finite(*trees) -> jax.Array:
    """Whether every number is finite. Sums tell, where squares could overflow: one a shape, not one a leaf.

    The answer is a reduction, which XLA computes once; a chain of scalar sums it would repeat with every leaf's update.
    """
    of_shape = defaultdict(list)
    for leaf in jax.tree.leaves(trees):
        of_shape[leaf.shape].append(leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)))
    sums = [jnp.sum(sum(leaves)) for leaves in of_shape.values()]
    return jnp.all(jnp.isfinite(jnp.stack(sums)))


def where(taken, new: Tree, old: Tree) -> Tree:
    """One tree where a condition holds, else the other.

    On a CPU a branch, which copies; a selection for each leaf would read both trees, and is a program to compile. On
    an accelerator a branch would make the host wait for the condition.
    """
    select = partial(jax.tree.map, partial(jnp.where, taken))
    branch = partial(jax.lax.cond, taken, lambda new, old: new, lambda new, old: old)
    return jax.lax.platform_dependent(new, old, cpu=branch, default=select)


def next_average(decay: Any, step, average, fresh, finite):
    """The average after a step; with a fixed decay it starts as a short one, so that the first weights soon go."""
    if decay is None:
        return None
    decay = decay(step) if callable(decay) else jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda a, f: jnp.where(finite, (a + (1 - decay) * (f - a)).astype(a.dtype), a), average, fresh)
