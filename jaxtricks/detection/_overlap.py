"""How much two boxes are the same: IoU, GIoU, DIoU, CIoU, of pairs and of all pairs.

Boxes are ``[..., 4]``: x0, y0, x1, y1 in pixels. A box with x1 <= x0 or y1 <= y0 has area 0. A ratio whose denominator
is 0 counts as 0, so that value and gradient are finite for all boxes of finite area; the ranges of the values are those
of boxes with x0 <= x1 and y0 <= y1. A NaN in a box makes its value NaN.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxtricks.detection import _arguments

Measure = Callable[[jax.Array, jax.Array], jax.Array]


class Overlap(NamedTuple):
    """What the measures are made of: intersection over union, union, and the sides of the smallest box around both."""

    iou: jax.Array
    union: jax.Array
    around: tuple[jax.Array, jax.Array]


def iou(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""Intersection over union of each pair of boxes: the usual measure of whether two boxes are the same.

    .. math:: \frac{|A \cap B|}{|A \cup B|}

    Args:
      a: A, ``[..., 4]``, xyxy in pixels, floating point.
      b: B, the shape of a.

    Returns:
      ``[...]``, 0 to 1, float32 or wider; 0 without gradient for disjoint boxes.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(np.asarray(iou(jnp.array([0.0, 0.0, 2.0, 2.0]), jnp.array([1.0, 0.0, 3.0, 2.0]))).round(3))
      0.333

    Reference:
      Everingham et al., The Pascal visual object classes (VOC) challenge, IJCV 2010.
    """
    return _overlap(*_arguments.pairs("a", a, "b", b)).iou


