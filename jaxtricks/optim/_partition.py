"""Optimisers by parameter path: one for each part, frozen parts, rates by layer; ``paths`` says what a pattern is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check
from jaxtricks.optim._paths import Tree, first_match, layer_rates, path_mask

NOTHING = -0.0  # p + (-0.0) is p for every p; p + 0.0 turns -0.0 into 0.0, and "unchanged" means the bits


def by_path(transforms: Mapping[str, optax.GradientTransformation]) -> optax.GradientTransformationExtraArgs:
    """Another optimiser for each part of the tree, chosen by path.

    A leaf goes to the first pattern that is found in its path; ``""``, put last, takes the rest.

    Args:
      transforms: ``{regular expression: transformation}``, in order.

    Returns:
      One transformation for all leaves: ``optax.partition`` with labels from the paths.

    Raises:
      ValueError: at ``init``, if a pattern takes no leaf or a leaf is taken by none.
    """

    def labels(tree: Tree) -> Tree:
        return first_match("transforms", tree, tuple(transforms))

    return optax.partition(transforms, labels)  # pyright: ignore[reportArgumentType]


def layerwise_decay(
    tx: optax.GradientTransformation, layers: Sequence[str], *, decay: float
) -> optax.GradientTransformationExtraArgs:
    """Smaller steps towards the input: the updates of ``tx`` times ``layer_rates``, decoupled weight decay included.

    Args:
      tx: the complete optimiser, learning rate included.
      layers: regular expressions, from the input to the head; a leaf belongs to the first that is found.
      decay: 0 to 1, the ratio of the rates of two neighbouring layers.

    Returns:
      The transformation.

    Raises:
      ValueError: at ``init``, as ``layer_rates``.

    Reference:
      Howard and Ruder, Universal language model fine-tuning for text classification, arXiv 1801.06146.
    """

    def init(params: Tree) -> optax.EmptyState:
        layer_rates(params, layers, decay=decay)  # a pattern that takes nothing is found here, before the first step
        return optax.EmptyState()

    def update(updates: Tree, state: optax.EmptyState, params: Tree | None = None) -> tuple[Tree, optax.EmptyState]:
        rates = layer_rates(updates, layers, decay=decay)
        return jax.tree.map(lambda update, rate: rate * update, updates, rates), state

    return optax.chain(tx, optax.GradientTransformation(init, update))  # pyright: ignore[reportArgumentType]


def freeze(tx: optax.GradientTransformation, *patterns: str) -> optax.GradientTransformationExtraArgs:
    """Train all but the leaves whose path a pattern is found in; those stay bit for bit, weight decay or not.

    ``tx`` does not see them: no state, no part in a global norm.

    Args:
      tx: the complete optimiser of the other leaves.
      *patterns: regular expressions, one or more.

    Returns:
      The transformation. Put nothing after it that adds to the updates.

    Raises:
      ValueError: at ``init``, if there is no pattern, or one is found nowhere.
    """

    def labels(tree: Tree) -> Tree:
        return jax.tree.map(lambda frozen: "frozen" if frozen else "trained", path_mask(tree, *patterns))

    still = optax.stateless(lambda updates, params: optax.tree.full_like(updates, NOTHING))
    return optax.partition({"trained": tx, "frozen": still}, labels)


class UnfreezeState(NamedTuple):
    """State of ``unfreeze_at``: steps so far, int32, and the state of the optimiser."""

    count: jax.Array
    inner: optax.OptState


def unfreeze_at(tx: optax.GradientTransformation, steps: Mapping[str, int]) -> optax.GradientTransformationExtraArgs:
    """Hold the leaves of each pattern, bit for bit, until a step; then train them with the others.

    The optimiser sees the gradients of all leaves all along, so that its schedules count the steps of the run and its
    moments are warm when a leaf is let go.

    Args:
      tx: the complete optimiser.
      steps: ``{regular expression: first step that moves the leaf}``, in order, integers of 0 or more, one of them
        above 0; a leaf belongs to the first that is found, and one where none is found trains from the start.

    Returns:
      The transformation. Put nothing after it that adds to the updates.

    Raises:
      ValueError: if a step is out of range, or none is above 0, which would hold nothing; at ``init``, if a pattern
        takes no leaf.

    Reference:
      Howard and Ruder, Universal language model fine-tuning for text classification, arXiv 1801.06146.
    """
    steps = {pattern: check.at_least(f"steps[{pattern!r}]", step) for pattern, step in steps.items()}
    if not any(steps.values()):
        raise ValueError(f"steps is {steps}; allowed: one pattern or more with a step above 0.")
    tx = optax.with_extra_args_support(tx)

    def starts(tree: Tree) -> Tree:
        return jax.tree.map(lambda pattern: steps.get(pattern, 0), first_match("steps", tree, tuple(steps), rest=True))

    def init(params: Tree) -> UnfreezeState:
        starts(params)  # a pattern that takes nothing is found here, before the first step
        return UnfreezeState(jnp.zeros([], jnp.int32), tx.init(params))

    def update(updates: Tree, state: UnfreezeState, params: Tree | None = None, **extra) -> tuple[Tree, UnfreezeState]:
        updates, inner = tx.update(updates, state.inner, params, **extra)
        updates = jax.tree.map(lambda u, start: jnp.where(state.count < start, NOTHING, u), updates, starts(updates))
        return updates, UnfreezeState(jnp.asarray(optax.safe_increment(state.count)), inner)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]
