"""Boxes in other formats: corners, corner and size, centre and size, rows first; in pixels or parts of the image."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import checkify

from jaxtricks import check
from jaxtricks.detection import _arguments, _overlap

LAYOUTS = ("xyxy", "xywh", "cxcywh", "yxyx")
FORMATS = (*LAYOUTS, *(f"rel_{layout}" for layout in LAYOUTS))
SLACK = 1e-4  # of relative numbers and sides: what rounding of a valid box may come to


def convert(boxes: jax.Array, *, source: str, target: str = "xyxy", size: tuple[int, int] | None = None) -> jax.Array:
    """Boxes in another format: at the border of this project, which takes xyxy in pixels everywhere.

    Args:
      boxes: ``[..., 4]``, floating point, in the format source.
      source: ``"xyxy"`` (left, top, right, bottom; VOC, torchvision), ``"xywh"`` (left, top, width, height; COCO),
        ``"cxcywh"`` (centre, width, height) or ``"yxyx"`` (top, left, bottom, right; TensorFlow), in pixels; with
        ``rel_`` in front, such as ``"rel_cxcywh"`` (YOLO), in parts of the image's width and height.
      target: likewise.
      size: ``(H, W)`` of the image; needed from relative to pixels and back.

    Returns:
      ``[..., 4]``, float32 or wider. Numbers are converted as they are, inverted boxes too; ``check_format`` finds a
      wrong format on the host, and under ``checkify.checkify`` boxes that are not finite or inverted are an error here.

    Raises:
      ValueError: if a shape, a dtype or a format is wrong, or if size is missing or is none.

    Example:
      >>> box = jnp.array([0.5, 0.5, 0.2, 0.4])
      >>> print(convert(box, source="rel_cxcywh", size=(10, 20)))
      [ 8.  3. 12.  7.]
    """
    boxes = _arguments.boxes("boxes", boxes)
    check.option("source", source, FORMATS)
    check.option("target", target, FORMATS)
    pixels = None if size is None else _arguments.sizes("size", size)
    if pixels is None and source.startswith("rel_") != target.startswith("rel_"):
        raise ValueError(f"size is None; allowed: (height, width), to convert {source} to {target}.")
    corners = jnp.stack(_corners(boxes, source.removeprefix("rel_")), -1)
    right = jnp.all(
        _arguments.finite(corners) & (corners[..., 2] >= corners[..., 0]) & (corners[..., 3] >= corners[..., 1])
    )
    checkify.debug_check(right, "boxes are not finite or inverted, or the format is another")
    if pixels is not None and source.startswith("rel_") != target.startswith("rel_"):
        height, width = pixels
        factors = jnp.array([width, height, width, height], boxes.dtype)
        factors = factors.reshape((1,) * (boxes.ndim - 1) + (4,))
        corners = corners * factors if source.startswith("rel_") else corners / factors
    return _from_corners(corners, target.removeprefix("rel_"))


def check_format(boxes, *, format: str, size: tuple[int, int] | None = None, valid=None) -> None:
    """Raise if boxes cannot be in the format: once, before training, since a wrong format trains without an error.

    Args:
      boxes: ``[..., 4]``, numbers, on the host.
      format: as of ``convert``.
      size: ``(H, W)`` of the image; boxes in pixels must then lie within it.
      valid: which boxes are looked at, bool ``[...]``; all if None.

    Raises:
      ValueError: if a shape, a dtype or the format is wrong; or of the first box that is not finite, has no area or is
        inverted, has a relative number outside 0 to 1, or lies outside the image. A slack of 1e-4 allows for rounding.

    Example:
      >>> check_format(np.array([[30.0, 40.0, 10.0, 20.0]]), format="xyxy")
      Traceback (most recent call last):
      ValueError: boxes[0] is [30. 40. 10. 20.], inverted in xyxy; allowed: x0 < x1 and y0 < y1; is it another format?
    """
    check.number("boxes", boxes)
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ValueError(f"boxes has shape {boxes.shape}; allowed: (..., 4).")
    check.option("format", format, FORMATS)
    if valid is None:
        valid = np.ones(boxes.shape[:-1], bool)
    check.shape("valid", valid, boxes.shape[:-1])
    check.boolean("valid", valid)
    relative, layout = format.startswith("rel_"), format.removeprefix("rel_")
    height, width = (1, 1) if relative else _arguments.sizes("size", size) if size is not None else (np.inf, np.inf)
    corners = np.stack(_corners(boxes, layout), -1)
    limits = np.array([width, height, width, height])
    within = (corners >= -SLACK * limits) & (corners <= limits * (1 + SLACK)) if np.isfinite(width) else True
    wrong = (
        (~np.isfinite(boxes).all(-1), "not finite", "finite numbers"),
        (
            ~((corners[..., 0] < corners[..., 2]) & (corners[..., 1] < corners[..., 3])),
            f"inverted in {format}" if layout in ("xyxy", "yxyx") else "without an area",
            "x0 < x1 and y0 < y1" if layout in ("xyxy", "yxyx") else "a width and height greater than 0",
        ),
        (
            ~np.broadcast_to(np.all(within, -1), valid.shape),
            "outside 0 to 1" if relative else f"outside an image of {width} x {height}",
            "parts of the image, 0 to 1" if relative else "boxes within the image",
        ),
    )
    for bad, what, allowed in wrong:
        if (bad & valid).any():
            place = np.unravel_index(int(np.argmax(bad & valid)), valid.shape)
            index = "".join(f"[{i}]" for i in place)
            raise ValueError(f"boxes{index} is {boxes[place]}, {what}; allowed: {allowed}; is it another format?")


def clip(boxes: jax.Array, *, size: tuple[int, int]) -> jax.Array:
    """Boxes cut to the image: for predictions, before they are scored or drawn.

    ``x <- min(max(x, 0), W)``, ``y <- min(max(y, 0), H)``; a box outside the image keeps no area.

    Args:
      boxes: ``[..., 4]``, xyxy in pixels, floating point.
      size: ``(H, W)`` of the image.

    Returns:
      ``[..., 4]``, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or the size is wrong.

    Example:
      >>> print(clip(jnp.array([-3.0, 2.0, 9.0, 30.0]), size=(8, 6)))
      [0. 2. 6. 8.]
    """
    boxes = _arguments.boxes("boxes", boxes)
    height, width = _arguments.sizes("size", size)
    limits = jnp.array([width, height, width, height], boxes.dtype).reshape((1,) * (boxes.ndim - 1) + (4,))
    return jnp.minimum(jnp.maximum(boxes, 0.0), limits)


def area(boxes: jax.Array) -> jax.Array:
    """The area of boxes: for limits of size.

    ``max(x1 - x0, 0) max(y1 - y0, 0)``

    Args:
      boxes: ``[..., 4]``, xyxy in pixels, floating point.

    Returns:
      ``[...]``, square pixels, float32 or wider; 0 for an inverted box.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(area(jnp.array([0.0, 1.0, 2.0, 4.0])))
      6.0
    """
    return _overlap.area(_arguments.boxes("boxes", boxes))


def _corners(boxes, layout: str) -> tuple:
    """Left, top, right and bottom of boxes in a layout, JAX's or NumPy's."""
    a, b, c, d = (boxes[..., i] for i in range(4))
    return {
        "xyxy": (a, b, c, d),
        "xywh": (a, b, a + c, b + d),
        "cxcywh": (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
        "yxyx": (b, a, d, c),
    }[layout]


def _from_corners(corners: jax.Array, layout: str) -> jax.Array:
    x0, y0, x1, y1 = (corners[..., i] for i in range(4))
    parts = {
        "xyxy": (x0, y0, x1, y1),
        "xywh": (x0, y0, x1 - x0, y1 - y0),
        "cxcywh": ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0),
        "yxyx": (y0, x0, y1, x1),
    }[layout]
    return jnp.stack(parts, -1)
