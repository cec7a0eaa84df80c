"""What a training loop must know of an optimiser's state, said by the type of a part of it.

``Rejects`` wraps the state of a transformation that may refuse a step, ``Evaluates`` that of one whose result is other
weights than the parameters, ``Scales`` that of one that cuts the rate, and ``Measures`` holds what the loop is to
report. ``rejected``, ``eval_params`` and ``reports`` find them wherever they are: in a chain, under a mask, in a
partition, stacked by ``vmap``. The names of fields say nothing: a state of your own may count what it likes.
"""

import operator
from functools import reduce
from typing import Any, NamedTuple

import jax
import optax

Tree = Any


class Rejects(NamedTuple):
    """State of a transformation that may refuse a step; use it so that the loop leaves no trace of that batch.

    A transformation that refuses a step gives updates of -0.0, keeps ``inner`` and adds 1 to ``rejected``.

    Fields:
      rejected: steps refused so far, int32 scalar.
      inner: the state of the transformation itself, a pytree.
    """

    rejected: jax.Array
    inner: Tree


class Evaluates(NamedTuple):
    """State of a transformation that trains at one point and is evaluated at another, such as schedule-free SGD.

    Fields:
      params: the weights to evaluate, a tree like the parameters.
      inner: the state of the transformation itself, a pytree.
    """

    params: Tree
    inner: Tree


class Scales(NamedTuple):
    """State of a transformation that multiplies the update by what follows from the last validation value.

    The loop reports the rate that acts, and refuses a run without a validation.

    Fields:
      scale: what the last update was multiplied by, float32 scalar.
      inner: the state of the transformation itself, a pytree.
    """

    scale: jax.Array
    inner: Tree


class Measures(NamedTuple):
    """State of a transformation that measures what passes through it; the loop reports the values of an epoch's end.

    Fields:
      values: by name, scalars.
    """

    values: dict[str, jax.Array]


def reports(opt_state: Tree) -> dict[str, jax.Array]:
    """What the optimiser has to say of its last step; use it for a log.

    Args:
      opt_state: the state of any optax transformation, also stacked by ``vmap``.

    Returns:
      ``rate_scale``, the product over every ``Scales`` and optax's ``reduce_on_plateau``, where there is one;
      ``momentum``, where a schedule sets it by ``optax.inject_hyperparams``; and the values of every ``Measures``.
    """
    plateaus = [part.scale for part in _parts(opt_state, optax.contrib.ReduceLROnPlateauState)]
    scales = [*plateaus, *(part.scale for part in _parts(opt_state, Scales))]
    out = {"rate_scale": reduce(operator.mul, scales)} if scales else {}
    for part in _parts(opt_state, optax.InjectStatefulHyperparamsState):
        out |= {name: part.hyperparams[name] for name in ("momentum",) if name in part.hyperparams}
    for part in _parts(opt_state, Measures):
        out |= part.values
    return out


def waits(opt_state: Tree) -> bool:
    """Whether a part of the state follows a validation value, without which it would wait for ever.

    Args:
      opt_state: the state of any optax transformation.

    Returns:
      True where there is a ``Scales``, or the state of optax's ``reduce_on_plateau``.
    """
    return any(_parts(opt_state, kind) for kind in (optax.contrib.ReduceLROnPlateauState, Scales))


def rejected(opt_state: Tree) -> jax.Array | None:
    """How many steps the optimiser has refused; compare it before and after an update to learn of this step.

    Args:
      opt_state: the state of any optax transformation, also inside jit or vmap.

    Returns:
      The sum over every ``Rejects`` in the state, an int32 scalar, or None where there is none.
    """
    counts = [part.rejected for part in _parts(opt_state, Rejects)]
    return reduce(operator.add, counts) if counts else None


def eval_params(opt_state: Tree, params: Tree | None) -> Tree | None:
    """The weights that the optimiser wants evaluated; use it wherever a run's weights are read.

    Args:
      opt_state: the state of any optax transformation, also inside jit or vmap.
      params: the parameters, which fill in for leaves that a mask hides from every ``Evaluates``; None will do where
        there is no mask.

    Returns:
      A tree like the parameters, or None where no part of the state is an ``Evaluates``. Of two that hold the same
      leaf the outer one counts, and of two side by side the first.

    Raises:
      ValueError: if a mask hides leaves and params is None.
    """
    trees = [part.params for part in _parts(opt_state, Evaluates)]
    if not trees:
        return None
    full, *others = trees[::-1] if params is None else [params, *trees[::-1]]
    for tree in others:
        full = jax.tree.map(lambda leaf, other: other if _hidden(leaf) else leaf, tree, full, is_leaf=_hidden)
    if any(map(_hidden, jax.tree.leaves(full, is_leaf=_hidden))):
        raise ValueError("params is None; allowed: the parameters, where a mask hides leaves from the optimiser.")
    return full


def named_twice(opt_state: Tree, params: Tree) -> bool:
    """Whether two parts of the state want their own weights evaluated for one leaf: one of them is dropped.

    Args:
      opt_state: the state of any optax transformation.
      params: the parameters, or their shapes.

    Returns:
      True or False.
    """
    count = jax.tree.map(lambda leaf: 0, params)
    for part in _parts(opt_state, Evaluates):
        count = jax.tree.map(lambda leaf, n: n if _hidden(leaf) else n + 1, part.params, count, is_leaf=_hidden)
    return any(n > 1 for n in jax.tree.leaves(count))


def _parts(tree: Tree, kind: type) -> list:
    """Every part of a tree that is of a type, an outer one before those inside it."""
    leaves = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, kind))
    parts = [leaf for leaf in leaves if isinstance(leaf, kind)]
    return [part for outer in parts for part in (outer, *_parts(tuple(outer), kind))]


def _hidden(node: Any) -> bool:
    """Whether a mask left nothing of this leaf."""
    return isinstance(node, optax.MaskedNode)
