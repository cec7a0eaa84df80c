"""Training with pruned weights: masks that hold, and masks that grow by a schedule, around any optimiser."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check
from jaxtricks.compress import _masks

Tree = Any


class Held(NamedTuple):
    """State of ``keep_masks``; the masks are in it, and no part of the compiled step.

    Fields:
      masks: a tree of booleans like the parameters.
      inner: the state of the optimiser.
    """

    masks: Tree
    inner: Tree


class Pruning(NamedTuple):
    """State of ``prune_gradually``.

    Fields:
      step: int32, updates so far.
      masks: a tree of booleans like the parameters.
      inner: the state of the optimiser.
    """

    step: jax.Array
    masks: Tree
    inner: Tree


def cubic(step, *, begin: int, end: int, final: float, initial: float = 0.0):
    r"""The share to prune after a step: fast at first, when much is redundant, then slower; for ``prune_gradually``.

    .. math:: s_t = s_f + (s_i - s_f) \left(1 - \frac{t - b}{e - b}\right)^3

    Before ``begin`` it is the initial share, after ``end`` the final one.

    Args:
      step: t, an integer or an array of integers, 0 or more.
      begin: b, 0 or more.
      end: e, greater than begin.
      final: s_f, 0 or more and less than 1.
      initial: s_i, 0 to final.

    Returns:
      The share, float32, of the shape of step.

    Raises:
      ValueError: if an option is out of range.

    Example:
      >>> print(np.asarray(cubic(50, begin=0, end=100, final=0.8)).round(3))  # 0.8 (1 - 1/8)
      0.7

    Reference:
      Zhu and Gupta, To prune, or not to prune, arXiv 1710.01878.
    """
    begin = check.at_least("begin", begin)
    end = check.at_least("end", end, minimum=begin + 1)
    _masks.below_one("final", final)
    check.between("initial", initial, 0.0, final)
    left = 1.0 - jnp.clip((jnp.asarray(step) - begin) / (end - begin), 0.0, 1.0)
    return jnp.float32(final) + (jnp.float32(initial) - jnp.float32(final)) * left.astype(jnp.float32) ** 3


def keep_masks(tx: optax.GradientTransformation, masks: Tree) -> optax.GradientTransformationExtraArgs:
    """Train what a mask keeps, and hold the rest at 0, whatever momentum and decay would do.

    Gradients are masked before the optimiser sees them, and a pruned weight is moved to 0 by every update.

    Args:
      tx: any optimiser.
      masks: a tree of booleans like the parameters.

    Returns:
      The transformation, whose state is ``Held``; its update needs the parameters.
    """
    inner = optax.with_extra_args_support(tx)

    def init(params):
        return Held(jax.tree.map(jnp.asarray, masks), inner.init(params))

    def update(updates, state, params=None, **extra):
        _needed(params)
        updates, inside = inner.update(_masks.apply_masks(updates, state.masks), state.inner, params, **extra)
        return _held(updates, params, state.masks), Held(state.masks, inside)

    return optax.GradientTransformationExtraArgs(init, update)


def prune_gradually(
    tx: optax.GradientTransformation,
    *,
    share: Callable,
    every: int,
    scope: str = "layer",
    patterns: Sequence[str] = _masks.KERNELS,
) -> optax.GradientTransformationExtraArgs:
    """Prune by magnitude while training, a little more every few steps, so that the rest can make up for it.

    At steps 0, ``every``, 2 ``every``, ... the weights, after the update of that step, with the lowest magnitudes are
    pruned. A pruned weight stays at 0 and so stays pruned, as long as the share does not fall.

    Args:
      tx: any optimiser.
      share: ``step -> share``, such as ``partial(cubic, begin=0, end=1000, final=0.9)``.
      every: steps between two prunings, 1 or more.
      scope, patterns: as for ``share_masks``.

    Returns:
      The transformation, whose state is ``Pruning``; its update needs the parameters.

    Raises:
      TypeError: if share is no function.
      ValueError: if every or scope is wrong.
    """
    if not callable(share):
        raise TypeError(f"share is {share!r}; allowed: a function of the step.")
    every = check.at_least("every", every, minimum=1)
    check.option("scope", scope, ("layer", "global"))
    inner = optax.with_extra_args_support(tx)

    def init(params):
        _masks.share_masks(params, share=0.0, scope=scope, patterns=patterns)  # finds a wrong pattern at once
        masks = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), params)
        return Pruning(jnp.int32(0), masks, inner.init(params))

    def update(updates, state, params=None, **extra):
        _needed(params)
        masked = _masks.apply_masks(updates, state.masks)
        updates, inside = inner.update(masked, state.inner, params, **extra)
        updates = _held(updates, params, state.masks)
        after: Any = optax.apply_updates(params, updates)  # pyright: ignore[reportArgumentType]

        def pruned():
            return _masks.share_masks(after, share=share(state.step), scope=scope, patterns=patterns)

        masks = jax.lax.cond(state.step % every == 0, pruned, lambda: state.masks)
        return _held(updates, params, masks), Pruning(state.step + 1, masks, inside)

    return optax.GradientTransformationExtraArgs(init, update)


def _needed(params: Tree) -> None:
    if params is None:
        raise ValueError("params is None; allowed: the parameters, which a pruned weight is moved to 0 from.")


def _held(updates: Tree, params: Tree, masks: Tree) -> Tree:
    """Updates that lead to 0 where a mask says so."""
    return jax.tree.map(lambda u, p, mask: jnp.where(mask, u, -p.astype(u.dtype)), updates, params, masks)
