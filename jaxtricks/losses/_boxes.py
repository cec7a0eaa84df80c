"""Losses of boxes by their overlap: 1 minus IoU, GIoU, DIoU, CIoU.

Boxes are ``[..., 4]``: x1, y1, x2, y2 in pixels. A box with x2 <= x1 or y2 <= y1 has area 0. A ratio whose denominator
is 0 counts as 0, so that value and gradient are finite for all boxes of finite area; the ranges of the values are those
of boxes with x1 <= x2 and y1 <= y2. A NaN in a box makes its value NaN.
"""

import math

import jax
import jax.numpy as jnp

from jaxtricks.losses import _arguments, _safe


def iou_loss(predicted: jax.Array, target: jax.Array) -> jax.Array:
    r"""One minus intersection over union.

    .. math:: 1 - \frac{|A \cap B|}{|A \cup B|}

    Disjoint boxes have loss 1 and no gradient.

    Args:
      predicted: A, ``[..., 4]``, xyxy in pixels, floating point.
      target: B, the shape of predicted.

    Returns:
      The loss of each pair, ``[...]``, 0 to 1, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> loss = iou_loss(jnp.array([0.0, 0.0, 2.0, 2.0]), jnp.array([1.0, 0.0, 3.0, 2.0]))
      >>> print(np.asarray(loss).round(3))  # 1 - 2 / 6
      0.667

    Reference:
      Yu et al., UnitBox: an advanced object detection network, arXiv 1608.01471, which takes the logarithm instead.
    """
    return 1.0 - iou(*_boxes("predicted", predicted, "target", target))


def giou_loss(predicted: jax.Array, target: jax.Array) -> jax.Array:
    r"""One minus generalised IoU, which also pulls disjoint boxes together.

    .. math:: 1 - \mathrm{IoU} + \frac{|E| - |A \cup B|}{|E|}

    with E the smallest box around both.

    Args:
      predicted: A, ``[..., 4]``, xyxy in pixels, floating point.
      target: B, the shape of predicted.

    Returns:
      The loss of each pair, ``[...]``, 0 to 2, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> loss = giou_loss(jnp.array([0.0, 0.0, 1.0, 1.0]), jnp.array([2.0, 0.0, 3.0, 1.0]))
      >>> print(np.asarray(loss).round(3))  # 1 - 0 + 1 / 3
      1.333

    Reference:
      Rezatofighi et al., Generalized intersection over union, arXiv 1902.09630.
    """
    return 1.0 - giou(*_boxes("predicted", predicted, "target", target))


def diou_loss(predicted: jax.Array, target: jax.Array) -> jax.Array:
    r"""One minus distance IoU, which pulls the centres together.

    .. math:: 1 - \mathrm{IoU} + \frac{\rho^2}{d^2}

    with rho the distance of the centres and d the diagonal of the smallest box around both.

    Args:
      predicted: A, ``[..., 4]``, xyxy in pixels, floating point.
      target: B, the shape of predicted.

    Returns:
      The loss of each pair, ``[...]``, 0 to 2, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(np.asarray(diou_loss(jnp.array([0.0, 0.0, 2.0, 2.0]), jnp.array([1.0, 0.0, 3.0, 2.0]))).round(3))
      0.744

    Reference:
      Zheng et al., Distance-IoU loss: faster and better learning for bounding box regression, arXiv 1911.08287.
    """
    return 1.0 - diou(*_boxes("predicted", predicted, "target", target))