def giou(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""Generalised IoU of each pair, which is less the farther disjoint boxes are apart: for a loss.

    .. math:: \mathrm{IoU} - \frac{|E| - |A \cup B|}{|E|}

    with E the smallest box around both.

    Args:
      a: A, ``[..., 4]``, xyxy in pixels, floating point.
      b: B, the shape of a.

    Returns:
      ``[...]``, -1 to 1, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(np.asarray(giou(jnp.array([0.0, 0.0, 1.0, 1.0]), jnp.array([2.0, 0.0, 3.0, 1.0]))).round(3))
      -0.333

    Reference:
      Rezatofighi et al., Generalized intersection over union, arXiv 1902.09630.
    """
    overlap = _overlap(*_arguments.pairs("a", a, "b", b))
    around = overlap.around[0] * overlap.around[1]
    return overlap.iou - ratio(around - overlap.union, around)


def diou(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""Distance IoU of each pair, less the farther the centres are apart: for a loss, and for NMS of crowded objects.

    .. math:: \mathrm{IoU} - \frac{\rho^2}{d^2}

    with rho the distance of the centres and d the diagonal of the smallest box around both.

    Args:
      a: A, ``[..., 4]``, xyxy in pixels, floating point.
      b: B, the shape of a.

    Returns:
      ``[...]``, -1 to 1, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(np.asarray(diou(jnp.array([0.0, 0.0, 2.0, 2.0]), jnp.array([1.0, 0.0, 3.0, 2.0]))).round(3))
      0.256

    Reference:
      Zheng et al., Distance-IoU loss: faster and better learning for bounding box regression, arXiv 1911.08287.
    """
    a, b = _arguments.pairs("a", a, "b", b)
    overlap = _overlap(a, b)
    return overlap.iou - _distance(a, b, overlap)


def ciou(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""Complete IoU of each pair: distance IoU, and a term for the aspect ratio; for a loss.

    .. math::
       \mathrm{IoU} - \frac{\rho^2}{d^2} - \alpha v, \quad
       v = \frac{4}{\pi^2} \left(\arctan\frac{w_B}{h_B} - \arctan\frac{w_A}{h_A}\right)^2, \quad
       \alpha = \frac{v}{1 - \mathrm{IoU} + v}

    alpha is a constant for the gradient. The angle of a box without width and height is 0.

    Args:
      a: A, ``[..., 4]``, xyxy in pixels, floating point.
      b: B, the shape of a.

    Returns:
      ``[...]``, at most 1, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(np.asarray(ciou(jnp.array([0.0, 0.0, 2.0, 2.0]), jnp.array([0.0, 0.0, 4.0, 1.0]))).round(3))
      0.253

    Reference:
      Zheng et al., Distance-IoU loss: faster and better learning for bounding box regression, arXiv 1911.08287.
    """
    a, b = _arguments.pairs("a", a, "b", b)
    overlap = _overlap(a, b)
    v = 4.0 / math.pi**2 * (_angle(b) - _angle(a)) ** 2
    alpha = jax.lax.stop_gradient(ratio(v, 1.0 - overlap.iou + v))
    return overlap.iou - _distance(a, b, overlap) - alpha * v


def pairwise(measure: Measure) -> Measure:
    """A measure of pairs as one of all pairs: ``pairwise(iou)(anchors, boxes)`` for matching.

    Args:
      measure: ``iou``, ``giou``, ``diou``, ``ciou``, or another ``([..., 4], [..., 4]) -> [...]``.

    Returns:
      A function of boxes ``[..., N, 4]`` and ``[..., M, 4]``, of which the axes in front are the same, to
      ``[..., N, M]``.

    Raises:
      TypeError: if measure is no function. The function raises ValueError if a shape or a dtype is wrong.

    Example:
      >>> a = jnp.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
      >>> print(pairwise(iou)(a, a))
      [[1.   0.25]
       [0.25 1.  ]]
    """
    if not callable(measure):
        raise TypeError(f"measure is {measure!r}; allowed: a function of two arrays of boxes.")

    def of_all_pairs(a: jax.Array, b: jax.Array) -> jax.Array:
        a, b = _arguments.boxes("a", a), _arguments.boxes("b", b)
        for name, array in (("a", a), ("b", b)):
            if array.ndim < 2:
                raise ValueError(f"{name} has shape {array.shape}; allowed: (..., any, 4).")
        if a.shape[:-2] != b.shape[:-2]:
            raise ValueError(f"b has shape {b.shape}; allowed: {(*a.shape[:-2], 'any', 4)}, as a has.")
        shape = (*a.shape[:-1], b.shape[-2], 4)
        return measure(jnp.broadcast_to(a[..., None, :], shape), jnp.broadcast_to(b[..., None, :, :], shape))

    return of_all_pairs


def area(box: jax.Array) -> jax.Array:
    """The area of boxes of any kind, ``[...]``; 0 for a degenerate or inverted one."""
    width, height = sides(box)
    return width * height


def sides(box: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Width and height, ``[...]`` each; 0 for an inverted box."""
    return jnp.maximum(box[..., 2] - box[..., 0], 0.0), jnp.maximum(box[..., 3] - box[..., 1], 0.0)


def ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """The quotient, 0 with gradient 0 where the denominator is 0 or less; NaN where it is NaN."""
    empty = denominator <= 0
    return jnp.where(empty, 0.0, numerator / jnp.where(empty, 1.0, denominator))


def _overlap(a: jax.Array, b: jax.Array) -> Overlap:
    low, high = jnp.maximum, jnp.minimum
    width = jnp.maximum(high(a[..., 2], b[..., 2]) - low(a[..., 0], b[..., 0]), 0.0)
    height = jnp.maximum(high(a[..., 3], b[..., 3]) - low(a[..., 1], b[..., 1]), 0.0)
    intersection = width * height
    union = area(a) + area(b) - intersection
    around = (
        jnp.maximum(low(a[..., 2], b[..., 2]) - high(a[..., 0], b[..., 0]), 0.0),
        jnp.maximum(low(a[..., 3], b[..., 3]) - high(a[..., 1], b[..., 1]), 0.0),
    )
    return Overlap(ratio(intersection, union), union, around)


def _distance(a: jax.Array, b: jax.Array, overlap: Overlap) -> jax.Array:
    """Squared distance of the centres by the squared diagonal of the box around both."""
    x = 0.5 * (a[..., 0] + a[..., 2] - b[..., 0] - b[..., 2])
    y = 0.5 * (a[..., 1] + a[..., 3] - b[..., 1] - b[..., 3])
    width, height = overlap.around
    return ratio(x**2 + y**2, width**2 + height**2)


def _angle(box: jax.Array) -> jax.Array:
    """The arc tangent of width over height."""
    width, height = sides(box)
    there = width**2 + height**2 > jnp.finfo(box.dtype).tiny
    return jnp.where(there, jnp.arctan2(jnp.where(there, width, 0.0), jnp.where(there, height, 1.0)), 0.0)
