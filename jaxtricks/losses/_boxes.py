"""Losses of boxes by their overlap: 1 minus the IoU, GIoU, DIoU, CIoU of ``jaxtricks.detection``.

Boxes are ``[..., 4]``: x1, y1, x2, y2 in pixels. A box with x2 <= x1 or y2 <= y1 has area 0. A ratio whose denominator
is 0 counts as 0, so that value and gradient are finite for all boxes of finite area; the ranges of the values are those
of boxes with x1 <= x2 and y1 <= y2. A NaN in a box makes its value NaN.
"""

import jax

from jaxtricks import detection
from jaxtricks.losses import _arguments


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
    return 1.0 - detection.iou(*_boxes(predicted, target))


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
    return 1.0 - detection.giou(*_boxes(predicted, target))


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
    return 1.0 - detection.diou(*_boxes(predicted, target))


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
    return 1.0 - detection.ciou(*_boxes(predicted, target))


def _boxes(predicted, target) -> tuple[jax.Array, jax.Array]:
    """Both, checked by the names that they have here."""
    predicted = _arguments.wide("predicted", predicted, rank=1)
    if predicted.shape[-1] != 4:
        raise ValueError(f"predicted has shape {predicted.shape}; allowed: (..., 4).")
    return predicted, _arguments.like("target", target, "predicted", predicted)
