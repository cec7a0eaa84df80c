"""Crops: a window of the padded image, or a box resampled to a size. Boxes are ``(x0, y0, x1, y1)`` in pixels."""

import math

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.preprocess._levels import rounded
from jaxtricks.preprocess._resample import along

MODES = ("constant", "edge", "reflect", "symmetric", "wrap")  # of jnp.pad; constant pads zeros


def pad_crop(image: jax.Array, offset: jax.Array, *, padding: int, mode: str = "constant") -> jax.Array:
    """Pad an image on all sides and cut a window of the old size out of it.

    Args:
      image: ``[H, W, C]``, any dtype.
      offset: top and left of the window in the padded image, integers ``[2]``, 0 to 2 padding; ``padding`` twice
        gives the image back. A value outside is moved to the nearest one inside.
      padding: pixels added on each side, 0 or more.
      mode: of jnp.pad; ``"constant"`` pads zeros.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, shape, dtype, padding or mode.
    """
    _checks.pixels("image", image)
    check.shape("offset", offset, (2,))
    check.integer("offset", offset)
    padding = check.at_least("padding", padding, minimum=0)
    check.option("mode", mode, MODES)
    padded = jnp.pad(image, ((padding, padding), (padding, padding), (0, 0)), mode=mode)
    offset = jnp.asarray(offset)
    last = min(2 * padding, jnp.iinfo(offset.dtype).max)
    top, left = jnp.clip(offset, 0, last).astype(jnp.int32)  # -1 would be the far end
    return jax.lax.dynamic_slice(padded, (top, left, jnp.int32(0)), image.shape)


def random_pad_crop(key: jax.Array, image: jax.Array, *, padding: int = 4, mode: str = "constant") -> jax.Array:
    """Pad an image on all sides and cut a window of the old size out at a random place.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, any dtype.
      padding: pixels added on each side; the window moves by up to as many each way.
      mode: of jnp.pad; ``"constant"`` pads zeros.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, padding or mode.

    Reference:
      He et al., Deep residual learning for image recognition, arXiv 1512.03385, section 4.2.
    """
    padding = check.at_least("padding", padding, minimum=0)
    offset = jax.random.randint(key, (2,), 0, 2 * padding + 1)
    return pad_crop(image, offset, padding=padding, mode=mode)


def resized_crop(image: jax.Array, box: jax.Array, *, size: int | tuple[int, int]) -> jax.Array:
    r"""Cut a box out of an image and resample it, bilinear with antialiasing: PIL's crop and resize.

    .. math:: out = A_y \, image \, A_x^T, \quad A[i, j] \propto \max(0, 1 - |p_j - c_i| / \max(s, 1))

    for pixel centres p inside the box only, centres c of the output's pixels, and s input pixels an output pixel.

    Args:
      image: ``[H, W, C]``, uint8 or floats.
      box: ``(x0, y0, x1, y1)`` in pixels, ``[4]``, fractions allowed. An output pixel for which the box holds no pixel
        of the image becomes 0: all of them where the box is empty. A box with a NaN gives NaN, as does
        one that meets the image and is longer than both image and result.
      size: of the result, static: a number or ``(height, width)``.

    Returns:
      ``[height, width, C]`` in the dtype of image.

    Raises:
      ValueError: on a wrong rank, shape, dtype or size.
    """
    _checks.photo("image", image)
    _checks.vector("box", box, 4)
    height, width = _checks.size("size", size)
    x0, y0, x1, y1 = jnp.asarray(box, jnp.float32)
    moved = image
    for axis, start, stop, out in ((1, x0, x1, width), (0, y0, y1, height)):  # Pillow's order, and the faster one
        step = (stop - start) / out
        wanted = start + (jnp.arange(out, dtype=jnp.float32) + 0.5) * step
        moved = along(moved, wanted, step, (start, stop), axis=axis, most=moved.shape[axis] / out)
    return rounded(moved, jnp.result_type(image))


def random_resized_crop(
    key: jax.Array,
    image: jax.Array,
    *,
    size: int | tuple[int, int],
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
) -> jax.Array:
    """Cut out a box of random area, aspect ratio and place, and resample it to a size.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats.
      size: of the result, static: a number or ``(height, width)``.
      area: minimum and maximum part of the image's area, uniform, within 0 to 1.
      aspect: minimum and maximum width / height, uniform in the logarithm, greater than 0.

    Returns:
      ``[height, width, C]``.

    Raises:
      ValueError: on a wrong rank, dtype, size or range.

    Reference:
      Szegedy et al., Going deeper with convolutions, arXiv 1409.4842, section 6; the draw is torchvision's.
    """
    _checks.photo("image", image)
    box = random_box(key, (image.shape[0], image.shape[1]), area=area, aspect=aspect)
    return resized_crop(image, box, size=size)


