"""A rate that is cut when a validation value stops improving."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check
from jaxtricks.opt_states import Scales


class PlateauState(NamedTuple):
    """What ``plateau`` remembers, the ``inner`` of a ``Scales``.

    Fields:
      count: steps so far, int32.
      best: the best validation value, float32; infinite before the first.
      since: validations since then, int32.
    """

    count: jax.Array
    best: jax.Array
    since: jax.Array


def plateau(
    *,
    every: int,
    factor: float = 0.1,
    patience: int = 5,
    min_delta: float = 0.0,
    minimum: float = 0.0,
    mode: str = "min",
) -> optax.GradientTransformationExtraArgs:
    r"""Cut the rate when a validation value has not improved for a while: where no schedule is known before.

    .. math:: s \leftarrow \max(f s, s_{\min}) \text{ after } patience \text{ validations without improvement}

    Put it after the optimiser. ``train.fit`` hands it the last validation loss. The first validation sets the best
    value, and a cut acts from the next step on; ``optax.contrib.reduce_on_plateau`` compares the first epoch with
    infinity, which makes it a bad one. A step that is skipped is not counted, so that later validations are judged as
    many steps late.

    Args:
      every: steps from one validation to the next, an epoch's, 1 or more.
      factor: f, greater than 0 and less than 1.
      patience: validations without improvement after which the rate is cut, 1 or more.
      min_delta: an improvement is a change by more than this, 0 or more.
      minimum: the smallest scale, 0 or more and less than 1.
      mode: ``"min"``, or ``"max"`` for a value of which more is better; that of ``train.fit`` is a loss.

    Returns:
      The transformation; its update needs ``value=``, a scalar, and its state is a ``Scales``.

    Raises:
      ValueError: if an argument is out of range, or value is not a scalar.

    Example:
      >>> tx = plateau(every=1, factor=0.5, patience=1)
      >>> state, gradient = tx.init(jnp.ones(1)), jnp.ones(1)
      >>> scales = []
      >>> for value in (jnp.inf, 3.0, 2.0, 2.0, 1.0):  # before the first step there is no validation
      ...     update, state = tx.update(gradient, state, value=value)
      ...     scales.append(float(update[0]))
      >>> scales
      [1.0, 1.0, 1.0, 0.5, 0.5]
    """
    every, patience = check.at_least("every", every, minimum=1), check.at_least("patience", patience, minimum=1)
    if not 0 < factor < 1:
        raise ValueError(f"factor is {factor!r}; allowed: greater than 0 and less than 1.")
    if not 0 <= minimum < 1:
        raise ValueError(f"minimum is {minimum!r}; allowed: 0 or more and less than 1.")
    check.between("min_delta", min_delta, 0.0, float("inf"))
    check.option("mode", mode, ("min", "max"))
    worst = jnp.inf if mode == "min" else -jnp.inf

    def init(params) -> Scales:
        zero = jnp.zeros([], jnp.int32)
        return Scales(jnp.ones([], jnp.float32), PlateauState(zero, jnp.float32(worst), zero))

    def update(updates, state: Scales, params=None, *, value, **extra):
        check.rank("value", value, 0)
        count, best, since = state.inner
        judged = (count > 0) & (count % every == 0)
        value = jnp.asarray(value, jnp.float32)
        improved = judged & ((best - value if mode == "min" else value - best) > min_delta)
        since = jnp.where(improved, 0, since + judged)
        cut = since >= patience
        scale = jnp.where(cut, jnp.maximum(factor * state.scale, minimum), state.scale)
        inner = PlateauState(
            jnp.asarray(optax.safe_increment(count)), jnp.where(improved, value, best), jnp.where(cut, 0, since)
        )
        return jax.tree.map(lambda u: (scale * u).astype(u.dtype), updates), Scales(scale, inner)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]
