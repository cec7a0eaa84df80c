"""Convolutions beyond ``flax.nnx.Conv``, which has groups, dilation and strides; always with explicit padding."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._conv_gradient import conv as convolve

HE_NORMAL = jax.nn.initializers.he_normal()


def pair(name: str, value: int | tuple[int, int], *, minimum: int = 1) -> tuple[int, int]:
    """The same for rows and columns, or one for each.

    Args:
      name: of the argument, for the error.
      value: one integer or two.
      minimum: the smallest that is allowed.

    Returns:
      Two integers.

    Raises:
      ValueError: if it is neither, or too small.
    """
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2:
        raise ValueError(f"{name} is {value!r}; allowed: one integer or two, each {minimum} or more.")
    rows, columns = (check.at_least(name, side, minimum=minimum) for side in both)
    return rows, columns


def check_map(x: jax.Array, channels: int | None = None, *, name: str = "x") -> None:
    """Raise ValueError unless x is a floating-point feature map with a position and a channel, or as many channels."""
    check.shape(name, x, (None, None, None, channels))
    check.floating(name, x)
    if 0 in x.shape[1:]:
        raise ValueError(f"{name} has shape {x.shape}; allowed: one row, one column and one channel, or more.")


def im2col(
    x: jax.Array,
    *,
    window: int | tuple[int, int],
    strides: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> jax.Array:
    """Lay out under every position of a window the elements it sees: a convolution becomes a matrix product.

    What networks call a convolution is a correlation: the kernel is not flipped. A convolution in the sense of signal
    processing is that of the kernel turned by 180 degrees, ``kernel[::-1, ::-1]``.

    Args:
      x: ``[B, H, W, C]``, any dtype.
      window: rows and columns.
      strides: of the window.
      padding: zeros on both sides of rows and columns.
      dilation: distance of neighbours in the window.

    Returns:
      ``[B, H', W', rows * columns * C]``, in the order of ``kernel[rows, columns, C, D].reshape(-1, D)``, with
      ``H' = (H + 2 padding - dilation (rows - 1) - 1) // stride + 1``.

    Raises:
      ValueError: if x has another rank, an option is neither one integer nor two, or the window does not fit.
    """
    check.rank("x", x, 4)
    (rows, columns), (down, right) = pair("window", window), pair("strides", strides)
    (above, left), (apart_y, apart_x) = pair("padding", padding, minimum=0), pair("dilation", dilation)
    padded = jnp.pad(x, ((0, 0), (above, above), (left, left), (0, 0)))
    span_y, span_x = padded.shape[1] - apart_y * (rows - 1), padded.shape[2] - apart_x * (columns - 1)
    if span_y < 1 or span_x < 1:
        raise ValueError(f"window is {window!r}; allowed: one that fits into x of shape {x.shape}, padded and dilated.")
    shifts = [
        padded[:, y : y + span_y : down, x : x + span_x : right]
        for y in range(0, apart_y * rows, apart_y)
        for x in range(0, apart_x * columns, apart_x)
    ]
    return jnp.concatenate(shifts, axis=-1)


def conv2d_im2col(
    x: jax.Array,
    kernel: jax.Array,
    *,
    strides: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> jax.Array:
    r"""Convolution as one matrix product.

    .. math:: y = \mathrm{im2col}(x) \, K

    Equal to ``jax.lax.conv_general_dilated``, which is faster; this one shows how.

    Args:
      x: ``[B, H, W, C]``, floating point.
      kernel: K, ``[rows, columns, C, D]``, floating point.
      strides: of the window.
      padding: zeros on both sides of rows and columns.
      dilation: distance of neighbours in the window.

    Returns:
      ``[B, H', W', D]``.

    Raises:
      ValueError: as ``im2col``, or if x or kernel is no floating point, or the kernel does not match the channels of x.
    """
    check.rank("x", x, 4)
    check.floating("x", x)
    check.shape("kernel", kernel, (None, None, x.shape[-1], None))
    check.floating("kernel", kernel)
    rows, width = kernel.shape[:2]
    columns = im2col(x, window=(rows, width), strides=strides, padding=padding, dilation=dilation)
    return columns @ kernel.reshape(columns.shape[-1], kernel.shape[-1])


def dense_to_conv(kernel: jax.Array, spatial: tuple[int, int]) -> jax.Array:
    """A dense layer on a flattened feature map as a convolution, which slides over larger inputs.

    Args:
      kernel: ``[H * W * C, D]``, of a dense layer after ``x.reshape(B, -1)``; any dtype.
      spatial: H, W.

    Returns:
      ``[H, W, C, D]``: at padding 0 it puts out ``[B, 1, 1, D]``, equal to the dense layer, on an input of H x W, and
      on a larger one the dense layer at every position.

    Raises:
      ValueError: if kernel has another rank, or no multiple of H * W rows.

    Reference:
      Sermanet et al., OverFeat, arXiv 1312.6229; Long et al., Fully convolutional networks, arXiv 1411.4038.
    """
    check.rank("kernel", kernel, 2)
    height, width = pair("spatial", spatial)
    if kernel.shape[0] % (height * width):
        raise ValueError(f"kernel has {kernel.shape[0]} rows; allowed: a multiple of {height} x {width}.")
    return kernel.reshape(height, width, kernel.shape[0] // (height * width), kernel.shape[1])


def space_to_depth(x: jax.Array, *, block: int) -> jax.Array:
    """Move every block of pixels into the channels: a stem that looks at a quarter of the positions, losing nothing.

    Args:
      x: ``[B, H, W, C]``, any dtype.
      block: side of a block, 1 or more; divides H and W.

    Returns:
      ``[B, H / block, W / block, block**2 * C]``, ordered row, column, channel.

    Raises:
      ValueError: if x has another rank, or block is no integer of 1 or more that divides its height and width.

    Reference:
      Ridnik et al., TResNet, arXiv 2003.13630.
    """
    check.rank("x", x, 4)
    block = check.at_least("block", block, minimum=1)
    batch, height, width, channels = x.shape
    if height % block or width % block:
        raise ValueError(f"block is {block}; allowed: a divisor of height and width, {height} and {width}.")
    x = x.reshape(batch, height // block, block, width // block, block, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // block, width // block, block * block * channels)


class DepthwiseSeparable(nnx.Module):
    """A convolution of each channel alone (``depthwise``), then one of 1x1 over the channels (``pointwise``).

    Between kernel, inputs and outputs it needs ``k^2 I + I O`` weights instead of ``k^2 I O``.

    Args:
      inputs: channels of the input.
      outputs: channels of the output.
      kernel: k, side of the window, odd; the padding keeps the size at stride 1.
      stride: of the depthwise convolution, 1 or more.
      dilation: of the depthwise convolution, 1 or more.
      use_bias: add a bias after each of the two.
      kernel_init: of both kernels.
      dtype: of the computation; None takes the wider of input and kernel.
      rngs: for the kernels.

    Raises:
      ValueError: if kernel is even, or kernel, stride or dilation is no integer of 1 or more.

    Reference:
      Howard et al., MobileNets, arXiv 1704.04861.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        use_bias: bool = False,
        kernel_init: Callable = HE_NORMAL,
        dtype: jnp.dtype | None = None,
        rngs: nnx.Rngs,
    ):
        kernel, half = _odd(kernel)
        stride, dilation = check.at_least("stride", stride, minimum=1), check.at_least("dilation", dilation, minimum=1)
        options = {"use_bias": use_bias, "kernel_init": kernel_init, "dtype": dtype, "rngs": rngs}
        conv = partial(nnx.Conv, **options, conv_general_dilated=convolve)
        self.depthwise = conv(
            inputs,
            inputs,
            (kernel, kernel),
            strides=stride,
            padding=dilation * half,
            kernel_dilation=dilation,
            feature_group_count=inputs,
        )
        self.pointwise = conv(inputs, outputs, (1, 1), padding=0)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply to ``x[B, H, W, inputs]``."""
        check_map(x, self.depthwise.in_features)
        return self.pointwise(self.depthwise(x))


class Asymmetric(nnx.Module):
    """A convolution of k x 1 (``vertical``), then one of 1 x k (``horizontal``), instead of one of k x k.

    Args:
      inputs: channels of the input.
      outputs: channels of both convolutions.
      kernel: k, odd; the padding keeps the size at stride 1.
      stride: of rows in the first and of columns in the second, 1 or more.
      use_bias: add a bias after each of the two.
      kernel_init: of both kernels.
      dtype: of the computation; None takes the wider of input and kernel.
      rngs: for the kernels.

    Raises:
      ValueError: if kernel is even, or kernel or stride is no integer of 1 or more.

    Reference:
      Szegedy et al., Rethinking the Inception architecture, arXiv 1512.00567.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        use_bias: bool = False,
        kernel_init: Callable = HE_NORMAL,
        dtype: jnp.dtype | None = None,
        rngs: nnx.Rngs,
    ):
        kernel, half = _odd(kernel)
        stride = check.at_least("stride", stride, minimum=1)
        options = {"use_bias": use_bias, "kernel_init": kernel_init, "dtype": dtype, "rngs": rngs}
        conv = partial(nnx.Conv, **options, conv_general_dilated=convolve)
        self.vertical = conv(inputs, outputs, (kernel, 1), strides=(stride, 1), padding=((half, half), (0, 0)))
        self.horizontal = conv(outputs, outputs, (1, kernel), strides=(1, stride), padding=((0, 0), (half, half)))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply to ``x[B, H, W, inputs]``."""
        check_map(x, self.vertical.in_features)
        return self.horizontal(self.vertical(x))


def _odd(kernel: int) -> tuple[int, int]:
    """The side of an odd kernel, and the padding that keeps the size."""
    kernel = check.at_least("kernel", kernel, minimum=1)
    if kernel % 2 == 0:
        raise ValueError(f"kernel is {kernel!r}; allowed: an odd number of 1 or more.")
    return kernel, kernel // 2
