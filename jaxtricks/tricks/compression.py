"""Trained networks made smaller, step by step, each of which may be trained on: pruned, shared values, signs.

A step takes a ``Network`` and gives a ``Network`` whose recipe trains what is left; those that take filters out are in
``thinning``. ``ablation.compression`` measures schemes of such steps; ``surgery`` does the same to the state of a run.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import compress, optim
from jaxtricks.train import Recipe
from jaxtricks.train.state import State, average_of
from jaxtricks.tricks import composing

__all__ = [
    "Network",
    "begin",
    "coded",
    "fixed",
    "gradually",
    "pruned",
    "quantized",
    "signed",
    "surgery",
    "trained",
    "unpacked",
]

Tree = Any


@dataclass(frozen=True)
class Network:
    """A trained network on its way to a smaller one.

    Fields:
      recipe: trains it on; its model takes ``params``.
      params, stats: its variables.
      plain: the recipe of the first training, whose model takes what ``unpacked`` gives.
      pack: ``params -> tree for compress.save``.
    """

    recipe: Recipe
    params: Tree
    stats: Tree
    plain: Recipe
    pack: Callable


def begin(recipe: Recipe, variables: tuple[Tree, Tree]) -> Network:
    """A trained network as it is.

    Args:
      recipe: that trained it.
      variables: ``(params, stats)``, of a run.

    Returns:
      The network; its file holds every number.
    """
    params, stats = jax.tree.map(np.asarray, variables)
    return Network(recipe, params, stats, recipe, itself)


def itself(tree):
    """The tree."""
    return tree


def trained(network: Network, variables: tuple[Tree, Tree]) -> Network:
    """The network after it was trained on.

    Args:
      network: whose recipe was trained.
      variables: ``(params, stats)``, of the run.

    Returns:
      The network with these.
    """
    params, stats = jax.tree.map(np.asarray, variables)
    return replace(network, params=params, stats=stats)


def fixed(network: Network, *, batch: Tree, key: jax.Array) -> Network:
    """The network as it is: the control, which is trained on as long as the others.

    Args:
      network: any.
      batch, key: not used.

    Returns:
      The network.
    """
    return network


def pruned(
    network: Network, *, shares: Mapping[str, float], batch: Tree, key: jax.Array, scope: str = "layer"
) -> Network:
    """Weights of small magnitude go, and stay at 0.

    Args:
      network: whose parameters are arrays.
      shares: by pattern of the leaves, the share that goes, of all its weights, those of an earlier step included.
      batch, key: not used.
      scope: ``layer``, or ``global`` over all leaves of a pattern.

    Returns:
      The network, whose file has zeros in a sparse form.
    """
    masks = [
        compress.share_masks(network.params, share=share, scope=scope, patterns=(pattern,))
        for pattern, share in shares.items()
    ]
    masks = reduce(partial(jax.tree.map, jnp.logical_and), masks)
    params = jax.tree.map(np.asarray, compress.apply_masks(network.params, masks))
    recipe = composing.around(network.plain, partial(compress.keep_masks, masks=masks))
    return replace(network, recipe=recipe, params=params, pack=_sparse)


def gradually(
    network: Network, *, share: float, begin: float, steps: int, batch: Tree, key: jax.Array, every: int = 50
) -> Network:
    """Weights of small magnitude go while the others train, of all kernels together, by the cubic schedule.

    Args:
      network: whose parameters are arrays.
      share: of all weights of kernels, that has gone at the end.
      begin: the share that goes at once.
      steps: after which the share is reached; less than the training on that follows has.
      batch, key: not used.
      every: steps between two prunings.

    Returns:
      The network, as it is; what trains it on prunes it.
    """
    schedule = partial(compress.cubic, begin=0, end=steps, initial=begin, final=share)
    wrap = partial(compress.prune_gradually, share=schedule, every=every, scope="global")
    return replace(network, recipe=composing.around(network.plain, wrap), pack=_sparse)


def quantized(network: Network, *, bits: Mapping[str, int], batch: Tree, key: jax.Array) -> Network:
    """Weights share a few values, which are trained; zeros stay.

    Args:
      network: whose parameters are arrays.
      bits: by pattern of the leaves; a leaf gets ``2 ** bits`` values, and 0 where it is sparse.
      batch, key: not used.

    Returns:
      The network, whose parameters are the values, and whose file has an index for each weight.
    """

    def shared(params, width):
        return compress.quantize(params, clusters=2**width, start="linear", sparse=bool((params == 0).any()))

    codes = _on(network.params, bits, shared)
    params = compress.values_of(codes)
    recipe = composing.around(network.plain, partial(compress.keep_masks, masks=_trainable(codes)))
    recipe = replace(recipe, model=partial(coded, network.plain.model, codes=codes))
    return replace(network, recipe=recipe, params=params, pack=partial(_with_values, codes=codes))


def signed(network: Network, *, change: Callable, patterns: tuple[str, ...], batch: Tree, key: jax.Array) -> Network:
    """Weights are trained behind their signs, or behind three values.

    Args:
      network: whose parameters are arrays.
      change: ``kernel -> kernel`` of few values for each filter, gradient straight through.
      patterns: of the leaves behind it.
      batch, key: not used.

    Returns:
      The network, whose file has the few values of each filter and an index for each weight.
    """
    behind = partial(_on, rules=dict.fromkeys(patterns), change=lambda leaf, _: change(leaf))
    recipe = replace(network.plain, model=partial(_behind, network.plain.model, change=behind))
    return replace(network, recipe=recipe, pack=partial(_levels, behind=behind))


def coded(build: Callable, *, codes: Tree, **arguments: Any):
    """The network whose parameters are the values of codes.

    Args:
      build: ``(**arguments) -> Model``.
      codes: as for ``compress.from_values``.
      **arguments: that a recipe's model is called with.

    Returns:
      The Model.
    """
    model = build(**arguments)
    decoded = partial(compress.from_values, codes=codes, decode=compress.decode)
    return compress.through(model, decoded, init=lambda key: (compress.values_of(codes), model.init(key)[1]))


def surgery(state: State, change: Callable, *, tx: optax.GradientTransformation) -> State:
    """The state of a run with other weights, and an optimiser that begins anew: its moments were of other arrays.

    Args:
      state: between two runs.
      change: ``(params, stats) -> (params, stats)``.
      tx: the optimiser from here on.

    Returns:
      The state; steps and key go on, and an average begins with the new weights.
    """
    params, stats = change(state.params, state.stats)
    average = None if state.ema is None else average_of(params, stats)
    return state._replace(params=params, stats=stats, opt=tx.init(params), ema=average)


def _behind(build, *, change, **arguments):
    return compress.through(build(**arguments), change)


def _on(tree: Tree, rules: Mapping[str, Any], change: Callable, *, path: str = "") -> Tree:
    """Nested dicts whose leaves ``change(leaf, rule)`` where a pattern is found in the path; the first one counts."""
    if not path:
        optim.path_mask(tree, *rules)  # finds a pattern that takes nothing
    if isinstance(tree, dict):
        return {key: _on(leaf, rules, change, path=f"{path}/{key}") for key, leaf in tree.items()}
    matching = [rule for pattern, rule in rules.items() if re.search(pattern, path[1:])]
    return change(tree, matching[0]) if matching else tree


def _trainable(codes: Tree) -> Tree:
    """What is trained of codes: not a value of 0, which is that of what was pruned."""
    if isinstance(codes, dict):
        return {key: _trainable(code) for key, code in codes.items()}
    if isinstance(codes, compress.Codebook):
        return jnp.asarray(codes.values != 0)
    return jnp.ones(codes.shape, bool)


def _with_values(params: Tree, codes: Tree) -> Tree:
    return compress.from_values(params, codes, itself)


def _sparse(params: Tree) -> Tree:
    """Kernels with zeros as a mask and what it keeps."""

    def one(leaf):
        if isinstance(leaf, dict):
            return {key: one(value) for key, value in leaf.items()}
        if leaf.ndim < 2 or leaf.all():
            return leaf
        kept = leaf != 0
        return {"mask": compress.Codebook(np.float32([0, 1]), kept.astype(np.uint8)), "nonzero": leaf[kept]}

    return one(params)


def _levels(params: Tree, *, behind: Callable) -> Tree:
    """Kernels that have few values in each filter as these values and an index for each weight."""

    def one(leaf, changed):
        if isinstance(leaf, dict):
            return {key: one(value, changed[key]) for key, value in leaf.items()}
        if leaf is changed:
            return leaf
        columns = np.asarray(changed).reshape(-1, leaf.shape[-1])
        values = [np.unique(column) for column in columns.T]
        count = max(map(len, values))
        levels = np.stack([np.resize(value, count) for value in values], axis=1)
        levels = np.where(np.arange(count)[:, None] < [len(value) for value in values], levels, np.inf)
        indices = np.stack([np.searchsorted(v, c) for v, c in zip(values, columns.T, strict=True)], axis=1)
        code = compress.Codebook(np.arange(1, count + 1, dtype=np.float32), indices.reshape(leaf.shape))
        return {"levels": levels.astype(np.float32), "indices": code}

    return one(params, behind(params))


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
    if isinstance(tree, dict):
        return {key: unpacked(leaf) for key, leaf in tree.items()}
    return compress.expand(tree)
