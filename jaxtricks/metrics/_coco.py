"""The mean average precision of boxes as COCO defines it, with an interval by bootstrap over the images."""

from dataclasses import dataclass
from itertools import pairwise

import jax
import numpy as np

from jaxtricks import check
from jaxtricks.metrics import _coco_options, _detections
from jaxtricks.metrics._bootstrap import draws, interval
from jaxtricks.metrics._detections import Boxes

Array = np.ndarray | jax.Array
THRESHOLDS = tuple(float(t) for t in np.linspace(0.5, 0.95, 10))
RECALLS = np.linspace(0.0, 1.0, 101)
FIGURES = {"ap": 0, "ap50": 0, "ap_small": 1, "ap_medium": 2, "ap_large": 3}  # those with intervals: their areas
NOTHING = float("nan")


@dataclass(frozen=True)
class CocoMap:
    """COCO's figures of a set of images; NaN where there is no object to be found.

    Fields:
      ap: mean average precision over the IoU thresholds and classes.
      ap50, ap75: at a threshold of 0.5 and 0.75; NaN if that is not one of the thresholds.
      ap_small, ap_medium, ap_large: of objects below 32 x 32 pixels, up to 96 x 96, and above; or as ``limits`` says.
      ar_few, ar_some, ar_all: mean recall with the three numbers of detections an image.
      ar_small, ar_medium, ar_large: mean recall by area.
      ap_weighted: as ap, each class weighted by its share of the objects.
      by_class: ap of each class, ``[C]``.
      interval: of ap, low and high; None unless asked for.
      intervals: likewise of the figures that ``ci_of`` names; NaN where there is no object.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_few: float
    ar_some: float
    ar_all: float
    ar_small: float
    ar_medium: float
    ar_large: float
    ap_weighted: float
    by_class: np.ndarray
    interval: tuple[float, float] | None = None
    intervals: dict[str, tuple[float, float]] | None = None

    @property
    def stats(self) -> np.ndarray:
        """The twelve figures in pycocotools's order."""
        return np.array(list(vars(self).values())[:12])


