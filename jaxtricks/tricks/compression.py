"""Trained networks made smaller, step by step, each of which may be trained on: here by pruning.

A step takes a ``Network`` and gives a ``Network`` whose recipe trains what is left. ``coding`` shares values,
``thinning`` takes filters out. A step that would drop what an earlier one did, such as codes, or pruned weights that it
gives values again, is a ValueError. ``ablation.compression`` measures steps; ``surgery`` is for the state of a run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import check, compress
from jaxtricks.train import Recipe
from jaxtricks.train.state import State, average_of
from jaxtricks.tricks import composing
from jaxtricks.tricks._kernels import base, itself, sparse, unpacked

__all__ = [
    "Network",
    "begin",
    "example_losses",
    "first_order",
    "fixed",
    "gradually",
    "itself",
    "masked",
    "model_of",
    "pruned",
    "second_order",
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
      plain: the recipe of the first training, whose model takes what ``unpack`` gives.
      pack: ``params -> tree for compress.save``.
      unpack: ``tree of compress.load -> params`` of the plain model.
    """

    recipe: Recipe
    params: Tree
    stats: Tree
    plain: Recipe
    pack: Callable
    unpack: Callable


def begin(recipe: Recipe, variables: tuple[Tree, Tree]) -> Network:
    """A trained network as it is.

    Args:
      recipe: that trained it.
      variables: ``(params, stats)``, of a run.

    Returns:
      The network; its file holds every number.
    """
    params, stats = jax.tree.map(np.asarray, variables)
    return Network(recipe, params, stats, recipe, itself, unpacked)


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
    network: Network,
    *,
    shares: Mapping[str, float],
    batch: Tree,
    key: jax.Array,
    scope: str = "layer",
    importance: Callable | None = None,
) -> Network:
    """Weights of small magnitude, or of small importance, go and stay at 0, and so do those that went before.

    Args:
      network: whose parameters are arrays.
      shares: by pattern of the leaves, the share that goes, of all its weights, those of an earlier step included.
      batch, key: what the importance is of.
      scope: ``layer``, or ``global`` over all leaves of a pattern.
      importance: ``(network, batch=, key=) -> scores like the parameters``, such as ``second_order``; magnitude if
        None.

    Returns:
      The network, whose file has zeros in a sparse form.
    """
    base(network)
    scores = None if importance is None else importance(network, batch=batch, key=key)
    masks = [
        compress.share_masks(network.params, share=share, scope=scope, patterns=(pattern,), scores=scores)
        for pattern, share in shares.items()
    ]
    return masked(network, reduce(partial(jax.tree.map, jnp.logical_and), masks))


def masked(network: Network, masks: Tree) -> Network:
    """Weights go and stay at 0 where a mask is False; the file has zeros in a sparse form.

    Args:
      network: whose parameters are arrays.
      masks: booleans like the parameters.

    Returns:
      The network.
    """
    params = jax.tree.map(np.asarray, compress.apply_masks(network.params, masks))
    kept = composing.around(base(network), partial(compress.keep_masks, masks=masks))
    return replace(network, recipe=kept, params=params, pack=sparse)


def first_order(network: Network, *, batch: Tree, key: jax.Array) -> Tree:
    """The importance by gradient times weight, for ``pruned``.

    Args:
      network: whose parameters are arrays.
      batch: images and targets.
      key: not used.

    Returns:
      Scores like the parameters.
    """
    loss = example_losses(network, batch)
    gradient = jax.jit(jax.grad(lambda params: loss(params, batch).mean()))(network.params)
    return compress.saliency(network.params, gradient)


def second_order(network: Network, *, batch: Tree, key: jax.Array, samples: int = 4) -> Tree:
    """The importance by the diagonal of the Hessian, as in optimal brain damage, for ``pruned``.

    The diagonal is estimated by ``compress.fisher_diagonal``, with labels that are drawn from what the network says.

    Args:
      network: of a classification, whose parameters are arrays.
      batch: images and targets.
      key: of the labels.
      samples: labels that are drawn for each image, 1 or more.

    Returns:
      Scores like the parameters.

    Raises:
      ValueError: if samples is no integer of 1 or more.
    """
    samples = check.at_least("samples", samples, minimum=1)
    logits = model_of(network, batch).apply(network.params, network.stats, batch["image"], train=False)[0][0]
    labels = jax.random.categorical(key, logits, shape=(samples, *logits.shape[:1])).reshape(-1)
    target = {"target": jax.nn.one_hot(labels, logits.shape[-1])}
    drawn = jax.tree.map(lambda x: jnp.concatenate([x] * samples), batch) | target
    hessian = jax.jit(partial(compress.fisher_diagonal, example_losses(network, batch)))(network.params, drawn)
    return compress.saliency(network.params, network.params, hessian=hessian)


def example_losses(network: Network, batch: Tree) -> Callable:
    """The loss of each example with fixed batch statistics, ``(params, batch) -> [B]``.

    Args:
      network: whose parameters are those of its plain model.
      batch: whose images say how many channels there are.

    Returns:
      The function.
    """
    apply = partial(model_of(network, batch).apply, train=False)

    def loss(params, batch):
        return network.plain.loss(params, apply(params, network.stats, batch["image"])[0], batch)

    return loss


def model_of(network: Network, batch: Tree):
    """The Model that takes what ``Network.unpack`` gives.

    Args:
      network: any.
      batch: whose images say how many channels there are.

    Returns:
      The Model.
    """
    return network.plain.model(classes=network.plain.task.outputs, channels=batch["image"].shape[-1])


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
      The network, which is pruned while it trains on.
    """
    schedule = partial(compress.cubic, begin=0, end=steps, initial=begin, final=share)
    wrap = partial(compress.prune_gradually, share=schedule, every=every, scope="global")
    return replace(network, recipe=composing.around(base(network), wrap), pack=sparse)


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
