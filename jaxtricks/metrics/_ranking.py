"""Average precision: how well scores rank the positives before the negatives, in one class and over several."""

import jax
import numpy as np

from jaxtricks import check


def average_precision(scores: np.ndarray | jax.Array, positives: np.ndarray | jax.Array) -> float:
    """How well scores rank positives first; for one class, where positives are rare and accuracy says little.

    ``AP = sum_n (R_n - R_{n-1}) P_n`` over the distinct scores from the highest on, where recall ``R_n`` and precision
    ``P_n`` are those of all examples that score at least as much. Examples of equal score count together; nothing is
    interpolated. It runs on the host, in float64.

    Args:
      scores: ``[N]``, the higher the more likely positive; any scale.
      positives: ``[N]``, bool, or numbers 0 and 1.

    Returns:
      0 to 1; NaN if there is no positive or a score is NaN.

    Raises:
      ValueError: on wrong ranks, sizes or dtypes, without an example, or if positives hold anything but 0 and 1.

    Example:
      >>> round(average_precision(np.array([0.9, 0.8, 0.7, 0.1]), np.array([1, 0, 1, 0])), 4)
      0.8333

    Reference:
      Everingham et al., The Pascal visual object classes (VOC) challenge, IJCV 2010; without its interpolation.
    """
    check.rank("scores", scores, 1)
    check.number("scores", scores)
    _not_empty("scores", scores)
    check.shape("positives", positives, scores.shape)
    scores, hits = np.asarray(scores, np.float64), _zeros_and_ones("positives", positives)
    if np.isnan(scores).any() or not hits.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], hits[order]
    last = np.append(scores[1:] != scores[:-1], True)  # of the examples that share a score
    true_positives = np.cumsum(hits)[last]
    precision = true_positives / (np.flatnonzero(last) + 1)
    return float((np.diff(true_positives, prepend=0) * precision).sum() / true_positives[-1])


def mean_average_precision(scores: np.ndarray | jax.Array, targets: np.ndarray | jax.Array) -> float:
    """The mean of the average precisions of the classes; the usual metric where an example has several labels.

    ``mAP = mean_c AP(scores[:, c], targets[:, c])`` over the classes that have a positive. It runs on the host, in
    float64. (For boxes, whose positives are found by matching, this is not the function.)

    Args:
      scores: ``[N, C]``, the higher the more likely positive.
      targets: ``[N, C]``, bool, or numbers 0 and 1.

    Returns:
      0 to 1; NaN if no class has a positive, or one that has has a score that is NaN.

    Raises:
      ValueError: on wrong ranks, sizes or dtypes, without an example or a class, or if targets hold anything but 0
        and 1.

    Example:
      >>> scores = np.array([[0.9, 0.2], [0.8, 0.1], [0.1, 0.3]])
      >>> round(mean_average_precision(scores, np.array([[1, 0], [0, 1], [1, 0]])), 4)  # (5 / 6 + 1 / 3) / 2
      0.5833
    """
    check.rank("scores", scores, 2)
    check.number("scores", scores)
    _not_empty("scores", scores)
    check.shape("targets", targets, scores.shape)
    scores, hits = np.asarray(scores), _zeros_and_ones("targets", targets)
    values = [average_precision(scores[:, c], hits[:, c]) for c in np.flatnonzero(hits.any(0))]
    return float(np.mean(values)) if values else float("nan")


def interpolated_average_precision(
    recall: np.ndarray | jax.Array, precision: np.ndarray | jax.Array, *, points: int | None = None
) -> float:
    r"""Average precision of a curve of which the precision is made monotone: the form of VOC and COCO.

    .. math:: \frac{1}{n} \sum_{i=0}^{n-1} p\left(\frac{i}{n - 1}\right) \text{ or } \int_0^1 p(r) \, dr, \quad
       p(r) = \max_{R \ge r} P(R)

    and 0 beyond the highest recall. It runs on the host, in float64.

    Args:
      recall: R, ``[N]``, rising, 0 to 1: of the examples down to each score.
      precision: P, ``[N]``, 0 to 1.
      points: n, an integer of 2 or more: 11 in VOC 2007, 101 in COCO; the area if None, as in VOC from 2010 on.

    Returns:
      0 to 1; NaN if a recall or a precision is NaN.

    Raises:
      ValueError: on wrong ranks, sizes or dtypes, without an example, if a number lies outside 0 to 1, or if the
        recall falls.

    Example:
      >>> recall, precision = np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 2 / 3])
      >>> round(interpolated_average_precision(recall, precision), 4)  # 1 / 2 + 1 / 2 * 2 / 3
      0.8333
      >>> round(interpolated_average_precision(recall, precision, points=11), 4)  # (6 + 5 * 2 / 3) / 11
      0.8485

    Reference:
      Everingham et al., The Pascal visual object classes (VOC) challenge, IJCV 2010.
    """
    check.rank("recall", recall, 1)
    check.number("recall", recall)
    _not_empty("recall", recall)
    check.same_shape("precision", precision, "recall", recall)
    check.number("precision", precision)
    recall, precision = (np.asarray(values, np.float64) for values in (recall, precision))
    if points is not None:
        points = check.at_least("points", points, minimum=2)
    if np.isnan(recall).any() or np.isnan(precision).any():
        return float("nan")
    for name, values in (("recall", recall), ("precision", precision)):
        wrong = values[(values < 0) | (values > 1)]
        if wrong.size:
            raise ValueError(f"{name} holds {wrong[0]}; allowed: 0 to 1.")
    if (np.diff(recall) < 0).any():
        raise ValueError("recall falls; allowed: by falling score, so that it rises.")
    monotone = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    if points is None:
        return float((np.diff(recall, prepend=0.0) * monotone[:-1]).sum())
    return float(monotone[np.searchsorted(recall, np.linspace(0.0, 1.0, points), side="left")].mean())


def _not_empty(name: str, array: np.ndarray | jax.Array) -> None:
    if 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}; allowed: no axis of size 0.")


def _zeros_and_ones(name: str, array: np.ndarray | jax.Array) -> np.ndarray:
    """The array as bool; ValueError if it holds anything but 0 and 1."""
    values = np.asarray(array)
    if values.dtype != bool:
        check.number(name, array)
        wrong = values[(values != 0) & (values != 1)]
        if wrong.size:
            raise ValueError(f"{name} holds {wrong[0]}; allowed: 0 and 1.")
    return values == 1
