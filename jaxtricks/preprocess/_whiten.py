"""Whitening: PCA and ZCA, and back."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.preprocess._images import Images, device, parts, same_size


class Whitening(NamedTuple):
    """Stats of a whitening of images with D values.

    Fields:
      mean: ``[H, W, C]``.
      forward: ``[D, K]``, to K uncorrelated numbers of variance 1.
      backward: ``[K, D]``, and back.
    """

    mean: jax.Array
    forward: jax.Array
    backward: jax.Array


def pca_fit(images: Images, *, epsilon: float, components: int | None = None, scaled: bool = True) -> Whitening:
    """Principal components of the images as vectors of D values, each scaled to variance 1 or as it is.

    The covariance is ``U diag(v) U^T``, eigenvalues in falling order; ``forward = U / sqrt(v + epsilon)``.

    Args:
      images: ``[N, H, W, C]`` or batches of these, all of one size. Memory grows as D^2, time as D^3.
      epsilon: 0 or more, in units of the eigenvalues (of images in [0, 1]); keeps noise from being blown up. Greater
        than 0 if a component that is kept does not vary.
      components: K, 1 to D; None keeps all.
      scaled: whether to divide by the deviations; False only turns the axes (``forward = U``), with an epsilon of 0.

    Returns:
      Whitening to ``[K]``.

    Raises:
      ValueError: if a batch is not of rank 4, sizes differ, there is no pixel, or on a wrong epsilon or components.
    """
    check.option("scaled", scaled, (True, False))
    if not scaled and epsilon != 0:
        raise ValueError(f"epsilon is {epsilon!r}; allowed: 0 where scaled is False, which divides by nothing.")
    mean, values, vectors, scale = _spectrum(images, epsilon)
    kept = len(values) if components is None else check.at_least("components", components, minimum=1)
    if kept > len(values):
        raise ValueError(f"components is {components!r}; allowed: 1 to {len(values)}, or None.")
    vectors, scale = vectors[:, :kept], scale[:kept]
    if not scaled:
        return Whitening(device(mean), device(vectors), device(vectors.T))
    _check_rank(values[:kept], values, epsilon)
    return Whitening(device(mean), device(vectors / scale), device((vectors * scale).T))


def zca_fit(images: Images, *, epsilon: float) -> Whitening:
    """Whitening that changes the images as little as possible: ``forward = U diag(1 / sqrt(v + epsilon)) U^T``.

    Args:
      images: ``[N, H, W, C]`` or batches of these, all of one size. Memory grows as D^2, time as D^3.
      epsilon: 0 or more, in units of the eigenvalues v (of images in [0, 1]); greater than 0 if a direction does
        not vary.

    Returns:
      Whitening to ``[D]``, which is the image again.

    Raises:
      ValueError: if a batch is not of rank 4, sizes differ, there is no pixel, or on a wrong epsilon.
    """
    mean, values, vectors, scale = _spectrum(images, epsilon)
    _check_rank(values, values, epsilon)
    return Whitening(device(mean), device(vectors / scale @ vectors.T), device(vectors * scale @ vectors.T))


def pca(stats: Whitening, image: jax.Array) -> jax.Array:
    """``(image - mean) forward``, the whitened principal components.

    Args:
      stats: from pca_fit.
      image: ``[H, W, C]``, floating point in [0, 1].

    Returns:
      ``[K]``.

    Raises:
      ValueError: on a wrong shape or dtype.
    """
    check.floating("image", image)
    check.shape("image", image, stats.mean.shape)
    return _matmul((image - stats.mean).reshape(-1), stats.forward).astype(image.dtype)


def pca_inverse(stats: Whitening, components: jax.Array) -> jax.Array:
    """``components backward + mean``: undoes pca, as well as K components can.

    Args:
      stats: from pca_fit.
      components: ``[K]``, floating point.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong shape or dtype.
    """
    check.floating("components", components)
    check.shape("components", components, stats.backward.shape[:1])
    image = _matmul(components, stats.backward).reshape(stats.mean.shape) + stats.mean
    return image.astype(components.dtype)


def zca(stats: Whitening, image: jax.Array) -> jax.Array:
    """``(image - mean) forward``, in the shape of the image.

    Args:
      stats: from zca_fit.
      image: ``[H, W, C]``, floating point in [0, 1].

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong shape or dtype.
    """
    return pca(stats, image).reshape(image.shape)


def zca_inverse(stats: Whitening, image: jax.Array) -> jax.Array:
    """``image backward + mean``: undoes zca.

    Args:
      stats: from zca_fit.
      image: ``[H, W, C]``, floating point.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong shape or dtype.
    """
    check.shape("image", image, stats.mean.shape)
    return pca_inverse(stats, image.reshape(-1))


def _spectrum(images: Images, epsilon: float):
    """Mean image, eigenvalues of the covariance in falling order, their vectors in columns, and sqrt(v + epsilon)."""
    check.between("epsilon", epsilon, 0.0, float("inf"))
    total: Any = None  # before the first of the parts, of which there is one or more
    count, squares = 0, 0.0
    for part in parts(images):
        total = part.sum(0) if total is None else total + same_size(part, total).sum(0)
        rows = part.reshape(len(part), -1)
        count, squares = count + len(part), squares + rows.T @ rows
    mean = total / count
    values, vectors = np.linalg.eigh(squares / count - np.outer(mean, mean))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    return mean, values, vectors, np.sqrt(values + epsilon)


def _check_rank(kept, values, epsilon: float) -> None:
    still = int((kept <= len(values) * np.finfo(np.float64).eps * values[0]).sum())
    if epsilon == 0 and still:
        raise ValueError(f"epsilon is 0; allowed: greater than 0, for {still} of {len(kept)} directions do not vary.")


def _matmul(row: jax.Array, matrix: jax.Array) -> jax.Array:
    return jnp.matmul(row, matrix, precision=jax.lax.Precision.HIGHEST)
