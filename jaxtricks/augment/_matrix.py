"""Geometry as matrices: ``[3, 3]``, from a place ``(x, y, 1)`` of the image to its place in the result.

Places are in pixels, and a pixel is a square: the image covers ``[0, W] x [0, H]``, the centre of the first pixel is
(0.5, 0.5). So boxes, keypoints and pixels all move by one matrix, and a chain of movements is one product.
"""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks


def combine(*matrices: jax.Array) -> jax.Array:
    """The matrix of several movements, the first first: ``... @ third @ second @ first``.

    In full float32 precision: the default of accelerators for ``@`` would misplace pixels.

    Args:
      *matrices: ``[3, 3]``, at least one.

    Returns:
      ``[3, 3]``.

    Raises:
      ValueError: if there is none, or one is not ``[3, 3]`` of numbers.

    Example:
      >>> print(combine(translation(jnp.array([1.0, 0.0])), scaling(2.0, (4, 4))))
      [[ 2.  0.  0.]
       [ 0.  2. -2.]
       [ 0.  0.  1.]]
    """
    if not matrices:
        raise ValueError("matrices is empty; allowed: one or more.")
    for matrix in matrices:
        _checks.matrix("matrix", matrix)
    product = jnp.asarray(matrices[0])
    for matrix in matrices[1:]:
        product = jnp.matmul(matrix, product, precision=jax.lax.Precision.HIGHEST)
    return product


def inverse(matrix: jax.Array) -> jax.Array:
    """The way back; infinite or NaN if the matrix squeezes the image to a line.

    Args:
      matrix: ``[3, 3]``, affine: its last row is ``(0, 0, 1)``.

    Returns:
      ``[3, 3]``.

    Raises:
      ValueError: on a wrong shape.

    Example:
      >>> print(inverse(translation(jnp.array([3.0, -1.0])))[:2, 2])
      [-3.  1.]
    """
    _checks.matrix("matrix", matrix)
    (a, b, x), (c, d, y), _ = matrix
    scale = 1 / (a * d - b * c)
    a, b, c, d = d * scale, -b * scale, -c * scale, a * scale
    return _matrix(a, b, -(a * x + b * y), c, d, -(c * x + d * y))


def translation(shift: jax.Array) -> jax.Array:
    """Move: ``(x, y) -> (x + shift_x, y + shift_y)``.

    Args:
      shift: pixels to the right and down, ``[2]``.

    Returns:
      ``[3, 3]``.

    Raises:
      ValueError: on a wrong shape.

    Example:
      >>> print(translation(jnp.array([3.0, -1.0])))
      [[ 1.  0.  3.]
       [ 0.  1. -1.]
       [ 0.  0.  1.]]
    """
    _checks.vector("shift", shift, 2)
    return _matrix(1, 0, shift[0], 0, 1, shift[1])


def rotation(angle: jax.Array | float, size: tuple[int, int]) -> jax.Array:
    """Turn about the centre of an image.

    Args:
      angle: degrees counter-clockwise, a scalar.
      size: ``(height, width)`` of the image.

    Returns:
      ``[3, 3]``.

    Raises:
      ValueError: on a wrong rank or size.

    Example:
      >>> matrix = rotation(90.0, (4, 4))
      >>> print((matrix @ jnp.array([4.0, 2.0, 1.0])).round() + 0.0)  # the middle of the right edge goes to the top
      [2. 0. 1.]
    """
    _checks.scalar("angle", angle)
    radians = jnp.deg2rad(jnp.asarray(angle, jnp.float32))
    cos, sin = jnp.cos(radians), jnp.sin(radians)
    return _centered(cos, sin, -sin, cos, size)


def scaling(factor: jax.Array | float, size: tuple[int, int]) -> jax.Array:
    """Enlarge about the centre of an image.

    Args:
      factor: more than 1 enlarges, less than 1 shrinks; for both directions, or ``(x, y)``.
      size: ``(height, width)`` of the image.

    Returns:
      ``[3, 3]``.

    Raises:
      ValueError: on a wrong rank or size.

    Example:
      >>> print(scaling(2.0, (4, 4)))  # about the centre, (2, 2)
      [[ 2.  0. -2.]
       [ 0.  2. -2.]
       [ 0.  0.  1.]]
    """
    check.rank("factor", factor, (0, 1))
    check.shape("factor", factor, () if jnp.ndim(factor) == 0 else (2,))
    check.number("factor", factor)
    x, y = jnp.broadcast_to(jnp.asarray(factor, jnp.float32), (2,))
    return _centered(x, 0, 0, y, size)


