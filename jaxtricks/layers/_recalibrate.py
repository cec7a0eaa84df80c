"""Statistics of batch normalisation for parameters that no step has trained: averaged, pruned, merged."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxtricks import check

Tree = dict[str, Any]
FAR = 2.0**10  # from where what a momentum keeps is seen beside what a batch brings
HUGE = 1e18  # whose double is finite
NEARLY, NEAREST = 0.9999, 0.999999  # the largest momentum that is found, and that is not frozen in 32 bits


def recalibrate(
    update: Callable[[Tree, Any], Tree], stats: Tree, batches: Iterable[Any], *, momentum: float | None = None
) -> Tree:
    r"""Statistics of every batch normalisation for the parameters as they are: after EMA, SWA, a soup, or pruning.

    .. math:: \mu = \frac{1}{n} \sum_b \mu_b, \quad
        \sigma^2 = \frac{1}{n} \sum_b (\sigma_b^2 + (\mu_b - \mu)^2)

    over n batches, each normalised by its own statistics. Unlike a running mean, no batch counts more than another.
    However far off the old statistics are, the result is exact to rounding. A frozen layer keeps its own, bit for bit.

    Args:
      update: ``(stats, batch) -> stats``, one forward pass in training mode, best under ``jit``: for instance
        ``lambda stats, image: model.apply(params, stats, image, train=True)[1]``. It sees the first batch up to three
        times, and must give the same for the same.
      stats: nested dicts with ``mean`` and ``var`` of every layer, ``[..., D]``.
      batches: what update takes; of one size, for each counts the same. Some thousand images are enough.
      momentum: that of every ``BatchNorm`` of the model, 0 to 0.999999: another gives wrong statistics.
        With None each layer's is found from the first batch, which moves statistics of 0 twice: to 1e-6, which is
        enough up to 0.9999, and only for statistics of 32 bits or more.

    Returns:
      The statistics, in the structure of stats.

    Raises:
      ValueError: if there is no batch, stats holds no ``mean`` and ``var`` or scalars, momentum lies outside its range,
        or it is None and cannot be found to be less than 0.9999.

    Reference:
      Wu and Johnson, Rethinking batch in BatchNorm, arXiv 2105.07576.
    """
    if momentum is not None and not 0 <= momentum <= NEAREST:
        raise ValueError(f"momentum is {momentum!r}; allowed: 0 to {NEAREST}, or None.")
    _check_stats(stats, exact=momentum is None)

    def of_batch(moves, before, after, momentum):
        return jnp.where(moves, (after - momentum * before) / (1 - momentum), before)

    seen, momenta, moves = [], jax.tree.map(lambda leaf: momentum, stats), {}
    for batch in batches:
        if not seen:  # a frozen layer stays wherever it is; what moves starts at 0, from which nothing cancels
            elsewhere = jax.tree.map(lambda old: jnp.where(jnp.abs(old) < HUGE, 2 * old + 1, 1), stats)
            moves = _moves(elsewhere, update(elsewhere, batch))
            stats = jax.tree.map(lambda moves, old: jnp.where(moves, 0, old), moves, stats)
        after = update(stats, batch)
        if not seen and momentum is None:
            far = jax.tree.map(
                lambda moves, new: jnp.where(moves, jnp.where(new == 0, 1, FAR * new), new), moves, after
            )
            momenta = _momenta(moves, far, after, update(far, batch))
            _check_momenta(momenta)
        seen.append(jax.tree.map(of_batch, moves, stats, after, momenta))
    if not seen:
        raise ValueError("batches is empty; allowed: one batch or more.")

    return _pooled(seen)


def _pooled(seen: list[Tree]) -> Tree:
    """The statistics of all batches together; no array is cut or gathered, for it may lie on several devices."""
    first = seen[0]
    if set(first) != {"mean", "var"}:
        return {name: _pooled([tree[name] for tree in seen]) for name in first}

    def mean(values: Iterable[jax.Array]) -> jax.Array:
        return sum(values, jnp.zeros_like(first["mean"])) / len(seen)

    above = [tree["mean"] - first["mean"] for tree in seen]  # exact where all batches agree
    middle = mean(above)
    wider = mean((value - middle) ** 2 for value in above)
    return {
        "mean": first["mean"] + middle,
        "var": first["var"] + mean(tree["var"] - first["var"] for tree in seen) + wider,
    }


def _check_stats(stats: Tree, *, exact: bool) -> None:
    """Raise ValueError unless these are nested dicts that end in statistics, wide enough to find a momentum."""
    if set(stats) == {"mean", "var"}:
        for name, leaf in stats.items():
            check.min_rank(name, leaf, 1)
            if exact and leaf.dtype.itemsize < 4:
                raise ValueError(f"momentum is None and {name} of {leaf.dtype}; allowed: a momentum, or 32 bits.")
        return
    if not stats or not all(isinstance(branch, dict) for branch in stats.values()):
        raise ValueError(f"stats has {sorted(stats)} at one place; allowed: nested dicts that end in mean and var.")
    for branch in stats.values():
        _check_stats(branch, exact=exact)


def _moves(before: Tree, after: Tree) -> Tree:
    """Of each layer, ``[..., 1]``: whether anything in it is not where it was.

    As below, maxima go over channels alone: seeds may lie on devices of their own.
    """
    if set(before) != {"mean", "var"}:
        return {name: _moves(before[name], after[name]) for name in before}
    moved = [(after[name] != before[name]).any(-1, keepdims=True) for name in before]
    return dict.fromkeys(("mean", "var"), moved[0] | moved[1])


def _momenta(moves: Tree, far: Tree, after: Tree, again: Tree) -> Tree:
    """Of each layer, ``[..., 1]``: what moves came to ``after`` from 0, to ``momentum * far + after`` from far."""
    if set(after) != {"mean", "var"}:
        return {name: _momenta(moves[name], far[name], after[name], again[name]) for name in after}

    def of(name: str) -> jax.Array:
        finite = jnp.isfinite(again[name])
        size = jnp.where(finite, jnp.abs(after[name]), 0)
        clear = moves[name] & finite & ((size == 0) | (size >= 1e-3 * size.max(-1, keepdims=True)))
        share = (again[name] - after[name]) / jnp.where(clear, far[name], 1)
        return jnp.where(clear, share, 0).max(-1, keepdims=True)

    return dict.fromkeys(("mean", "var"), jnp.maximum(of("mean"), of("var")))


def _check_momenta(momenta: Tree) -> None:
    """Raise ValueError if a layer's momentum is so near 1 that its rounding shows; under ``jit`` nothing is known."""
    for path, leaf in jax.tree.leaves_with_path(momenta):
        if not isinstance(leaf, Tracer) and not np.all(np.asarray(leaf) <= NEARLY):
            place = jax.tree_util.keystr(path, simple=True, separator="/")
            largest = float(np.max(np.asarray(leaf)))
            raise ValueError(f"momentum is None, and {largest:g} was found at {place}; allowed: {NEARLY}, or tell it.")
