"""The principal colours of a training set, and noise along them (AlexNet's, "fancy PCA")."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.preprocess._images import Images, device, parts
from jaxtricks.preprocess._levels import in_float32


class ColorPCA(NamedTuple):
    """Principal colours of a training set.

    Fields:
      values: ``[C]``, eigenvalues of the covariance of the pixels' channels, in [0, 1] units, ascending.
      vectors: ``[C, C]``, their eigenvectors in columns.
    """

    values: jax.Array
    vectors: jax.Array


def fit_color_pca(images: Images) -> ColorPCA:
    """Eigenvalues and eigenvectors of the covariance of the channels over all pixels, on the host, in float64.

    Args:
      images: ``[N, H, W, C]``, uint8 (taken as 255ths) or floating point in [0, 1]; or batches of these, each read
        once, of any H and W.

    Returns:
      ColorPCA, float32.

    Raises:
      ValueError: if a batch has another rank or dtype, the channels differ, or there is no pixel.
    """
    count, total, squares = 0, 0.0, 0.0
    for part in parts(images):
        _checks.unit("images", part)
        pixels = part.reshape(-1, part.shape[-1])
        count, total, squares = count + len(pixels), total + pixels.sum(0), squares + pixels.T @ pixels
    mean = total / count
    values, vectors = np.linalg.eigh(squares / count - np.outer(mean, mean))
    return ColorPCA(device(np.maximum(values, 0)), device(vectors))


@in_float32
def pca_shift(image: jax.Array, pca: ColorPCA, amount: jax.Array) -> jax.Array:
    r"""Add one colour to all pixels: ``clip(image + sum_i amount_i value_i vector_i, 0, 1)``.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1].
      pca: from fit_color_pca.
      amount: of each principal colour, ``[C]``; 0 gives the image.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, shape or dtype.
    """
    _checks.image("image", image)
    _checks.unit("image", image)
    channels = image.shape[-1]
    _checks.vector("pca.values", pca.values, channels)
    check.shape("pca.vectors", pca.vectors, (channels, channels))
    check.number("pca.vectors", pca.vectors)
    _checks.vector("amount", amount, channels)
    color = (pca.vectors * (amount * pca.values)[None, :]).sum(1)
    return jnp.clip(image + color[None, None, :], 0, 1)


@in_float32
def pca_noise(key: jax.Array, image: jax.Array, pca: ColorPCA, *, std: float = 0.1) -> jax.Array:
    """Add a random mixture of the principal colours, one draw an image: pca_shift by ``amount ~ N(0, std^2)``.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats in [0, 1].
      pca: from fit_color_pca.
      std: standard deviation of the amounts, 0 or more.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, shape or dtype, or a negative std.

    Reference:
      Krizhevsky et al., ImageNet classification with deep convolutional neural networks, NeurIPS 2012, section 4.1.
    """
    check.between("std", std, 0.0, math.inf)
    check.rank("pca.values", pca.values, 1)
    return pca_shift(image, pca, std * jax.random.normal(key, jnp.shape(pca.values)))
