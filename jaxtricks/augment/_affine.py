"""Affine movements of an image, any chain of them in one resampling. See matrix.py for the coordinates.

A place that is not finite lies outside the image: a NaN in a matrix, an angle or a shift gives an image of ``fill``.
The fill is in the units of the image: 0 to 255 for uint8, a class for a mask of classes.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment import _matrix as geometry
from jaxtricks.preprocess._levels import rounded
from jaxtricks.preprocess._resample import along, stored

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
    return resample(image, geometry.inverse(matrix), size=size, method=method, fill=fill)


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

    Example:
      >>> image = jnp.arange(4.0).reshape(2, 2, 1) / 4
      >>> print(np.asarray(rotate(image, 90.0, method="nearest")).squeeze().round(3))
      [[0.25 0.75]
       [0.   0.5 ]]
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

    Example:
      >>> image = jnp.arange(4.0).reshape(1, 4, 1) / 4
      >>> print(np.asarray(translate(image, jnp.array([1.0, 0.0]))).squeeze().round(3))
      [0.   0.   0.25 0.5 ]
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
      scale: minimum and maximum factor, greater than 0.
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
    height, width, *_ = jnp.shape(image)
    return height, width


def _check(image: jax.Array, method: str, fill: float, size) -> tuple[int, int]:
    """The size of the result."""
    check.option("method", method, METHODS)
    (_checks.photo if method == "bilinear" else _checks.pixels)("image", image)
    _checks.fill("fill", fill, jnp.result_type(image))
    return _checks.size("size", jnp.shape(image)[:2] if size is None else size)


@partial(jax.jit, static_argnames=("size", "method"))  # so that its loops are compiled once, outside jit too
def resample(image, matrix: jax.Array, *, size: tuple[int, int], method: str, fill: float) -> jax.Array:
    """The image at the places that a matrix gives, by gathers."""
    (a, b, e), (c, d, f), _ = matrix

    def back(u, v):
        return a * u + b * v + e, c * u + d * v + f

    u, v = (jnp.arange(n, dtype=jnp.float32) + 0.5 for n in (size[1], size[0]))
    if method == "nearest":
        width = image.shape[1]

        def places(v):
            x, y = back(u[None, :], v[:, None])
            return jnp.where(_inside(image, x, y), jnp.floor(y) * width + jnp.floor(x), -1).astype(jnp.int32)

        place = stored(places, v)
        moved = image.reshape(-1, image.shape[2]).at[place].get(mode="clip")
        return jnp.where((place >= 0)[..., None], moved, jnp.asarray(fill, image.dtype))
    place, right, down = stored(partial(_corners, image), stored(lambda v: back(u[None, :], v[:, None]), v))
    moved = _bilinear(image, place, right[..., None], down[..., None])
    return rounded(jnp.where((place >= 0)[..., None], moved, jnp.asarray(fill, moved.dtype)), image.dtype)


def _stretch(image, matrix: jax.Array, method: str, fill: float) -> jax.Array:
    """What warp does, for a matrix that leaves rows and columns what they are: each axis by itself."""
    height, width = _check(image, method, fill, None)
    back = geometry.inverse(matrix)
    if method == "nearest":
        return resample(image, back, size=(height, width), method=method, fill=fill)
    (a, _, e), (_, d, f), _ = back
    columns, rows = (jnp.arange(n, dtype=jnp.float32) + 0.5 for n in (width, height))
    x, y = a * columns + e, d * rows + f
    image = moved = jnp.asarray(image)
    for axis, places in ((1, x), (0, y)):
        moved = along(moved, places, 1.0, (0, image.shape[axis]), axis=axis, most=1.0)
    inside = _inside(image, x[None, :], y[:, None])
    return rounded(jnp.where(inside[..., None], moved, jnp.asarray(fill, moved.dtype)), image.dtype)


def _inside(image: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    return (x >= 0) & (x < image.shape[1]) & (y >= 0) & (y < image.shape[0])


def _corners(image: jax.Array, places: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of each place the upper left of the four pixels about it, or -1 outside; how far it lies right and down of it."""
    (x, y), (height, width, _) = places, image.shape
    column, row = (jnp.clip(jnp.floor(p - 0.5), 0, max(n - 2, 0)) for p, n in ((x, width), (y, height)))
    first = jnp.where(_inside(image, x, y), row * width + column, -1).astype(jnp.int32)
    right, down = (jnp.clip(p - 0.5 - near, 0, 1) for p, near in ((x, column), (y, row)))  # beyond the border as on it
    return first, right, down


def _bilinear(image: jax.Array, first: jax.Array, right: jax.Array, down: jax.Array) -> jax.Array:
    """The mean of four pixels, float32 or wider."""
    height, width, channels = image.shape
    flat, dtype = image.reshape(-1, channels), jnp.promote_types(image.dtype, jnp.float32)
    aside, below = min(width - 1, 1), width * min(height - 1, 1)
    above, left, under, last = (
        flat.at[first + offset].get(mode="clip").astype(dtype) for offset in (0, aside, below, below + aside)
    )
    above, under = above + right * (left - above), under + right * (last - under)
    return above + down * (under - above)
