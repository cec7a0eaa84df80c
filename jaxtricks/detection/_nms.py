"""Non-maximum suppression of fixed shape: of boxes that overlap, the one with the highest score stays.

A box is a candidate if ``valid`` says so, its four numbers are finite and its score is neither NaN nor -inf; the others
are never kept and suppress nothing. A degenerate or inverted box has area 0 and overlaps nothing, so that it stays.
No boxes, or no candidate, give a result of which nothing is valid.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxtricks import check
from jaxtricks.detection import _arguments
from jaxtricks.detection._overlap import Measure, iou


class Kept(NamedTuple):
    """The boxes that stay, by falling score.

    Fields:
      index: int32 ``[K]``, their places among the boxes; 0 where not valid.
      score: ``[K]``, float32 or wider; 0 where not valid.
      valid: bool ``[K]``, which of the K places hold a box.
    """

    index: jax.Array
    score: jax.Array
    valid: jax.Array


def nms(
    boxes: jax.Array,
    scores: jax.Array,
    *,
    iou_threshold: float = 0.5,
    max_output: int = 100,
    labels: jax.Array | None = None,
    valid: jax.Array | None = None,
    measure: Measure = iou,
) -> Kept:
    """Greedy non-maximum suppression: the usual last step of a detector, under jit and vmap.

    From the highest score on, a box is kept unless a kept box overlaps it by more than the threshold; it stops at
    ``max_output`` boxes. Of equal scores the lower index comes first. Time grows with the boxes kept times all boxes.

    Args:
      boxes: ``[N, 4]``, xyxy in pixels, floating point.
      scores: ``[N]``, floating point.
      iou_threshold: an overlap above it suppresses, -1 to 1.
      max_output: K, an integer of 1 or more.
      labels: int ``[N]``: boxes of different labels leave each other alone, exactly, without shifted coordinates.
      valid: bool ``[N]``, which boxes are there.
      measure: of the overlap: ``iou``, or ``diou`` for DIoU-NMS, which keeps neighbours of which the centres differ.

    Returns:
      Kept.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> boxes = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0], [8.0, 0.0, 9.0, 1.0]])
      >>> kept = nms(boxes, jnp.array([0.8, 0.9, 0.1]), max_output=3)
      >>> print(kept.index, kept.valid)
      [1 2 0] [ True  True False]

    Reference:
      Zheng et al., Distance-IoU loss, arXiv 1911.08287, for DIoU-NMS.
    """
    boxes, scores, labels, usable = _candidates(boxes, scores, labels, valid)
    check.between("iou_threshold", iou_threshold, -1.0, 1.0)
    max_output = check.at_least("max_output", max_output, minimum=1)
    count = boxes.shape[0]
    if not count:
        return Kept(jnp.zeros(max_output, jnp.int32), jnp.zeros(max_output, scores.dtype), jnp.zeros(max_output, bool))
    order = jnp.argsort(jnp.where(usable, -scores, jnp.inf), stable=True).astype(jnp.int32)
    candidates, place = boxes[order], jnp.arange(count, dtype=jnp.int32)
    groups = None if labels is None else labels[order]

    def step(state):
        kept, here, alive, index = state
        overlap = measure(jnp.broadcast_to(candidates[here], candidates.shape), candidates)
        suppressed = overlap > iou_threshold
        if groups is not None:
            suppressed &= groups == groups[here]
        alive = alive & ~suppressed & (place > here)
        following = jnp.min(jnp.where(alive, place, count))
        return kept + 1, following, alive, index.at[kept].set(order[here])

    alive = usable[order]
    first = jnp.where(alive[0], 0, count).astype(jnp.int32)
    none = jnp.zeros(max_output, jnp.int32) + 0 * first  # which under shard_map varies as the boxes do
    start = (jnp.int32(0), first, alive, none)
    kept, _, _, index = lax.while_loop(lambda state: (state[0] < max_output) & (state[1] < count), step, start)
    there = jnp.arange(max_output) < kept
    return Kept(index, jnp.where(there, scores[index], 0.0), there)


def soft_nms(
    boxes: jax.Array,
    scores: jax.Array,
    *,
    method: str = "linear",
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    max_output: int = 100,
    labels: jax.Array | None = None,
    valid: jax.Array | None = None,
) -> Kept:
    r"""NMS that lowers the scores of overlapping boxes instead of dropping them: for crowded objects.

    The box of the highest score is taken, and every remaining one of overlap o with it gets

    .. math:: s \leftarrow s (1 - o) \text{ if } o \ge t \text{ (linear)}, \quad
       s \leftarrow s \exp(-o^2 / \sigma) \text{ (Gaussian)}

    until ``max_output`` boxes are taken or the highest score is below ``min_score``. Of equal scores the lower index
    comes first.

    Args:
      boxes: ``[N, 4]``, xyxy in pixels, floating point.
      scores: ``[N]``, floating point.
      method: ``"linear"`` or ``"gaussian"``.
      iou_threshold: t of the linear form, 0 to 1.
      sigma: of the Gaussian form, greater than 0.
      min_score: boxes whose score falls below it are dropped, 0 or more.
      max_output: K, an integer of 1 or more.
      labels: int ``[N]``: boxes of different labels leave each other alone.
      valid: bool ``[N]``, which boxes are there.

    Returns:
      Kept, with the lowered scores.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> boxes = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0]])
      >>> print(soft_nms(boxes, jnp.array([0.8, 0.9]), max_output=2).score)
      [0.9 0.2]

    Reference:
      Bodla et al., Soft-NMS: improving object detection with one line of code, arXiv 1704.04503.
    """
    boxes, scores, labels, usable = _candidates(boxes, scores, labels, valid)
    check.option("method", method, ("linear", "gaussian"))
    check.between("iou_threshold", iou_threshold, 0.0, 1.0)
    check.positive("sigma", sigma)
    check.between("min_score", min_score, 0.0, float("inf"))
    max_output = check.at_least("max_output", max_output, minimum=1)
    if not boxes.shape[0]:
        return Kept(jnp.zeros(max_output, jnp.int32), jnp.zeros(max_output, scores.dtype), jnp.zeros(max_output, bool))

    def step(remaining, _):
        best = jnp.argmax(remaining)
        score = remaining[best]
        there = score >= jnp.maximum(min_score, jnp.finfo(scores.dtype).tiny)
        overlap = iou(jnp.broadcast_to(boxes[best], boxes.shape), boxes)
        if method == "linear":
            factor = jnp.where(overlap >= iou_threshold, 1.0 - overlap, 1.0)
        else:
            factor = jnp.exp(-(overlap**2) / sigma)
        if labels is not None:
            factor = jnp.where(labels == labels[best], factor, 1.0)
        lowered = jnp.where(jnp.isfinite(remaining), remaining * factor, remaining).at[best].set(-jnp.inf)
        return jnp.where(there, lowered, remaining), (best.astype(jnp.int32), score, there)

    _, (index, score, there) = lax.scan(step, jnp.where(usable, scores, -jnp.inf), length=max_output)
    return Kept(jnp.where(there, index, 0), jnp.where(there, score, 0.0), there)


def _candidates(boxes, scores, labels, valid) -> tuple[jax.Array, jax.Array, jax.Array | None, jax.Array]:
    """The arguments, checked, without gradient, and which boxes may be kept."""
    boxes = _arguments.boxes("boxes", boxes, rank=2)
    count = boxes.shape[0]
    scores = _arguments.scores("scores", scores, count)
    labels = _arguments.labels("labels", labels, count)
    usable = _arguments.mask("valid", valid, count) & _arguments.finite(boxes) & (scores > -jnp.inf)
    boxes = jnp.where(usable[:, None], boxes, 0.0)
    return lax.stop_gradient(boxes), lax.stop_gradient(scores), labels, usable
