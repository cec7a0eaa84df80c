"""Counts of true against predicted classes, added over batches, and the figures that follow from them on the host."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check


class PrecisionRecall(NamedTuple):
    """Of each class ``[C]``, or their average; 0 where there is nothing to divide by, as scikit-learn says.

    Fields:
      precision: ``TP / (TP + FP)``.
      recall: ``TP / (TP + FN)``.
      f1: ``2 TP / (2 TP + FP + FN)``.
    """

    precision: np.ndarray | float
    recall: np.ndarray | float
    f1: np.ndarray | float


def confusion_matrix(
    predicted: jax.Array, labels: jax.Array, *, classes: int, valid: jax.Array | None = None
) -> jax.Array:
    """How often each true class is taken for each other: add it over batches, then compute figures of the sum.

    ``M_ij = #{n : label_n = i and predicted_n = j}``

    Args:
      predicted: classes, int ``[...]``.
      labels: int, the shape of predicted.
      classes: C, an integer of 1 or more.
      valid: which rows count, bool, the shape of labels; all if None.

    Returns:
      int32 ``[C, C]``, by true class, then predicted class. A label outside 0 to C - 1 counts nowhere, nor does a
      prediction.

    Raises:
      ValueError: on wrong shapes, dtypes or classes.

    Example:
      >>> print(confusion_matrix(jnp.array([0, 1, 1]), jnp.array([0, 0, 1]), classes=2))
      [[1 1]
       [0 1]]
    """
    check.integer("predicted", predicted)
    check.integer("labels", labels)
    check.same_shape("labels", labels, "predicted", predicted)
    classes = check.at_least("classes", classes, minimum=1)
    predicted, labels = jnp.asarray(predicted), jnp.asarray(labels)
    counts = (predicted >= 0) & (predicted < classes) & (labels >= 0) & (labels < classes)
    if valid is not None:
        check.same_shape("valid", valid, "labels", labels)
        check.boolean("valid", valid)
        counts &= valid
    place = jnp.where(counts, labels.astype(jnp.int32) * classes + predicted.astype(jnp.int32), classes**2)
    flat = jnp.zeros(classes**2, jnp.int32).at[place.ravel()].add(1, mode="drop")
    return flat.reshape(classes, classes)


def precision_recall_f1(confusion: np.ndarray | jax.Array, *, average: str | None = None) -> PrecisionRecall:
    r"""Precision, recall and F1 of a confusion matrix: where classes are rare or errors differ.

    .. math:: F_1 = \frac{2 TP}{2 TP + FP + FN}

    which is ``2 TP / (N + TP - TN)`` with N examples.

    Args:
      confusion: ``[C, C]`` by true, then predicted class, counts of 0 or more.
      average: None for each class; ``"macro"`` for the mean over the classes that occur or are predicted;
        ``"macro of means"`` likewise, F1 being that of the mean precision and recall, which is higher; ``"weighted"``
        by the number of examples; ``"micro"`` from the sums, all three of which are then the accuracy.

    Returns:
      PrecisionRecall. It runs on the host, in float64.

    Raises:
      ValueError: on a wrong shape, dtype or average, or if a count is negative or not finite.

    Example:
      >>> figures = precision_recall_f1(np.array([[1, 1], [0, 1]]))
      >>> print(figures.precision, figures.recall, figures.f1.round(3))
      [1.  0.5] [0.5 1. ] [0.667 0.667]

    Reference:
      Opitz and Burst, Macro F1 and macro F1, arXiv 1911.03347, for the two macro forms.
    """
    confusion = _counts(confusion)
    check.option("average", average, (None, "macro", "macro of means", "weighted", "micro"))
    right, true, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    if average == "micro":
        right, true, predicted = (values.sum(keepdims=True) for values in (right, true, predicted))
    figures = [_share(right, predicted), _share(right, true), _share(2 * right, true + predicted)]
    if average is None:
        return PrecisionRecall(*figures)
    if average == "micro":
        return PrecisionRecall(*(float(values[0]) for values in figures))
    weights = true if average == "weighted" else (true + predicted > 0).astype(np.float64)
    precision, recall, f1 = (float(_share((weights * values).sum(), weights.sum())) for values in figures)
    if average == "macro of means":
        f1 = float(_share(2 * precision * recall, precision + recall))
    return PrecisionRecall(precision, recall, f1)


def balanced_accuracy(confusion: np.ndarray | jax.Array) -> float:
    """The mean recall of the classes: accuracy that a frequent class does not decide.

    ``mean_i (M_ii / sum_j M_ij)`` over the classes that occur.

    Args:
      confusion: ``[C, C]`` by true, then predicted class, counts of 0 or more.

    Returns:
      0 to 1; NaN if no class occurs.

    Raises:
      ValueError: on a wrong shape or dtype, or if a count is negative or not finite.

    Example:
      >>> balanced_accuracy(np.array([[9, 1], [1, 1]]))
      0.7
    """
    confusion = _counts(confusion)
    there = confusion.sum(1) > 0
    return float((confusion.diagonal()[there] / confusion.sum(1)[there]).mean()) if there.any() else float("nan")


def _counts(confusion) -> np.ndarray:
    check.rank("confusion", confusion, 2)
    check.number("confusion", confusion)
    classes = confusion.shape[0]
    check.shape("confusion", confusion, (classes, classes))
    if not classes:
        raise ValueError(f"confusion has shape {confusion.shape}; allowed: 1 class or more.")
    values = np.asarray(confusion, np.float64)
    right = (values >= 0) & np.isfinite(values)
    if not right.all():
        raise ValueError(f"confusion holds {values[~right][0]:g}; allowed: finite counts of 0 or more.")
    return values


def _share(part, total) -> np.ndarray:
    part, total = np.asarray(part, np.float64), np.asarray(total, np.float64)
    return np.divide(part, total, out=np.zeros_like(part), where=total > 0)
