"""What a layer costs, by formula: parameters, multiply-accumulates, operations of one example."""

import math
from typing import NamedTuple

from jaxtricks import check


class Cost(NamedTuple):
    """What a layer costs for one example.

    Fields:
      parameters: numbers that are trained.
      macs: multiply-accumulates.
      flops: floating-point operations.
    """

    parameters: int
    macs: int
    flops: int


def conv_cost(
    inputs: int, outputs: int, *, kernel: tuple[int, int], size: tuple[int, int], groups: int = 1, bias: bool = False
) -> Cost:
    r"""A convolution: for a table by hand, or a bound before a network is written.

    .. math:: n = k_h k_w I / G, \quad \mathrm{parameters} = n O + b O, \quad
        \mathrm{MACs} = n O H W, \quad \mathrm{FLOPs} = (2 n - 1 + b) O H W

    Args:
      inputs: I, channels, 1 or more.
      outputs: O, channels, 1 or more.
      kernel: rows and columns of the window.
      size: H, W of the output.
      groups: G, a divisor of I and O; I for a depthwise one.
      bias: b, whether it has one.

    Returns:
      Parameters, multiply-accumulates, operations.

    Raises:
      ValueError: if one is no integer of 1 or more, or groups does not divide inputs and outputs.

    Example:
      >>> from jaxtricks import analysis
      >>> analysis.conv_cost(3, 64, kernel=(7, 7), size=(112, 112))  # the stem of ResNet-50
      Cost(parameters=9408, macs=118013952, flops=235225088)

    Reference:
      Molchanov et al., Pruning convolutional neural networks for resource efficient inference, arXiv 1611.06440, A.1.
    """
    for name, value in (("inputs", inputs), ("outputs", outputs), ("groups", groups)):
        check.at_least(name, value, minimum=1)
    for name, pair in (("kernel", kernel), ("size", size)):
        if len(pair) != 2:
            raise ValueError(f"{name} is {pair}; allowed: rows and columns.")
        for value in pair:
            check.at_least(name, value, minimum=1)
    if inputs % groups or outputs % groups:
        raise ValueError(f"groups is {groups}; allowed: a divisor of inputs and outputs, {inputs} and {outputs}.")
    terms, values = math.prod(kernel) * inputs // groups, outputs * math.prod(size)
    return Cost((terms + bool(bias)) * outputs, terms * values, (2 * terms - 1 + bool(bias)) * values)


def dense_cost(inputs: int, outputs: int, *, bias: bool = True) -> Cost:
    r"""A dense layer.

    .. math:: \mathrm{parameters} = (I + b) O, \quad \mathrm{MACs} = I O, \quad \mathrm{FLOPs} = (2 I - 1 + b) O

    Args:
      inputs: I, 1 or more.
      outputs: O, 1 or more.
      bias: b, whether it has one.

    Returns:
      Parameters, multiply-accumulates, operations.

    Raises:
      ValueError: if one is no integer of 1 or more.

    Example:
      >>> from jaxtricks import analysis
      >>> analysis.dense_cost(2048, 1000)  # the head of ResNet-50
      Cost(parameters=2049000, macs=2048000, flops=4096000)

    Reference:
      Molchanov et al., Pruning convolutional neural networks for resource efficient inference, arXiv 1611.06440, A.1.
    """
    return conv_cost(inputs, outputs, kernel=(1, 1), size=(1, 1), bias=bias)


def norm_cost(features: int, *, size: tuple[int, int]) -> Cost:
    r"""A batch normalisation at evaluation: :math:`(x - \mu) a + \beta` with :math:`a = \gamma / \sqrt{v + \epsilon}`.

    .. math:: \mathrm{parameters} = 2 C, \quad \mathrm{MACs} = 0, \quad \mathrm{FLOPs} = 3 C H W + 3 C

    It keeps 2 C more numbers, its statistics, which are not trained. Folded into the convolution before it, it costs
    nothing.

    Args:
      features: C, 1 or more.
      size: H, W.

    Returns:
      Parameters, multiply-accumulates, operations.

    Raises:
      ValueError: if one is no integer of 1 or more.

    Example:
      >>> from jaxtricks import analysis
      >>> analysis.norm_cost(64, size=(112, 112))
      Cost(parameters=128, macs=0, flops=2408640)
    """
    values = conv_cost(1, features, kernel=(1, 1), size=size).macs
    return Cost(2 * features, 0, 3 * values + 3 * features)
