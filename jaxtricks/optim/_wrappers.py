"""Transformations around an optimiser: lookahead, spikes of the loss, evaluated weights, line searches, measures."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check
from jaxtricks.opt_states import Evaluates, Measures, Rejects
from jaxtricks.optim._partition import NOTHING


class LookaheadState(NamedTuple):
    """State of ``lookahead``: steps so far, int32, the slow weights, and the state of the optimiser."""

    count: jax.Array
    slow: optax.Params
    inner: optax.OptState


def lookahead(
    tx: optax.GradientTransformation, *, sync_period: int, slow_step_size: float | Callable[[jax.Array], jax.Array]
) -> optax.GradientTransformationExtraArgs:
    r"""Every few steps, go back part of the way to where they began.

    .. math:: s \leftarrow s + \alpha (p - s), \quad p \leftarrow s \quad \text{after every } k \text{ steps of } tx

    The same as ``optax.lookahead``, with the slow weights in the state of the optimiser, so that the parameters of the
    run stay a plain tree. After every k-th step they are the slow weights.

    Args:
      tx: the complete optimiser.
      sync_period: k >= 1.
      slow_step_size: alpha, 0 to 1; 1 is ``tx`` itself. Or a function that gives it for the number of steps taken, the
        one in hand included.

    Returns:
      The transformation; it needs the parameters. Put nothing after it.

    Raises:
      ValueError: if an argument is out of range, or the parameters are not given.

    Reference:
      Zhang et al., Lookahead optimizer: k steps forward, 1 step back, arXiv 1907.08610.
    """
    check.integer("sync_period", sync_period)
    check.positive("sync_period", sync_period)
    if not callable(slow_step_size):
        check.between("slow_step_size", slow_step_size, 0.0, 1.0)
    tx = optax.with_extra_args_support(tx)

    def init(params) -> LookaheadState:
        return LookaheadState(jnp.zeros([], jnp.int32), jax.tree.map(jnp.copy, params), tx.init(params))

    def update(updates, state: LookaheadState, params=None, **extra):
        if params is None:
            raise ValueError("params is None; allowed: the parameters.")
        updates, inner = tx.update(updates, state.inner, params, **extra)
        count = jnp.asarray(optax.safe_increment(state.count))
        sync = count % sync_period == 0
        share = slow_step_size(count) if callable(slow_step_size) else slow_step_size

        def pull(update, param, slow):
            gap = param + update - slow
            return jnp.where(sync, (update - (1 - share) * gap).astype(update.dtype), update)

        new = jax.tree.map(pull, updates, params, state.slow)
        slow = jax.tree.map(lambda s, p, u: jnp.where(sync, (p + u).astype(s.dtype), s), state.slow, params, new)
        return new, LookaheadState(count, slow, inner)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


class SpikeState(NamedTuple):
    """What ``skip_spikes`` remembers, the ``inner`` of a ``Rejects``.

    Fields:
      losses: the last finite losses, float32 ``[window]``, in a ring.
      count: finite losses so far, int32.
      inner: the state of the optimiser.
    """

    losses: jax.Array
    count: jax.Array
    inner: optax.OptState


def skip_spikes(
    tx: optax.GradientTransformation, *, window: int, deviations: float
) -> optax.GradientTransformationExtraArgs:
    r"""Skip a step whose loss is far above the last ones, or not finite: parameters and state stay as they are.

    .. math:: \text{skip if } \ell_t > \mathrm{mean}(\ell) + k \, \mathrm{sd}(\ell)
        \text{ over the last finite losses, skipped ones included}

    A lasting rise is therefore accepted after a few steps. Nothing but a loss that is not finite is skipped before
    ``window`` losses are there.

    Args:
      tx: the complete optimiser.
      window: losses to compare with, >= 2.
      deviations: k > 0.

    Returns:
      The transformation; its update needs ``loss=``, a scalar, and its state is a ``Rejects``.

    Raises:
      ValueError: if an argument is out of range, or loss is not a scalar.
    """
    check.integer("window", window)
    if window < 2:
        raise ValueError(f"window is {window}; allowed: 2 or more.")
    check.positive("deviations", deviations)
    tx = optax.with_extra_args_support(tx)

    def init(params) -> Rejects:
        zero = jnp.zeros([], jnp.int32)
        return Rejects(zero, SpikeState(jnp.zeros(window, jnp.float32), zero, tx.init(params)))

    def update(updates, state: Rejects, params=None, *, loss, **extra):
        check.rank("loss", loss, 0)
        losses, count, inner = state.inner
        finite = jnp.isfinite(loss)
        limit = losses.mean() + deviations * losses.std()
        accepted = finite & ((count < window) | (loss <= limit))
        new, inner = jax.lax.cond(
            accepted,
            lambda: tx.update(updates, inner, params, loss=loss, **extra),
            lambda: (optax.tree.full_like(updates, NOTHING), inner),
        )
        losses = losses.at[count % window].set(jnp.where(finite, loss, losses[count % window]))
        count = jnp.where(finite, optax.safe_increment(count), count)
        return new, Rejects(state.rejected + (~accepted).astype(jnp.int32), SpikeState(losses, count, inner))

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


def evaluate_at(
    tx: optax.GradientTransformation, weights: Callable[[optax.OptState, optax.Params], optax.Params]
) -> optax.GradientTransformationExtraArgs:
    """An optimiser whose gradient is taken at one point, and whose result is another.

    Use it for optimisers such as schedule-free SGD: ``opt_states.eval_params``, and with it ``train.fit``, evaluates
    the weights that it names. For example
    ``evaluate_at(optax.contrib.schedule_free(optax.sgd(rate), rate), optax.contrib.schedule_free_eval_params)``.

    Args:
      tx: the complete optimiser.
      weights: ``(state of tx, parameters) -> weights``, called after every step.

    Returns:
      The transformation; it needs the parameters, and its state is an ``Evaluates``. Put nothing around it that changes
      the updates.

    Raises:
      ValueError: if the parameters are not given.
    """
    tx = optax.with_extra_args_support(tx)

    def init(params) -> Evaluates:
        return Evaluates(jax.tree.map(jnp.copy, params), tx.init(params))

    def update(updates, state: Evaluates, params=None, **extra):
        if params is None:
            raise ValueError("params is None; allowed: the parameters.")
        updates, inner = tx.update(updates, state.inner, params, **extra)
        return updates, Evaluates(weights(inner, optax.apply_updates(params, updates)), inner)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


def line_search(tx: optax.GradientTransformationExtraArgs) -> optax.GradientTransformationExtraArgs:
    """An optimiser that evaluates the loss at other points, such as ``optax.lbfgs()``, as ``train.fit`` calls it.

    Use it for full batches: on the next minibatch the loss is another function, and what the search has learnt of this
    one is wrong. Its ``value`` is the loss of this batch, for which ``train.fit`` has the name ``loss``.

    Args:
      tx: whose update takes ``value``, ``grad`` and ``value_fn``.

    Returns:
      The transformation; its update needs ``loss=``, a scalar, and ``value_fn=``, ``parameters -> loss`` of the same
      batch. The gradient must be that of this loss: put nothing before it, and weight decay into the loss.

    Example:
      >>> tx, f = line_search(optax.lbfgs()), lambda w: jnp.sum((w - 1) ** 2)
      >>> w = jnp.zeros(2)
      >>> update, _ = tx.update(jax.grad(f)(w), tx.init(w), w, loss=f(w), value_fn=f)
      >>> print((w + update).round(2))  # it has looked how far the loss falls enough
      [0.71 0.71]

    Reference:
      Liu and Nocedal, On the limited memory BFGS method for large scale optimization, 1989.
    """

    def update(updates, state, params=None, *, loss, value_fn, **extra):
        check.rank("loss", loss, 0)
        others = {name: part for name, part in extra.items() if name != "value"}
        return tx.update(updates, state, params, **others, value=loss, grad=updates, value_fn=value_fn)

    return optax.GradientTransformationExtraArgs(tx.init, update)  # pyright: ignore[reportArgumentType]


def measure(values: Callable[[optax.Updates], dict[str, jax.Array]]) -> optax.GradientTransformation:
    """Let updates through as they are, and remember what a function says of them; ``train.fit`` reports it each epoch.

    Args:
      values: ``updates -> scalars by name``, such as ``analysis.gradient_norms``; at 0 it must be defined too.

    Returns:
      The transformation, whose state is an ``opt_states.Measures`` of the last step.

    Example:
      >>> tx = measure(lambda updates: {"norm": optax.tree.norm(updates)})
      >>> _, state = tx.update({"w": jnp.array([3.0, 4.0])}, tx.init({"w": jnp.zeros(2)}))
      >>> print(state.values["norm"])
      5.0
    """

    def init(params) -> Measures:
        return Measures(values(optax.tree.zeros_like(params)))

    def update(updates, state, params=None):
        return updates, Measures(values(updates))

    return optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]
