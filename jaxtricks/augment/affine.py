"""Affine movements of an image, any chain of them in one resampling. See matrix.py for the coordinates.

A place that is not finite lies outside the image: a NaN in a matrix, an angle or a shift gives an image of ``fill``.
The fill is in the units of the image: 0 to 255 for uint8, a class for a mask of classes.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment import matrix as geometry
from jaxtricks.preprocess.resample import along, stored

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
      image: ``[H, W, C]``; uint8 or floats, or any dtype with ``method="nearest"``.
      matrix: ``[3, 3]``, affine, from a place in the image to its place in the result.
      size: of the result, static: a number or ``(height, width)``; None keeps the image's.
      method: ``"bilinear"`` or ``"nearest"``.
      fill: the value of pixels whose place lies outside the image, or is not finite.

    Returns:
      ``[height, width, C]`` in the dtype of image.

    Raises:
      ValueError: on a wrong rank, shape, dtype, size or method.
    """
    size = _check(image, method, fill, size)
    (a, b, e), (c, d, f), _ = geometry.inverse(matrix)
    return _resample(image, lambda u, v: (a * u + b * v + e, c * u + d * v + f), size, method, fill)


def rotate(image: jax.Array, angle: jax.Array | float, *, method: str = "bilinear", fill: float = 0.0) -> jax.Array:
    """Turn an image about its centre.

    Args:
      image: ``[H, W, C]``; uint8 or floats, or any dtype with ``method="nearest"``.
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
      image: ``[H, W, C]``; uint8 or floats, or any dtype with ``method="nearest"``.
      shift: pixels to the right and down, ``[2]``; fractions allowed.
      method: ``"bilinear"`` or ``"nearest"``.
      fill: the value of what comes from outside.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, shape, dtype or method.
    """
    return _stretch(image, geometry.translation(shift), method, fill)


def scale(image: jax.Array, factor: jax.Array, *, method: str = "bilinear", fill: float = 0.0) -> jax.Array:
    """Enlarge or shrink an image about its centre, in its frame.

    Args:
      image: ``[H, W, C]``; uint8 or floats, or any dtype with ``method="nearest"``.
      factor: 1 gives the image, more enlarges; for both directions, or ``(x, y)``.
      method: ``"bilinear"`` or ``"nearest"``.
      fill: the value of what comes from outside.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, shape, dtype or method.
    """
    return _stretch(image, geometry.scaling(factor, _size(image)), method, fill)


def shear(image: jax.Array, slope: jax.Array, *, method: str = "bilinear", fill: float = 0.0) -> jax.Array:
    """Shear an image about its centre.

    Args:
      image: ``[H, W, C]``; uint8 or floats, or any dtype with ``method="nearest"``.
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
      image: ``[H, W, C]``; uint8 or floats, or any dtype with ``method="nearest"``.
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


def _check(image: jax.Array, method: str, fill: float, size) -> tuple[int, int]:
    """The size of the result."""
    check.option("method", method, METHODS)
    (_checks.photo if method == "bilinear" else _checks.pixels)("image", image)
    _checks.fill("fill", fill, jnp.result_type(image))
    return _checks.size("size", jnp.shape(image)[:2] if size is None else size)


def _resample(image, back: Callable, size: tuple[int, int], method: str, fill: float) -> jax.Array:
    """The image at the places ``back(u, v)``, by gathers."""
    image = jnp.asarray(image)
    u, v = jnp.arange(size[1]) + 0.5, jnp.arange(size[0]) + 0.5
    if method == "nearest":
        width = image.shape[1]

        def places(v):
            x, y = back(u[None, :], v[:, None])
            return jnp.where(_inside(image, x, y), jnp.floor(y) * width + jnp.floor(x), -1).astype(jnp.int32)

        place = stored(places, v)
        moved = image.reshape(-1, image.shape[2]).at[place].get(mode="clip")
        return jnp.where((place >= 0)[..., None], moved, jnp.asarray(fill, image.dtype))
    x, y = stored(lambda v: back(u[None, :], v[:, None]), v)
    wide = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    moved = jnp.where(_inside(image, x, y)[..., None], _bilinear(wide, x, y), jnp.asarray(fill, wide.dtype))
    return _rounded(moved, image.dtype)


def _stretch(image, matrix: jax.Array, method: str, fill: float) -> jax.Array:
    """What warp does, for a matrix that leaves rows and columns what they are: each axis by itself."""
    height, width = _check(image, method, fill, None)
    (a, _, e), (_, d, f), _ = geometry.inverse(matrix)
    if method == "nearest":
        return _resample(image, lambda u, v: (a * u + e + 0 * v, d * v + f + 0 * u), (height, width), method, fill)
    x, y = a * (jnp.arange(width) + 0.5) + e, d * (jnp.arange(height) + 0.5) + f
    image = jnp.asarray(image)
    moved = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    for axis, places in enumerate((y, x)):
        moved = along(moved, axis, places, 1.0, (0, image.shape[axis]), most=1.0)
    inside = _inside(image, x[None, :], y[:, None])
    return _rounded(jnp.where(inside[..., None], moved, jnp.asarray(fill, moved.dtype)), image.dtype)


def _inside(image: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    return (x >= 0) & (x < image.shape[1]) & (y >= 0) & (y < image.shape[0])


def _rounded(image: jax.Array, dtype) -> jax.Array:
    return (jnp.round(image) if dtype == jnp.uint8 else image).astype(dtype)


def _at(image: jax.Array, row: jax.Array, column: jax.Array) -> jax.Array:
    """The pixels at whole places ``[h, w]``, those of the border beyond it."""
    row = jnp.clip(row, 0, image.shape[0] - 1).astype(jnp.int32)
    column = jnp.clip(column, 0, image.shape[1] - 1).astype(jnp.int32)
    return image.at[row, column].get(mode="clip")


def _bilinear(image: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    column, row = jnp.floor(x - 0.5), jnp.floor(y - 0.5)
    right, down = (x - 0.5 - column)[..., None], (y - 0.5 - row)[..., None]
    above = (1 - right) * _at(image, row, column) + right * _at(image, row, column + 1)
    below = (1 - right) * _at(image, row + 1, column) + right * _at(image, row + 1, column + 1)
    return (1 - down) * above + down * below
