"""Which anchor or point learns which object: four rules, all giving one object or none for each anchor.

Boxes are padded, with a mask. A box that is not valid, not finite or without an area is matched to nothing, and without
boxes nothing is positive: an image without an object is all background.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxtricks import check
from jaxtricks.detection import _arguments, _overlap
from jaxtricks.detection._overlap import iou, pairwise


class Match(NamedTuple):
    """What each of A anchors or points learns.

    Fields:
      index: int32 ``[A]``, the box that it learns; 0 where it is not positive.
      positive: bool ``[A]``, whether it learns a box.
      negative: bool ``[A]``, whether it learns that it is background; what is neither is left out of the loss.
    """

    index: jax.Array
    positive: jax.Array
    negative: jax.Array


def match_iou(
    anchors: jax.Array,
    boxes: jax.Array,
    *,
    positive: float = 0.5,
    negative: float = 0.4,
    force: bool = True,
    valid: jax.Array | None = None,
) -> Match:
    """By thresholds of the overlap: the rule of RetinaNet, SSD and Faster R-CNN.

    An anchor whose greatest IoU with a box is ``positive`` or more learns that box; below ``negative`` it is
    background; between them it is left out. With ``force`` the anchors that overlap a box most, however little but
    not by nothing, are positive as well.

    Args:
      anchors: ``[A, 4]``, xyxy in pixels, floating point.
      boxes: ``[M, 4]``, xyxy in pixels, floating point.
      positive: 0 to 1; 0.5 in RetinaNet, 0.7 in a region proposal network.
      negative: 0 to positive; 0.4 in RetinaNet, 0.3 in a region proposal network.
      force: whether every box has an anchor. As in torchvision, a forced anchor learns the box that it overlaps most
        itself, which is another one where two boxes share their best anchor.
      valid: bool ``[M]``, which boxes are there.

    Returns:
      Match. Of boxes with equal overlap the lower index counts.

    Raises:
      ValueError: if a shape, a dtype or a threshold is wrong.

    Example:
      >>> anchors = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0], [9.0, 9.0, 12.0, 12.0]])
      >>> match = match_iou(anchors, jnp.array([[0.0, 0.0, 4.0, 4.5]]))
      >>> print(match.positive, match.negative)
      [ True False False] [False False  True]

    Reference:
      Lin et al., Focal loss for dense object detection, arXiv 1708.02002; Ren et al., Faster R-CNN, arXiv 1506.01497.
    """
    anchors, boxes, there = _sides("anchors", anchors, boxes, valid)
    check.between("positive", positive, 0.0, 1.0)
    check.between("negative", negative, 0.0, positive)
    if 0 in (anchors.shape[0], boxes.shape[0]):
        return _nothing(anchors.shape[0])
    overlap = jnp.where(there[None], pairwise(iou)(anchors, boxes), -1.0)
    best, index = overlap.max(1), overlap.argmax(1)
    is_positive = (best >= positive) & (best >= 0)
    if force:
        most = overlap.max(0)
        is_positive |= ((overlap == most[None]) & (most[None] > 0)).any(1)
    return _match(index, is_positive, ~is_positive & ((best < negative) | (best < 0)))


def match_ratio(
    anchors: jax.Array,
    boxes: jax.Array,
    strides: jax.Array,
    *,
    ratio: float = 4.0,
    valid: jax.Array | None = None,
) -> Match:
    r"""By shape and cell: the rule of YOLOv5, with three to nine positives a box and level where anchors fit.

    An anchor learns a box if neither side is ``ratio`` times the other's or more, and if its cell holds the box's
    centre or is one of the two nearest, across and down:

    .. math:: \max\left(\frac{w}{w_a}, \frac{w_a}{w}, \frac{h}{h_a}, \frac{h_a}{h}\right) < r

    Args:
      anchors: ``[A, 4]``, xyxy in pixels, floating point, centred on their cells, as ``anchors`` gives them.
      boxes: ``[M, 4]``, xyxy in pixels, floating point.
      strides: ``[A]``, pixels of an anchor's cell, floating point.
      ratio: r, greater than 1.
      valid: bool ``[M]``, which boxes are there.

    Returns:
      Match, of which what is not positive is background. Where several boxes claim an anchor it learns the one whose
      greatest ratio is the smallest, of equal ones the lower index; YOLOv5 itself counts the anchor once for each.

    Raises:
      ValueError: if a shape, a dtype or the ratio is wrong.

    Example:
      >>> from jaxtricks.detection import anchors
      >>> grid = anchors((1, 3), stride=8, scales=(8.0,), ratios=(1.0,))
      >>> print(match_ratio(grid, jnp.array([[6.0, 0.0, 14.0, 8.0]]), jnp.full(3, 8.0)).positive)
      [ True  True False]

    Reference:
      Jocher et al., YOLOv5, 2020, build_targets; Redmon and Farhadi, YOLOv3, arXiv 1804.02767.
    """
    if isinstance(ratio, check.NUMBERS) and not 1 < ratio < float("inf"):
        raise ValueError(f"ratio is {ratio!r}; allowed: a finite number greater than 1.")
    check.between("ratio", ratio, 1.0, float("inf"))
    anchors, boxes, there = _sides("anchors", anchors, boxes, valid)
    count = anchors.shape[0]
    strides = _arguments.scores("strides", strides, count)
    if not boxes.shape[0]:
        return _nothing(count)
    worst = jnp.ones((count, boxes.shape[0]))
    holds, near = [], []
    for i in range(2):
        side, anchor_side = (jnp.maximum(x[:, i + 2] - x[:, i], 1e-6) for x in (boxes, anchors))
        quotient = side[None] / anchor_side[:, None]
        worst = jnp.maximum(worst, jnp.maximum(quotient, 1 / quotient))
        center, anchor_center = (0.5 * (x[:, i] + x[:, i + 2]) for x in (boxes, anchors))
        cells = (center[None] - anchor_center[:, None]) / strides[:, None]
        holds.append((cells >= -0.5) & (cells < 0.5))
        near.append(jnp.abs(cells) < 1)
    claims = ((holds[0] & near[1]) | (near[0] & holds[1])) & (worst < ratio) & there[None]
    worst = jnp.where(claims, worst, jnp.inf)
    is_positive = claims.any(1)
    return _match(worst.argmin(1), is_positive, ~is_positive)


def match_atss(
    anchors: jax.Array,
    boxes: jax.Array,
    *,
    sizes: tuple[int, ...],
    k: int = 9,
    valid: jax.Array | None = None,
) -> Match:
    r"""By the statistics of each box: adaptive training sample selection, which has no threshold to choose.

    Of each level the k anchors whose centres are nearest to the box's are candidates; one learns the box if its centre
    lies inside and

    .. math:: \mathrm{IoU} \ge \mu + \sigma

    with mean and standard deviation (of n - 1) over the candidates.

    Args:
      anchors: ``[A, 4]``, xyxy in pixels, floating point, level after level; one anchor a cell in the paper.
      boxes: ``[M, 4]``, xyxy in pixels, floating point.
      sizes: numbers of anchors of the levels, integers of 1 or more with sum A.
      k: an integer of 1 or more; a level with fewer anchors gives all of them.
      valid: bool ``[M]``, which boxes are there.

    Returns:
      Match, of which what is not positive is background. Where several boxes claim an anchor it learns the one of the
      greatest IoU, of equal ones the lower index.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> from jaxtricks.detection import anchors
      >>> grid = anchors((2, 2), stride=8, scales=(8.0,), ratios=(1.0,))
      >>> print(match_atss(grid, jnp.array([[0.0, 0.0, 8.0, 7.0]]), sizes=(4,)).positive)
      [ True False False False]

    Reference:
      Zhang et al., Bridging the gap between anchor-based and anchor-free detection via adaptive training sample
      selection, arXiv 1912.02424.
    """
    anchors, boxes, there = _sides("anchors", anchors, boxes, valid)
    count = anchors.shape[0]
    k = check.at_least("k", k, minimum=1)
    if not hasattr(sizes, "__len__") or isinstance(sizes, (str, bytes)):
        raise ValueError(f"sizes is {sizes!r}; allowed: integers of 1 or more with sum {count}.")
    sizes = _arguments.sizes("sizes", sizes, count=len(sizes))
    if sum(sizes) != count:
        raise ValueError(f"sizes is {sizes!r}, of sum {sum(sizes)}; allowed: the number of anchors, {count}.")
    if not boxes.shape[0]:
        return _nothing(count)
    center, anchor_center = (0.5 * (x[:, :2] + x[:, 2:]) for x in (boxes, anchors))
    distance = jnp.square(anchor_center[None] - center[:, None]).sum(-1)
    overlap = pairwise(iou)(boxes, anchors)
    candidate, start = [], 0
    for size in sizes:
        _, nearest = lax.top_k(-distance[:, start : start + size], min(k, size))
        candidate.append(nearest + start)
        start += size
    candidate = jnp.concatenate(candidate, 1)
    values = jnp.take_along_axis(overlap, candidate, 1)
    mean = values.mean(1, keepdims=True)
    spread = jnp.sqrt(jnp.square(values - mean).sum(1, keepdims=True) / max(candidate.shape[1] - 1, 1))
    inside = ((anchor_center[None] > boxes[:, None, :2]) & (anchor_center[None] < boxes[:, None, 2:])).all(-1)
    chosen = (values >= mean + spread) & jnp.take_along_axis(inside, candidate, 1) & there[:, None]
    claims = jnp.zeros(overlap.shape, bool).at[jnp.arange(boxes.shape[0])[:, None], candidate].set(chosen)
    is_positive = claims.any(0)
    return _match(jnp.where(claims, overlap, -1.0).argmax(0), is_positive, ~is_positive)


def match_centers(
    points: jax.Array,
    boxes: jax.Array,
    ranges: jax.Array,
    *,
    radius: jax.Array | None = None,
    valid: jax.Array | None = None,
) -> Match:
    """By place and size: the rule of FCOS, for a head without anchors.

    A point inside a box learns it if the greatest of its four distances lies within the range of its level.

    Args:
      points: ``[P, 2]``, x and y in pixels, floating point.
      boxes: ``[M, 4]``, xyxy in pixels, floating point.
      ranges: ``[P, 2]``, the smallest and the greatest distance of the point's level, both inclusive, in pixels,
        floating point; inf is allowed.
      radius: ``[P]``, pixels, floating point: only points that are nearer to a box's centre than this, across and
        down, learn it; FCOS takes 1.5 strides. All inside if None.
      valid: bool ``[M]``, which boxes are there.

    Returns:
      Match, of which what is not positive is background. Where several boxes claim a point it learns the smallest, of
      equal ones the lower index.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> points = jnp.array([[4.0, 4.0], [12.0, 4.0]])
      >>> match = match_centers(points, jnp.array([[0.0, 0.0, 8.0, 8.0]]), jnp.array([[0.0, 8.0], [0.0, 8.0]]))
      >>> print(match.positive)
      [ True False]

    Reference:
      Tian et al., FCOS, arXiv 1904.01355.
    """
    points = _arguments.wide("points", points, rank=2)
    check.shape("points", points, (None, 2))
    count = points.shape[0]
    ranges = _arguments.wide("ranges", ranges, rank=2)
    check.shape("ranges", ranges, (count, 2))
    boxes, there = _boxes(boxes, valid)
    if radius is not None:
        radius = _arguments.scores("radius", radius, count)
    if not boxes.shape[0]:
        return _nothing(count)
    distance = jnp.concatenate([points[:, None] - boxes[None, :, :2], boxes[None, :, 2:] - points[:, None]], -1)
    longest = distance.max(-1)
    claims = (distance > 0).all(-1) & (longest >= ranges[:, :1]) & (longest <= ranges[:, 1:]) & there[None]
    if radius is not None:
        center = 0.5 * (boxes[:, :2] + boxes[:, 2:])
        claims &= (jnp.abs(points[:, None] - center[None]) < radius[:, None, None]).all(-1)
    is_positive = claims.any(1)
    smallest = jnp.where(claims, _overlap.area(boxes)[None], jnp.inf).argmin(1)
    return _match(smallest, is_positive, ~is_positive)


def _boxes(boxes: jax.Array, valid) -> tuple[jax.Array, jax.Array]:
    """Boxes without gradient, zeros where there is none, and which are there."""
    boxes = lax.stop_gradient(_arguments.boxes("boxes", boxes, rank=2))
    there = _arguments.mask("valid", valid, boxes.shape[0]) & _arguments.finite(boxes) & (_overlap.area(boxes) > 0)
    return jnp.where(there[:, None], boxes, 0.0), there


def _sides(name: str, anchors: jax.Array, boxes: jax.Array, valid) -> tuple[jax.Array, jax.Array, jax.Array]:
    anchors = lax.stop_gradient(_arguments.boxes(name, anchors, rank=2))
    return (anchors, *_boxes(boxes, valid))


def _match(index: jax.Array, positive: jax.Array, negative: jax.Array) -> Match:
    return Match(jnp.where(positive, index, 0).astype(jnp.int32), positive, negative)


def _nothing(count: int) -> Match:
    """Without boxes."""
    return Match(jnp.zeros(count, jnp.int32), jnp.zeros(count, bool), jnp.ones(count, bool))
