"""Points of a feature map, boxes as distances from them and back: for a head without anchors."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.detection import _arguments


def points(shape: tuple[int, int], *, stride: float) -> jax.Array:
    """The centres of the cells of one feature map: what a head without anchors predicts distances from.

    ``((j + 1/2) d, (i + 1/2) d)`` for cell (i, j).

    Args:
      shape: ``(H, W)`` of the feature map.
      stride: d, pixels of the image a cell, greater than 0.

    Returns:
      ``[H * W, 2]``, x and y in pixels, float32, by row and column.

    Raises:
      ValueError: if an option is wrong.

    Example:
      >>> print(points((1, 2), stride=8))
      [[ 4.  4.]
       [12.  4.]]

    Reference:
      Tian et al., FCOS, arXiv 1904.01355.
    """
    return jnp.asarray(grid(shape, stride), jnp.float32)


def encode_distances(boxes: jax.Array, points: jax.Array) -> jax.Array:
    """Boxes as distances from points to the left, top, right and bottom: the targets of a head without anchors.

    ``(x - x0, y - y0, x1 - x, y1 - y)``

    Args:
      boxes: ``[..., 4]``, xyxy in pixels, floating point.
      points: ``[..., 2]``, x and y in pixels, floating point; the axes in front are those of boxes.

    Returns:
      ``[..., 4]``, pixels, float32 or wider; all are greater than 0 for a point inside.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(encode_distances(jnp.array([0.0, 0.0, 4.0, 6.0]), jnp.array([1.0, 2.0])))
      [1. 2. 3. 4.]

    Reference:
      Tian et al., FCOS, arXiv 1904.01355.
    """
    boxes = _arguments.boxes("boxes", boxes)
    points = _points(points, boxes.shape[:-1])
    return jnp.concatenate([points - boxes[..., :2], boxes[..., 2:] - points], -1)


def decode_distances(distances: jax.Array, points: jax.Array) -> jax.Array:
    """Distances from points as boxes: the inverse of ``encode_distances``, for predictions.

    ``(x - l, y - t, x + r, y + b)``

    Args:
      distances: left, top, right, bottom in pixels, ``[..., 4]``, floating point.
      points: ``[..., 2]``, x and y in pixels, floating point; the axes in front are those of distances.

    Returns:
      ``[..., 4]``, xyxy in pixels, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(decode_distances(jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.array([1.0, 2.0])))
      [0. 0. 4. 6.]

    Reference:
      Tian et al., FCOS, arXiv 1904.01355.
    """
    distances = _arguments.boxes("distances", distances)
    points = _points(points, distances.shape[:-1])
    return jnp.concatenate([points - distances[..., :2], points + distances[..., 2:]], -1)


def centerness(distances: jax.Array) -> jax.Array:
    r"""How near a point is to the centre of its box: FCOS weighs the score of a box by it.

    .. math:: \sqrt{\frac{\min(l, r)}{\max(l, r)} \frac{\min(t, b)}{\max(t, b)}}

    Args:
      distances: l, t, r, b, ``[..., 4]``, floating point.

    Returns:
      ``[...]``, 0 to 1, float32 or wider; 0 without gradient for a point that is not inside,
      or infinitely far from a side.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(centerness(jnp.array([1.0, 2.0, 4.0, 2.0])))
      0.5

    Reference:
      Tian et al., FCOS, arXiv 1904.01355.
    """
    distances = _arguments.boxes("distances", distances)
    near = jnp.minimum(distances[..., :2], distances[..., 2:])
    far = jnp.maximum(distances[..., :2], distances[..., 2:])
    inside = ~((near <= 0) | (far == jnp.inf)).any(-1)
    near, far = (jnp.where(inside[..., None], side, 1.0) for side in (near, far))
    share = near / far
    return jnp.where(inside, jnp.sqrt(share[..., 0]) * jnp.sqrt(share[..., 1]), 0.0)


def grid(shape: tuple[int, int], stride: float) -> np.ndarray:
    """The centres of the cells of a map, ``[H * W, 2]``, float64."""
    height, width = _arguments.sizes("shape", shape)
    check.positive("stride", stride)
    if not isinstance(stride, check.NUMBERS) or not math.isfinite(stride):
        raise ValueError(f"stride is {stride!r}; allowed: a finite number greater than 0.")
    y, x = np.meshgrid((np.arange(height) + 0.5) * stride, (np.arange(width) + 0.5) * stride, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], -1)


def _points(points, lead: tuple[int, ...]) -> jax.Array:
    check.shape("points", points, (*lead, 2))
    return _arguments.wide("points", points, rank=len(lead) + 1)
