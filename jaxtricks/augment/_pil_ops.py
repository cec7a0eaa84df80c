"""Point operations and sharpening as in Pillow; exact where an image has integer grey levels."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment._color import channelwise, luma
from jaxtricks.preprocess._levels import floats, in_float32


def invert(image: jax.Array) -> jax.Array:
    """The negative: ``1 - image``.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1].

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank or dtype.

    Example:
      >>> image = jnp.array([[[0.25], [0.75]]])  # one row of two pixels
      >>> print(np.asarray(invert(image)).squeeze().round(3))
      [0.75 0.25]
    """
    _checks.photo("image", image)
    _checks.unit("image", image)
    image = jnp.asarray(image)
    return 255 - image if image.dtype == jnp.uint8 else 1 - image


def grayscale(image: jax.Array) -> jax.Array:
    """The luma in all three channels.

    Args:
      image: ``[H, W, 3]``, uint8 or floats in [0, 1]; a grey image would not change, so one channel is refused.

    Returns:
      ``[H, W, 3]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype or number of channels.

    Example:
      >>> image = jnp.array([[[1.0, 0.0, 0.0]]])
      >>> print(np.asarray(grayscale(image)).squeeze().round(3))
      [0.299 0.299 0.299]
    """
    _checks.photo("image", image, channels=(3,))
    return jnp.broadcast_to(luma(image), jnp.shape(image))


@in_float32
def solarize(image: jax.Array, threshold: jax.Array | float) -> jax.Array:
    """Invert what is bright: ``image`` below the threshold, ``1 - image`` from it on.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1].
      threshold: 0 inverts all; more than 1, nothing.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank or dtype.

    Example:
      >>> image = jnp.array([[[0.25], [0.75]]])  # one row of two pixels
      >>> print(np.asarray(solarize(image, 0.5)).squeeze().round(3))
      [0.25 0.25]
    """
    _checks.image("image", image)
    _checks.unit("image", image)
    _checks.scalar("threshold", threshold)
    return jnp.where(jnp.isnan(threshold), jnp.nan, jnp.where(image < threshold, image, 1 - image))


def posterize(image: jax.Array, bits: jax.Array | int) -> jax.Array:
    """Keep the highest bits of the 8-bit grey level, the others become 0.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1]; rounded to 255ths.
      bits: 0 to 8, an integer; 8 keeps all levels, 0 gives black. In an array, which is not seen, a number outside is
        moved to the nearest one inside.

    Returns:
      ``[H, W, C]``, 255ths in [0, 1].

    Raises:
      ValueError: on a wrong rank or dtype, or bits outside 0 to 8.

    Example:
      >>> image = jnp.array([[[200], [100]]], jnp.uint8)
      >>> print(np.asarray(posterize(image, 1)).squeeze().round(3))
      [128   0]
    """
    check.integer("bits", bits)
    check.rank("bits", bits, 0)
    check.between("bits", bits, 0, 8)
    _checks.photo("image", image)
    _checks.unit("image", image)
    dropped = 8 - jnp.clip(jnp.asarray(bits), 0, 8).astype(jnp.int32)
    if jnp.result_type(image) == jnp.uint8:
        dropped = dropped.astype(jnp.uint8)
        return (jnp.asarray(image) >> dropped) << dropped
    step = (1 << dropped).astype(jnp.float32)
    levels = jnp.clip(jnp.round(255 * floats(image)), 0, 255)
    return (jnp.floor(levels / step) * step / 255).astype(jnp.result_type(image))


def autocontrast(image: jax.Array) -> jax.Array:
    """Stretch each channel to the full range: ``(image - min) / (max - min)``; one constant to 1e-18 stays.

    For uint8 ``255 (level - min) // (max - min)``: Pillow's levels, but where the quotient is an integer; the
    floating-point numbers of Pillow and torchvision may then fall one short of it.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1].

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank or dtype.

    Example:
      >>> image = jnp.array([[[0.25], [0.75]]])  # one row of two pixels
      >>> print(np.asarray(autocontrast(image)).squeeze().round(3))
      [0. 1.]
    """
    _checks.photo("image", image)
    _checks.unit("image", image)
    dtype = jnp.result_type(image)
    is_uint8 = dtype == jnp.uint8
    image = jnp.asarray(image, jnp.float32) if is_uint8 else floats(image)
    low, high = channelwise(jnp.min, image), channelwise(jnp.max, image)
    flat = high - low < 1e-18  # the square of less is 0, and the gradient would be infinite
    spread = jnp.where(flat, 1, high - low)
    # A half keeps the quotient off the integers, where rounding would matter. Integers divide many times slower.
    stretched = jnp.floor((255 * (image - low) + 0.5) / spread) if is_uint8 else (image - low) / spread
    return jnp.where(flat, image, stretched).astype(dtype)


def equalize(image: jax.Array) -> jax.Array:
    """Spread the grey levels of each channel so that all are about as frequent; Pillow's formula, to the level.

    ``level -> (step // 2 + #(pixels below level)) // step``, where ``step = #(pixels below the highest level) // 255``;
    a channel whose step is 0 stays.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1]; rounded to 255ths.

    Returns:
      ``[H, W, C]``, 255ths in [0, 1].

    Raises:
      ValueError: on a wrong rank or dtype.

    Example:
      >>> image = jnp.arange(100, 116, dtype=jnp.uint8).repeat(64).reshape(32, 32, 1)
      >>> print(image.min(), image.max(), equalize(image).min(), equalize(image).max())
      100 115 0 255
    """
    _checks.photo("image", image)
    _checks.unit("image", image)
    image = jnp.asarray(image)
    is_uint8 = image.dtype == jnp.uint8
    levels = image.astype(jnp.int32) if is_uint8 else _levels(image)
    counts = jax.lax.platform_dependent(levels, tpu=_count_by_product, default=_count_by_scatter)
    # A loop over the channels, or XLA would compute the entries of the table again for every pixel.
    table = jax.lax.map(_equalized, counts).reshape(-1)
    place = 256 * jnp.arange(image.shape[-1])[None, None, :] + levels
    moved = table.at[place].get(mode="clip")
    return moved.astype(jnp.uint8) if is_uint8 else _from_levels(moved, image)


@in_float32
def adjust_sharpness(image: jax.Array, factor: jax.Array | float) -> jax.Array:
    """Move away from a smoothed image: ``clip(factor * image + (1 - factor) * smooth(image), 0, 1)``.

    Smooth is the mean of the 3 x 3 neighbourhood with weight 5 for the centre; border pixels stay.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1].
      factor: 0 gives the smoothed image, 1 the image, more sharpens; 0 or more.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank or dtype, or a negative factor.
    """
    _checks.image("image", image)
    _checks.unit("image", image)
    _checks.scalar("factor", factor)
    check.between("factor", factor, 0.0, float("inf"))
    height, width, channels = image.shape
    if height < 3 or width < 3:  # nothing but border
        return jnp.clip(image, 0, 1)
    flat = image.reshape(height, width * channels)  # one axis, so that a processor takes many values at once
    rows = flat[:-2] + flat[1:-1] + flat[2:]
    inner = flat[1:-1, channels:-channels]
    smooth = (rows[:, : -2 * channels] + rows[:, channels:-channels] + rows[:, 2 * channels :] + 4 * inner) / 13
    moved = inner + (1 - jnp.asarray(factor, image.dtype)) * (smooth - inner)
    return jnp.clip(flat.at[1:-1, channels:-channels].set(moved), 0, 1).reshape(image.shape)


def _levels(image: jax.Array) -> jax.Array:
    """The nearest 8-bit grey levels; black for a NaN."""
    return jnp.clip(jnp.round(255 * jnp.nan_to_num(jnp.asarray(image, jnp.float32))), 0, 255).astype(jnp.int32)


def _from_levels(levels: jax.Array, image: jax.Array) -> jax.Array:
    """The levels as an image like this one; NaN where that is."""
    return jnp.where(jnp.isnan(image), jnp.nan, levels.astype(jnp.float32) / 255).astype(image.dtype)


def _equalized(counts: jax.Array) -> jax.Array:
    """The new level of each, ``[256]``, from the numbers of pixels."""
    below = jnp.cumsum(counts) - counts
    step = jnp.where(counts > 0, below, 0).max() // 255
    table = jnp.clip((step // 2 + below) // jnp.maximum(step, 1), 0, 255)
    return jnp.where(step > 0, table, jnp.arange(256))


def _count_by_scatter(levels: jax.Array) -> jax.Array:
    """Pixels of each level, ``[C, 256]``."""
    channels = levels.shape[-1]
    place = 256 * jnp.arange(channels)[None, None, :] + levels
    return jnp.zeros(256 * channels, jnp.int32).at[place.reshape(-1)].add(1).reshape(channels, 256)


def _count_by_product(levels: jax.Array) -> jax.Array:
    """The same for TPUs, which scatter slowly: pairs of half-bytes, counted by a product of one-hot matrices."""
    high, low = (jax.nn.one_hot(half, 16, dtype=jnp.float32) for half in (levels // 16, levels % 16))
    return jnp.einsum("hwci,hwcj->cij", high, low).reshape(-1, 256).astype(jnp.int32)
