"""Samplers: the order of rows in an epoch where classes are of unequal size.

Each is a pure function of (seed, epoch, labels), for ``Recipe.sampler``: to resume takes one integer, and every epoch
has one length, which the docstring states. Every image of a class comes as often as the others of it, to within one: in
an epoch, and with ``bounded_batches`` in all epochs so far.
"""

from collections.abc import Sequence

import numpy as np

from jaxtricks import check
from jaxtricks.data._order import Sampler, epoch_permutation


def class_balanced(seed: int, epoch: int, labels: np.ndarray, *, rows: int | None = None) -> np.ndarray:
    r"""Every class equally often, the usual cure for a long tail; best in the last part of a run (see `deferred`).

    .. math:: p_c = 1 / C

    Args:
      seed: of the run, 0 or more.
      epoch: from 0.
      labels: integers ``[N]``; the classes are the values that occur.
      rows: length of an epoch, R, 1 or more; N if None.

    Returns:
      int64 ``[R]``: R / C rows of each class, to within one, the rest by lot.

    Raises:
      ValueError: if labels or rows are wrong.

    Example:
      >>> labels = np.array([0, 0, 0, 0, 0, 1])
      >>> np.bincount(labels[class_balanced(0, 0, labels)]).tolist()
      [3, 3]

    Reference:
      Kang et al., Decoupling representation and classifier for long-tailed recognition, arXiv 1910.09217.
    """
    return _by_share(seed, epoch, labels, rows, lambda counts: np.ones(len(counts)))


def square_root(seed: int, epoch: int, labels: np.ndarray, *, rows: int | None = None) -> np.ndarray:
    r"""Classes by the square root of their sizes, half-way between the data and balance: rare images repeat less.

    .. math:: p_c = \sqrt{n_c} / \sum_k \sqrt{n_k}

    Args:
      seed, epoch, labels, rows: as for `class_balanced`.

    Returns:
      int64 ``[R]``: R times p rows of each class, to within one.

    Raises:
      ValueError: if labels or rows are wrong.

    Example:
      >>> labels = np.repeat([0, 1], [16, 4])
      >>> np.bincount(labels[square_root(0, 0, labels, rows=30)]).tolist()  # 4 to 2
      [20, 10]

    Reference:
      Mahajan et al., Exploring the limits of weakly supervised pretraining, arXiv 1805.00932.
    """
    return _by_share(seed, epoch, labels, rows, np.sqrt)


def progressive(seed: int, epoch: int, labels: np.ndarray, *, epochs: int, rows: int | None = None) -> np.ndarray:
    r"""From the data's own shares towards equal ones, epoch by epoch: features first, the classifier's balance later.

    .. math:: p_c(t) = (1 - t / T) \, n_c / N + (t / T) / C

    Args:
      seed, labels, rows: as for `class_balanced`.
      epoch: t, from 0 to T.
      epochs: T, of the run, an integer of 2 or more.

    Returns:
      int64 ``[R]``: R times p rows of each class, to within one.

    Raises:
      ValueError: if labels or rows are wrong, or the epoch is beyond the last.

    Example:
      >>> labels = np.repeat([0, 1], [9, 1])
      >>> [np.bincount(labels[progressive(0, t, labels, epochs=4)]).tolist() for t in (0, 2, 4)]
      [[9, 1], [7, 3], [5, 5]]

    Reference:
      Kang et al., Decoupling representation and classifier for long-tailed recognition, arXiv 1910.09217.
    """
    check.at_least("epochs", epochs, minimum=2)
    check.between("epoch", epoch, 0, epochs)
    t = epoch / epochs
    return _by_share(seed, epoch, labels, rows, lambda n: (1 - t) * n / n.sum() + t / len(n))


