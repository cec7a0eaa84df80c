"""A shift and a scale: zero-centring, mean image, standardising, min-max; and each image by itself."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.preprocess._images import Images, check_image, device, parts, same_size

PER = ("channel", "pixel")


class Affine(NamedTuple):
    """Stats of ``(image - shift) / scale``: float32, ``[C]``, or ``[H, W, C]`` for a mean image."""

    shift: jax.Array
    scale: jax.Array


def center_fit(images: Images) -> Affine:
    """Mean of each channel, for zero-centring.

    Args:
      images: ``[N, H, W, C]`` or batches of these.

    Returns:
      Affine: shift the mean, scale 1.

    Raises:
      ValueError: if a batch is not of rank 4, the channels differ, or there is no pixel.
    """
    mean, _ = _moments(images)
    return Affine(device(mean), device(np.ones_like(mean)))


def standardize_fit(images: Images, *, per: str = "channel") -> Affine:
    """Mean and standard deviation of each channel over all pixels, or of each pixel over all images.

    Args:
      images: ``[N, H, W, C]`` or batches of these; of one size by the pixel.
      per: ``"channel"``, or ``"pixel"`` for a mean and a deviation at every place, as for images that are aligned.

    Returns:
      Affine: shift the mean, scale the deviation; 1 for what is constant, so that it becomes 0 and not NaN.

    Raises:
      ValueError: if a batch is not of rank 4, the channels differ, or the sizes by the pixel, there is no pixel, or on
        another option.
    """
    check.option("per", per, PER)
    mean, variance = _moments(images) if per == "channel" else _moments_of_pixels(images)
    constant = variance < 1e-12  # of float64 sums of numbers up to 1: below this there is rounding only
    return Affine(device(mean), device(np.sqrt(np.where(constant, 1, variance))))


def min_max_fit(images: Images, *, low: float = 0.0, high: float = 1.0, per: str = "channel") -> Affine:
    r"""Least and greatest value of each channel, or of each pixel: the training set is mapped to [low, high].

    .. math:: y = low + (high - low) (x - \min) / (\max - \min)

    Args:
      images: ``[N, H, W, C]`` or batches of these; of one size by the pixel.
      low, high: of the result; -1 and 1 for inputs about 0. low is less than high.
      per: ``"channel"``, or ``"pixel"`` for every place by itself.

    Returns:
      Affine; what is constant becomes low.

    Raises:
      ValueError: if a batch is not of rank 4, the channels differ, or the sizes by the pixel, there is no pixel, or on
        another option.
    """
    check.option("per", per, PER)
    if not -np.inf < low < high < np.inf:
        raise ValueError(f"low is {low!r} and high {high!r}; allowed: numbers, low less than high.")
    axes, lowest, highest = ((0, 1, 2) if per == "channel" else 0), np.array(np.inf), np.array(-np.inf)
    for part in parts(images):
        if lowest.ndim == 3:
            same_size(part, lowest)
        lowest, highest = np.minimum(lowest, part.min(axes)), np.maximum(highest, part.max(axes))
    scale = np.where(highest == lowest, 1, highest - lowest) / (high - low)
    return Affine(device(lowest - low * scale), device(scale))


def mean_image_fit(images: Images) -> Affine:
    """The mean of each pixel over the images, AlexNet's zero-centring.

    Args:
      images: ``[N, H, W, C]`` or batches of these, all of one size.

    Returns:
      Affine: shift the mean image, scale 1.

    Raises:
      ValueError: if a batch is not of rank 4, sizes differ, or there is no pixel.
    """
    total: Any = None  # before the first of the parts, of which there is one or more
    count = 0
    for part in parts(images):
        total = part.sum(0) if total is None else total + same_size(part, total).sum(0)
        count += len(part)
    return Affine(device(total / count), device(np.ones_like(total)))


def standardize(stats: Affine, image: jax.Array) -> jax.Array:
    """``(image - shift) / scale``: the apply of center_fit, standardize_fit, min_max_fit and mean_image_fit.

    Args:
      stats: from one of these.
      image: ``[H, W, C]``, floating point in [0, 1].

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, shape or dtype.
    """
    shift, scale = (_fitting(image, stats, name) for name in ("shift", "scale"))
    return (image - shift) / scale


def standardize_inverse(stats: Affine, image: jax.Array) -> jax.Array:
    """``image * scale + shift``: undoes standardize.

    Args:
      stats: as for standardize.
      image: ``[H, W, C]``, floating point.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, shape or dtype.
    """
    shift, scale = (_fitting(image, stats, name) for name in ("shift", "scale"))
    return image * scale + shift


def per_image_fit(images: Images) -> tuple[()]:
    """Nothing to fit: every image has its own mean and deviation.

    Args:
      images: not read.

    Returns:
      ``()``.
    """
    del images
    return ()


def per_image(stats: tuple[()], image: jax.Array) -> jax.Array:
    """``(image - mean) / max(std, 1 / sqrt(n))`` of the n values of this image; a constant image becomes 0.

    Args:
      stats: ``()``, from per_image_fit.
      image: ``[H, W, C]``, floating point in [0, 1].

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank or dtype.
    """
    del stats
    check_image(image)
    wide = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    centered = wide - wide.mean()
    variance = jnp.maximum((centered**2).mean(), 1 / image.size)  # not of the root: at 0 that has no derivative
    return (centered * jax.lax.rsqrt(variance)).astype(image.dtype)


def _moments_of_pixels(images: Images) -> tuple[np.ndarray, np.ndarray]:
    total: Any = None  # before the first of the parts, of which there is one or more
    count, squares = 0, 0.0
    for part in parts(images):
        total = part.sum(0) if total is None else total + same_size(part, total).sum(0)
        count, squares = count + len(part), squares + (part**2).sum(0)
    mean = total / count
    return mean, squares / count - mean**2


def _moments(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each channel."""
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for part in parts(images):
        pixels = part.reshape(-1, part.shape[-1])
        count, total, squares = count + len(pixels), total + pixels.sum(0), squares + (pixels**2).sum(0)
    mean = total / count
    return mean, squares / count - mean**2


def _fitting(image: jax.Array, stats: Affine, name: str) -> jax.Array:
    """The named field at the rank and dtype of the image."""
    check_image(image)
    value = getattr(stats, name)
    check.shape(f"stats.{name}", value, image.shape[3 - jnp.ndim(value) :])
    return jnp.asarray(value, image.dtype).reshape((1,) * (3 - jnp.ndim(value)) + jnp.shape(value))
