"""Another transformation at another time of the run."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check


class SwitchState(NamedTuple):
    """State of ``switch``: steps so far, int32, and the states of both optimisers."""

    count: jax.Array
    first: optax.OptState
    then: optax.OptState


def switch(
    at: int, first: optax.GradientTransformation, then: optax.GradientTransformation
) -> optax.GradientTransformationExtraArgs:
    """One optimiser for some steps, another from then on: Adam, then SGD.

    The second starts afresh at the switch, from the parameters of that moment. Each counts its own steps, as the parts
    of ``optax.join_schedules`` do.

    Args:
      at: the first step of the second optimiser, >= 1.
      first: the optimiser of steps 0 to at - 1.
      then: the optimiser of the rest.

    Returns:
      The transformation; it needs the parameters, and holds the states of both.

    Raises:
      ValueError: if at is not positive, or the parameters are not given.

    Reference:
      Keskar and Socher, Improving generalization performance by switching from Adam to SGD, arXiv 1712.07628.
    """
    check.integer("at", at)
    check.positive("at", at)
    first, then = optax.with_extra_args_support(first), optax.with_extra_args_support(then)

    def init(params) -> SwitchState:
        return SwitchState(jnp.zeros([], jnp.int32), first.init(params), then.init(params))

    def update(updates, state: SwitchState, params=None, **extra):
        if params is None:
            raise ValueError("params is None; allowed: the parameters.")

        def before():
            new, inner = first.update(updates, state.first, params, **extra)
            return new, inner, state.then

        def after():
            # a choice of leaves, not a branch: inside shard_map fresh zeros are of another type than a state
            inner = jax.tree.map(lambda new, old: jnp.where(state.count == at, new, old), then.init(params), state.then)
            new, inner = then.update(updates, inner, params, **extra)
            return new, state.first, inner

        new, *inner = jax.lax.cond(state.count < at, before, after)
        return new, SwitchState(jnp.asarray(optax.safe_increment(state.count)), *inner)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


class AlternateState(NamedTuple):
    """State of ``alternate``: steps so far, int32, and the states of both transformations."""

    count: jax.Array
    on: optax.OptState
    off: optax.OptState


def alternate(
    on: optax.GradientTransformation, off: optax.GradientTransformation, *, every: int
) -> optax.GradientTransformationExtraArgs:
    """Two transformations by turns: a regulariser on for one epoch, off for the next.

    For example ``optax.chain(alternate(optax.add_decayed_weights(1e-4), optax.identity(), every=epoch), optax.sgd(rate,
    momentum=0.9))``: what should not stop, as the momentum, stays outside. The state of one rests while the other runs.

    Args:
      on: the transformation of steps 0 to every - 1, and of every second turn after.
      off: the transformation of the turns between.
      every: steps of a turn, >= 1.

    Returns:
      The transformation.

    Raises:
      ValueError: if every is not positive.
    """
    check.integer("every", every)
    check.positive("every", every)
    on, off = optax.with_extra_args_support(on), optax.with_extra_args_support(off)

    def init(params) -> AlternateState:
        return AlternateState(jnp.zeros([], jnp.int32), on.init(params), off.init(params))

    def update(updates, state: AlternateState, params=None, **extra):
        def with_on():
            new, inner = on.update(updates, state.on, params, **extra)
            return new, inner, state.off

        def with_off():
            new, inner = off.update(updates, state.off, params, **extra)
            return new, state.on, inner

        new, *inner = jax.lax.cond(state.count // every % 2 == 0, with_on, with_off)
        return new, AlternateState(jnp.asarray(optax.safe_increment(state.count)), *inner)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]
