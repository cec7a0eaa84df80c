"""Parts of an image taken out: random erasing, cutout, GridMask."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment._crop import random_box
from jaxtricks.augment._random import uniform
from jaxtricks.preprocess._levels import like
from jaxtricks.preprocess._resample import stored


def erase_box(image: jax.Array, box: jax.Array, value: jax.Array | float) -> jax.Array:
    """Put a value in place of a box: of the pixels whose centre lies in it.

    Args:
      image: ``[H, W, C]``, uint8 or floats.
      box: ``(x0, y0, x1, y1)`` in pixels, ``[4]``; what lies outside of the image is left out.
      value: a scalar, or an image ``[H, W, C]``, in the units of the image: 0 to 255 for uint8.

    Returns:
      ``[H, W, C]`` in the dtype of image.

    Raises:
      ValueError: on a wrong rank, shape or dtype.
    """
    _checks.photo("image", image)
    check.number("value", value)
    check.shape("value", value, () if jnp.ndim(value) == 0 else image.shape)
    if jnp.ndim(value) == 0:
        _checks.fill("value", value, image.dtype)
    image, value = jnp.asarray(image), jnp.asarray(value, image.dtype)
    height, width, channels = image.shape
    rows, columns = _spans((height, width), box)
    # One axis of columns and channels, so that a processor takes many values at once.
    columns = stored(lambda place: columns[place // channels], jnp.arange(width * channels))
    value = value.reshape(height, -1) if value.ndim else value
    erased = jnp.where(rows[:, None] & columns[None, :], value, image.reshape(height, -1))
    return erased.reshape(image.shape)


def in_box(size: tuple[int, int], box: jax.Array) -> jax.Array:
    """Which pixels have their centre in a box.

    Args:
      size: ``(height, width)``.
      box: ``(x0, y0, x1, y1)`` in pixels, ``[4]``. One with a NaN, or without area, holds no pixel.

    Returns:
      ``[height, width]``, bool.

    Raises:
      ValueError: on a wrong size or shape.
    """
    rows, columns = _spans(_checks.size("size", size), box)
    return rows[:, None] & columns[None, :]


def _spans(size: tuple[int, int], box: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rows and columns whose centre lies in a box."""
    _checks.vector("box", box, 4)
    box = jnp.asarray(box)
    x0, y0, x1, y1 = box if jnp.issubdtype(box.dtype, jnp.floating) else box.astype(jnp.float32)
    y, x = (jnp.arange(n, dtype=jnp.float32) + 0.5 for n in size)
    return (y >= y0) & (y < y1), (x >= x0) & (x < x1)


def random_erasing(
    key: jax.Array,
    image: jax.Array,
    *,
    probability: float = 0.5,
    area: tuple[float, float] = (0.02, 0.33),
    aspect: tuple[float, float] = (0.3, 3.3),
    fill: float | str = "noise",
) -> jax.Array:
    """Erase a box of random area, aspect ratio and place, with a probability.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats; in [0, 1] where noise fills them.
      probability: 0 to 1.
      area: minimum and maximum part of the image's area, uniform, within 0 to 1.
      aspect: minimum and maximum width / height, uniform in the logarithm.
      fill: a number in the units of the image, 0 to 255 for uint8; or ``"noise"``: every value uniform over the range.

    Returns:
      ``[H, W, C]``; the image itself if none of ten draws of the box fits into it.

    Raises:
      ValueError: on a wrong rank, dtype, range or option.

    Reference:
      Zhong et al., Random erasing data augmentation, arXiv 1708.04896.
    """
    _checks.photo("image", image)
    check.between("probability", probability, 0.0, 1.0)
    if isinstance(fill, str):
        check.option("fill", fill, ("noise",))
        _checks.unit("image", image)
    else:
        _checks.fill("fill", fill, jnp.result_type(image))
    coin_key, box_key, noise_key = jax.random.split(key, 3)
    box = random_box(box_key, (image.shape[0], image.shape[1]), area=area, aspect=aspect, otherwise="empty")

    def erase(image):
        value = like(uniform(noise_key, image.shape), image.dtype) if isinstance(fill, str) else fill
        return erase_box(image, box, value)

    return jax.lax.cond(jax.random.bernoulli(coin_key, probability), erase, lambda image: image, jnp.asarray(image))