def over_sample(seed: int, epoch: int, labels: np.ndarray, *, ratio: float = 1.0) -> np.ndarray:
    """Images of small classes repeat until these have a share of the largest one's size; no image is left out.

    Args:
      seed, epoch, labels: as for `class_balanced`.
      ratio: size of the smallest class by that of the largest, greater than 0, at most 1.

    Returns:
      int64 ``[R]``: all rows, and of every class that has fewer, rows up to ``ceil(ratio * max(n))``. R is the sum of
      these sizes.

    Raises:
      ValueError: if labels are wrong, or the ratio is out of range.

    Example:
      >>> labels = np.repeat([0, 1, 2], [8, 5, 1])
      >>> np.bincount(labels[over_sample(0, 0, labels, ratio=0.5)]).tolist()
      [8, 5, 4]

    Reference:
      Buda et al., A systematic study of the class imbalance problem in convolutional neural networks, arXiv 1710.05381.
    """
    check.positive("ratio", ratio)
    check.between("ratio", ratio, 0.0, 1.0)
    members = _members(labels)
    goal = int(np.ceil(ratio * max(map(len, members)) - 1e-9))  # 0.07 * 100 is a little above 7
    return _drawn(np.random.default_rng((seed, epoch)), members, [max(len(rows), goal) for rows in members])


def label_shuffle(seed: int, epoch: int, labels: np.ndarray) -> np.ndarray:
    """Class re-grouping: every class as often as the largest, whose images come once each.

    For each class the numbers of a permutation of ``max(n)``, modulo the class's own size, are places among its rows,
    which are shuffled too, for else the first of them would have the extra turn in every epoch. Those of all classes
    are shuffled together.

    Args:
      seed, epoch, labels: as for `class_balanced`.

    Returns:
      int64 ``[R]``, R is the number of classes times the size of the largest.

    Raises:
      ValueError: if labels are wrong.

    Example:
      >>> label_shuffle(0, 0, np.array([7, 7, 7, 9]))  # row 3 is the only one of its class
      array([3, 3, 0, 2, 1, 3])

    Reference:
      Hikvision, label shuffling, entry to ILSVRC 2016.
    """
    members, rng = _members(labels), np.random.default_rng((seed, epoch))
    largest = max(map(len, members))
    parts = [rng.permutation(rows)[rng.permutation(largest) % len(rows)] for rows in members]
    return rng.permutation(np.concatenate(parts))


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
    members = _members(labels)
    batch, high = check.at_least("batch", batch, minimum=1), check.at_least("high", high, minimum=1)
    low, many = check.at_least("low", low), len(members)
    if not low * many <= batch <= high * many or low > high:
        bounds = f"{low} and {high} for {many} classes in a batch of {batch}"
        raise ValueError(f"low and high are {bounds}; allowed: {many} low <= {batch} <= {many} high, low <= high.")
    steps = _length(labels, rows) // batch
    if not steps:
        raise ValueError(f"batch is {batch}; allowed: 1 to the rows of an epoch, {_length(labels, rows)}.")
    # shares within the bounds, and as many rows of each class as that is in all the batches
    shares = _within(np.array([len(rows) for rows in members], float), low / batch, high / batch)
    quotas = _rounded(shares * steps * batch, np.full(many, steps * low), np.full(many, steps * high))
    # rows of a class take turns: one permutation after another, read on from where the last epoch ended
    turns = [_turns((seed, k), rows, epoch * q, q) for k, (rows, q) in enumerate(zip(members, quotas, strict=True))]
    # dealt out one by one, so that a class is spread evenly over the batches
    dealt = np.concatenate(turns).reshape(batch, steps).T
    rng = np.random.default_rng((seed, epoch, many))
    return rng.permuted(rng.permutation(dealt), axis=1).reshape(-1)


