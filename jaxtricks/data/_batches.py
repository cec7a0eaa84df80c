"""Samplers of batches that keep bounds, a sampler for a part of the run, and what the batches of a sampler are."""

import numpy as np

from jaxtricks import check
from jaxtricks.data._order import Sampler, epoch_permutation
from jaxtricks.data._sampling import length_of, members_of


def bounded_batches(
    seed: int,
    epoch: int,
    labels: np.ndarray,
    *,
    batch: int,
    high: int,
    low: int = 0,
    rows: int | None = None,
) -> np.ndarray:
    r"""No class has more than so many rows in any batch, nor fewer than so many: sampling down and up in every step.

    With ``high`` alone nothing is thrown away: the images of a class that is held back take turns, and all of them
    come before one comes again, over as many epochs as it takes. With ``low`` too, small classes repeat.

    .. math:: p_c = \min(\max(\lambda n_c, \mathrm{low} / B), \mathrm{high} / B), \quad \sum_c p_c = 1

    Args:
      seed, epoch, labels: as for `class_balanced`.
      batch: B, as the recipe's.
      high: most rows of a class in a batch; times the number of classes it is B or more.
      low: fewest rows, 0 to high; times the number of classes it is B or less.
      rows: length of an epoch, rounded down to full batches, B or more; N if None.

    Returns:
      int64 ``[R]``; rows ``k B`` to ``(k + 1) B - 1`` are a batch.

    Raises:
      ValueError: if labels, rows or bounds are wrong, or no batch can keep the bounds.

    Example:
      >>> labels = np.repeat([0, 1, 2], [20, 3, 1])
      >>> order = bounded_batches(0, 0, labels, batch=4, high=2)
      >>> batch_composition(order, labels, batch=4).max(0).tolist()
      [2, 2, 1]
    """
    members = members_of(labels)
    batch, high = check.at_least("batch", batch, minimum=1), check.at_least("high", high, minimum=1)
    low, many = check.at_least("low", low), len(members)
    if not low * many <= batch <= high * many or low > high:
        bounds = f"{low} and {high} for {many} classes in a batch of {batch}"
        raise ValueError(f"low and high are {bounds}; allowed: {many} low <= {batch} <= {many} high, low <= high.")
    steps = length_of(labels, rows) // batch
    if not steps:
        raise ValueError(f"batch is {batch}; allowed: 1 to the rows of an epoch, {length_of(labels, rows)}.")
    # shares within the bounds, and as many rows of each class as that is in all the batches
    shares = _within(np.array([len(rows) for rows in members], float), low / batch, high / batch)
    quotas = _rounded(shares * steps * batch, np.full(many, steps * low), np.full(many, steps * high))
    # rows of a class take turns: one permutation after another, read on from where the last epoch ended
    turns = [_turns((seed, k), rows, epoch * q, q) for k, (rows, q) in enumerate(zip(members, quotas, strict=True))]
    # dealt out one by one, so that a class is spread evenly over the batches
    dealt = np.concatenate(turns).reshape(batch, steps).T
    rng = np.random.default_rng((seed, epoch, many))
    return rng.permuted(rng.permutation(dealt), axis=1).reshape(-1)


def deferred(
    seed: int, epoch: int, labels: np.ndarray, *, at: int, then: Sampler, first: Sampler | None = None
) -> np.ndarray:
    """One sampler until an epoch, another from then on: re-sampling once the features are learnt (DRS).

    Args:
      seed, epoch, labels: as for the samplers.
      at: the first epoch of the second sampler, 1 or more.
      then: the second sampler.
      first: the sampler before, or None for a permutation of all rows.

    Returns:
      int64 ``[R]``, what the sampler of this epoch gives.

    Raises:
      ValueError: if the epochs of both are of different lengths, or at is no integer of 1 or more.

    Example:
      >>> from jaxtricks.data import class_balanced
      >>> labels = np.repeat([0, 1], [9, 1])
      >>> [np.bincount(labels[deferred(0, t, labels, at=2, then=class_balanced)]).tolist() for t in (1, 2)]
      [[9, 1], [5, 5]]

    Reference:
      Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, arXiv 1906.07413.
    """
    check.at_least("at", at, minimum=1)
    before = epoch_permutation(seed, epoch, len(labels)) if first is None else first(seed, epoch, labels)
    after = then(seed, epoch, labels)
    if len(before) != len(after):
        raise ValueError(f"then gives {len(after)} rows an epoch; allowed: {len(before)}, as the sampler before it.")
    return before if epoch < at else after


def batch_composition(order: np.ndarray, labels: np.ndarray, *, batch: int) -> np.ndarray:
    """How many rows of each class every full batch of an epoch has: what a sampler does, to look at or report.

    Args:
      order: rows of an epoch, integers ``[R]``, as a sampler gives them.
      labels: integers ``[N]``, 0 to C - 1.
      batch: B, 1 to R.

    Returns:
      int64 ``[R // B, C]``; each line adds up to B.

    Raises:
      ValueError: if labels or batch are wrong.

    Example:
      >>> batch_composition(np.array([0, 1, 2, 3, 0]), np.array([0, 0, 1, 2]), batch=2)
      array([[2, 0, 0],
             [0, 1, 1]])
    """
    members_of(labels)
    check.at_least("batch", batch, minimum=1)
    check.between("batch", batch, 1, len(order))
    drawn = np.asarray(labels)[np.asarray(order)[: len(order) // batch * batch]].reshape(-1, batch)
    return np.stack([np.bincount(line, minlength=int(np.max(labels)) + 1) for line in drawn])


def _turns(key: tuple[int, int], rows: np.ndarray, start: int, count: int) -> np.ndarray:
    """Places start to start + count of an endless row of permutations."""
    passes = range(start // len(rows), -(-(start + count) // len(rows)))
    stream = [np.random.default_rng((*key, number)).permutation(rows) for number in passes]
    first = start - start // len(rows) * len(rows)
    return np.concatenate([rows[:0], *stream])[first : first + count]


def _within(counts: np.ndarray, low: float, high: float) -> np.ndarray:
    """Shares in proportion to counts within bounds, by bisection of the factor."""
    below, above = 0.0, 1.0 / counts.min()
    for _ in range(200):
        middle = (below + above) / 2
        below, above = (middle, above) if np.clip(middle * counts, low, high).sum() < 1 else (below, middle)
    shares = np.clip(above * counts, low, high)
    return shares / shares.sum()


def _rounded(wanted: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Integers next to the wanted numbers within bounds, with their sum; the largest remainders are rounded up."""
    wanted = np.clip(wanted, low, high)
    down = np.floor(wanted + 1e-6).astype(np.int64)
    left = round(float(wanted.sum())) - int(down.sum())
    down[np.argsort(down - wanted, kind="stable")[:left]] += 1
    return down
