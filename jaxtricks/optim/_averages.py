"""Averages of weights: moving, uniform, greedy; trees in, trees out. A tree may be ``(params, stats)``."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import check

Tree = Any


def ema_decay(per_epoch: float, *, steps_per_epoch: int) -> float:
    r"""Decay a step of a moving average that is stated by its decay an epoch, whatever the batch size.

    .. math:: d = d_{epoch}^{1 / steps\_per\_epoch}

    Args:
      per_epoch: what is left of a weight after an epoch, between 0 and 1.
      steps_per_epoch: steps of an epoch, >= 1.

    Returns:
      The decay of one step, a Python float.

    Raises:
      ValueError: if an argument is out of range.
    """
    check.between("per_epoch", per_epoch, 0.0, 1.0)
    check.positive("steps_per_epoch", steps_per_epoch)
    return per_epoch ** (1 / steps_per_epoch)


def ema(average: Tree, tree: Tree, *, decay: float, count: int | jax.Array | None = None) -> Tree:
    r"""Exponential moving average, with a warm-up that soon forgets the first weights.

    .. math:: a \leftarrow a + (1 - d_t) (w - a), \quad d_t = \min(d, (1 + t) / (10 + t))

    Args:
      average: a, floating-point leaves; it keeps its dtypes, which should be float32 or wider.
      tree: w, alike.
      decay: d, 0 to 1, for one step.
      count: t, the updates so far; None for no warm-up, with which d_t is d.

    Returns:
      The next average.

    Raises:
      ValueError: if decay is out of range, or the trees differ.

    Reference:
      Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    """
    check.between("decay", decay, 0.0, 1.0)
    rate = decay if count is None else jnp.minimum(decay, (1.0 + count) / (10.0 + count))
    return _towards(average, tree, 1 - rate)


def swa(average: Tree, tree: Tree, *, count: int | jax.Array) -> Tree:
    r"""Uniform mean of weights as they come: stochastic weight averaging.

    .. math:: a \leftarrow a + (w - a) / (t + 1)

    Batch statistics of averaged weights are not the average of batch statistics: see ``layers.recalibrate``.

    Args:
      average: a, the mean of the t trees so far, in float32 or wider; zeros, or any weights, before the first.
      tree: w, alike.
      count: t >= 0.

    Returns:
      The mean of t + 1 trees.

    Raises:
      ValueError: if count is negative, or the trees differ.

    Reference:
      Izmailov et al., Averaging weights leads to wider optima and better generalization, arXiv 1803.05407.
    """
    check.between("count", count, 0, float("inf"))
    return _towards(average, tree, 1 / (count + 1))


def swa_decay(step: int | jax.Array, *, start: int) -> jax.Array:
    r"""The decay a step that makes a moving average the uniform mean of the weights from a step on.

    .. math:: d_t = n / (n + 1), \quad n = \max(0, t - start)

    Before ``start`` the average is the latest weights. ``Recipe(ema=partial(swa_decay, start=s))`` averages in the
    loop, batch statistics as well as weights: ``layers.recalibrate`` is the more exact for these.

    Args:
      step: t, an integer, 0 or more.
      start: the first step whose weights count, 0 or more.

    Returns:
      A scalar, 0 to less than 1.

    Raises:
      ValueError: if start or step is negative or no integer.

    Reference:
      Izmailov et al., Averaging weights leads to wider optima and better generalization, arXiv 1803.05407.
    """
    for name, value in (("step", step), ("start", start)):
        check.integer(name, value)
        check.between(name, value, 0, float("inf"))
    after = jnp.maximum(step - start, 0)
    return after / (after + 1)


def soup(trees: Sequence[Tree]) -> Tree:
    """Uniform mean of some trees: a uniform soup.

    Args:
      trees: one or more, with floating-point leaves.

    Returns:
      Their mean, in the dtypes of the first, summed in float32 or wider.

    Raises:
      ValueError: if there is no tree, or they differ.

    Reference:
      Wortsman et al., Model soups, arXiv 2203.05482.
    """
    if not trees:
        raise ValueError("trees is empty; allowed: one tree or more.")

    def one(*leaves):
        for leaf in leaves:
            check.floating("trees", leaf)
            check.same_shape("trees", leaf, "its first tree", leaves[0])
        wide = jnp.promote_types(leaves[0].dtype, jnp.float32)
        total = leaves[0].astype(wide)
        for leaf in leaves[1:]:
            total = total + leaf.astype(wide)
        return (total / len(leaves)).astype(leaves[0].dtype)

    return jax.tree.map(one, *trees)


def lawa(history: tuple[Tree, ...], tree: Tree, *, last: int) -> tuple[tuple[Tree, ...], Tree]:
    """Mean of the latest weights, one tree an epoch: latest weight averaging.

    Args:
      history: the trees so far, oldest first; ``()`` at the beginning.
      tree: the weights of this epoch.
      last: how many to keep, >= 1.

    Returns:
      ``(history, average)``: at most ``last`` trees, and their mean. Batch statistics: see ``layers.recalibrate``.

    Raises:
      ValueError: if last is not positive, or the trees differ.

    Reference:
      Kaddour, Stop wasting my time! Saving days of ImageNet and BERT training with latest weight averaging,
      arXiv 2209.14981.
    """
    check.integer("last", last)
    check.positive("last", last)
    history = (*history, tree)[-last:]
    return history, soup(history)


def greedy_soup(trees: Sequence[Tree], score: Callable[[Tree], float]) -> tuple[Tree, tuple[int, ...]]:
    """Mean of the trees that, tried from the best to the worst, do not lower the score of the mean.

    Args:
      trees: one or more candidates, fine-tuned from the same weights.
      score: ``tree -> number`` on held-out data, the higher the better; a score that is not a number is the lowest.

    Returns:
      ``(soup, kept)``: the mean, and the positions of its trees in the order they were added.

    Raises:
      ValueError: if there is no tree, or they differ.

    Reference:
      Wortsman et al., Model soups, arXiv 2203.05482.
    """
    if not trees:
        raise ValueError("trees is empty; allowed: one tree or more.")

    def scored(tree: Tree) -> float:
        value = float(score(tree))
        return value if value == value else float("-inf")

    scores = [scored(tree) for tree in trees]
    first, *others = sorted(range(len(trees)), key=lambda i: -scores[i])
    kept, best = (first,), scores[first]
    for i in others:
        value = scored(soup([trees[j] for j in (*kept, i)]))
        if value >= best:
            kept, best = (*kept, i), value
    return soup([trees[i] for i in kept]), kept


def _towards(average: Tree, tree: Tree, share: float | jax.Array) -> Tree:
    """The average moved by a share of the way to the tree, in its own dtypes; where both agree it stays bit for bit."""

    def one(a, w):
        check.floating("average", a)
        check.floating("tree", w)
        check.same_shape("tree", w, "average", a)
        return (a + share * (w - a)).astype(a.dtype)

    return jax.tree.map(one, average, tree)
