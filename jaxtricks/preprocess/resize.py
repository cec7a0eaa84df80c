"""Resizing as at evaluation."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.preprocess.levels import in_float32
from jaxtricks.preprocess.resample import along, cubic, triangle

KERNELS = {"bilinear": triangle, "bicubic": cubic}


@in_float32
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
    check.option("method", method, KERNELS)
    if isinstance(shorter, bool) or not isinstance(shorter, int) or shorter < 1:
        raise ValueError(f"shorter is {shorter!r}; allowed: a whole number of 1 or more.")
    if 0 in image.shape:
        raise ValueError(f"image has shape {image.shape}; allowed: at least one pixel and one channel.")
    least = min(image.shape[:2])
    resized = tuple(side * shorter // least for side in image.shape[:2])
    target = (size, size) if isinstance(size, int) else size
    pair = isinstance(target, tuple | list) and len(target) == 2 and all(isinstance(t, int) for t in target)
    if not pair or any(not 1 <= t <= r for t, r in zip(target, resized, strict=True)):
        raise ValueError(f"size is {size!r}; allowed: whole numbers from 1 to the resized image's {resized}.")
    for axis in (1, 0):  # Pillow's order
        step = image.shape[axis] / resized[axis]
        start = round((resized[axis] - target[axis]) / 2)
        wanted = (start + jnp.arange(target[axis]) + 0.5) * step
        span = (0, image.shape[axis])
        image = along(image, axis, wanted, step, span, most=step, kernel=KERNELS[method]).clip(0, 1)
    return image
