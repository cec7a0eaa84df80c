"""How far probabilities can be taken at their word: calibration error by bins, and the Brier score."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.metrics._classification import correct

Counts = dict[str, jax.Array]


def calibration_bins(
    probabilities: jax.Array, labels: jax.Array, *, bins: int = 15, valid: jax.Array | None = None
) -> Counts:
    """What the calibration error is made of: add it over batches, then ``calibration_error`` of the sum.

    The confidence of an example is its highest probability; bin b of n holds those above ``b / n``, up to
    ``(b + 1) / n``.

    Args:
      probabilities: ``[B, C]``, floating point, rows of sum 1.
      labels: int ``[B]``, 0 to C - 1; one out of range is never correct.
      bins: n, an integer of 1 or more; 15 in the paper.
      valid: which rows count, bool ``[B]``; all if None.

    Returns:
      ``count`` and ``correct``, int32 ``[n]``, and ``confidence``, the sum of each bin, float32 ``[n]``. A row of which
      a probability is NaN makes the last confidence NaN.

    Raises:
      ValueError: on wrong shapes, dtypes or bins.

    Example:
      >>> parts = calibration_bins(jnp.array([[0.75, 0.25], [0.25, 0.75]]), jnp.array([0, 0]), bins=2)
      >>> print(parts["count"], parts["correct"], parts["confidence"])
      [0 2] [0 1] [0.  1.5]

    Reference:
      Guo et al., On calibration of modern neural networks, arXiv 1706.04599.
    """
    probabilities, labels, counted = _rows(probabilities, labels, valid)
    bins = check.at_least("bins", bins, minimum=1)
    confidence = probabilities.max(1)
    place = jnp.clip(jnp.ceil(jnp.nan_to_num(confidence, nan=1.0) * bins) - 1, 0, bins - 1).astype(jnp.int32)
    place = jnp.where(counted, place, bins)

    def add(values, dtype):
        return jnp.zeros(bins, dtype).at[place].add(values.astype(dtype), mode="drop")

    return {
        "count": add(jnp.ones_like(place), jnp.int32),
        "correct": add(correct(probabilities, labels), jnp.int32),
        "confidence": add(confidence, probabilities.dtype),
    }


def calibration_error(
    count: np.ndarray | jax.Array, correct: np.ndarray | jax.Array, confidence: np.ndarray | jax.Array
) -> float:
    r"""Expected calibration error: by how much confidence and accuracy differ, on average over the examples.

    .. math:: \sum_b \frac{n_b}{N} \left| \frac{\text{correct}_b}{n_b} - \frac{\text{confidence}_b}{n_b} \right|

    Args:
      count: n_b, of ``calibration_bins``, ``[..., n]``, added over all axes but the last.
      correct: likewise.
      confidence: likewise.

    Returns:
      0 to 1; NaN without an example or if a confidence is NaN. It runs on the host, in float64.

    Raises:
      ValueError: on wrong shapes or dtypes, without a bin, or if a number is negative or infinite or there are more
        correct than there are.

    Example:
      >>> round(calibration_error(np.array([0, 2]), np.array([0, 1]), np.array([0.0, 1.6])), 4)
      0.3

    Reference:
      Guo et al., On calibration of modern neural networks, arXiv 1706.04599.
    """
    check.min_rank("count", count, 1)
    if not np.shape(count)[-1]:
        raise ValueError(f"count has shape {np.shape(count)}; allowed: 1 bin or more.")
    sums = []
    for name, values in (("count", count), ("correct", correct), ("confidence", confidence)):
        check.same_shape(name, values, "count", count)
        check.number(name, values)
        values = np.asarray(values, np.float64)
        if (values < 0).any() or np.isinf(values).any():
            raise ValueError(f"{name} holds a negative or infinite number; allowed: 0 or more, finite.")
        sums.append(values.reshape(-1, values.shape[-1]).sum(0))
    number, right, sure = sums
    if (right > number).any():
        raise ValueError(f"correct holds {right.max():g} of {number[right.argmax()]:g}; allowed: 0 to count.")
    return float(np.abs(right - sure).sum() / number.sum()) if number.sum() > 0 else float("nan")


def brier(probabilities: jax.Array, labels: jax.Array) -> jax.Array:
    r"""The Brier score of each example: squared error of its probabilities, which calibration and accuracy both lower.

    .. math:: \sum_c (p_c - [c = y])^2

    Args:
      probabilities: ``[B, C]``, floating point, rows of sum 1.
      labels: int ``[B]``, 0 to C - 1.

    Returns:
      ``[B]``, 0 to 2, float32 or wider: twice scikit-learn's where there are two classes. NaN without gradient for a
      label out of range.

    Raises:
      ValueError: on wrong shapes or dtypes.

    Example:
      >>> print(brier(jnp.array([[0.75, 0.25]]), jnp.array([0])))
      [0.125]

    Reference:
      Brier, Verification of forecasts expressed in terms of probability, 1950.
    """
    probabilities, labels, _ = _rows(probabilities, labels, None)
    classes = probabilities.shape[1]
    is_class = (labels >= 0) & (labels < classes)
    truth = jax.nn.one_hot(labels, classes, dtype=probabilities.dtype)
    error = jnp.where(is_class[:, None], probabilities - truth, 0.0)
    return jnp.where(is_class, jnp.sum(error**2, axis=1), jnp.nan)


def _rows(probabilities, labels, valid) -> tuple[jax.Array, jax.Array, jax.Array]:
    check.rank("probabilities", probabilities, 2)
    check.floating("probabilities", probabilities)
    if not probabilities.shape[1]:
        raise ValueError(f"probabilities has shape {probabilities.shape}; allowed: 1 class or more.")
    count = probabilities.shape[:1]
    check.shape("labels", labels, count)
    check.integer("labels", labels)
    counted = jnp.ones(count, bool)
    if valid is not None:
        check.shape("valid", valid, count)
        check.boolean("valid", valid)
        counted = jnp.asarray(valid)
    dtype = jnp.promote_types(jnp.result_type(probabilities), jnp.float32)
    return jnp.asarray(probabilities, dtype), jnp.asarray(labels), counted
