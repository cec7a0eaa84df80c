"""The learning rate as a function of the batch size."""

import math

from jaxtricks import check


def scaled_lr(base: float, batch: int, *, per: int = 256, rule: str = "linear") -> float:
    r"""Learning rate of a batch size, from the rate stated for another.

    .. math:: \eta = \eta_{base} \, (b / b_{per})^p, \quad p = 1, \tfrac12, 0

    Args:
      base: the rate at a batch of ``per`` images, > 0.
      batch: images a step b, over all devices and accumulated microbatches, >= 1.
      per: the batch size that ``base`` was stated for, >= 1.
      rule: ``"linear"`` (p = 1), ``"sqrt"`` (p = 1/2) or ``"none"`` (p = 0).

    Returns:
      The rate, a Python float.

    Raises:
      ValueError: if base, batch or per is not positive, or rule is unknown.

    Reference:
      Goyal et al., Accurate, large minibatch SGD, arXiv 1706.02677 (linear);
      Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv 1404.5997 (square root).
    """
    check.positive("base", base)
    check.positive("batch", batch)
    check.positive("per", per)
    check.option("rule", rule, ("linear", "sqrt", "none"))
    ratio = batch / per
    return base * {"linear": ratio, "sqrt": math.sqrt(ratio), "none": 1.0}[rule]
