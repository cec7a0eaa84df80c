"""Samplers: the order of rows in an epoch where classes are of unequal size.

Each is a pure function of (seed, epoch, labels), for ``Recipe.sampler``: to resume takes one integer, and every epoch
has one length, which the docstring states. Every image of a class comes as often as the others of it, to within one: in
an epoch, and with ``bounded_batches`` in all epochs so far.
"""

from collections.abc import Iterable

import numpy as np

from jaxtricks import check


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
    members = members_of(labels)
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
    members, rng = members_of(labels), np.random.default_rng((seed, epoch))
    largest = max(map(len, members))
    parts = [rng.permutation(rows)[rng.permutation(largest) % len(rows)] for rows in members]
    return rng.permutation(np.concatenate(parts))


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
        has = np.zeros((len(labels), len(members_of(labels))), bool)
        for k, rows in enumerate(members_of(labels)):
            has[rows, k] = True
    frequency = has.mean(0)
    factor = np.sqrt(threshold / np.where(frequency > 0, frequency, 1))
    factors = np.maximum(1, np.where(has, factor[None], 0).max(1))
    # in random order, the cumulated factors cut at integers: each image within one of its share, R in all
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(factors))
    total = int(factors.sum())
    return rng.permutation(np.repeat(order, _systematic(rng, factors[order] * total / factors.sum())))


def members_of(labels: np.ndarray) -> list[np.ndarray]:
    """The rows of each class that occurs; ValueError unless labels are integers of 0 or more, ``[N]``."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not labels.size or labels.min() < 0:
        raise ValueError(f"labels is {labels.dtype}{list(labels.shape)}; allowed: integers of 0 or more, [N].")
    return [np.flatnonzero(labels == value) for value in np.unique(labels)]


def length_of(labels: np.ndarray, rows: int | None) -> int:
    return len(labels) if rows is None else check.at_least("rows", rows, minimum=1)


def _by_share(seed, epoch, labels, rows, share) -> np.ndarray:
    """Rows of each class by what ``share`` makes of their counts, to within one, the rest by lot."""
    members, rng = members_of(labels), np.random.default_rng((seed, epoch))
    shares = share(np.array([len(rows) for rows in members], float))
    return _drawn(rng, members, _systematic(rng, length_of(labels, rows) * shares / shares.sum()))


def _drawn(rng: np.random.Generator, members: list[np.ndarray], quotas: Iterable[int]) -> np.ndarray:
    """So many rows of each class, as permutations of it one after another; all of them shuffled."""
    parts = []
    for rows, quota in zip(members, quotas, strict=True):
        passes = -(-int(quota) // len(rows))
        parts += [np.concatenate([rng.permutation(rows) for _ in range(passes)])[:quota]] if passes else []
    return rng.permutation(np.concatenate(parts))


def _systematic(rng: np.random.Generator, wanted: np.ndarray) -> np.ndarray:
    """Integers next to the wanted numbers, right on average, with the same sum, which is an integer."""
    ends = np.floor(np.cumsum(wanted) + rng.random())
    ends[-1] = round(float(wanted.sum()))
    return np.diff(ends, prepend=0.0).astype(np.int64)
