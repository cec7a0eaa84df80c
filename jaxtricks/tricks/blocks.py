"""Other blocks of a plain network: what its convolutions and its pooling are made of."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import layers, models
from jaxtricks.keys import named
from jaxtricks.train import Recipe

__all__ = ["asymmetric", "chained", "one_more", "separable", "space_to_depth", "strided", "with_one_more"]


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


def one_more(build: Callable, *, deformed: bool = False, tap: str = "stage3", **arguments: Any) -> models.Model:
    """A network with one more convolution of 3x3 on its last map, whose taps may move by what another one says.

    Args:
      build: ``(**arguments) -> Model`` whose last layer ``head`` sees the average of the map.
      deformed: whether the taps move; their offsets are 0 at first.
      tap: of the last map.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model, with ``more`` among its parameters.

    Reference: Dai et al., arXiv 1703.06211.
    """
    model = build(**arguments)

    def init(key):
        params, stats = model.init(key)
        width = params["head"]["kernel"].shape[0]
        kernel = jax.nn.initializers.he_normal()(named(key, "more"), (3, 3, width, width))
        offset = {"offset": jnp.zeros((3, 3, width, 18))} if deformed else {}
        return {**params, "more": {"kernel": kernel, **offset}}, stats

    def convolve(x, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=numbers)

    def apply(params, stats, image, *, train, key=None):
        (_, taps), after = model.apply(params, stats, image, train=train, key=key)
        x, head = taps[tap], params["head"]
        more = {name: leaf.astype(x.dtype) for name, leaf in params["more"].items()}
        if deformed:
            y = layers.deform_conv2d(x, convolve(x, more["offset"]), more["kernel"], padding=1)
        else:
            y = convolve(x, more["kernel"])
        y = jax.nn.relu(y)
        features = y.astype(jnp.float32).mean((1, 2))
        return (features @ head["kernel"] + head["bias"][None], {**taps, "more": y, "features": features}), after

    return models.Model(init, apply)  # pyright: ignore[reportArgumentType]


def with_one_more(recipe: Recipe) -> Recipe:
    """``one_more`` in a recipe; ``deformed`` is an argument of its network.

    Args:
      recipe: of a network with the tap ``stage3``.

    Returns:
      The recipe.
    """
    return replace(recipe, model=partial(one_more, recipe.model))
