"""Resizing as at evaluation."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.preprocess._levels import levels_or_floats, rounded, unit
from jaxtricks.preprocess._resample import along, cubic, triangle

KERNELS = {"bilinear": triangle, "bicubic": cubic}


def resize_center_crop(
    image: jax.Array, *, shorter: int = 256, size: int | tuple[int, int] = 224, method: str = "bilinear"
) -> jax.Array:
    """The evaluation preprocessing of ImageNet: resize the shorter side, cut out the centre; Pillow's to 1/255.

    With antialiasing, along rows and then columns, clipped to [0, 1] after each; only what is cut out is computed.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1].
      shorter: length of the shorter side after the resize; the longer one in proportion, rounded down.
      size: of the result, static: a number or ``(height, width)``, at most the resized image's.
      method: ``"bilinear"`` or ``"bicubic"``.

    Returns:
      ``[height, width, C]`` in [0, 1], in the dtype of image.

    Raises:
      ValueError: on a wrong rank, dtype, size or method.
    """
    check.rank("image", image, 3)
    dtype = levels_or_floats("image", image)
    check.option("method", method, KERNELS)
    shorter = check.at_least("shorter", shorter, minimum=1)
    if 0 in image.shape:
        raise ValueError(f"image has shape {image.shape}; allowed: at least one pixel and one channel.")
    unit("image", image)
    shortest = min(image.shape[:2])
    resized = tuple(side * shorter // shortest for side in image.shape[:2])
    target = [check.at_least("size", t, minimum=1) for t in (size if isinstance(size, tuple | list) else (size, size))]
    if len(target) != 2 or any(t > r for t, r in zip(target, resized, strict=True)):
        raise ValueError(f"size is {size!r}; allowed: integers from 1 to the resized image's {resized}.")
    for axis in (1, 0):  # Pillow's order
        step = image.shape[axis] / resized[axis]
        start = round((resized[axis] - target[axis]) / 2)
        wanted = (start + jnp.arange(target[axis], dtype=jnp.float32) + 0.5) * step
        span = (0, image.shape[axis])
        image = along(image, wanted, step, span, axis=axis, most=step, kernel=KERNELS[method])
        image = image.clip(0, 255 if dtype == jnp.uint8 else 1)
    return rounded(image, dtype)
