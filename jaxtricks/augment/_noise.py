"""Noise in images and labels, and blur."""

import math
import operator
from functools import reduce

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment._compose import Batch
from jaxtricks.augment._random import normal
from jaxtricks.preprocess._levels import in_float32


@in_float32
def gaussian_noise(key: jax.Array, image: jax.Array, *, std: float) -> jax.Array:
    """Add noise, independent for each value: ``clip(image + N(0, std^2), 0, 1)``.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats in [0, 1].
      std: standard deviation, 0 or more.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank or dtype, or a negative std.
    """
    _checks.image("image", image)
    _checks.unit("image", image)
    check.between("std", std, 0.0, math.inf)
    return jnp.clip(image + jnp.asarray(std, image.dtype) * normal(key, image.shape), 0, 1)


@in_float32
def gaussian_blur(image: jax.Array, sigma: jax.Array | float, *, radius: int) -> jax.Array:
    r"""Blur by a Gaussian, rows and then columns; the image is reflected at its border.

    .. math:: w_i \propto \exp(-i^2 / (2 \sigma^2)), \quad i = -radius \ldots radius

    Args:
      image: ``[H, W, C]``, uint8 or floats.
      sigma: standard deviation in pixels; 0 gives the image.
      radius: pixels of the kernel on each side, static, 0 or more.

    Returns:
      ``[H, W, C]`` in the dtype of image.

    Raises:
      ValueError: on a wrong rank, dtype or radius, or a negative sigma.
    """
    _checks.image("image", image)
    radius = check.at_least("radius", radius, minimum=0)
    _checks.scalar("sigma", sigma)
    check.between("sigma", sigma, 0.0, math.inf)
    tiny = 1e-6  # so that sigma 0 is no division of 0 by 0
    weight = jnp.exp(-0.5 * (jnp.arange(-radius, radius + 1, dtype=jnp.float32) / jnp.maximum(sigma, tiny)) ** 2)
    weight = (weight / weight.sum()).astype(image.dtype)
    # Sums of shifted images, not a convolution: with a sigma for each image that would be a slow grouped one. Columns
    # and channels are one axis, so that a processor takes many values at once.
    height, width, channels = image.shape
    for axis, step in ((0, 1), (1, channels)):
        pads = [(radius, radius) if a == axis else (0, 0) for a in range(3)]
        padded = jnp.pad(image, pads, mode="reflect").reshape(-1, (width + 2 * radius * axis) * channels)
        size = (height, width * channels)[axis]
        shifted = (jax.lax.slice_in_dim(padded, i * step, i * step + size, axis=axis) for i in range(2 * radius + 1))
        weighted = (weight[i] * part for i, part in enumerate(shifted))
        image = reduce(operator.add, weighted).reshape(height, width, channels)
    return image


@in_float32
def random_blur(
    key: jax.Array, image: jax.Array, *, sigma: tuple[float, float] = (0.1, 2.0), radius: int | None = None
) -> jax.Array:
    """Blur by a Gaussian of random width.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats.
      sigma: minimum and maximum standard deviation in pixels, uniform, 0 or more.
      radius: pixels of the kernel on each side; None for three of the greatest sigma.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, dtype or range.
    """
    _checks.interval("sigma", sigma, 0.0, math.inf)
    radius = math.ceil(3 * sigma[1]) if radius is None else radius
    return gaussian_blur(image, jax.random.uniform(key, (), minval=sigma[0], maxval=sigma[1]), radius=radius)


def label_noise(key: jax.Array, batch: Batch, *, probability: float) -> Batch:
    """Replace the target of each example, with a probability, by a class drawn from all: DisturbLabel.

    The class drawn may be the right one: a target changes with ``probability (K - 1) / K``.

    Args:
      key: a typed key.
      batch: ``target [B, K]``, floating point, one-hot or softer; other entries stay.
      probability: 0 to 1.

    Returns:
      The batch with new targets, one-hot where drawn.

    Raises:
      ValueError: if target is missing (one-hot comes first), has a wrong rank or dtype, or on a wrong probability.

    Reference:
      Xie et al., DisturbLabel: regularizing CNN on the loss layer, arXiv 1605.00055.
    """
    check.between("probability", probability, 0.0, 1.0)
    _checks.entries(batch, "target")
    target = batch["target"]
    check.rank('batch["target"]', target, 2)
    check.floating('batch["target"]', target)
    if target.shape[1] == 0:
        raise ValueError(f'batch["target"] has shape {target.shape}; allowed: one class or more.')
    coin_key, class_key = jax.random.split(key)
    drawn = jax.random.randint(class_key, target.shape[:1], 0, target.shape[1])
    hit = jax.random.bernoulli(coin_key, probability, target.shape[:1])
    noise = jax.nn.one_hot(drawn, target.shape[1], dtype=target.dtype)
    return {**batch, "target": jnp.where(hit[:, None], noise, target)}


def fixed_label_noise(batch: Batch, *, share: float, classes: int, seed: int = 0) -> Batch:
    """Give a fixed share of the training images a wrong label, the same one in every epoch: symmetric label noise.

    Whether an image is hit, and which of the other classes it gets, uniformly, depends on its place in the training set
    and the seed alone. It spoils a clean data set, to measure what losses make of wrong labels.

    Args:
      batch: ``label [B]``, integer, and ``index [B]``, the place of each image in the training set; other entries stay.
      share: of the images that get a wrong label, 0 to 1, in expectation.
      classes: K, 2 or more; a label outside 0 to K - 1 stays as it is.
      seed: of the draws.

    Returns:
      The batch with new labels.

    Raises:
      ValueError: if label or index is missing or no row of integers, share lies outside 0 to 1 or classes below 2, or
        the batch has a target already: the noise comes before the one-hot encoding.
    """
    check.between("share", share, 0.0, 1.0)
    classes = check.at_least("classes", classes, minimum=2)
    _checks.entries(batch, "label", "index")
    for name in ("label", "index"):
        check.rank(f'batch["{name}"]', batch[name], 1)
        check.integer(f'batch["{name}"]', batch[name])
    if "target" in batch:
        raise ValueError('batch has "target"; allowed: "label" alone, before it is one-hot encoded.')

    def draw(label, index):
        coin_key, class_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), index))
        other = (label + jax.random.randint(class_key, (), 1, classes)) % classes
        hit = jax.random.bernoulli(coin_key, share) & (label >= 0) & (label < classes)
        return jnp.where(hit, other, label).astype(label.dtype)

    return {**batch, "label": jax.vmap(draw)(batch["label"], batch["index"])}
