"""The source samples that lie nearest to those of a target task, to train on beside them."""

import numpy as np


def nearest_source(
    target_features: np.ndarray, source_features: np.ndarray, *, k: int, chunk: int = 1024
) -> np.ndarray:
    """For every target sample the k nearest source samples, nearest first; of equal distances the lower index first.

    ``argsort_j (sum_d (t[i, d] - s[j, d])^2, j)[:k]``, in float64.

    Candidates come from matrix products, whose rounding error is bounded; the distances of candidates are then summed
    directly. So the result depends neither on ``chunk`` nor on how the product is computed, and source samples that are
    alike are in order. It runs on the host, and of memory it needs some ``chunk * (chunk + D)`` numbers.

    Args:
      target_features: ``[N, D]``, finite numbers, such as a network's penultimate activations.
      source_features: ``[M, D]``, of the same features.
      k: neighbours of each target sample, 1 to M.
      chunk: rows of either side that are compared at a time, 1 or more.

    Returns:
      Row numbers of the source, int32 ``[N, k]``; ``np.unique`` of it is the set to train on.

    Raises:
      ValueError: for a wrong rank, number of features, k or chunk, or features that are not finite or whose squares
        are not.

    Reference:
      Ge and Yu, Borrowing treasures from the wealthy: deep transfer learning through selective joint fine-tuning,
      arXiv 1702.08690.
    """
    target, target_squares = _checked("target_features", target_features, chunk)
    source, source_squares = _checked("source_features", source_features, chunk)
    if target.shape[1] != source.shape[1]:
        raise ValueError(
            f"source_features has {source.shape[1]} features; allowed: {target.shape[1]}, as target_features."
        )
    if not 1 <= k <= len(source):
        raise ValueError(f"k is {k!r}; allowed: 1 to the {len(source)} source samples.")
    nearest = np.empty((len(target), k), np.int32)
    for first in range(0, len(target), chunk):
        rows = slice(first, first + chunk)
        nearest[rows] = _nearest(target[rows], target_squares[rows], source, source_squares, k, chunk)
    return nearest


def _checked(name: str, features: np.ndarray, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(f"{name} has shape {features.shape}, rank {features.ndim}; allowed: rank 2.")
    if chunk < 1:
        raise ValueError(f"chunk is {chunk!r}; allowed: 1 or more.")
    squares = np.empty(len(features))
    for first in range(0, len(features), chunk):
        part = np.asarray(features[first : first + chunk], np.float64)
        with np.errstate(over="ignore"):
            squares[first : first + chunk] = (part * part).sum(1)
    # (a - b)^2 is at most 2 (a^2 + b^2)
    wrong = np.flatnonzero(~(squares < np.finfo(np.float64).max / 8))
    if wrong.size:
        raise ValueError(f"{name}[{wrong[0]}] has a sum of squares of {squares[wrong[0]]}; allowed: finite numbers.")
    return features, squares


def _nearest(target, target_squares, source, source_squares, k, chunk) -> np.ndarray:
    target = np.asarray(target, np.float64)
    distances = np.full((len(target), k), np.inf)
    indices = np.full((len(target), k), len(source), np.int64)
    for first in range(0, len(source), chunk):
        part = np.asarray(source[first : first + chunk], np.float64)
        size = target_squares[:, None] + source_squares[None, first : first + chunk]
        product = size - 2 * (target @ part.T)
        # Rounding: of the squares and the product (D + 2) eps size at most, of the direct sum below as much again.
        slack = 2 * (target.shape[1] + 4) * np.finfo(np.float64).eps * size + np.finfo(np.float64).tiny
        limit = np.partition(product + slack, k - 1, axis=1)[:, k - 1 : k] if k <= len(part) else np.inf
        row, column = np.nonzero(product - slack <= np.minimum(limit, distances[:, -1:]))
        exact = np.empty(len(row))
        for i in range(0, len(row), chunk):
            pairs = slice(i, i + chunk)
            exact[pairs] = ((target[row[pairs]] - part[column[pairs]]) ** 2).sum(1)
        distances, indices = _merge(distances, indices, row, exact, first + column)
    return indices


def _merge(distances, indices, row, exact, column) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of those so far, ``[n, k]``, and of new ones, given as lists with their row."""
    n, k = distances.shape
    row = np.concatenate([np.repeat(np.arange(n), k), row])
    exact = np.concatenate([distances.ravel(), exact])
    column = np.concatenate([indices.ravel(), column])
    by = np.lexsort((exact, row))  # stable, and lower indices come first: those so far, then the new ones in order
    row, exact, column = row[by], exact[by], column[by]
    place = np.arange(len(row)) - np.searchsorted(row, row)  # within its row
    kept = place < k
    return exact[kept].reshape(n, k), column[kept].reshape(n, k)