def coco_map(
    boxes: Array,
    scores: Array,
    labels: Array,
    target_boxes: Array,
    target_labels: Array,
    *,
    classes: int,
    valid: Array | None = None,
    target_valid: Array | None = None,
    crowd: Array | None = None,
    areas: Array | None = None,
    limits: tuple[float, float] = (32.0**2, 96.0**2),
    iou_thresholds: tuple[float, ...] = THRESHOLDS,
    max_detections: tuple[int, int, int] = (1, 10, 100),
    ci: float | None = None,
    ci_of: tuple[str, ...] = ("ap",),
    resamples: int = 1000,
    seed: int = 0,
) -> CocoMap:
    r"""COCO's mean average precision: the usual figure of detectors, on padded arrays of all images.

    In each image and class the detections, by falling score, take the free object that they overlap most, by the
    threshold or more. With precision P of all detections down to a score and recall R, summed over the images,

    .. math:: \mathrm{AP} = \frac{1}{101} \sum_{r \in \{0, 0.01, \ldots, 1\}} \max_{R \ge r} P

    is averaged over the thresholds and over the classes that have an object. A detection of a crowd counts neither as
    right nor as wrong. It runs on the host, in float64.

    Args:
      boxes: detections, xyxy in pixels, ``[N, D, 4]``.
      scores: ``[N, D]``.
      labels: int ``[N, D]``, 0 to C - 1.
      target_boxes: objects, ``[N, M, 4]``.
      target_labels: int ``[N, M]``, 0 to C - 1.
      classes: C, an integer of 1 or more.
      valid: which detections are there, bool ``[N, D]``; all if None. What is not valid is not looked at.
      target_valid: which objects are there, bool ``[N, M]``.
      crowd: which objects are crowds, bool ``[N, M]``; none if None.
      areas: of the objects, as annotated, ``[N, M]``, square pixels; those of the boxes if None.
      limits: areas up to which an object is small, and from which it is large, square pixels, above 0, rising.
      iou_thresholds: one or more, above 0, 1 or less.
      max_detections: three rising integers of 1 or more; the last holds for everything but ``ar_few`` and ``ar_some``.
      ci: confidence of the intervals, between 0 and 1; none if None. By percentiles of a bootstrap over the images.
      ci_of: what gets one, of ``ap``, which is first, ``ap50``, ``ap_small``, ``ap_medium``, ``ap_large``.
      resamples: of the bootstrap, an integer of 1 or more.
      seed: of the bootstrap, an integer of 0 or more.

    Returns:
      CocoMap; NaN where there is no object. An image without a detection or an object counts as it is. Of equal
      scores the earlier image, then the earlier detection comes first.

    Raises:
      ValueError: on wrong shapes, dtypes or options, or if a valid box is not finite or inverted, a valid score is NaN
        or a valid label is no class; the message has its place.

    Example:
      >>> boxes, labels = np.array([[[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]]]), np.zeros((1, 2), int)
      >>> targets = np.array([[[0.0, 0.0, 10.0, 8.0]]])  # IoU 0.8: right at 7 of the 10 thresholds
      >>> round(coco_map(boxes, np.array([[0.9, 0.5]]), labels, targets, labels[:, :1], classes=1).ap, 3)
      0.7

    Reference:
      Lin et al., Microsoft COCO: common objects in context, arXiv 1405.0312; equal to pycocotools to 1e-6.
    """
    classes = check.at_least("classes", classes, minimum=1)
    thresholds = _coco_options.thresholds(iou_thresholds)
    numbers = _coco_options.numbers(max_detections)
    ranges = _coco_options.ranges(limits)
    if isinstance(ci_of, str) or tuple(ci_of)[:1] != ("ap",) or not set(ci_of) <= set(FIGURES):
        raise ValueError(f"ci_of is {ci_of!r}; allowed: 'ap', and after it some of {', '.join(list(FIGURES)[1:])}.")
    detections = _detections.flat("boxes", boxes, labels, valid, classes=classes)
    count = tuple(boxes.shape[:2])
    values = _detections.scores_of(scores, detections, count)
    objects = _detections.flat(
        "target_boxes", target_boxes, target_labels, target_valid, classes=classes, rows=count[0]
    )
    target_count = tuple(target_boxes.shape[:2])
    crowds = _detections.mask("crowd", crowd, target_count, default=False).ravel()[objects.place]
    sizes = _coco_options.areas(areas, objects, target_count)

    order, rank = _detections.ranks(_detections.groups(detections, classes), values)
    order, rank = order[rank < numbers[-1]], rank[rank < numbers[-1]]
    detections, values = detections.take(order), values[order]
    outside = np.stack([(sizes < low) | (sizes > high) for low, high in ranges])
    ignored = outside | crowds
    matched, left_out = _match(detections, objects, rank, crowds, ignored, thresholds, classes, ranges)

    by_score = np.lexsort((rank, detections.image, -values))
    tables = [
        _Table(
            label=detections.label[by_score],
            image=detections.image[by_score],
            right=(matched & ~left_out)[area][:, by_score],
            wrong=(~matched & ~left_out)[area][:, by_score],
            rank=rank[by_score],
            object_label=objects.label[~ignored[area]],
            object_image=objects.image[~ignored[area]],
        )
        for area in range(len(ranges))
    ]
    precision = np.stack([table.precision(classes) for table in tables])  # [areas, classes, thresholds]
    recall = np.stack([table.recall(classes, numbers[-1]) for table in tables])
    few = [tables[0].recall(classes, number) for number in numbers[:2]]
    share = np.bincount(tables[0].object_label, minlength=classes)
    ap_of_class = precision[0].mean(-1)
    there = share > 0
    between = None
    if ci is not None:
        weights = draws(seed, count[0], resamples)
        between = _intervals(ci_of, tables, classes, thresholds, weights, ci=ci)
    return CocoMap(
        ap=_mean(precision[0]),
        ap50=_at(precision[0], thresholds, 0.5),
        ap75=_at(precision[0], thresholds, 0.75),
        **{f"ap_{name}": _mean(precision[i]) for i, name in enumerate(("small", "medium", "large"), 1)},
        ar_few=_mean(few[0]),
        ar_some=_mean(few[1]),
        ar_all=_mean(recall[0]),
        **{f"ar_{name}": _mean(recall[i]) for i, name in enumerate(("small", "medium", "large"), 1)},
        ap_weighted=float(np.average(ap_of_class[there], weights=share[there])) if there.any() else NOTHING,
        by_class=ap_of_class,
        interval=None if between is None else between["ap"],
        intervals=between,
    )


