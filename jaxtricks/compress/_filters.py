"""Filters that are taken out: arrays really become smaller, and the network computes what it did without them."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.compress import _masks
from jaxtricks.compress._graph import Graph, GraphError, check_graph, leaves_of, places_of, shared_axes, size_of

Tree = Any
Keep = Mapping[str, np.ndarray]


def filters_to_keep(
    scores: Mapping[str, jax.Array], *, share: float, scope: str = "layer", multiple: int = 1
) -> dict[str, np.ndarray]:
    """Which channels stay if a share of those with the lowest scores goes.

    Of n channels ``floor(share n + 1/2)`` go, the earlier of equal ones first.

    Args:
      scores: by group, ``[C]``; their numbers are read.
      share: 0 or more and less than 1.
      scope: ``"layer"``, the share of every group, or ``"global"``, of all together: for scores that can be compared.
      multiple: of channels that stay in each group, where it has as many: the best of those that would go stay too.
        Products of odd sizes are slow on many machines.

    Returns:
      Booleans by group, ``[C]``.

    Raises:
      ValueError: if the share, the scope or the multiple is wrong, a score is no number, or a group would lose all of
        its channels.

    Example:
      >>> print(filters_to_keep({"hidden/0": jnp.array([3.0, 1.0, 2.0, 4.0])}, share=0.5)["hidden/0"])
      [ True False False  True]
    """
    _masks.below_one("share", share)
    check.option("scope", scope, ("layer", "global"))
    multiple = check.at_least("multiple", multiple, minimum=1)
    if not scores:
        raise ValueError("scores is empty; allowed: one group or more.")
    values = {name: np.asarray(score, np.float64) for name, score in scores.items()}
    for name, value in values.items():
        check.rank(f"scores of {name}", value, 1)
        if np.isnan(value).any():
            raise ValueError(f"scores of {name} hold NaN; allowed: numbers.")
    if scope == "layer":
        keep = {name: _highest(value, share) for name, value in values.items()}
    else:
        flat = _highest(np.concatenate(list(values.values())), share)
        ends = np.cumsum([value.size for value in values.values()])[:-1]
        keep = dict(zip(values, np.split(flat, ends), strict=True))
    for name, kept in keep.items():
        if not kept.any():
            raise ValueError(f"share is {share}, which leaves {name} without a filter; allowed: a smaller one.")
        wanted = min(-(-int(kept.sum()) // multiple) * multiple, kept.size)
        again = [i for i in np.argsort(values[name], kind="stable")[::-1] if not kept[i]]
        kept[again[: wanted - int(kept.sum())]] = True
    return keep


def mask_filters(params: Tree, stats: Tree, graph: Graph, keep: Keep) -> tuple[Tree, Tree]:
    """Set channels to 0 in everything that makes them; the arrays stay as large as they are.

    Args:
      params, stats: of the network.
      graph: of the network.
      keep: booleans by group, ``[C]``; all channels of other groups stay.

    Returns:
      ``(params, stats)``.

    Raises:
      GraphError: if the graph does not fit the network.
      ValueError: if keep does not fit the graph, or leaves a group without a channel.
    """
    makers = {name: {(p[0], p[1]) for p in (*g.makes, *g.norms)} for name, g in graph.groups.items()}
    changes = _kept(params, stats, graph, keep, lambda name, path, axis: (path, axis) in makers[name])

    def masked(path, leaf):
        for axis, kept in changes.get(path, {}).items() if path.startswith("params/") else ():
            leaf = leaf * kept.reshape(-1, *(1,) * (leaf.ndim - 1 - axis)).astype(leaf.dtype)[(None,) * axis]
        return leaf

    return _by_path(masked, params, stats)


def shrink(params: Tree, stats: Tree, graph: Graph, keep: Keep) -> tuple[Tree, Tree]:
    """Take channels out of everything that makes or reads them, so that arrays, file and time become smaller.

    With activations that map 0 to 0, such as ReLU, the logits are those of ``mask_filters``.

    Args:
      params, stats, graph, keep: as for ``mask_filters``; the numbers of keep are read.

    Returns:
      ``(params, stats)``, which the same ``Model.apply`` takes. To train them on, give the recipe a model that begins
      with them, ``partial(compress.resized, recipe.model, params=params, stats=stats)``: as ``initial=`` they are
      refused by ``train.fit``, since their sizes are not those of the recipe's network.

    Raises:
      GraphError: if the graph does not fit the network.
      ValueError: if keep does not fit the graph, or leaves a group without a channel.

    Reference:
      Li et al., Pruning filters for efficient convnets, arXiv 1608.08710.
    """
    changes = _kept(params, stats, graph, keep, lambda name, path, axis: True)

    def taken(path, leaf):
        for axis, kept in changes.get(path, {}).items():
            leaf = jnp.take(leaf, np.flatnonzero(kept), axis=axis)
        return leaf

    return _by_path(taken, params, stats)


def verify_graph(apply: Callable, params: Tree, stats: Tree, graph: Graph, image: jax.Array) -> None:
    """Raise GraphError unless the network without half of its channels computes what it does with these at 0.

    This finds layers that are joined wrongly though their sizes agree, and activations that do not map 0 to 0. It
    draws other halves in every group; where a group does not reach the logits, as behind a scale of 0, it sees nothing.

    Args:
      apply: of the ``Model``.
      params, stats: of the network.
      graph: of the network.
      image: ``[B, H, W, C]``.

    Raises:
      GraphError: if the logits differ by more than 1e-4 of the largest, or the smaller network does not run.
    """
    shapes, rng = leaves_of(params, stats), np.random.default_rng(0)
    keep = {}
    for name in graph.groups:
        order = rng.permutation(size_of(graph, name, shapes))
        keep[name] = order >= order.size // 2
    run = jax.jit(lambda variables: apply(*variables, image, train=False)[0][0])
    logits = run(mask_filters(params, stats, graph, keep))
    try:
        smaller = run(shrink(params, stats, graph, keep))
    except (TypeError, ValueError) as error:
        raise GraphError(f"without half of its channels the network does not run: {error}") from error
    gap = float(jnp.abs(logits - smaller).max() / jnp.maximum(jnp.abs(logits).max(), 1e-30))
    if not gap <= 1e-4:
        raise GraphError(
            f"graph joins the wrong layers, or an activation does not map 0 to 0: without half of its channels the "
            f"logits differ by {gap:.1e} of the largest; allowed: 1e-4."
        )


def _kept(params: Tree, stats: Tree, graph: Graph, keep: Keep, counts: Callable) -> dict[str, dict[int, np.ndarray]]:
    """What stays of the leaves that count, by path and axis, of all groups that have a part of it."""
    shapes, shared, out = leaves_of(params, stats), shared_axes(graph), {}
    for name, kept in _checked(params, stats, graph, keep).items():
        for path, axis, start in places_of(graph, name):
            if counts(name, path, axis):
                rows = out.setdefault(path, {}).setdefault(axis, np.ones(shapes[path][axis], bool))
                times = 1 if (path, axis) in shared else rows.size // kept.size
                rows[start : start + times * kept.size] = np.tile(kept, times)
    return out


def _checked(params: Tree, stats: Tree, graph: Graph, keep: Keep) -> dict[str, np.ndarray]:
    check_graph(graph, params, stats)
    shapes, out = leaves_of(params, stats), {}
    for name, kept in keep.items():
        check.option("a group of keep", name, graph.groups)
        kept = np.asarray(kept)
        check.boolean(f"keep of {name}", kept)
        check.shape(f"keep of {name}", kept, (size_of(graph, name, shapes),))
        if not kept.any():
            raise ValueError(f"keep of {name} leaves the layer without a filter; allowed: one or more.")
        out[name] = kept
    return out


def _by_path(change: Callable, params: Tree, stats: Tree) -> tuple[Tree, Tree]:
    def one(path, leaf):
        return change(jax.tree_util.keystr(path, simple=True, separator="/"), leaf)

    both = jax.tree.map_with_path(one, {"params": params, "stats": stats})
    return both["params"], both["stats"]


def _highest(scores: np.ndarray, share: float) -> np.ndarray:
    kept = np.ones(scores.size, bool)
    kept[np.argsort(scores, kind="stable")[: int(np.floor(share * scores.size + 0.5))]] = False
    return kept
