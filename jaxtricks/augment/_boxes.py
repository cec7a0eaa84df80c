"""Where places and boxes come to lie. Coordinates are in pixels, as in matrix.py."""

import jax
import jax.numpy as jnp

from jaxtricks import check


def move_points(points: jax.Array, matrix: jax.Array) -> jax.Array:
    """Where places come to lie: ``x <- a x + b y + e``, ``y <- c x + d y + f``.

    Args:
      points: ``[..., 2]``, ``(x, y)`` in pixels.
      matrix: ``[3, 3]``, affine.

    Returns:
      ``[..., 2]``.

    Raises:
      ValueError: on a wrong shape or dtype.
    """
    check.shape("matrix", matrix, (3, 3))
    check.number("matrix", matrix)
    check.number("points", points)
    if jnp.shape(points)[-1:] != (2,):
        raise ValueError(f"points has shape {jnp.shape(points)}; allowed: [..., 2].")
    (a, b, e), (c, d, f), _ = matrix
    x, y = points[..., 0], points[..., 1]
    return jnp.stack([a * x + b * y + e, c * x + d * y + f], -1)


def move_boxes(boxes: jax.Array, matrix: jax.Array) -> jax.Array:
    """The smallest upright boxes that hold the moved corners.

    Args:
      boxes: ``[..., 4]``, ``(x0, y0, x1, y1)`` in pixels.
      matrix: ``[3, 3]``, affine.

    Returns:
      ``[..., 4]``, not cut to any frame.

    Raises:
      ValueError: on a wrong shape or dtype.
    """
    _check(boxes)
    corners = move_points(jnp.asarray(boxes)[..., jnp.array([[0, 1], [2, 1], [0, 3], [2, 3]])], matrix)
    return jnp.concatenate([corners.min(-2), corners.max(-2)], -1)


def cut_boxes(
    boxes: jax.Array, box_valid: jax.Array, frame: jax.Array, *, visible: float = 0.0
) -> tuple[jax.Array, jax.Array]:
    """Cut boxes to a frame; a box of which too little is left is not valid any more.

    Args:
      boxes: ``[..., 4]``, ``(x0, y0, x1, y1)`` in pixels.
      box_valid: ``[...]``, bool.
      frame: ``(x0, y0, x1, y1)``, ``[4]``.
      visible: the part of its area that must be more than this for a box to stay valid, 0 to 1.

    Returns:
      Boxes ``[..., 4]``, zeros where not valid, and box_valid ``[...]``. A box that is not finite is not valid.

    Raises:
      ValueError: on a wrong shape or dtype, or visible outside 0 to 1.

    Example:
      >>> boxes, frame = jnp.array([[-1.0, 0.0, 2.0, 2.0], [5.0, 5.0, 6.0, 6.0]]), jnp.array([0.0, 0.0, 4.0, 4.0])
      >>> boxes, box_valid = cut_boxes(boxes, jnp.array([True, True]), frame)
      >>> print(boxes[0], box_valid)
      [0. 0. 2. 2.] [ True False]
    """
    check.between("visible", visible, 0.0, 1.0)
    _check(boxes)
    check.shape("frame", frame, (4,))
    check.number("frame", frame)
    check.shape("box_valid", box_valid, jnp.shape(boxes)[:-1])
    check.boolean("box_valid", box_valid)
    x0, y0, x1, y1 = frame
    low, high = jnp.stack([x0, y0, x0, y0]), jnp.stack([x1, y1, x1, y1])
    cut = jnp.clip(boxes, _like(low, boxes), _like(high, boxes))
    box_valid = box_valid & jnp.isfinite(boxes).all(-1) & (_area(cut) > visible * _area(boxes))
    return jnp.where(box_valid[..., None], cut, 0), box_valid


def mask_boxes(masks: jax.Array) -> jax.Array:
    """The smallest box that holds each mask; zeros for an empty one.

    Args:
      masks: ``[..., H, W]``, bool.

    Returns:
      ``(x0, y0, x1, y1)``, float32 ``[..., 4]``.

    Raises:
      ValueError: on a wrong rank or dtype, or without a pixel.
    """
    check.min_rank("masks", masks, 2)
    check.boolean("masks", masks)
    if 0 in jnp.shape(masks)[-2:]:
        raise ValueError(f"masks has shape {jnp.shape(masks)}; allowed: at least one pixel.")
    masks = jnp.asarray(masks)

    def ends(line):
        return jnp.argmax(line, -1), line.shape[-1] - jnp.argmax(line[..., ::-1], -1)

    (x0, x1), (y0, y1) = ends(masks.any(-2)), ends(masks.any(-1))
    boxes = jnp.stack([x0, y0, x1, y1], -1).astype(jnp.float32)
    return jnp.where(masks.any((-2, -1))[..., None], boxes, 0)


def _check(boxes: jax.Array) -> None:
    check.number("boxes", boxes)
    if jnp.shape(boxes)[-1:] != (4,):
        raise ValueError(f"boxes has shape {jnp.shape(boxes)}; allowed: [..., 4].")


def _like(vector: jax.Array, array: jax.Array) -> jax.Array:
    """A vector along the last axis of an array, at the array's rank."""
    return vector.reshape((1,) * (jnp.ndim(array) - 1) + (-1,))


def _area(boxes: jax.Array) -> jax.Array:
    return jnp.maximum(boxes[..., 2] - boxes[..., 0], 0) * jnp.maximum(boxes[..., 3] - boxes[..., 1], 0)
