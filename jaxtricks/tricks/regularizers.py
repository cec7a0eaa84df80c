"""Regularisers as tricks: draws in the network, decay and limits in the optimiser, averages of weights."""

from dataclasses import replace
from functools import partial

import jax
import optax

from jaxtricks import layers, losses, models, optim
from jaxtricks.keys import named
from jaxtricks.train import Recipe
from jaxtricks.tricks import objectives as o
from jaxtricks.tricks import optimizers


def same(x):
    """What a layer that draws does at evaluation."""
    return x


def drawn(layer, **options):
    """A layer of ``models.plain`` that draws in training and leaves all as it is at evaluation."""
    return models.drawn(partial(layer, **options), same)


def wrapped(recipe: Recipe, *, how, **options) -> Recipe:
    """The recipe's network in another one, made by ``how(model, options)(classes=, ...)``."""
    return replace(recipe, model=partial(how, recipe.model, options))


def noisy_classifier(model, options, **given):
    """Noise on the logits, in training."""
    made = model(**given)

    def apply(params, stats, image, *, train, key=None):
        (logits, taps), stats = made.apply(params, stats, image, train=train, key=key)
        return (layers.classifier_noise(key, logits, **options) if train else logits, taps), stats

    return made._replace(apply=apply)


def stochastic_depth(model, options, **given):
    """Each residual branch is left out of some steps, for the whole batch, as in the paper.

    A branch ends with a normalisation, so that to drop it is to drop that one's scale and bias.
    """
    made = model(**given)

    def apply(params, stats, image, *, train, key=None):
        return made.apply(thinned(key[0], params, **options) if train else params, stats, image, train=train, key=key)

    return made._replace(apply=apply)


def thinned(key, params, *, rate):
    """The parameters with some of the last normalisations of the branches at 0, the others at 1 / (1 - rate) times."""

    def thin(path, leaf):
        block = jax.tree_util.keystr(path[:-1], simple=True, separator="/")
        if not block.endswith("last_bn"):
            return leaf
        return layers.stochastic_depth(named(key, block), leaf[None], rate=rate, per="batch")[0]

    return jax.tree.map_with_path(thin, params)


def residual(recipe: Recipe, *, layout: str) -> Recipe:
    """A residual network in the place of the plain one."""
    return replace(recipe, model=partial(models.resnet, models.LAYOUTS[layout], **recipe.model.keywords))


def max_norm(recipe: Recipe, *, limit: float) -> Recipe:
    """A largest norm for the weights of each unit.

    Args:
      recipe: any, with the parts that are changed.
      limit: of the norm of a unit's weights, > 0.

    Returns:
      A new recipe.
    """
    return optimizers.after(recipe, partial(optim.max_norm, limit))


def gradient_noise(recipe: Recipe, *, eta: float, gamma: float, seed: int = 0) -> Recipe:
    """Noise on the gradient, of variance eta / (1 + t)^gamma.

    Args:
      recipe: any, with the parts that are changed.
      eta: variance of the first step, 0 or more.
      gamma: exponent of the decay of the variance, 0 or more.
      seed: of the noise, an integer.

    Returns:
      A new recipe.
    """
    return optimizers.before(recipe, partial(optax.add_noise, eta, gamma, key=seed))


def absolute(params, out, batch):
    """The sum of the absolute values of all parameters."""
    return losses.l1_penalty(params)


def penalised(recipe: Recipe, *, weight: float) -> Recipe:
    """An L1 penalty beside the loss."""
    return o.auxiliary(recipe, second=absolute, weight=weight)
