"""Resizing as at evaluation."""

import jax
import jax.numpy as jnp

from jaxtricks import check


def resize_center_crop(
    image: jax.Array, *, shorter: int = 256, size: int | tuple[int, int] = 224, method: str = "bilinear"
) -> jax.Array:
    """The evaluation preprocessing of ImageNet: resize the shorter side, cut out the centre; Pillow's to 1/255.

    With antialiasing, along rows and then columns, clipped to [0, 1] after each; only what is cut out is computed.

    Args:
      image: ``[H, W, C]``, floating point in [0, 1].
      shorter: length of the shorter side after the resize; the longer one in proportion, rounded down.
      size: of the result, static: a number or ``(height, width)``, at most the resized image's.
      method: ``"bilinear"`` or ``"bicubic"``.

    Returns:
      ``[height, width, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype, size or method.
    """
    check.rank("image", image, 3)
    check.floating("image", image)
    check.option("method", method, ("bilinear", "bicubic"))
    if isinstance(shorter, bool) or not isinstance(shorter, int) or shorter < 1:
        raise ValueError(f"shorter is {shorter!r}; allowed: a whole number of 1 or more.")
    least = min(image.shape[:2])
    if least == 0:
        raise ValueError(f"image has shape {image.shape}; allowed: at least one pixel.")
    resized = tuple(side * shorter // least for side in image.shape[:2])
    target = (size, size) if isinstance(size, int) else size
    pair = isinstance(target, tuple | list) and len(target) == 2 and all(isinstance(t, int) for t in target)
    if not pair or any(not 1 <= t <= r for t, r in zip(target, resized, strict=True)):
        raise ValueError(f"size is {size!r}; allowed: whole numbers from 1 to the resized image's {resized}.")
    dtype, image = image.dtype, image.astype(jnp.promote_types(image.dtype, jnp.float32))
    for axis in (1, 0):  # Pillow's order
        shape = (*image.shape[:axis], target[axis], *image.shape[axis + 1 :])
        scale = jnp.array([resized[axis] / image.shape[axis]], jnp.float32)
        start = jnp.array([-round((resized[axis] - target[axis]) / 2)], jnp.float32)
        kernel = {"bilinear": "linear", "bicubic": "cubic"}[method]
        image = jnp.clip(jax.image.scale_and_translate(image, shape, (axis,), scale, start, kernel), 0, 1)
    return image.astype(dtype)