def cutout(key: jax.Array, image: jax.Array, *, size: int | tuple[int, int], fill: float = 0.0) -> jax.Array:
    """Erase a box of fixed size about a random pixel; at the border a part of it lies outside.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats.
      size: of the box: a number or ``(height, width)``.
      fill: what stands in its place, in the units of the image: 0 to 255 for uint8.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, dtype, size or fill.

    Reference:
      DeVries and Taylor, Improved regularization of convolutional neural networks with cutout, arXiv 1708.04552.
    """
    _checks.photo("image", image)
    height, width = _checks.size("size", size)
    _checks.fill("fill", fill, jnp.result_type(image))
    center = jax.random.randint(key, (2,), 0, jnp.array([image.shape[1], image.shape[0]]))
    corner = center - jnp.array([width // 2, height // 2])
    return erase_box(image, jnp.concatenate([corner, corner + jnp.array([width, height])]), fill)


def mask_grid(
    image: jax.Array, offset: jax.Array, unit: jax.Array | float, *, keep: float = 0.6, fill: float = 0.0
) -> jax.Array:
    """Erase a grid of squares: where both coordinates, counted from the offset, lie past ``keep`` of a unit.

    Args:
      image: ``[H, W, C]``, uint8 or floats.
      offset: ``(x, y)`` in pixels, ``[2]``: a corner of the grid. Where it or the unit is a NaN, nothing is erased.
      unit: distance from square to square in pixels, greater than 0.
      keep: 1 - side of a square / unit, 0 to 1; of the image, ``1 - (1 - keep)^2`` stays.
      fill: what stands in place of the squares, in the units of the image: 0 to 255 for uint8.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, shape, dtype, range or fill.
    """
    _checks.photo("image", image)
    _checks.vector("offset", offset, 2)
    _checks.scalar("unit", unit)
    check.positive("unit", unit)
    check.between("keep", keep, 0.0, 1.0)
    _checks.fill("fill", fill, jnp.result_type(image))
    height, width = image.shape[:2]
    x, y = (jnp.arange(n, dtype=jnp.float32) + 0.5 - offset[i] for i, n in enumerate((width, height)))
    hole_x, hole_y = ((place / unit - jnp.floor(place / unit)) >= keep for place in (x, y))
    return jnp.where((hole_y[:, None] & hole_x[None, :])[..., None], jnp.asarray(fill, image.dtype), image)


def gridmask(
    key: jax.Array,
    image: jax.Array,
    *,
    unit: tuple[float, float] = (0.4, 1.0),
    keep: float = 0.6,
    probability: float = 1.0,
    fill: float = 0.0,
) -> jax.Array:
    """Erase a grid of squares of random distance and place, with a probability. The grid is not turned.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats.
      unit: minimum and maximum distance from square to square, as a part of the shorter side, greater than 0.
      keep: 1 - side of a square / unit, 0 to 1; of the image, ``1 - (1 - keep)^2`` stays on average.
      probability: 0 to 1; the paper raises it over the epochs.
      fill: what stands in place of the squares, in the units of the image: 0 to 255 for uint8.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, dtype, range or fill.

    Reference:
      Chen et al., GridMask data augmentation, arXiv 2001.04086.
    """
    _checks.photo("image", image)
    _checks.interval("unit", unit, 1e-3, float("inf"))
    check.between("probability", probability, 0.0, 1.0)
    coin_key, unit_key, offset_key = jax.random.split(key, 3)
    distance = jax.random.uniform(unit_key, minval=unit[0], maxval=unit[1]) * min(image.shape[:2])
    offset = jax.random.uniform(offset_key, (2,)) * distance
    masked = mask_grid(image, offset, distance, keep=keep, fill=fill)
    return jnp.where(jax.random.bernoulli(coin_key, probability), masked, image)
