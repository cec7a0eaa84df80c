"""Masks of single weights: by a threshold, by a share of all, or N of every M; 1 stays, 0 is pruned.

Which leaves are pruned is said by patterns, regular expressions that are searched in the path of a leaf, as in
``optim.path_mask``; the mask of every other leaf is all true.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.optim import path_mask

Tree = Any
KERNELS = ("kernel$",)


def threshold_masks(params: Tree, *, threshold: float, patterns: Sequence[str] = KERNELS) -> Tree:
    """Keep the weights whose magnitude is at least a threshold; use it where thresholds are known by layer.

    Args:
      params: a tree of floating-point arrays.
      threshold: 0 or more.
      patterns: of the leaves that are pruned.

    Returns:
      A tree of booleans like params.

    Raises:
      ValueError: if the threshold is below 0, a pattern is found nowhere, or a leaf is not floating point.
    """
    check.between("threshold", threshold, 0.0, float("inf"))
    return _on(params, patterns, lambda leaf: jnp.abs(leaf) >= threshold)


def share_masks(
    params: Tree,
    *,
    share,
    scope: str = "layer",
    patterns: Sequence[str] = KERNELS,
    scores: Tree = None,
) -> Tree:
    """Prune a share of the weights, the smallest; ``scope="global"`` lets layers that need fewer weights keep fewer.

    Of n weights ``floor(share n + 1/2)`` are pruned, the earlier of equal ones first.

    Args:
      params: a tree of floating-point arrays.
      share: 0 or more and less than 1; a number, or a traced scalar in that range.
      scope: ``"layer"``, the share of every leaf, or ``"global"``, of all of them together.
      patterns: of the leaves that are pruned.
      scores: a tree like params; what has the lowest is pruned. The magnitudes if None.

    Returns:
      A tree of booleans like params.

    Raises:
      ValueError: if the share is out of range, scope is neither, a pattern is found nowhere, a leaf is not floating
        point, or scores is not like params.

    Example:
      >>> masks = share_masks({"kernel": jnp.array([[1.0, -3.0], [0.5, 2.0]])}, share=0.5)
      >>> print(masks["kernel"])
      [[False  True]
       [False  True]]

    Reference:
      Han et al., Learning both weights and connections for efficient neural networks, arXiv 1506.02626.
    """
    below_one("share", share)
    check.option("scope", scope, ("layer", "global"))
    if scores is None:
        scores = jax.tree.map(jnp.abs, params)
    elif jax.tree.structure(scores) != jax.tree.structure(params):
        raise ValueError(f"scores is {jax.tree.structure(scores)}; allowed: a tree like params.")
    else:
        jax.tree.map(lambda score, leaf: check.same_shape("scores", score, "params", leaf), scores, params)
    if scope == "layer":
        return _on(params, patterns, lambda leaf: _highest(leaf, share), scores)
    chosen = path_mask(params, *patterns)
    _on(params, patterns, lambda leaf: leaf)  # checks the leaves
    pruned = [s for s, c in zip(jax.tree.leaves(scores), jax.tree.leaves(chosen), strict=True) if c]
    flat = _highest(jnp.concatenate([leaf.reshape(-1) for leaf in pruned]), share)
    masks, at = [], 0
    for leaf, taken in zip(jax.tree.leaves(params), jax.tree.leaves(chosen), strict=True):
        masks.append(flat[at : at + leaf.size].reshape(leaf.shape) if taken else jnp.ones(leaf.shape, bool))
        at += leaf.size if taken else 0
    return jax.tree.unflatten(jax.tree.structure(params), masks)


def n_of_m_mask(kernel: jax.Array, *, n: int, m: int, axis: int = -2) -> jax.Array:
    """Keep the n largest of every m weights along the inputs: 2 of 4 is what sparse tensor cores take.

    Args:
      kernel: ``[..., C, D]``, floating point.
      n: 1 to m - 1.
      m: 2 or more; the size of the axis is a multiple of it.
      axis: along which the weights are neighbours; the inputs.

    Returns:
      Booleans like kernel; of equal weights the earlier is pruned.

    Raises:
      ValueError: if n or m is out of range, the axis does not exist or is no multiple of m, or the dtype is wrong.

    Reference:
      Mishra et al., Accelerating sparse deep neural networks, arXiv 2104.08378.
    """
    check.min_rank("kernel", kernel, 1)
    check.floating("kernel", kernel)
    m = check.at_least("m", m, minimum=2)
    n = check.at_least("n", n, minimum=1)
    if n >= m:
        raise ValueError(f"n is {n}; allowed: 1 to {m - 1}, less than m.")
    if isinstance(axis, bool) or not isinstance(axis, int) or not -kernel.ndim <= axis < kernel.ndim:
        raise ValueError(f"axis is {axis!r}; allowed: an axis of an array of rank {kernel.ndim}.")
    if kernel.shape[axis] % m or not kernel.size:
        raise ValueError(f"kernel has {kernel.shape[axis]} weights along the axis; allowed: a multiple of m, {m}.")
    moved = jnp.moveaxis(jnp.abs(kernel), axis, -1)
    groups = moved.reshape(*moved.shape[:-1], -1, m)
    kept = jnp.argsort(jnp.argsort(groups, axis=-1), axis=-1) >= m - n
    return jnp.moveaxis(kept.reshape(moved.shape), -1, axis)


def apply_masks(tree: Tree, masks: Tree) -> Tree:
    """Set what a mask does not keep to 0: a NaN there too.

    Args:
      tree: parameters, gradients, or updates.
      masks: a tree of booleans like it.

    Returns:
      The tree.

    Raises:
      ValueError: if the trees or their shapes differ.
    """
    if jax.tree.structure(tree) != jax.tree.structure(masks):
        raise ValueError(f"masks is {jax.tree.structure(masks)}; allowed: a tree like {jax.tree.structure(tree)}.")
    jax.tree.map(lambda leaf, mask: check.same_shape("a mask", mask, "its leaf", leaf), tree, masks)
    return jax.tree.map(lambda leaf, mask: jnp.where(mask, leaf, jnp.zeros_like(leaf)), tree, masks)


def density(params: Tree, *, patterns: Sequence[str] = KERNELS) -> float:
    """The share of the weights that are not 0.

    Args:
      params: a tree of arrays; its numbers are read.
      patterns: of the leaves that are counted.

    Returns:
      0 to 1.

    Raises:
      ValueError: if a pattern is found nowhere.
    """
    chosen = jax.tree.leaves(path_mask(params, *patterns))
    leaves = [leaf for leaf, taken in zip(jax.tree.leaves(params), chosen, strict=True) if taken]
    return sum(int(jnp.count_nonzero(leaf)) for leaf in leaves) / max(1, sum(leaf.size for leaf in leaves))


def below_one(name: str, share) -> None:
    """Raise ValueError unless ``0 <= share < 1``, for Python and NumPy numbers; arrays pass unseen."""
    check.between(name, share, 0.0, 1.0)
    if isinstance(share, check.NUMBERS) and share == 1:
        raise ValueError(f"{name} is {share!r}; allowed: 0 or more and less than 1: nothing would be left.")


def _on(params: Tree, patterns: Sequence[str], mask, scores: Tree = None) -> Tree:
    """The mask of the leaves that the patterns take, and true elsewhere."""
    if isinstance(patterns, str):
        raise ValueError(f"patterns is {patterns!r}; allowed: a sequence of patterns.")

    def one(leaf, taken, score):
        if not taken:
            return jnp.ones(leaf.shape, bool)
        check.floating("a leaf that is pruned", leaf)
        return mask(score)

    return jax.tree.map(one, params, path_mask(params, *patterns), params if scores is None else scores)


def _highest(scores: jax.Array, share) -> jax.Array:
    """True but for the share with the lowest scores."""
    flat = scores.reshape(-1)
    order = jnp.argsort(flat, stable=True)
    place = jnp.zeros(flat.size, jnp.int32).at[order].set(jnp.arange(flat.size, dtype=jnp.int32))
    return (place >= jnp.floor(share * flat.size + 0.5)).reshape(scores.shape)
