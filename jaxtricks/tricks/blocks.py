"""Other blocks of a plain network: what its convolutions and its pooling are made of."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jaxtricks import layers, models

__all__ = ["asymmetric", "chained", "separable", "space_to_depth", "strided"]


def chained(*kernels: tuple[int, int]) -> Callable:
    """Convolutions one after another in every stage, for ``block`` of ``models.plain``.

    Args:
      *kernels: heights and widths.

    Returns:
      The block.
    """
    return partial(layers.Convolutions, kernels=kernels)


def separable(outputs: int, *, inputs: int, **options: Any):
    """A depthwise convolution of 3x3 and one of 1x1, for ``block`` of ``models.plain``.

    Args:
      outputs, inputs: channels.
      **options: of ``layers.DepthwiseSeparable``.

    Returns:
      The layer.
    """
    return layers.DepthwiseSeparable(inputs, outputs, **options)


def asymmetric(outputs: int, *, inputs: int, kernel: int = 7, **options: Any):
    """A convolution of k x 1 and one of 1 x k without an activation between, for ``block`` of ``models.plain``.

    Args:
      outputs, inputs: channels.
      kernel: k, odd.
      **options: of ``layers.Asymmetric``.

    Returns:
      The layer.
    """
    return layers.Asymmetric(inputs, outputs, kernel=kernel, **options)


def strided() -> Callable:
    """A convolution of 3x3 with stride 2 and ReLU in the place of pooling, for ``pool`` of ``models.plain``.

    Returns:
      ``features -> layer``.
    """
    return models.learned(layers.Convolutions, kernels=((3, 3),), stride=2, last=True)


def space_to_depth(build: Callable, options: Mapping[str, Any], *, channels: int, **arguments: Any):
    """A network on images whose squares of pixels are channels, which is smaller by the square; for ``wrapped``.

    Args:
      build: ``(**arguments) -> Model``.
      options: ``block``, the side of the squares.
      channels: of the images.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model.
    """
    side = options["block"]
    model = build(channels=channels * side * side, **arguments)

    def apply(params, stats, image, *, train, key=None):
        return model.apply(params, stats, layers.space_to_depth(image, block=side), train=train, key=key)

    return model._replace(apply=apply)