@dataclass(frozen=True)
class _Table:
    """Detections of one range of areas by falling score, and the objects to be found."""

    label: np.ndarray
    image: np.ndarray
    right: np.ndarray  # [T, K]
    wrong: np.ndarray
    rank: np.ndarray
    object_label: np.ndarray
    object_image: np.ndarray

    def precision(self, classes: int, weight: np.ndarray | None = None) -> np.ndarray:
        """Average precision, ``[C, T]``; with a weight for each image."""
        out = np.full((classes, len(self.right)), NOTHING)
        total = self._totals(classes, weight)
        for c in np.flatnonzero(total > 0):
            here = self.label == c
            right, wrong = (np.asarray(x[:, here], np.float64) for x in (self.right, self.wrong))
            if weight is not None:
                right, wrong = right * weight[self.image[here]], wrong * weight[self.image[here]]
            right, wrong = np.cumsum(right, 1), np.cumsum(wrong, 1)
            precision = np.divide(right, right + wrong, out=np.zeros_like(right), where=right + wrong > 0)
            precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
            precision = np.pad(precision, [(0, 0), (0, 1)])  # beyond the last recall
            for t, recall in enumerate(right / total[c]):
                out[c, t] = precision[t, np.searchsorted(recall, RECALLS, side="left")].mean()
        return out

    def recall(self, classes: int, number: int) -> np.ndarray:
        """Recall with that number of detections an image and class, ``[C, T]``."""
        total = self._totals(classes, None)
        few = self.rank < number
        right = np.stack([np.bincount(self.label[few], weights=x[few], minlength=classes) for x in self.right], -1)
        return np.where(total[:, None] > 0, right / np.maximum(total, 1)[:, None], NOTHING)

    def _totals(self, classes: int, weight: np.ndarray | None) -> np.ndarray:
        weights = None if weight is None else weight[self.object_image]
        return np.bincount(self.object_label, weights=weights, minlength=classes)


def _intervals(names, tables: list[_Table], classes: int, thresholds: np.ndarray, weights: np.ndarray, *, ci) -> dict:
    """Of figures by name: percentiles over weights of the images, ``[resamples, N]``."""
    drawn, out = {}, {}
    for name in names:
        if (table := FIGURES[name]) not in drawn:
            drawn[table] = [tables[table].precision(classes, weight) for weight in weights]
        figures = [_at(one, thresholds, 0.5) if name == "ap50" else _mean(one) for one in drawn[table]]
        out[name] = interval(np.array(figures), ci=ci)
    return out


def _match(
    detections: Boxes,
    objects: Boxes,
    rank: np.ndarray,
    crowds: np.ndarray,
    ignored: np.ndarray,
    thresholds: np.ndarray,
    classes: int,
    ranges: tuple[tuple[float, float], ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Which detections have an object, and which count neither way, ``[areas, T, K]`` each.

    All images and classes at once, one rank after the other. An object that is ignored is taken only where no other
    fits, and a crowd any number of times. Of equal overlaps the last object is taken, as in pycocotools.
    """
    shape = (len(ignored), len(thresholds))
    matched = np.zeros((*shape, len(rank)), bool)
    size = _detections.area(detections.box)
    left_out = np.stack([(size < low) | (size > high) for low, high in ranges])[:, None].repeat(shape[1], 1)
    taken = np.zeros((*shape, len(crowds)), bool)
    limits = np.minimum(thresholds, 1 - 1e-10)
    detection, item, overlap = _detections.pairs(detections, objects, crowds, classes=classes, low=limits.min())
    by_rank = np.argsort(rank[detection], kind="stable")
    detection, item, overlap = detection[by_rank], item[by_rank], overlap[by_rank]
    ends = np.searchsorted(rank[detection], np.arange(rank.max(initial=-1) + 2))
    for start, end in pairwise(ends):
        if start == end:
            continue
        who, what, value = detection[start:end], item[start:end], overlap[start:end]
        first = np.flatnonzero(np.append(True, who[1:] != who[:-1]))
        lengths = np.diff(np.append(first, len(who)))
        free = (~taken[..., what] | crowds[what]) & (value >= limits[:, None])
        real = free & ~ignored[:, None, what]
        some = np.logical_or.reduceat(real, first, axis=-1).repeat(lengths, -1)
        open_ = np.where(some, real, free)
        best = np.maximum.reduceat(np.where(open_, value, -1.0), first, axis=-1).repeat(lengths, -1)
        place = np.maximum.reduceat(np.where(open_ & (value == best), np.arange(len(who)), -1), first, axis=-1)
        a, t, d = np.nonzero(place >= 0)
        chosen = what[place[a, t, d]]
        taken[a, t, chosen] = True
        matched[a, t, who[first][d]] = True
        left_out[a, t, who[first][d]] = ignored[a, chosen]
    return matched, left_out


def _mean(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else NOTHING


def _at(precision: np.ndarray, thresholds: np.ndarray, threshold: float) -> float:
    return _mean(precision[:, np.isclose(thresholds, threshold)])
