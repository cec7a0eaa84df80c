"""Regularisers as tricks: noise in the network, limits in the optimiser, a penalty in the loss.

Weight decay is ``composing.weight_decay``, an average of the weights ``set_fields(ema=...)``.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import optax

from jaxtricks import layers, losses, models, optim
from jaxtricks.keys import named
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing, objectives

__all__ = [
    "absolute",
    "drawn",
    "elastic",
    "gradient_noise",
    "grouped",
    "max_norm",
    "noisy_classifier",
    "penalised",
    "residual",
    "same",
    "squares",
    "stochastic_depth",
    "thinned",
    "wrapped",
]


def same(x):
    """The identity: what a layer that draws does at evaluation.

    Args:
      x: any.

    Returns:
      x.
    """
    return x


def drawn(layer: Callable, **options: Any):
    """A layer of ``models.plain`` that draws in training, such as dropout, and is the identity at evaluation.

    Args:
      layer: ``(key, x, **options) -> x``.
      **options: of the layer.

    Returns:
      The pair of functions that ``models.plain`` takes as a layer.
    """
    return models.drawn(partial(layer, **options), same)


def wrapped(recipe: Recipe, *, how: Callable, **options: Any) -> Recipe:
    """The recipe's network inside another one that disturbs it.

    Args:
      recipe: any.
      how: ``(build, options, **arguments) -> Model``: ``noisy_classifier`` or ``stochastic_depth``.
      **options: what ``how`` gets as its options.

    Returns:
      The recipe with that network.
    """
    return replace(recipe, model=partial(how, recipe.model, options))


def noisy_classifier(build: Callable, options: Mapping[str, Any], **arguments: Any):
    """Noise on the logits in training, against overconfidence; for ``wrapped``.

    Args:
      build: ``(**arguments) -> Model``.
      options: of ``layers.classifier_noise``: ``std``, 0 or more.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model, with the parameters of ``build``'s.
    """
    model = build(**arguments)

    def apply(params, stats, image, *, train, key=None):
        (logits, taps), stats = model.apply(params, stats, image, train=train, key=key)
        if train:
            assert key is not None, "a model that draws is trained with a key"
            logits = layers.classifier_noise(key, logits, **options)
        return (logits, taps), stats

    return model._replace(apply=apply)


def stochastic_depth(build: Callable, options: Mapping[str, Any], **arguments: Any):
    """Residual branches left out of some steps, for all images of a batch at once as in the paper; for deep networks.

    A branch ends with a normalisation, so that to drop it is to drop that one's scale and bias.

    Args:
      build: ``(**arguments) -> Model`` of a residual network.
      options: of ``thinned``: ``rate``.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model, with the parameters of ``build``'s.
    """
    model = build(**arguments)

    def apply(params, stats, image, *, train, key=None):
        if train:
            assert key is not None, "a model that draws is trained with a key"
            params = thinned(key[0], params, **options)
        return model.apply(params, stats, image, train=train, key=key)

    return model._replace(apply=apply)


def thinned(key: jax.Array, params, *, rate: float):
    """The parameters of a residual network of which some branches are switched off.

    Args:
      key: one key; each branch has draws of its own.
      params: a tree; only leaves under ``last_bn`` change.
      rate: share of the branches that are off, 0 or more and less than 1.

    Returns:
      The tree, with the last normalisation of a branch at 0, or at 1 / (1 - rate) times where the branch is on.
    """

    def thin(path, leaf):
        block = jax.tree_util.keystr(path[:-1], simple=True, separator="/")
        if not block.endswith("last_bn"):
            return leaf
        return layers.stochastic_depth(named(key, block), leaf[None], rate=rate, per="batch")[0]

    return jax.tree.map_with_path(thin, params)


def residual(recipe: Recipe, *, layout: str) -> Recipe:
    """A residual network in the place of the plain one, for the regularisers of branches.

    Args:
      recipe: whose network's keywords a residual network takes too.
      layout: a name in ``models.LAYOUTS``.

    Returns:
      The recipe with that network.
    """
    return replace(recipe, model=partial(models.resnet, models.LAYOUTS[layout], **recipe.model.keywords))


def max_norm(recipe: Recipe, *, limit: float) -> Recipe:
    """A largest norm for the weights of each unit; used with dropout and large rates.

    Args:
      recipe: any.
      limit: of the norm of a unit's weights, > 0.

    Returns:
      The recipe, whose optimiser scales the units that its update would bring beyond the limit.
    """
    return composing.after(recipe, partial(optim.max_norm, limit))


def gradient_noise(recipe: Recipe, *, eta: float, gamma: float, seed: int = 0) -> Recipe:
    """Noise on the gradient, of variance eta / (1 + t)^gamma in step t; meant for very deep networks.

    Args:
      recipe: any.
      eta: variance in the first step, 0 or more.
      gamma: exponent with which it falls, 0 or more.
      seed: of the noise, an integer.

    Returns:
      The recipe, whose noise comes after what its optimiser already does to the gradient.
    """
    return composing.before(recipe, partial(optax.add_noise, eta, gamma, key=seed))


def absolute(params, out, batch):
    """The sum of the absolute values of all parameters, as a loss for ``objectives.auxiliary``.

    Args:
      params: a tree of arrays.
      out, batch: not used.

    Returns:
      A scalar.
    """
    return losses.l1_penalty(params)


def squares(params, out, batch):
    """Half the sum of the squares of all parameters: as a penalty it is coupled decay, of momentum seen as well.

    Args:
      params: a tree of arrays.
      out, batch: not used.

    Returns:
      A scalar.
    """
    return losses.l2_penalty(params)


def elastic(params, out, batch):
    """The elastic net at equal parts, as a loss for ``penalised``.

    Args:
      params: a tree of arrays.
      out, batch: not used.

    Returns:
      A scalar.
    """
    return losses.elastic_net(params, l1=0.5, l2=0.5)


def grouped(params, out, batch):
    """The sum of the norms of all units, which pulls all of a unit to 0, as a loss for ``penalised``.

    Args:
      params: a tree of arrays.
      out, batch: not used.

    Returns:
      A scalar.
    """
    return losses.group_sparsity(params, mask=optim.decay_mask(params))


def penalised(recipe: Recipe, *, weight: float, penalty: Callable | None = None) -> Recipe:
    """A penalty of the weights added to the loss: of L1, it pulls weights to 0 as hard when they are small.

    Args:
      recipe: any.
      weight: of the penalty, 0 or more.
      penalty: ``absolute``, for which None stands, ``squares``, ``elastic`` or ``grouped``.

    Returns:
      The recipe with the sum as its loss.
    """
    return objectives.auxiliary(recipe, second=absolute if penalty is None else penalty, weight=weight)
