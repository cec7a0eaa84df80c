"""Images of any shape in a frame of one shape, without distortion: scaled by one factor, with a border around."""

import jax
import jax.numpy as jnp

from jaxtricks.augment import _checks, _crop
from jaxtricks.augment._labels import _size, move_labels
from jaxtricks.augment._matrix import _matrix

Sample = dict[str, jax.Array]


def letterboxing(source: tuple[int, int], size: int | tuple[int, int]) -> jax.Array:
    r"""The movement of a letterbox: for boxes on the way in, and by ``inverse`` for predictions on the way back.

    .. math:: s = \min(h / H, w / W), \quad h' = \mathrm{round}(s H), \quad y' = y h' / H + \lfloor (h - h') / 2 \rfloor

    and likewise for x.

    Args:
      source: ``(H, W)`` of the image.
      size: of the result: a number, or ``(h, w)``.

    Returns:
      ``[3, 3]``, for ``move_boxes`` and ``move_points``.

    Raises:
      ValueError: on a wrong size.

    Example:
      >>> matrix = letterboxing((20, 40), 10)
      >>> from jaxtricks import augment
      >>> box = augment.move_boxes(jnp.array([0.0, 0.0, 40.0, 20.0]), matrix)
      >>> print(box, augment.move_boxes(box, augment.inverse(matrix)))
      [ 0.  2. 10.  7.] [ 0.  0. 40. 20.]
    """
    height, width = _checks.size("source", source)
    top, left, inner_height, inner_width = _place((height, width), _checks.size("size", size))
    return _matrix(inner_width / width, 0, left, 0, inner_height / height, top)


def letterbox_sample(
    sample: Sample, *, size: int | tuple[int, int], fill: float = 0.0, mask_fill: float = 0, visible: float = 0.0
) -> Sample:
    """Bring an image of any shape to one size without distortion, its labels with it: what detectors are given.

    The image is resized, antialiased, and put into the middle. With ``size=pick_size(step, ...)`` under ``each_sample``
    it is training at several sizes, which keeps the shape of things as ``multi_scale`` does not.

    Args:
      sample: as in labels.py: ``image [H, W, C]`` and any of boxes, keypoints and masks.
      size: of the result, static: a number or ``(height, width)``.
      fill: value of the border, in the units of the image; 114 of 255 in YOLO.
      mask_fill: value of mask pixels of the border, such as the class to ignore.
      visible: the part of its area that must be more than this for a box to stay valid, 0 to 1.

    Returns:
      The sample in its frame; ``letterboxing`` is where its places went.

    Raises:
      ValueError: on a wrong shape, dtype or option.

    Reference:
      Redmon and Farhadi, YOLOv3: an incremental improvement, arXiv 1804.02767, whose code resizes so.
    """
    source, image = _size(sample), sample["image"]
    _checks.fill("fill", fill, image.dtype)
    height, width = _checks.size("size", size)
    top, left, inner_height, inner_width = _place(source, (height, width))
    all_pixels = jnp.array([0, 0, source[1], source[0]], jnp.float32)
    inner = _crop.resized_crop(image, all_pixels, size=(inner_height, inner_width))
    frame = jnp.full((height, width, image.shape[2]), fill, image.dtype)
    framed = jax.lax.dynamic_update_slice(frame, inner, (top, left, 0))
    matrix = letterboxing(source, (height, width))
    return move_labels(sample, matrix, size=(height, width), visible=visible, mask_fill=mask_fill) | {"image": framed}


def _place(source: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, height and width of the image in its frame, in full pixels, halves rounded up."""
    (height, width), (tall, wide) = source, size
    if tall * width <= wide * height:  # the height decides
        inner = tall, max(1, (2 * width * tall + height) // (2 * height))
    else:
        inner = max(1, (2 * height * wide + width) // (2 * width)), wide
    return (tall - inner[0]) // 2, (wide - inner[1]) // 2, *inner
