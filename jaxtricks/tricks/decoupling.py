"""Features and classifier one after the other, for classes of unequal size: cRT, learnable scales, tau-normalisation.

The second part of a run trains a part of the parameters alone, with every class equally often. It begins with an epoch;
the rate goes down to 0 before it, and once more in it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import check, data, optim
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing
from jaxtricks.tricks import imbalance as i
from jaxtricks.tricks import reweighting as r
from jaxtricks.tricks.trick import set_fields

__all__ = ["HandedOver", "hand_over", "post_hoc", "retrained", "scaled", "tau_normalised", "with_scales", "with_tau"]

NOTHING = -0.0  # p + (-0.0) is p, bit for bit


class HandedOver(NamedTuple):
    """State of ``hand_over``: steps so far, int32, and the state of the optimiser."""

    count: jax.Array
    inner: optax.OptState


def hand_over(tx: optax.GradientTransformation, *, at: int, pattern: str, reset: bool, hold: bool):
    """An optimiser that from a step on moves the leaves of a pattern alone; for ``composing.around``.

    Args:
      tx: the optimiser, which sees all gradients all along.
      at: the step, >= 1.
      pattern: regular expression for paths of parameters.
      reset: whether step ``at`` sets these leaves to 0.
      hold: whether they stay as they are before.

    Returns:
      The transformation.

    Raises:
      ValueError: if at is not positive; at ``init``, if the pattern is found nowhere.
    """
    check.at_least("at", at, minimum=1)
    tx = optax.with_extra_args_support(tx)

    def init(params):
        optim.path_mask(params, pattern)
        return HandedOver(jnp.zeros([], jnp.int32), tx.init(params))

    def update(updates, state: HandedOver, params=None, **extra):
        updates, inner = tx.update(updates, state.inner, params, **extra)
        late = state.count >= at

        def leaf(update, old, last):
            if not last:
                return jnp.where(late, NOTHING, update)
            update = jnp.where(late, update, NOTHING) if hold else update
            return jnp.where(state.count == at, -old, update) if reset else update

        updates = jax.tree.map(leaf, updates, params, optim.path_mask(updates, pattern))
        return updates, HandedOver(jnp.asarray(optax.safe_increment(state.count)), inner)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


def _second_part(recipe: Recipe, *, share: float, **parts: Any) -> Recipe:
    """The recipe in two parts, the second with every class equally often, each with a cosine decay of its own."""
    at = i.deferral(recipe, share=share)
    recipe = i.resampled(recipe, sampler=data.class_balanced, share=share)
    per_epoch = int(i.counts_of(recipe).sum()) // recipe.batch
    warm = 0 if recipe.warmup is None else 5 / 120 * recipe.epochs
    growth = (recipe.epochs - at) / (at - warm)
    recipe = set_fields(recipe, schedule=partial(optim.restarts, cycles=2, growth=growth))
    return composing.around(recipe, partial(hand_over, at=at * per_epoch, **parts))


def retrained(recipe: Recipe, *, share: float = 0.8) -> Recipe:
    """Classifier re-training (cRT): features first, then a fresh classifier on balanced classes.

    Args:
      recipe: of ``imbalance.begin``, with a warm-up of ``bag.warm_up`` or none, a cosine decay, and a layer ``head``.
      share: of the run that trains all layers, between 0 and 1.

    Returns:
      The recipe. The statistics of normalisations go on in the second part.

    Reference: Kang et al., arXiv 1910.09217.
    """
    return _second_part(recipe, share=share, pattern="^head/", reset=True, hold=False)


def with_scales(build: Callable, **arguments: Any):
    """The network with a learnable factor for each class on its logits, 1 at first.

    Args:
      build: ``(**arguments) -> Model``.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model; ``scales`` among its parameters is float ``[C]``.
    """
    model = build(**arguments)

    def init(key):
        params, stats = model.init(key)
        return {**params, "scales": jnp.ones(arguments["classes"])}, stats

    def apply(params, stats, image, *, train, key=None):
        (logits, taps), stats = model.apply(params, stats, image, train=train, key=key)
        return (logits * params["scales"][None], taps), stats

    return model._replace(init=init, apply=apply)


def scaled(recipe: Recipe, *, share: float = 0.8) -> Recipe:
    """Learnable weight scaling (LWS): features and classifier first, then a factor for each class on balanced classes.

    Args:
      recipe, share: as for ``retrained``.

    Returns:
      The recipe. The factor takes the bias with it.

    Reference: Kang et al., arXiv 1910.09217.
    """
    recipe = set_fields(recipe, model=partial(with_scales, recipe.model))
    return _second_part(recipe, share=share, pattern="^scales$", reset=False, hold=True)


def with_tau(build: Callable, *, tau: float, **arguments: Any):
    """The network, evaluated with the columns of its classifier at lengths of ``|w|^(1 - tau)``, without bias.

    Args:
      build: ``(**arguments) -> Model`` with the layer ``head``.
      tau: 0 for the lengths as they are, 1 for one length.
      **arguments: that a recipe's model is called with.

    Returns:
      The Model; in training it is as it was.
    """
    model = build(**arguments)

    def apply(params, stats, image, *, train, key=None):
        if not train:
            kernel = params["head"]["kernel"]
            length = jnp.linalg.norm(kernel, axis=0, keepdims=True)
            kernel = kernel / jnp.where(length > 0, length, 1.0) ** tau
            params = {**params, "head": {"kernel": kernel, "bias": jnp.zeros_like(params["head"]["bias"])}}
        return model.apply(params, stats, image, train=train, key=key)

    return model._replace(apply=apply)


def tau_normalised(recipe: Recipe, *, tau: float = 0.5) -> Recipe:
    """Tau-normalisation: rare classes have short classifier weights, which are made longer at evaluation.

    Args:
      recipe: with the layer ``head``.
      tau: 0 to 1; the paper chooses it on validation data.

    Returns:
      The recipe; training is as it was.

    Reference: Kang et al., arXiv 1910.09217.
    """
    return set_fields(recipe, model=partial(with_tau, recipe.model, tau=tau))


def post_hoc(recipe: Recipe, *, tau: float = 1.0) -> Recipe:
    """Logit adjustment after training: the log of the class sizes is taken from the logits at evaluation.

    Args:
      recipe: of ``imbalance.begin``.
      tau: 1 for Bayes' rule, from these sizes to equal ones.

    Returns:
      The recipe; training is as it was.

    Reference: Menon et al., arXiv 2007.07314.
    """
    prior = tuple(np.maximum(i.counts_of(recipe), 1).tolist())
    return set_fields(recipe, model=partial(r.adjusted, recipe.model, prior=prior, tau=tau))
