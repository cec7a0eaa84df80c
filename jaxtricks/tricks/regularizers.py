"""Regularisers as tricks: draws in the network, decay and limits in the optimiser, averages of weights."""

from dataclasses import replace
from functools import partial

import jax
import optax

from jaxtricks import layers, losses, models, optim
from jaxtricks.keys import named
from jaxtricks.train import Recipe
from jaxtricks.tricks import objectives as o


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


def update(recipe: Recipe, *, tx, **options) -> Recipe:
    """Another optimiser, ``rate -> transformation``."""
    return replace(recipe, optimizer=partial(tx, **options))


def decoupled(rate, *, decay):
    """Nesterov's momentum, and decay that it does not see."""
    steps = (optax.trace(0.9, nesterov=True), optax.add_decayed_weights(decay), optax.scale_by_learning_rate(rate))
    return optax.chain(*steps)


def by_turns(rate, *, decay, every):
    """Coupled decay for some steps, none for as many."""
    turns = optim.alternate(optax.add_decayed_weights(decay), optax.identity(), every=every)
    return optax.chain(turns, optim.coupled_sgd(rate, weight_decay=0.0))


def limited(rate, *, limit):
    """The baseline's optimiser, and a largest norm for each unit."""
    return optax.chain(optim.coupled_sgd(rate), optim.max_norm(limit))


def noisy_gradient(rate, *, eta, gamma):
    """The baseline's optimiser behind noise of variance eta / (1 + t)^gamma."""
    return optax.chain(optax.add_noise(eta, gamma, key=0), optim.coupled_sgd(rate))


def absolute(params, out, batch):
    """The sum of the absolute values of all parameters."""
    return losses.l1_penalty(params)


def penalised(recipe: Recipe, *, weight: float) -> Recipe:
    """An L1 penalty beside the loss."""
    return o.auxiliary(recipe, second=absolute, weight=weight)


def part(recipe: Recipe, **parts) -> Recipe:
    """Other parts of the recipe: what mixes, the schedule, the average."""
    return replace(recipe, **parts)