def repeat_factor(seed: int, epoch: int, labels: np.ndarray, *, threshold: float) -> np.ndarray:
    r"""An image comes the more often, the rarer its rarest class is: for images with several classes, as in LVIS.

    .. math:: r_i = \max_{c \in i} \max(1, \sqrt{t / f_c}), \quad f_c \text{ the share of images that have class } c

    Args:
      seed, epoch: as for `class_balanced`.
      labels: integers ``[N]``, or ``[N, L]`` of 0 and 1, which classes an image has.
      threshold: t, the share of images below which a class repeats, greater than 0, at most 1; LVIS takes 0.001.

    Returns:
      int64 ``[R]``, R is the sum of all factors, rounded down; an image comes ``r_i R / sum(r)`` times, to within one.

    Raises:
      ValueError: if labels are wrong, or the threshold is out of range.

    Example:
      >>> labels = np.array([0] * 12 + [1] * 4)
      >>> np.bincount(labels[repeat_factor(0, 0, labels, threshold=1.0)]).tolist()  # factors 1.15 and 2
      [13, 8]

    Reference:
      Gupta et al., LVIS: a dataset for large vocabulary instance segmentation, arXiv 1908.03195.
    """
    check.positive("threshold", threshold)
    check.between("threshold", threshold, 0.0, 1.0)
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.size and np.isin(labels, (0, 1)).all():
        has = labels.astype(bool)
    else:
        has = np.zeros((len(labels), len(_members(labels))), bool)
        for k, rows in enumerate(_members(labels)):
            has[rows, k] = True
    frequency = has.mean(0)
    factor = np.sqrt(threshold / np.where(frequency > 0, frequency, 1))
    factors = np.maximum(1, np.where(has, factor[None], 0).max(1))
    # in random order, the cumulated factors cut at whole numbers: each image within one of its share, R in all
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(factors))
    total = int(factors.sum())
    return rng.permutation(np.repeat(order, _systematic(rng, factors[order] * total / factors.sum())))


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
      >>> from functools import partial
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
    _members(labels)
    check.at_least("batch", batch, minimum=1)
    check.between("batch", batch, 1, len(order))
    drawn = np.asarray(labels)[np.asarray(order)[: len(order) // batch * batch]].reshape(-1, batch)
    return np.stack([np.bincount(line, minlength=int(np.max(labels)) + 1) for line in drawn])


def _members(labels: np.ndarray) -> list[np.ndarray]:
    """The rows of each class that occurs; ValueError unless labels are integers of 0 or more, ``[N]``."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not labels.size or labels.min() < 0:
        raise ValueError(f"labels is {labels.dtype}{list(labels.shape)}; allowed: integers of 0 or more, [N].")
    return [np.flatnonzero(labels == value) for value in np.unique(labels)]


def _length(labels: np.ndarray, rows: int | None) -> int:
    return len(labels) if rows is None else check.at_least("rows", rows, minimum=1)


def _by_share(seed, epoch, labels, rows, share) -> np.ndarray:
    """Rows of each class by what ``share`` makes of their counts, to within one, the rest by lot."""
    members, rng = _members(labels), np.random.default_rng((seed, epoch))
    shares = share(np.array([len(rows) for rows in members], float))
    return _drawn(rng, members, _systematic(rng, _length(labels, rows) * shares / shares.sum()))


def _drawn(rng: np.random.Generator, members: list[np.ndarray], quotas: Sequence[int]) -> np.ndarray:
    """So many rows of each class, as permutations of it one after another; all of them shuffled."""
    parts = []
    for rows, quota in zip(members, quotas, strict=True):
        passes = -(-int(quota) // len(rows))
        parts += [np.concatenate([rng.permutation(rows) for _ in range(passes)])[:quota]] if passes else []
    return rng.permutation(np.concatenate(parts))


def _turns(key: tuple[int, int], rows: np.ndarray, start: int, count: int) -> np.ndarray:
    """Places start to start + count of an endless row of permutations."""
    passes = range(start // len(rows), -(-(start + count) // len(rows)))
    stream = [np.random.default_rng((*key, number)).permutation(rows) for number in passes]
    first = start - start // len(rows) * len(rows)
    return np.concatenate([rows[:0], *stream])[first : first + count]


def _systematic(rng: np.random.Generator, wanted: np.ndarray) -> np.ndarray:
    """Integers next to the wanted numbers, right on average, with the same sum, which is an integer."""
    ends = np.floor(np.cumsum(wanted) + rng.random())
    ends[-1] = round(float(wanted.sum()))
    return np.diff(ends, prepend=0.0).astype(np.int64)


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
