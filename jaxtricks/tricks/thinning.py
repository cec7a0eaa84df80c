"""Filters that go from a trained network, a step of ``compression``, and the criteria by which they are chosen."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check, compress, losses
from jaxtricks.tricks import objectives
from jaxtricks.tricks._kernels import base
from jaxtricks.tricks.compression import Network, example_losses, model_of

__all__ = [
    "apoz",
    "group_lasso",
    "norms",
    "random",
    "scale_sizes",
    "scales",
    "sparsely",
    "taylor",
    "thinned",
]

Tree = Any


def thinned(
    network: Network,
    *,
    criterion: Callable,
    share: float,
    batch: Tree,
    key: jax.Array,
    scope: str = "layer",
    multiple: int = 1,
) -> Network:
    """Filters go, so that arrays, file and time become smaller.

    Args:
      network: whose parameters are arrays, of the networks that ``compress.graph_of`` knows.
      criterion: ``(network, graph, batch=, key=) -> scores by group``, such as ``norms``.
      share: of the filters that goes.
      batch: images as the network takes them, with their targets, for criteria by data.
      key: one key.
      scope: ``layer``, or ``global`` over all groups, the scores of each divided by their L2 norm.
      multiple: as for ``compress.filters_to_keep``.

    Returns:
      The network of smaller arrays.

    Raises:
      compress.GraphError: if the network is not known, or its smaller form computes something else.
      ValueError: if a layer would be left without a filter.
    """
    base(network)
    graph = compress.graph_of(network.params, network.stats)
    scores = criterion(network, graph, batch=batch, key=key)
    if scope == "global":
        scores = {name: score / jnp.maximum(jnp.linalg.norm(score), 1e-30) for name, score in scores.items()}
    compress.verify_graph(model_of(network, batch).apply, network.params, network.stats, graph, batch["image"][:4])
    keep = compress.filters_to_keep(scores, share=share, scope=scope, multiple=multiple)
    params, stats = jax.tree.map(np.asarray, compress.shrink(network.params, network.stats, graph, keep))
    model = partial(compress.resized, network.plain.model, params=params, stats=stats)
    smaller = replace(network, params=params, stats=stats)
    return replace(smaller, recipe=replace(base(smaller), model=model))


def norms(network: Network, graph: compress.Graph, *, batch: Tree, key: jax.Array, order: int = 1):
    """The criterion of the norms of filters.

    Args:
      network, graph: as ``thinned`` calls it.
      batch, key: not used.
      order: 1 or 2.

    Returns:
      Scores by group.
    """
    return compress.filter_norms(network.params, graph, order=order)


def scales(network: Network, graph: compress.Graph, *, batch: Tree, key: jax.Array):
    """The criterion of network slimming.

    Args:
      network, graph: as ``thinned`` calls it.
      batch, key: not used.

    Returns:
      Scores by group.
    """
    return compress.norm_scales(network.params, graph)


def random(network: Network, graph: compress.Graph, *, batch: Tree, key: jax.Array):
    """No criterion: the control.

    Args:
      network, graph, key: as ``thinned`` calls it.
      batch: not used.

    Returns:
      Scores by group.
    """
    return compress.random_filters(key, network.params, graph)


def taylor(network: Network, graph: compress.Graph, *, batch: Tree, key: jax.Array):
    """The criterion of what the loss changes by.

    Args:
      network, graph, batch: as ``thinned`` calls it.
      key: not used.

    Returns:
      Scores by group.
    """
    loss = example_losses(network, batch)
    return jax.jit(lambda params: compress.taylor_filters(loss, params, graph, batch))(network.params)


def apoz(network: Network, graph: compress.Graph, *, batch: Tree, key: jax.Array, taps: Mapping[str, str]):
    """The criterion of how often a channel is 0 after ReLU.

    Args:
      network, graph, batch: as ``thinned`` calls it.
      key: not used.
      taps: the tap of each group.

    Returns:
      Scores by group.

    Raises:
      ValueError: if a group has no tap, or the network lacks it.
    """
    values = model_of(network, batch).apply(network.params, network.stats, batch["image"], train=False)[0][1]
    for name in graph.groups:
        check.option("a group of the network", name, taps)
        check.option(f"the tap of {name}", taps[name], values)
    return {name: -compress.apoz(values[taps[name]]) for name in graph.groups}


def sparsely(network: Network, *, penalty: Callable, weight: float, batch: Tree, key: jax.Array) -> Network:
    """The network as it is, which trains on under a penalty that drives filters to 0; ``thinned`` comes after it.

    Args:
      network: whose parameters are arrays.
      penalty: ``(params, out, batch) -> scalar``: ``group_lasso`` or ``scale_sizes``.
      weight: of the penalty, 0 or more.
      batch, key: not used.

    Returns:
      The network; what is made of it trains without the penalty.

    Raises:
      ValueError: if the weight is below 0.
    """
    check.between("weight", weight, 0.0, float("inf"))
    return replace(network, recipe=objectives.auxiliary(base(network), second=penalty, weight=weight))


def group_lasso(params: Tree, out: tuple, batch: Tree):
    """The sum of the L2 norms of all filters of convolutions; for ``sparsely``, with ``norms`` of order 2.

    Args:
      params: of the network.
      out, batch: not used.

    Returns:
      A scalar.
    """
    return losses.group_sparsity(params, mask=_is_conv)


def scale_sizes(params: Tree, out: tuple, batch: Tree):
    """The sum of the magnitudes of all scales of normalisation, of network slimming; for ``sparsely``, with ``scales``.

    Args:
      params: of the network.
      out, batch: not used.

    Returns:
      A scalar.
    """
    return losses.l1_penalty(params, mask=_is_scale)


def _is_conv(path: str) -> bool:
    return path.endswith("conv/kernel")


def _is_scale(path: str) -> bool:
    return path.endswith("/scale")
