"""A shift and a scale: zero-centring, mean image, standardising, min-max; and each image by itself."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.preprocess._images import Images, check_image, device, parts, same_size


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


def standardize_fit(images: Images) -> Affine:
    """Mean and standard deviation of each channel over all pixels.

    Args:
      images: ``[N, H, W, C]`` or batches of these.

    Returns:
      Affine: shift the mean, scale the deviation; 1 for a constant channel, so that it becomes 0 and not NaN.

    Raises:
      ValueError: if a batch is not of rank 4, the channels differ, or there is no pixel.
    """
    mean, variance = _moments(images)
    constant = variance < 1e-12  # of float64 sums of numbers up to 1: below this there is rounding only
    return Affine(device(mean), device(np.sqrt(np.where(constant, 1, variance))))


def min_max_fit(images: Images) -> Affine:
    """Least and greatest value of each channel over all pixels: the training set is mapped to [0, 1].

    Args:
      images: ``[N, H, W, C]`` or batches of these.

    Returns:
      Affine: shift by the minimum, scale the range; 1 for a constant channel.

    Raises:
      ValueError: if a batch is not of rank 4, the channels differ, or there is no pixel.
    """
    low, high = np.inf, -np.inf
    for part in parts(images):
        low, high = np.minimum(low, part.min((0, 1, 2))), np.maximum(high, part.max((0, 1, 2)))
    return Affine(device(low), device(np.where(high == low, 1, high - low)))


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
