"""Kernels of a trained network as codes, steps of ``compression``: shared values, vectors, bytes, signs, bits."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import compress
from jaxtricks.keys import named
from jaxtricks.tricks import composing
from jaxtricks.tricks._kernels import base, behind, itself, nonzero, on
from jaxtricks.tricks.compression import Network

__all__ = ["coded", "drawn_signs", "of_bytes", "packed", "quantized", "signed", "vectors"]

Tree = Any


def quantized(network: Network, *, bits: Mapping[str, int], batch: Tree, key: jax.Array) -> Network:
    """Weights share a few values, which are trained; zeros stay, and so does all that was pruned before.

    Args:
      network: whose parameters are arrays.
      bits: by pattern of the leaves; a leaf gets ``2 ** bits`` values, and 0 where it is sparse.
      batch, key: not used.

    Returns:
      The network, whose parameters are the values, and whose file has an index for each weight.
    """

    def shared(params, width):
        return compress.quantize(params, clusters=2**width, start="linear", sparse=bool((params == 0).any()))

    base(network)
    codes = on(network.params, bits, shared)
    params = compress.values_of(codes)
    masks = _trainable(codes, zeros=network.pack is not itself)
    recipe = composing.around(network.plain, partial(compress.keep_masks, masks=masks))
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
    base(network, fills=True)
    codes = on(
        network.params,
        dict.fromkeys(patterns),
        lambda leaf, _: compress.product_quantize(leaf, length=length, clusters=clusters),
    )
    recipe = replace(network.plain, model=partial(coded, network.plain.model, codes=codes))
    return replace(network, recipe=recipe, params=compress.values_of(codes), pack=partial(_with_values, codes=codes))


def of_bytes(network: Network, *, patterns: tuple[str, ...], batch: Tree, key: jax.Array) -> Network:
    """Kernels of int8, one scale for each output; what trains it on knows of the rounding.

    Args:
      network: whose parameters are arrays.
      patterns: of the kernels.
      batch, key: not used.

    Returns:
      The network, whose file has a byte a weight.
    """

    def rounded(leaf, _):
        return compress.fake_int8(leaf, axes=range(leaf.ndim - 1))

    def held(leaf, _):
        scale = compress.int8_scale(leaf, axes=range(leaf.ndim - 1))
        return {"int8": np.asarray(compress.to_int8(leaf, scale)), "scale": np.asarray(scale)}

    rules = dict.fromkeys(patterns)
    model = partial(behind, network.plain.model, change=partial(on, rules=rules, change=rounded))
    return replace(network, recipe=replace(base(network), model=model), pack=partial(on, rules=rules, change=held))


def packed(
    network: Network, *, patterns: tuple[str, ...] = ("stages/[0-9]+/conv/kernel$",), batch: Tree, key: jax.Array
) -> Network:
    """An XNOR network whose file and inference have one bit a weight.

    Args:
      network: of ``models.xnor``.
      patterns: of the kernels behind signs.
      batch, key: not used.

    Returns:
      The network; it trains on as before.
    """
    base(network, fills=True)
    plain = replace(network.plain, model=partial(network.plain.model, packed=True))
    return replace(network, plain=plain, pack=partial(compress.packed_params, patterns=patterns))


def drawn_signs(build: Callable, options: Mapping[str, Any], **arguments: Any):
    """Kernels behind signs that are drawn in each step of training: stochastic BinaryConnect.

    Evaluation takes the signs of the weights. As in the authors' code, a weight is drawn as itself, and not as a coin,
    from ``sqrt(1.5 / (fan in + fan out))`` on. For ``regularizers.wrapped``.

    Args:
      build: ``(**arguments) -> Model``.
      options: ``patterns`` of the kernels.
      **arguments: that a recipe's model is called with.

    Returns:
      The Model, with the parameters of ``build``'s.
    """
    model, rules = build(**arguments), dict.fromkeys(options["patterns"])

    def apply(params, stats, image, *, train, key=None):
        if not train:
            params = on(params, rules, lambda leaf, _: compress.binary_connect(leaf))
        elif key is None:
            raise ValueError("key is None; allowed in training: a key, or one for each image.")
        else:
            first = key if key.ndim == 0 else key[0]
            params = on(params, rules, partial(_drawn, first), named=True)
        return model.apply(params, stats, image, train=train, key=key)

    return model._replace(apply=apply)


def _drawn(key, path, leaf, _):
    scale = (1.5 * leaf.shape[-1] * leaf.shape[-2] / leaf.size / (leaf.shape[-1] + leaf.shape[-2])) ** 0.5
    return compress.binary_connect_stochastic(named(key, path), leaf, scale=scale)


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
    signs = partial(on, rules=dict.fromkeys(patterns), change=lambda leaf, _: change(leaf))
    recipe = replace(base(network, fills=True), model=partial(behind, network.plain.model, change=signs))
    return replace(network, recipe=recipe, pack=partial(_levels, signs=signs))


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


def _trainable(codes: Tree, *, zeros: bool) -> Tree:
    """What is trained of codes: not a value of 0, which is that of what was pruned, nor pruned weights without code."""
    if isinstance(codes, dict):
        return {key: _trainable(code, zeros=zeros) for key, code in codes.items()}
    if isinstance(codes, compress.Codebook):
        return jnp.asarray(codes.values != 0)
    return nonzero(codes) if zeros else jnp.ones(codes.shape, bool)


def _with_values(params: Tree, codes: Tree) -> Tree:
    return compress.from_values(params, codes, itself)


def _levels(params: Tree, *, signs: Callable) -> Tree:
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

    return one(params, signs(params))
