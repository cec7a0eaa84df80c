"""Where members come from: balanced parts of the data, and copies of one network side by side."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check


def easy_ensemble(seed: int, labels: np.ndarray, *, members: int) -> np.ndarray:
    """Rows for each member: as many of every class as the smallest has, others in each; for few rows of some class.

    A network is trained on each, and their predictions are averaged: balance without throwing images away.

    Args:
      seed: 0 or more.
      labels: integers ``[N]``, classes.
      members: M, 1 or more.

    Returns:
      int64 ``[M, C min(n)]``, numbers of rows. A class's rows take turns: no two members share one before all have
      been taken.

    Raises:
      ValueError: if labels are no integers, or members is not positive.

    Example:
      >>> labels = np.array([0, 0, 0, 0, 1, 1])
      >>> rows = easy_ensemble(0, labels, members=2)
      >>> np.sort(labels[rows], 1).tolist(), sorted(np.unique(rows).tolist())
      ([[0, 0, 1, 1], [0, 0, 1, 1]], [0, 1, 2, 3, 4, 5])

    Reference:
      Liu, Wu and Zhou, Exploratory undersampling for class-imbalance learning, IEEE Transactions on Systems, Man, and
      Cybernetics B 2009.
    """
    members, labels = check.at_least("members", members, minimum=1), np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not labels.size:
        raise ValueError(f"labels is {labels.dtype}{list(labels.shape)}; allowed: integers, [N], one or more.")
    rng, parts = np.random.default_rng(seed), []
    groups = [np.flatnonzero(labels == value) for value in np.unique(labels)]
    smallest = min(map(len, groups))
    for rows in groups:
        passes = -(-members * smallest // len(rows))
        turns = np.concatenate([rng.permutation(rows) for _ in range(passes)])[: members * smallest]
        parts.append(turns.reshape(members, smallest))
    return np.concatenate(parts, axis=1)


def stack_members(variables: Sequence[Any]) -> Any:
    """The variables of several networks of one kind as those of `side_by_side`.

    Args:
      variables: one tree a member, such as ``(params, stats)``, all of one structure.

    Returns:
      One tree, whose leaves have a first axis of members.

    Raises:
      ValueError: if there is no member, or their leaves differ in structure or shape.

    Example:
      >>> print(stack_members([{"w": jnp.zeros(2)}, {"w": jnp.ones(2)}])["w"])
      [[0. 0.]
       [1. 1.]]
    """
    if not variables:
        raise ValueError("variables is empty; allowed: one member or more.")
    trees = [(jax.tree.structure(tree), [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]) for tree in variables]
    for number, tree in enumerate(trees):
        if tree != trees[0]:
            raise ValueError(f"variables[{number}] are of another structure or shape; allowed: those of variables[0].")
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *variables)


def side_by_side(build: Callable, *, members: int, **arguments: Any) -> Any:
    r"""Several networks of one kind as one network, whose output is the log of their mean probability.

    .. math:: \log \tfrac1M \sum_m \mathrm{softmax}(x_m)

    It can teach (``Recipe.teacher``), or be trained: each member starts from its own key. Then let the loss be a sum
    over the tap ``members``, so that each learns by itself (``tricks.teams``).

    Args:
      build: ``(**arguments) -> Model``, of a classifier.
      members: M, 1 or more.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model; its variables have a first axis of members, and its taps are ``members``, their logits ``[B, M, C]``.

    Raises:
      ValueError: if members is not positive.

    Reference:
      Lakshminarayanan, Pritzel and Blundell, Simple and scalable predictive uncertainty estimation using deep
      ensembles, arXiv 1612.01474.
    """
    members = check.at_least("members", members, minimum=1)
    model = build(**arguments)

    def init(key):
        return jax.vmap(model.init)(jax.random.split(key, members))

    def apply(params, stats, image, *, train, key=None):
        def one(params, stats, number):
            draw = None if key is None else _folded(key, number)
            (logits, _), after = model.apply(params, stats, image, train=train, key=draw)
            return logits, after

        logits, after = jax.vmap(one, out_axes=(1, 0))(params, stats, jnp.arange(members))
        mean = jax.nn.logsumexp(jax.nn.log_softmax(logits), axis=1) - jnp.log(members)
        return (mean, {"members": logits}), after

    return model._replace(init=init, apply=apply)


def _folded(key, number):
    """The key, or those of all images, for one member."""
    return jax.random.fold_in(key, number) if key.ndim == 0 else jax.vmap(jax.random.fold_in, (0, None))(key, number)