def shearing(slope: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Shear about the centre of an image: ``(x, y) -> (x + slope_x y, y + slope_y x)``, counted from there.

    Args:
      slope: pixels to the right for each pixel down, and pixels down for each to the right, ``[2]``.
      size: ``(height, width)`` of the image.

    Returns:
      ``[3, 3]``.

    Raises:
      ValueError: on a wrong shape or size.

    Example:
      >>> print(shearing(jnp.array([0.5, 0.0]), (4, 4)))
      [[ 1.   0.5 -1. ]
       [ 0.   1.   0. ]
       [ 0.   0.   1. ]]
    """
    _checks.vector("slope", slope, 2)
    return _centered(1, slope[0], slope[1], 1, size)


def mirroring(size: tuple[int, int]) -> jax.Array:
    """Mirror an image left to right: ``(x, y) -> (width - x, y)``.

    Args:
      size: ``(height, width)`` of the image.

    Returns:
      ``[3, 3]``.

    Raises:
      ValueError: on a wrong size.

    Example:
      >>> print(mirroring((4, 4)))
      [[-1.  0.  4.]
       [ 0.  1.  0.]
       [ 0.  0.  1.]]
    """
    return _centered(-1, 0, 0, 1, size)


def cropping(box: jax.Array, size: int | tuple[int, int]) -> jax.Array:
    """Cut out a box and resize it; infinite or NaN for a box without area.

    Args:
      box: ``(x0, y0, x1, y1)`` in pixels of the image, ``[4]``.
      size: of the result: a number or ``(height, width)``.

    Returns:
      ``[3, 3]``.

    Raises:
      ValueError: on a wrong shape or size.

    Example:
      >>> print(cropping(jnp.array([2.0, 1.0, 4.0, 3.0]), 4))
      [[ 2.  0. -4.]
       [ 0.  2. -2.]
       [ 0.  0.  1.]]
    """
    _checks.vector("box", box, 4)
    height, width = _checks.size("size", size)
    x0, y0, x1, y1 = jnp.asarray(box, jnp.float32)
    x, y = width / (x1 - x0), height / (y1 - y0)
    return _matrix(x, 0, -x * x0, 0, y, -y * y0)


def random_matrix(
    key: jax.Array,
    size: tuple[int, int],
    *,
    angle: float = 0.0,
    shift: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    slope: float = 0.0,
) -> jax.Array:
    """Draw a shear, a scale, a rotation and a translation, uniform each, and put them together in this order.

    Args:
      key: a typed key.
      size: ``(height, width)`` of the image.
      angle: greatest rotation either way, degrees, 0 to 180.
      shift: greatest translation either way, as a part of the width and of the height, 0 or more.
      scale: minimum and maximum factor, greater than 0; one draw for both directions.
      slope: greatest shear either way, 0 or more, drawn for each direction.

    Returns:
      ``[3, 3]``.

    Raises:
      ValueError: on a wrong size or range.
    """
    height, width = _checks.size("size", size)
    check.between("angle", angle, 0.0, 180.0)
    check.between("shift", shift, 0.0, float("inf"))
    _checks.interval("scale", scale, 1e-3, 1e3)
    check.between("slope", slope, 0.0, float("inf"))
    keys = jax.random.split(key, 4)
    return combine(
        shearing(jax.random.uniform(keys[0], (2,), minval=-slope, maxval=slope), size),
        scaling(jax.random.uniform(keys[1], minval=scale[0], maxval=scale[1]), size),
        rotation(jax.random.uniform(keys[2], minval=-angle, maxval=angle), size),
        translation(jax.random.uniform(keys[3], (2,), minval=-shift, maxval=shift) * jnp.array([width, height], float)),
    )


def _matrix(*entries) -> jax.Array:
    """``[3, 3]`` from the first two rows."""
    return jnp.stack([jnp.asarray(e, jnp.float32) for e in (*entries, 0, 0, 1)]).reshape(3, 3)


def _centered(a, b, c, d, size: tuple[int, int]) -> jax.Array:
    """The linear map ``[[a, b], [c, d]]`` with the centre of the image kept in place."""
    height, width = _checks.size("size", size)
    x, y = width / 2, height / 2
    return _matrix(a, b, x - a * x - b * y, c, d, y - c * x - d * y)
