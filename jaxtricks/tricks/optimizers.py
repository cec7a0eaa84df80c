"""Optimisers as tricks: each exchanges a recipe's optimiser, or wraps it, and names the rate that suits it."""

from dataclasses import replace
from functools import partial

import jax
import optax

from jaxtricks import optim
from jaxtricks.train import Recipe


def optimizer(recipe: Recipe, *, tx, times: float) -> Recipe:
    """Another optimiser, with so many times the rate."""
    return replace(recipe, optimizer=tx, lr=times * recipe.lr)


def sharp(recipe: Recipe, *, rho: float) -> Recipe:
    """The gradient of the worst point nearby."""
    return replace(recipe, gradient=(*recipe.gradient, partial(optim.sam, rho=rho)))


def schedule_free(recipe: Recipe, *, decay: float, times: float, b1: float = 0.9) -> Recipe:
    """SGD whose average takes the place of the decay of the rate, and is what is evaluated."""
    tx = partial(with_decay, tx=partial(averaging, b1=b1), decay=decay)
    return replace(optimizer(recipe, tx=tx, times=times), schedule=optim.constant)


def averaging(rate, *, b1):
    """Schedule-free SGD."""
    return optim.evaluate_at(
        optax.contrib.schedule_free(optax.sgd(rate), rate, b1), optax.contrib.schedule_free_eval_params
    )


def with_decay(rate, *, tx, decay):
    """An optimiser behind coupled weight decay."""
    return optax.chain(optax.add_decayed_weights(decay), tx(rate))


def after(rate, *, first):
    """The baseline's optimiser behind something that is done to the gradient."""
    return optax.chain(first(), optim.coupled_sgd(rate))


def looking_ahead(rate):
    """The baseline's optimiser, which goes half the way back every five steps."""
    return optim.lookahead(optim.coupled_sgd(rate), sync_period=5, slow_step_size=0.5)


def unit_clip():
    """The gradient of a unit is at most 2 % of its weights."""
    return optax.adaptive_grad_clip(0.02)


def rising_momentum(rate, *, first, last, steps):
    """Nesterov's momentum, from one value to another over so many steps."""
    momentum = optax.linear_schedule(first, last, steps)
    return optax.inject_hyperparams(optax.sgd, static_args="nesterov")(rate, momentum=momentum, nesterov=True)


def muon(rate, *, weight_decay, share=0.1):
    """Muon for all kernels, with decoupled decay; Adam, at a share of the rate, for the rest."""
    return optax.contrib.muon(
        rate,
        weight_decay=weight_decay,
        muon_weight_dimension_numbers=matrices,
        adam_learning_rate=lambda step: share * rate(step),
    )


def matrices(params):
    """Which axes of a kernel are inputs and outputs; None for what is no kernel."""

    def axes(leaf):
        return optax.contrib.MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1) if leaf.ndim > 1 else None

    return jax.tree.map(axes, params)


def adam_then_sgd(rate, *, at, share):
    """Adam, at a share of the rate, for so many steps, then SGD with Nesterov's momentum, which starts afresh."""
    adam = optax.adam(lambda step: share * rate(step))
    sgd = optax.sgd(lambda step: rate(step + at), momentum=0.9, nesterov=True)
    return optim.switch(at, adam, sgd)