def ciou_loss(predicted: jax.Array, target: jax.Array) -> jax.Array:
    r"""One minus complete IoU: distance IoU, and a term for the aspect ratio.

    .. math::
       1 - \mathrm{IoU} + \frac{\rho^2}{d^2} + \alpha v, \quad
       v = \frac{4}{\pi^2} \left(\arctan\frac{w_B}{h_B} - \arctan\frac{w_A}{h_A}\right)^2, \quad
       \alpha = \frac{v}{1 - \mathrm{IoU} + v}

    alpha is a constant for the gradient. The angle of a box without width and height is 0.

    Args:
      predicted: A, ``[..., 4]``, xyxy in pixels, floating point.
      target: B, the shape of predicted.

    Returns:
      The loss of each pair, ``[...]``, 0 or more, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(np.asarray(ciou_loss(jnp.array([0.0, 0.0, 2.0, 2.0]), jnp.array([0.0, 0.0, 4.0, 1.0]))).round(3))
      0.747

    Reference:
      Zheng et al., Distance-IoU loss: faster and better learning for bounding box regression, arXiv 1911.08287.
    """
    return 1.0 - ciou(*_boxes("predicted", predicted, "target", target))


def iou(a: jax.Array, b: jax.Array) -> jax.Array:
    """Intersection over union of each pair of boxes, ``[..., 4]``; the measure of `iou_loss`."""
    a, b = _boxes("a", a, "b", b)
    return _overlap(a, b)[0]


def giou(a: jax.Array, b: jax.Array) -> jax.Array:
    """Generalised IoU of each pair of boxes, ``[..., 4]``; the measure of `giou_loss`."""
    a, b = _boxes("a", a, "b", b)
    overlap, union = _overlap(a, b)
    around = _area(_around(a, b))
    return overlap - _safe.ratio(around - union, around)


def diou(a: jax.Array, b: jax.Array) -> jax.Array:
    """Distance IoU of each pair of boxes, ``[..., 4]``; the measure of `diou_loss`."""
    a, b = _boxes("a", a, "b", b)
    overlap, _ = _overlap(a, b)
    between = 0.5 * (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:])
    diagonal = _sides(_around(a, b))
    return overlap - _safe.ratio(jnp.sum(between**2, axis=-1), jnp.sum(diagonal**2, axis=-1))


def ciou(a: jax.Array, b: jax.Array) -> jax.Array:
    """Complete IoU of each pair of boxes, ``[..., 4]``; the measure of `ciou_loss`."""
    a, b = _boxes("a", a, "b", b)
    overlap, _ = _overlap(a, b)
    v = 4.0 / math.pi**2 * (_angle(b) - _angle(a)) ** 2
    alpha = jax.lax.stop_gradient(_safe.ratio(v, 1.0 - overlap + v))
    return diou(a, b) - alpha * v


def _boxes(a_name: str, a, b_name: str, b) -> tuple[jax.Array, jax.Array]:
    """Two arrays of boxes of one shape, ``[..., 4]``."""
    a = _arguments.wide(a_name, a, rank=1)
    if a.shape[-1] != 4:
        raise ValueError(f"{a_name} has shape {a.shape}; allowed: (..., 4).")
    return a, _arguments.like(b_name, b, a_name, a)


def _sides(box: jax.Array) -> jax.Array:
    """Width and height, ``[..., 2]``."""
    return jnp.maximum(box[..., 2:] - box[..., :2], 0.0)


def _area(box: jax.Array) -> jax.Array:
    return jnp.prod(_sides(box), axis=-1)


def _around(a: jax.Array, b: jax.Array) -> jax.Array:
    """The smallest box around both."""
    return jnp.concatenate([jnp.minimum(a[..., :2], b[..., :2]), jnp.maximum(a[..., 2:], b[..., 2:])], axis=-1)


def _overlap(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Intersection over union, and the union."""
    shared = jnp.concatenate([jnp.maximum(a[..., :2], b[..., :2]), jnp.minimum(a[..., 2:], b[..., 2:])], axis=-1)
    intersection = _area(shared)
    union = _area(a) + _area(b) - intersection
    return _safe.ratio(intersection, union), union


def _angle(box: jax.Array) -> jax.Array:
    """The arc tangent of width over height."""
    width, height = _sides(box)[..., 0], _sides(box)[..., 1]
    there = width**2 + height**2 > jnp.finfo(box.dtype).tiny
    return jnp.where(there, jnp.arctan2(jnp.where(there, width, 0.0), jnp.where(there, height, 1.0)), 0.0)
