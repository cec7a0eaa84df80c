"""Anchors of a feature map, boxes as offsets from them and back, and the level of a pyramid for a box."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.detection import _arguments, _overlap
from jaxtricks.detection._points import grid

RATIOS = (0.5, 1.0, 2.0)
MAX_LOG = math.log(1000 / 16)


def anchors(
    shape: tuple[int, int], *, stride: float, scales: tuple[float, ...], ratios: tuple[float, ...] = RATIOS
) -> jax.Array:
    """The anchors of one feature map: what a head with anchors predicts offsets from.

    ``w = s / sqrt(r)``, ``h = s sqrt(r)``, around the centre ``((j + 1/2) d, (i + 1/2) d)`` of cell (i, j).

    Args:
      shape: ``(H, W)`` of the feature map.
      stride: d, pixels of the image a cell, greater than 0.
      scales: s, the square roots of the areas, in pixels, each greater than 0; RetinaNet takes 4, 5.04 and 6.35
        strides.
      ratios: r, height by width, each greater than 0.

    Returns:
      ``[H * W * S * R, 4]``, xyxy in pixels, float32: by row, column, scale, ratio. They are not cut to the image.

    Raises:
      ValueError: if an option is wrong.

    Example:
      >>> print(anchors((1, 2), stride=8, scales=(4.0,), ratios=(1.0, 4.0)))
      [[ 2.  2.  6.  6.]
       [ 3.  0.  5.  8.]
       [10.  2. 14.  6.]
       [11.  0. 13.  8.]]

    Reference:
      Ren et al., Faster R-CNN, arXiv 1506.01497; Lin et al., Focal loss for dense object detection, arXiv 1708.02002.
    """
    size, root = np.asarray(_arguments.numbers("scales", scales)), np.sqrt(_arguments.numbers("ratios", ratios))
    centers = grid(shape, stride)
    half = np.stack([size[:, None] / root, size[:, None] * root], -1).reshape(1, -1, 2) / 2
    both = np.concatenate([centers[:, None] - half, centers[:, None] + half], -1)
    return jnp.asarray(both.reshape(-1, 4), jnp.float32)


def encode(boxes: jax.Array, anchors: jax.Array, *, weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)) -> jax.Array:
    r"""Boxes as offsets from anchors: the targets of a regression.

    .. math:: t = \left(\omega_x \frac{x - x_a}{w_a},\ \omega_y \frac{y - y_a}{h_a},\
       \omega_w \log \frac{w}{w_a},\ \omega_h \log \frac{h}{h_a}\right)

    of the centres x, y, widths w and heights h.

    Args:
      boxes: ``[..., 4]``, xyxy in pixels, floating point.
      anchors: the shape of boxes.
      weights: omega, four numbers greater than 0; 10, 10, 5, 5 in Fast R-CNN.

    Returns:
      ``[..., 4]``, float32 or wider. A side of length 0 or less counts as one of a millionth of a pixel, so that the
      offsets are finite for all boxes of finite size.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> box, anchor = jnp.array([1.0, 0.0, 3.0, 2.0]), jnp.array([0.0, 0.0, 2.0, 2.0])
      >>> print(encode(box, anchor))
      [0.5 0.  0.  0. ]

    Reference:
      Girshick et al., Rich feature hierarchies for accurate object detection, arXiv 1311.2524, appendix C.
    """
    boxes, anchors = _arguments.pairs("boxes", boxes, "anchors", anchors)
    weights = _weights(weights)
    (center, size), (anchor, anchor_size) = _center_and_size(boxes), _center_and_size(anchors)
    shift = [(center[i] - anchor[i]) / anchor_size[i] for i in range(2)]
    growth = [jnp.log(size[i] / anchor_size[i]) for i in range(2)]
    return jnp.stack([weight * value for weight, value in zip(weights, shift + growth, strict=True)], -1)


def decode(
    offsets: jax.Array,
    anchors: jax.Array,
    *,
    weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0),
    max_log: float = MAX_LOG,
) -> jax.Array:
    r"""Offsets from anchors as boxes: the inverse of ``encode``, for predictions.

    .. math:: x = x_a + w_a \frac{t_x}{\omega_x}, \quad w = w_a \exp \min\left(\frac{t_w}{\omega_w}, l\right)

    Args:
      offsets: t, ``[..., 4]``, floating point.
      anchors: the shape of offsets, xyxy in pixels.
      weights: omega, as of ``encode``.
      max_log: l, the greatest logarithm of a side by the anchor's, greater than 0: a prediction beyond it, which would
        overflow, stays at it without gradient.

    Returns:
      ``[..., 4]``, xyxy in pixels, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> print(decode(jnp.array([0.5, 0.0, 0.0, 0.0]), jnp.array([0.0, 0.0, 2.0, 2.0])))
      [1. 0. 3. 2.]

    Reference:
      Girshick et al., Rich feature hierarchies for accurate object detection, arXiv 1311.2524, appendix C.
    """
    check.positive("max_log", max_log)
    offsets, anchors = _arguments.pairs("offsets", offsets, "anchors", anchors)
    weights = _weights(weights)
    anchor, anchor_size = _center_and_size(anchors)
    center = [anchor[i] + anchor_size[i] * offsets[..., i] / weights[i] for i in range(2)]
    half = [
        0.5 * anchor_size[i] * jnp.exp(jnp.minimum(offsets[..., 2 + i] / weights[2 + i], max_log)) for i in range(2)
    ]
    return jnp.stack([center[0] - half[0], center[1] - half[1], center[0] + half[0], center[1] + half[1]], -1)


def fpn_level(
    boxes: jax.Array, *, low: int = 2, high: int = 5, canonical: float = 224.0, canonical_level: int = 4
) -> jax.Array:
    r"""The level of a feature pyramid from which a box is cut: larger boxes from coarser maps.

    .. math:: k = \min\left(\max\left(\left\lfloor k_0 + \log_2 \frac{\sqrt{w h}}{s_0} \right\rfloor, l\right), h\right)

    Args:
      boxes: ``[..., 4]``, xyxy in pixels, floating point.
      low, high: l and h, the finest and the coarsest level, integers of 0 or more.
      canonical: s_0 in pixels, greater than 0.
      canonical_level: k_0, an integer of 0 or more.

    Returns:
      int32 ``[...]``; l for a box without an area or that is not a number.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> print(fpn_level(jnp.array([[0.0, 0.0, 224.0, 224.0], [0.0, 0.0, 20.0, 20.0]])))
      [4 2]

    Reference:
      Lin et al., Feature pyramid networks for object detection, arXiv 1612.03144.
    """
    low, high = check.at_least("low", low), check.at_least("high", high)
    check.between("low", low, 0, high)
    check.at_least("canonical_level", canonical_level)
    check.positive("canonical", canonical)
    root = jnp.sqrt(_overlap.area(_arguments.boxes("boxes", boxes)))
    # As torchvision: a millionth more, so that exactly 224 pixels are not one level lower by rounding.
    level = jnp.floor(canonical_level + jnp.log2(jnp.maximum(root, 1e-12) / canonical + 1e-6))
    return jnp.clip(jnp.nan_to_num(level, nan=low, posinf=high, neginf=low), low, high).astype(jnp.int32)


def _weights(weights) -> tuple[float, ...]:
    weights = _arguments.numbers("weights", weights)
    if len(weights) != 4:
        raise ValueError(f"weights is {weights!r}; allowed: four numbers greater than 0.")
    return weights


def _center_and_size(boxes: jax.Array) -> tuple[list[jax.Array], list[jax.Array]]:
    """Centres x and y, and width and height, a millionth of a pixel or more."""
    center = [0.5 * (boxes[..., i] + boxes[..., i + 2]) for i in range(2)]
    size = [jnp.maximum(boxes[..., i + 2] - boxes[..., i], 1e-6) for i in range(2)]
    return center, size
