"""Kernels of a trained network as codes, steps of ``compression``: shared values, vectors, factors, hashes, signs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import compress, optim
from jaxtricks.tricks import composing
from jaxtricks.tricks.compression import Network, itself

__all__ = [
    "coded",
    "hashed",
    "low_rank",
    "multiplied",
    "quantized",
    "recoded",
    "signed",
    "spread",
    "vectors",
]

Tree = Any


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


def vectors(
    network: Network, *, length: int, clusters: int, patterns: tuple[str, ...], batch: Tree, key: jax.Array
) -> Network:
    """Vectors of weights share a few values, which are trained: product quantisation of dense layers.

    Args:
      network: whose parameters are arrays.
      length, clusters: as for ``compress.product_quantize``.
      patterns: of the kernels.
      batch, key: not used.

    Returns:
      The network, whose parameters are the vectors.
    """
    codes = _on(
        network.params,
        dict.fromkeys(patterns),
        lambda leaf, _: compress.product_quantize(leaf, length=length, clusters=clusters),
    )
    recipe = replace(network.plain, model=partial(coded, network.plain.model, codes=codes))
    return replace(network, recipe=recipe, params=compress.values_of(codes), pack=partial(_with_values, codes=codes))


def recoded(
    network: Network,
    *,
    encode: Callable,
    decode: Callable,
    patterns: tuple[str, ...],
    batch: Tree,
    key: jax.Array,
) -> Network:
    """Kernels are computed of fewer numbers, which are trained: factors of low rank, hashed weights.

    Layers still multiply with the full kernel: the file becomes smaller, not the time.

    Args:
      network: whose parameters are arrays.
      encode: ``kernel -> array, or dict of arrays``.
      decode: ``(what encode gave, shape) -> kernel``.
      patterns: of the kernels.
      batch, key: not used.

    Returns:
      The network, whose parameters are these numbers.
    """
    params = _on(network.params, dict.fromkeys(patterns), lambda leaf, _: encode(leaf))
    params = jax.tree.map(np.asarray, params)
    shapes = jax.tree.map(np.shape, network.params)
    behind = partial(_restored, shapes=shapes, decode=decode, patterns=patterns)
    model = partial(_behind, network.plain.model, change=behind, start=params)
    return replace(network, recipe=replace(network.plain, model=model), params=params, unpack=behind)


def low_rank(kernel: jax.Array, *, share: float) -> dict[str, jax.Array]:
    """The two factors of a dense kernel, for ``recoded``.

    Args:
      kernel: ``[C, D]``.
      share: of its parameters, that the factors have at most; rank 1 at the lowest.

    Returns:
      ``first`` and ``second``.
    """
    rank = max(1, int(share * kernel.size / sum(kernel.shape)))
    return compress.svd(kernel, rank=rank)._asdict()


def multiplied(factors: dict[str, jax.Array], shape: tuple[int, ...]) -> jax.Array:
    """The kernel of two factors.

    Args:
      factors: of ``low_rank``.
      shape: not used.

    Returns:
      ``[C, D]``.
    """
    return factors["first"] @ factors["second"]


def hashed(kernel: jax.Array, *, share: float) -> jax.Array:
    """The weights whose hashed kernel is nearest to a kernel, for ``recoded``.

    Args:
      kernel: of any shape.
      share: of its size, that the weights have.

    Returns:
      The weights.
    """
    return compress.fold_kernel(kernel, buckets=max(1, int(share * kernel.size)))


def spread(weights: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The kernel of hashed weights.

    Args:
      weights: of ``hashed``.
      shape: of the kernel.

    Returns:
      The kernel.
    """
    return compress.hashed_kernel(weights, shape=shape)


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
    decoded = partial(compress.from_values, codes=codes, decode=compress.expand)
    return compress.through(model, decoded, init=lambda key: (compress.values_of(codes), model.init(key)[1]))


def _behind(build, *, change, start=None, **arguments):
    model = build(**arguments)
    init = None if start is None else (lambda key: (jax.tree.map(jnp.asarray, start), model.init(key)[1]))
    return compress.through(model, change, init=init)


def _restored(params: Tree, *, shapes: Tree, decode: Callable, patterns: tuple[str, ...], path: str = "") -> Tree:
    """The kernels of what ``recoded`` trains."""
    if isinstance(shapes, dict):
        parts = {"decode": decode, "patterns": patterns}
        return {key: _restored(params[key], shapes=s, path=f"{path}/{key}", **parts) for key, s in shapes.items()}
    return decode(params, shapes) if any(re.search(pattern, path[1:]) for pattern in patterns) else params


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
