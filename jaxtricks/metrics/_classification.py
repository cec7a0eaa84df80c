"""Per-example metrics of classification; an evaluation sums them over the valid rows and divides once."""

import jax
import jax.numpy as jnp

from jaxtricks import check


def correct(logits: jax.Array, labels: jax.Array, *, k: int = 1) -> jax.Array:
    """Whether the label is among the k largest logits.

    ``correct = #{c : logits_c > logits_y or (logits_c = logits_y and c < y)} < k``: of equal logits the lower class
    ranks first, so that a constant output does not count as right for every class.

    Args:
      logits: ``[B, C]``.
      labels: int ``[B]``, 0 to C - 1; a label out of range is never correct, nor is one in a row of which a logit is
        NaN.
      k: an integer, 1 to C.

    Returns:
      bool ``[B]``.

    Raises:
      ValueError: if ranks or sizes differ, logits are no numbers, labels no integers, or k is no integer of 1
        to C.

    Example:
      >>> logits, labels = jnp.array([[3.0, 2.0, 1.0]]), jnp.array([1])
      >>> print(correct(logits, labels), correct(logits, labels, k=2))
      [False] [ True]
    """
    check.rank("logits", logits, 2)
    check.number("logits", logits)
    check.shape("labels", labels, logits.shape[:1])
    check.integer("labels", labels)
    classes = logits.shape[1]
    k = check.at_least("k", k, minimum=1)
    check.between("k", k, 1, classes)
    inside = _is_class(labels, classes)
    label = jnp.where(inside, labels, 0)[:, None]
    true_logit = jnp.take_along_axis(logits, label, axis=1)
    before = (logits > true_logit) | ((logits == true_logit) & (jnp.arange(classes)[None] < label))
    return inside & ~jnp.isnan(logits).any(1) & (before.sum(1) < k)


def _is_class(labels: jax.Array, classes: int) -> jax.Array:
    return (labels >= 0) & (labels < classes)
