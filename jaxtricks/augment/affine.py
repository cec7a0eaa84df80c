"""Affine movements of an image, any chain of them in one resampling. See matrix.py for the coordinates."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment import matrix as geometry

METHODS = ("bilinear", "nearest")


def warp(
    image: jax.Array,
    matrix: jax.Array,
    *,
    size: int | tuple[int, int] | None = None,
    method: str = "bilinear",
    fill: float = 0.0,
) -> jax.Array:
    """Move an image by a matrix: the value of each output pixel is that of the place it comes from.

    For a chain, combine the matrices first: one resampling blurs once. There is no antialiasing: to shrink, or to cut
    out a box, resized_crop is better.

    Args:
      image: ``[H, W, C]``; floating point, or any dtype with ``method="nearest"``.
      matrix: ``[3, 3]``, affine, from a place in the image to its place in the result.
      size: of the result, static: a number or ``(height, width)``; None keeps the image's.
      method: ``"bilinear"`` or ``"nearest"``.
      fill: the value of pixels whose place lies outside the image, or is not finite.

    Returns:
      ``[height, width, C]`` in the dtype of image.

    Raises:
      ValueError: on a wrong rank, shape, dtype, size or method.
    """
    check.option("method", method, METHODS)
    (_checks.image if method == "bilinear" else _checks.pixels)("image", image)
    height, width = _checks.size("size", image.shape[:2] if size is None else size)
    (a, b, e), (c, d, f), _ = geometry.inverse(matrix)
    u, v = jnp.arange(width)[None, :] + 0.5, jnp.arange(height)[:, None] + 0.5
    x, y = a * u + b * v + e, c * u + d * v + f
    inside = (x >= 0) & (x < image.shape[1]) & (y >= 0) & (y < image.shape[0])
    moved = _nearest(image, x, y) if method == "nearest" else _bilinear(image, x, y)
    return jnp.where(inside[..., None], moved, jnp.asarray(fill, moved.dtype))


def rotate(image: jax.Array, angle: jax.Array | float, *, method: str = "bilinear", fill: float = 0.0) -> jax.Array:
    """Turn an image about its centre.

    Args:
      image: ``[H, W, C]``; floating point, or any dtype with ``method="nearest"``.
      angle: degrees, counter-clockwise.
      method: ``"bilinear"`` or ``"nearest"``.
      fill: the value of what comes from outside.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, dtype or method.
    """
    return warp(image, geometry.rotation(angle, _size(image)), method=method, fill=fill)


def translate(image: jax.Array, shift: jax.Array, *, method: str = "bilinear", fill: float = 0.0) -> jax.Array:
    """Move an image.

    Args:
      image: ``[H, W, C]``; floating point, or any dtype with ``method="nearest"``.
      shift: pixels to the right and down, ``[2]``; fractions allowed.
      method: ``"bilinear"`` or ``"nearest"``.
      fill: the value of what comes from outside.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, shape, dtype or method.
    """
    _size(image)
    return warp(image, geometry.translation(shift), method=method, fill=fill)


def scale(image: jax.Array, factor: jax.Array, *, method: str = "bilinear", fill: float = 0.0) -> jax.Array:
    """Enlarge or shrink an image about its centre, in its frame.

    Args:
      image: ``[H, W, C]``; floating point, or any dtype with ``method="nearest"``.
      factor: 1 gives the image, more enlarges; for both directions, or ``(x, y)``.
      method: ``"bilinear"`` or ``"nearest"``.
      fill: the value of what comes from outside.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, shape, dtype or method.
    """
    return warp(image, geometry.scaling(factor, _size(image)), method=method, fill=fill)


def shear(image: jax.Array, slope: jax.Array, *, method: str = "bilinear", fill: float = 0.0) -> jax.Array:
    """Shear an image about its centre.

    Args:
      image: ``[H, W, C]``; floating point, or any dtype with ``method="nearest"``.
      slope: ``[2]``: pixels to the right for each pixel down, and pixels down for each to the right.
      method: ``"bilinear"`` or ``"nearest"``.
      fill: the value of what comes from outside.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, shape, dtype or method.
    """
    return warp(image, geometry.shearing(slope, _size(image)), method=method, fill=fill)


def random_affine(
    key: jax.Array,
    image: jax.Array,
    *,
    angle: float = 0.0,
    shift: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    slope: float = 0.0,
    method: str = "bilinear",
    fill: float = 0.0,
) -> jax.Array:
    """Shear, scale, rotate and move an image by random amounts, in one resampling.

    With one range it is a random rotation, translation, scaling or shear alone; the draws are random_matrix's.

    Args:
      key: a typed key.
      image: ``[H, W, C]``; floating point, or any dtype with ``method="nearest"``.
      angle: greatest rotation either way, degrees, 0 to 180.
      shift: greatest translation either way, as a part of the width and of the height, 0 or more.
      scale: least and greatest factor, greater than 0.
      slope: greatest shear either way, 0 or more.
      method: ``"bilinear"`` or ``"nearest"``.
      fill: the value of what comes from outside.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, dtype, range or method.
    """
    matrix = geometry.random_matrix(key, _size(image), angle=angle, shift=shift, scale=scale, slope=slope)
    return warp(image, matrix, method=method, fill=fill)


def _size(image: jax.Array) -> tuple[int, int]:
    _checks.pixels("image", image)
    return jnp.shape(image)[:2]


def _at(image: jax.Array, row: jax.Array, column: jax.Array) -> jax.Array:
    """The pixels at whole places ``[h, w]``, those of the border beyond it."""
    row = jnp.clip(row, 0, image.shape[0] - 1).astype(jnp.int32)
    column = jnp.clip(column, 0, image.shape[1] - 1).astype(jnp.int32)
    return jnp.asarray(image).at[row, column].get(mode="clip")


def _nearest(image: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    return _at(image, jnp.floor(y), jnp.floor(x))


def _bilinear(image: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    column, row = jnp.floor(x - 0.5), jnp.floor(y - 0.5)
    right, down = (x - 0.5 - column)[..., None], (y - 0.5 - row)[..., None]
    above = (1 - right) * _at(image, row, column) + right * _at(image, row, column + 1)
    below = (1 - right) * _at(image, row + 1, column) + right * _at(image, row + 1, column + 1)
    return ((1 - down) * above + down * below).astype(image.dtype)