def random_box(
    key: jax.Array,
    size: tuple[int, int],
    *,
    area: tuple[float, float],
    aspect: tuple[float, float],
    tries: int = 10,
    otherwise: str = "center",
) -> jax.Array:
    """Draw a box inside an image: area uniform, aspect ratio uniform in the logarithm, place uniform, in pixels.

    Args:
      key: a typed key.
      size: ``(height, width)`` of the image.
      area: minimum and maximum part of the image's area, within 0 to 1.
      aspect: minimum and maximum width / height, greater than 0.
      tries: draws of area and aspect, 1 or more; the first that fits counts.
      otherwise: what to give if none fits: ``"center"``, the greatest centred box whose aspect ratio is allowed, or
        ``"empty"``, a box of no pixel.

    Returns:
      ``(x0, y0, x1, y1)``, float32 ``[4]``, integers.

    Raises:
      ValueError: on a wrong size, range, number of tries or option.
    """
    height, width = _checks.size("size", size)
    _checks.interval("area", area, 0.0, 1.0)
    _checks.interval("aspect", aspect, 1e-3, 1e3)
    tries = check.at_least("tries", tries, minimum=1)
    check.option("otherwise", otherwise, ("center", "empty"))
    area_key, aspect_key, place_key = jax.random.split(key, 3)
    pixels = jax.random.uniform(area_key, (tries,), jnp.float32, minval=area[0], maxval=area[1]) * height * width
    low, high = map(math.log, aspect)
    ratio = jnp.exp(jax.random.uniform(aspect_key, (tries,), jnp.float32, minval=low, maxval=high))
    drawn = jnp.round(jnp.sqrt(jnp.stack([pixels * ratio, pixels / ratio], 1)))  # [tries, (width, height)]
    frame = jnp.array([width, height], jnp.float32)
    fits = ((drawn > 0) & (drawn <= frame[None])).all(1)
    first = jnp.argmax(fits)
    extent = drawn[first]
    corner = jnp.floor(jax.random.uniform(place_key, (2,), jnp.float32) * (frame - extent + 1))
    corner = jnp.minimum(corner, frame - extent)  # uniform times n may round up to n
    box = jnp.concatenate([corner, corner + extent])
    return jnp.where(
        fits[first], box, _largest(height, width, aspect) if otherwise == "center" else jnp.zeros(4, jnp.float32)
    )


def random_scaled_crop(
    key: jax.Array,
    image: jax.Array,
    *,
    scale: tuple[float, float] = (0.6, 1.0),
    size: int | tuple[int, int] | None = None,
) -> jax.Array:
    """Cut out a box of the image's own aspect ratio and a random scale, at a random place, and resample it.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats.
      scale: minimum and maximum side of the box as a part of the image's side, uniform, greater than 0, at most 1.
      size: of the result, static: a number or ``(height, width)``; None keeps the image's.

    Returns:
      ``[height, width, C]``.

    Raises:
      ValueError: on a wrong rank, dtype, size or range.
    """
    _checks.photo("image", image)
    _checks.interval("scale", scale, 1e-3, 1.0)
    scale_key, place_key = jax.random.split(key)
    image_size = jnp.array([image.shape[1], image.shape[0]], jnp.float32)
    side = jnp.maximum(1, jnp.round(image_size * jax.random.uniform(scale_key, minval=scale[0], maxval=scale[1])))
    corner = jnp.minimum(jnp.floor(jax.random.uniform(place_key, (2,)) * (image_size - side + 1)), image_size - side)
    height, width = image.shape[:2]
    return resized_crop(image, jnp.concatenate([corner, corner + side]), size=(height, width) if size is None else size)


def _largest(height: int, width: int, aspect: tuple[float, float]) -> jax.Array:
    """The greatest centred box of an allowed aspect ratio."""
    ratio = min(max(width / height, aspect[0]), aspect[1])
    w, h = max(1, min(width, round(height * ratio))), max(1, min(height, round(width / ratio)))
    x, y = (width - w) // 2, (height - h) // 2
    return jnp.array([x, y, x + w, y + h], jnp.float32)
