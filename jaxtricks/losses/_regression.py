"""Losses of numbers; squared error and Huber are ``optax.squared_error`` and ``optax.huber_loss``."""

import jax

from jaxtricks.losses import _arguments, _safe


def absolute_error(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    r"""L1 loss.

    .. math:: |p - t|

    Args:
      predictions: p, any shape, floating point.
      targets: t, the shape of predictions.

    Returns:
      The loss of each number, of the shape of predictions, float32 or wider. The gradient at 0 is 0.

    Raises:
      ValueError: if the shapes differ or a dtype is no floating point.

    Example:
      >>> print(absolute_error(jnp.array([1.0, 2.5]), jnp.array([2.0, 2.5])))
      [1. 0.]

    Reference:
      Girshick, Fast R-CNN, arXiv 1504.08083, for the L1 norm and its smooth form.
    """
    predictions = _arguments.wide("predictions", predictions)
    return _safe.absolute(predictions - _arguments.like("targets", targets, "predictions", predictions))
