"""Sizes and receptive fields of stacks of convolutions and pools, along one axis."""

from collections.abc import Iterable
from typing import NamedTuple

from jaxtricks import check


class Window(NamedTuple):
    """A convolution or pool along one axis.

    Fields:
      kernel: taps, 1 or more.
      stride: 1 or more.
      padding: on each side, 0 or more.
      dilation: distance of neighbouring taps, 1 or more.
    """

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


class ReceptiveField(NamedTuple):
    """Which inputs an output sees: output i sees ``first + i * stride`` to ``first + i * stride + size - 1``.

    Fields:
      size: inputs from the first to the last that one output sees.
      stride: inputs from one output to the next.
      first: the first input that output 0 sees; negative in the padding.
    """

    size: int
    stride: int
    first: int


def output_size(
    size: int, *, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, ceil: bool = False
) -> int:
    r"""How many outputs a convolution or pool has along one axis.

    .. math:: \lfloor (n + 2 p - d (k - 1) - 1) / s \rfloor + 1

    Args:
      size: n, inputs, 1 or more.
      kernel: k, taps, 1 or more.
      stride: s, 1 or more.
      padding: p, on each side, 0 or more.
      dilation: d, distance of neighbouring taps, 1 or more.
      ceil: round up, so that the last window may hang over the end; it must still start before the end of the inputs,
        as torch has it.

    Returns:
      The number of outputs, 1 or more.

    Raises:
      ValueError: if one is no integer in its range, or the window does not fit.
    """
    check.at_least("size", size, minimum=1)
    _check_window(Window(kernel, stride, padding, dilation))
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        raise ValueError(f"kernel is {kernel}; allowed: one that fits into {size} inputs, padded and dilated.")
    if not ceil:
        return room // stride + 1
    outputs = -(-room // stride) + 1
    return outputs if (outputs - 1) * stride < size + padding else outputs - 1


def receptive_field(layers: Iterable[Window]) -> ReceptiveField:
    r"""Which inputs one output of a stack of convolutions and pools sees.

    .. math:: r = 1 + \sum_l d_l (k_l - 1) j_l, \quad j_l = \prod_{i < l} s_i, \quad \mathrm{first} = -\sum_l p_l j_l

    Dilated layers may skip some of the inputs in between.

    Args:
      layers: ``Window(kernel, stride, padding, dilation)``, or the tuple of its numbers, from input to output. A layer
        without window (activation, normalisation) is left out.

    Returns:
      Size, stride and first input; 1, 1, 0 without layers.

    Raises:
      ValueError: if one is no integer in its range.

    Reference:
      Araujo et al., Computing receptive fields of convolutional neural networks, Distill, 2019.
    """
    size, jump, first = 1, 1, 0
    for layer in layers:
        window = Window(*layer)
        _check_window(window)
        size += window.dilation * (window.kernel - 1) * jump
        first -= window.padding * jump
        jump *= window.stride
    return ReceptiveField(size, jump, first)


def _check_window(window: Window) -> None:
    for name, value, minimum in zip(window._fields, window, (1, 1, 0, 1), strict=True):
        check.at_least(name, value, minimum=minimum)
