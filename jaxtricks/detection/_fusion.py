"""Several boxes of one object made into one: by votes of the suppressed, or by fusion of several models' boxes.

A box votes if ``valid`` says so, its four numbers are finite and its score is finite and greater than 0; the others
count nothing.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxtricks import check
from jaxtricks.detection import _arguments
from jaxtricks.detection._overlap import iou, pairwise, ratio


class Fused(NamedTuple):
    """Fused boxes, by falling score.

    Fields:
      box: ``[K, 4]``, xyxy in pixels; zeros where not valid.
      score: ``[K]``; 0 where not valid.
      label: int32 ``[K]``; 0 where not valid, and where labels were not given.
      valid: bool ``[K]``, which of the K places hold a box.
    """

    box: jax.Array
    score: jax.Array
    label: jax.Array
    valid: jax.Array


def vote(
    kept: jax.Array,
    boxes: jax.Array,
    scores: jax.Array,
    *,
    iou_threshold: float = 0.5,
    kept_labels: jax.Array | None = None,
    labels: jax.Array | None = None,
    valid: jax.Array | None = None,
) -> jax.Array:
    r"""Boxes that NMS kept, moved to the mean of those around them, weighted by score: finer places at no training.

    .. math:: \hat b_k = \frac{\sum_{j : \mathrm{IoU}(b_k, b_j) \ge t} s_j b_j}{\sum_{j : \ldots} s_j}

    Args:
      kept: b_k, ``[K, 4]``, xyxy in pixels, floating point.
      boxes: b_j, ``[N, 4]``: all boxes before NMS, the kept ones among them.
      scores: s_j, ``[N]``, floating point.
      iou_threshold: t, 0 to 1; 0.5 in the paper.
      kept_labels: int ``[K]``; with labels, a box votes only for those of its label.
      labels: int ``[N]``; both, or neither.
      valid: bool ``[N]``, which boxes are there.

    Returns:
      ``[K, 4]``, float32 or wider; a box for which none votes stays as it is.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong, or if one of the labels is missing.

    Example:
      >>> boxes = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0]])
      >>> print(vote(boxes[:1], boxes, jnp.array([0.75, 0.25])))
      [[0.   0.   4.   3.75]]

    Reference:
      Gidaris and Komodakis, Object detection via a multi-region and semantic segmentation-aware CNN model,
      arXiv 1505.01749.
    """
    kept, boxes = _arguments.boxes("kept", kept, rank=2), _arguments.boxes("boxes", boxes, rank=2)
    count = boxes.shape[0]
    scores = _arguments.scores("scores", scores, count)
    check.between("iou_threshold", iou_threshold, 0.0, 1.0)
    if (labels is None) != (kept_labels is None):
        missing = "labels" if labels is None else "kept_labels"
        raise ValueError(f"{missing} is None; allowed: both labels and kept_labels, or neither.")
    boxes, scores, usable = _voters(boxes, scores, valid)
    voting = (pairwise(iou)(kept, boxes) >= iou_threshold) & usable[None]
    if labels is not None and kept_labels is not None:
        groups = _arguments.some_labels("labels", labels, count)
        kept_groups = _arguments.some_labels("kept_labels", kept_labels, kept.shape[0])
        voting &= kept_groups[:, None] == groups[None]
    weight = jnp.where(voting, scores[None] / _peak(scores), 0.0)
    total = weight.sum(-1, keepdims=True)
    return jnp.where(total > 0, ratio(weight @ boxes, jnp.broadcast_to(total, kept.shape)), kept)


def weighted_fusion(
    boxes: jax.Array,
    scores: jax.Array,
    *,
    models: int,
    iou_threshold: float = 0.55,
    max_output: int = 100,
    labels: jax.Array | None = None,
    valid: jax.Array | None = None,
) -> Fused:
    r"""Boxes of several models, or of several views, fused where they agree: for an ensemble, in the place of NMS.

    From the highest score on, a box joins the cluster whose fused box it overlaps most, by more than the threshold, or
    begins one. The fused box is the mean of its boxes weighted by score, its score the mean score times
    ``min(n, T) / T`` for n boxes of T models.

    Args:
      boxes: ``[N, 4]`` of all models, xyxy in pixels, floating point.
      scores: ``[N]``, floating point, in one scale.
      models: T, an integer of 1 or more.
      iou_threshold: 0 to 1.
      max_output: K, an integer of 1 or more: the fused boxes of the highest scores.
      labels: int ``[N]``: boxes of different labels are never fused.
      valid: bool ``[N]``, which boxes are there.

    Returns:
      Fused. Of equal scores the cluster that began first comes first.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> boxes = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0]])
      >>> fused = weighted_fusion(boxes, jnp.array([0.75, 0.25]), models=2, max_output=2)
      >>> print(fused.box[0], fused.score)
      [0.   0.   4.   3.75] [0.5 0. ]

    Reference:
      Solovyev et al., Weighted boxes fusion: ensembling boxes from different object detection models, arXiv 1910.13302.
    """
    boxes = _arguments.boxes("boxes", boxes, rank=2)
    count = boxes.shape[0]
    scores = _arguments.scores("scores", scores, count)
    models = check.at_least("models", models, minimum=1)
    check.between("iou_threshold", iou_threshold, 0.0, 1.0)
    max_output = check.at_least("max_output", max_output, minimum=1)
    labels = _arguments.labels("labels", labels, count)
    boxes, scores, usable = _voters(boxes, scores, valid)
    peak = _peak(scores)
    scores = scores / peak
    order = jnp.argsort(jnp.where(usable, -scores, jnp.inf), stable=True)
    groups = jnp.zeros(count, jnp.int32) if labels is None else labels.astype(jnp.int32)

    def step(clusters, item):
        total, mass, number, group, begun = clusters
        box, score, label, there = item
        fused = ratio(total, jnp.broadcast_to(mass[:, None], total.shape))
        overlap = jnp.where((number > 0) & (group == label), iou(fused, jnp.broadcast_to(box, fused.shape)), -1.0)
        best = jnp.argmax(overlap)
        joins = overlap[best] > iou_threshold
        place = jnp.where(there, jnp.where(joins, best, begun), count)  # out of range: dropped
        clusters = (
            total.at[place].add(score * box, mode="drop"),
            mass.at[place].add(score, mode="drop"),
            number.at[place].add(1, mode="drop"),
            group.at[place].set(label, mode="drop"),
            begun + (there & ~joins).astype(begun.dtype),
        )
        return clusters, None

    none = 0 * usable.astype(jnp.int32)  # which under shard_map varies as the boxes do
    mass = none.astype(scores.dtype)
    start = (jnp.broadcast_to(mass[:, None], boxes.shape), mass, none, none, none.sum(dtype=jnp.int32))
    if count:
        items = (boxes[order], scores[order], groups[order], usable[order])
        (total, mass, number, group, _), _ = lax.scan(step, start, items)
    else:
        total, mass, number, group, _ = start
    box = ratio(total, jnp.broadcast_to(mass[:, None], total.shape))
    score = ratio(mass, number.astype(mass.dtype)) * jnp.minimum(number, models).astype(mass.dtype) / models * peak
    return _first(Fused(box, score, group, number > 0), max_output)


def _voters(boxes: jax.Array, scores: jax.Array, valid) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Boxes and scores, 0 where they do not vote, and which do."""
    usable = _arguments.mask("valid", valid, boxes.shape[0])
    usable &= _arguments.finite(boxes) & jnp.isfinite(scores) & (scores > 0)
    return jnp.where(usable[:, None], boxes, 0.0), jnp.where(usable, scores, 0.0), usable


def _peak(scores: jax.Array) -> jax.Array:
    """The largest score, without a gradient, as the unit of the others: means stay, and no square of one underflows."""
    peak = jax.lax.stop_gradient(jnp.max(scores, initial=0.0))
    return jnp.where(peak > 0, peak, 1.0)


def _first(fused: Fused, count: int) -> Fused:
    """The ``count`` highest scores, padded where there are fewer."""
    order = jnp.argsort(jnp.where(fused.valid, -fused.score, jnp.inf), stable=True)[:count]

    def take(array):
        taken = jnp.where(
            fused.valid[order].reshape(-1, *(1,) * (array.ndim - 1)), array[order], jnp.zeros((), array.dtype)
        )
        return jnp.pad(taken, [(0, count - order.shape[0]), *[(0, 0)] * (array.ndim - 1)]).astype(array.dtype)

    return Fused(*map(take, fused))
