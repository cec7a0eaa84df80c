"""Deformable convolution: every tap of the kernel reads where an offset says."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.layers._conv import check_map, pair


def deform_conv2d(
    x: jax.Array,
    offsets: jax.Array,
    kernel: jax.Array,
    *,
    mask: jax.Array | None = None,
    strides: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> jax.Array:
    r"""Convolution whose taps are moved by offsets (v1), and weighted by a mask (v2).

    .. math:: y(q) = \sum_k K_k \, m_k(q) \, x(q s - p + k d + \Delta_k(q))

    x between pixels is bilinear, and 0 outside the image and where an offset is not finite. Offsets 0 and mask 1 are
    the plain convolution. At integer pixels the derivative is that of the side of larger coordinates.

    Args:
      x: ``[B, H, W, C]``, floating point.
      offsets: in pixels, ``[B, H', W', G * K * 2]`` for K taps and G groups of input channels; ordered group, row of
        the kernel, column, (down, right), as torchvision's. Usually the output of a convolution that starts at zero.
      kernel: ``[rows, columns, C / groups, D]``; the groups of the convolution follow from its shape.
      mask: ``[B, H', W', G * K]``, usually after a sigmoid; None for 1.
      strides: of the window.
      padding: on both sides of rows and columns.
      dilation: distance of neighbouring taps before they are moved.

    Returns:
      ``[B, H', W', D]``, the dtype of x.

    Raises:
      ValueError: if a shape does not fit the others, an array is no floating point, or an option is neither one integer
        nor two.

    Reference:
      Dai et al., Deformable convolutional networks, arXiv 1703.06211; Zhu et al., v2, arXiv 1811.11168.
    """
    check_map(x)
    check.floating("offsets", offsets)
    check.rank("kernel", kernel, 4)
    check.floating("kernel", kernel)
    (down, right), (above, left) = pair("strides", strides), pair("padding", padding, minimum=0)
    apart_y, apart_x = pair("dilation", dilation)
    batch, height, width, channels = x.shape
    rows, columns, inputs, outputs = kernel.shape
    taps = rows * columns
    groups, spare = divmod(channels, max(inputs, 1))
    if 0 in kernel.shape or not groups or spare or outputs % groups:
        raise ValueError(
            f"kernel has shape {kernel.shape}; allowed: groups that divide its outputs and {channels} inputs."
        )
    out_height = (height + 2 * above - apart_y * (rows - 1) - 1) // down + 1
    out_width = (width + 2 * left - apart_x * (columns - 1) - 1) // right + 1
    check.shape("offsets", offsets, (batch, out_height, out_width, None))
    parts, rest = divmod(offsets.shape[-1], 2 * taps)
    if not parts or rest or channels % parts:
        raise ValueError(
            f"offsets has {offsets.shape[-1]} channels; allowed: a divisor of {channels} times {2 * taps}."
        )
    if mask is not None:
        check.shape("mask", mask, (batch, out_height, out_width, parts * taps))
        check.floating("mask", mask)

    moved = offsets.reshape(batch, out_height, out_width, parts, rows, columns, 2)
    moved = moved.astype(jnp.promote_types(offsets.dtype, jnp.float32))
    at_y = _grid(out_height, down, above, rows, apart_y)[None, :, None, None, :, None] + moved[..., 0]
    at_x = _grid(out_width, right, left, columns, apart_x)[None, None, :, None, None, :] + moved[..., 1]
    split = x.reshape(batch, height, width, parts, channels // parts)
    over_parts = jax.vmap(_bilinear, in_axes=(2, 2, 2), out_axes=2)
    seen = jax.vmap(over_parts)(split, at_y, at_x)  # [B, H', W', G, rows, columns, C / G]
    if mask is not None:
        seen = seen * mask.reshape(at_y.shape)[..., None]
    seen = jnp.moveaxis(seen, 3, 5).reshape(batch, out_height, out_width, taps, groups, inputs)
    weights = kernel.reshape(taps, inputs, groups, outputs // groups)
    y = jnp.einsum("bhwkgc,kcgd->bhwgd", seen, weights).astype(x.dtype)
    return y.reshape(batch, out_height, out_width, outputs)


def _grid(count: int, stride: int, padding: int, taps: int, dilation: int) -> jax.Array:
    """Where each tap of each output looks along one axis before it is moved, ``[count, taps]``."""
    place = (jnp.arange(count) * stride - padding)[:, None] + (jnp.arange(taps) * dilation)[None, :]
    return place.astype(jnp.float32)


def _bilinear(image: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
    """Values of ``image[H, W, C]`` at the points ``y, x``, 0 outside: ``[..., C]``."""
    height, width, _ = image.shape
    y, x = (jnp.where(jnp.isfinite(place), place, -2.0) for place in (y, x))  # outside, where the gradient is 0
    top, left = jnp.floor(y), jnp.floor(x)
    total = 0
    for row, weight_y in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, weight_x in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = jnp.where(inside, row, 0).astype(int), jnp.where(inside, column, 0).astype(int)
            total += jnp.where(inside, weight_y * weight_x, 0)[..., None] * image[index]
    return total
