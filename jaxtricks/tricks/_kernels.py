"""What the steps of ``compression`` share: kernels by the patterns of their paths, what a file holds of them, and the
recipe that a step begins with.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import compress, optim
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing

Tree = Any


def on(tree: Tree, rules: Mapping[str, Any], change: Callable, *, path: str = "", named: bool = False) -> Tree:
    """Nested dicts whose leaves ``change(leaf, rule)`` where a pattern is found in the path; the first one counts."""
    if not path:
        optim.path_mask(tree, *rules)  # finds a pattern that takes nothing
    if isinstance(tree, dict):
        return {key: on(leaf, rules, change, path=f"{path}/{key}", named=named) for key, leaf in tree.items()}
    matching = [rule for pattern, rule in rules.items() if re.search(pattern, path[1:])]
    where = (path[1:],) if named else ()
    return change(*where, tree, matching[0]) if matching else tree


def behind(build, *, change, start=None, **arguments):
    """The network on changed parameters; it begins with ``start``, or with its own."""
    model = build(**arguments)
    init = None if start is None else (lambda key: (jax.tree.map(jnp.asarray, start), model.init(key)[1]))
    return compress.through(model, change, init=init)


def base(network: Any, *, fills: bool = False) -> Recipe:
    """The recipe that a step begins with: the plain one, in which what earlier steps have pruned stays at 0.

    Args:
      network: of ``compression``.
      fills: whether the step gives every weight a value, so that none can stay at 0.

    Returns:
      The recipe.

    Raises:
      ValueError: if the step would drop what an earlier one did.
    """
    if network.pack not in (itself, sparse) or network.unpack is not unpacked:
        raise ValueError(
            f"network.pack is {network.pack!r}, of a step that codes its weights; allowed: weights as they are, or "
            "pruned, for this step would drop the codes."
        )
    if network.pack is itself:
        return network.plain
    if fills:
        raise ValueError("network has pruned weights; allowed: none, for this step would give them values again.")
    masks = jax.tree.map(nonzero, network.params)
    return composing.around(network.plain, partial(compress.keep_masks, masks=masks))


def nonzero(leaf: Any) -> jax.Array:
    """The mask of a kernel without its zeros; of anything else all is kept."""
    return jnp.asarray(leaf) != 0 if leaf.ndim > 1 else jnp.ones(leaf.shape, bool)


def itself(tree):
    """The tree, as the ``pack`` of a network whose file holds its parameters.

    Args:
      tree: of parameters.

    Returns:
      It.
    """
    return tree


def unpacked(tree: Tree) -> Tree:
    """The parameters that the plain model takes, of what ``Network.pack`` gave.

    Args:
      tree: of ``compress.load``.

    Returns:
      Nested dicts of arrays.
    """
    if isinstance(tree, dict) and set(tree) == {"mask", "nonzero"}:
        kernel = np.zeros(tree["mask"].indices.shape, tree["nonzero"].dtype)
        kernel[tree["mask"].indices == 1] = tree["nonzero"]
        return kernel
    if isinstance(tree, dict) and set(tree) == {"levels", "indices"}:
        index = tree["indices"].indices
        return np.take_along_axis(tree["levels"], index.reshape(-1, index.shape[-1]), axis=0).reshape(index.shape)
    if isinstance(tree, dict) and set(tree) == {"int8", "scale"}:
        return tree["int8"].astype(np.float32) * tree["scale"]
    if isinstance(tree, dict):
        return {key: unpacked(leaf) for key, leaf in tree.items()}
    return compress.expand(tree)


def sparse(params: Tree) -> Tree:
    """Kernels with zeros as a mask and what it keeps."""

    def one(leaf):
        if isinstance(leaf, dict):
            return {key: one(value) for key, value in leaf.items()}
        if leaf.ndim < 2 or leaf.all():
            return leaf
        kept = leaf != 0
        return {"mask": compress.Codebook(np.array([0, 1], np.float32), kept.astype(np.uint8)), "nonzero": leaf[kept]}

    return one(params)
