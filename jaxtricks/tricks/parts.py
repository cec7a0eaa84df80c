"""Other parts of a network as tricks: its activation, normalisation, pooling, initialisation."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from jaxtricks import layers
from jaxtricks.train import Recipe
from jaxtricks.tricks.trick import Trick

__all__ = ["architecture", "global_max", "network", "part", "response_norm", "swap"]


def part(recipe: Recipe, **parts: Any) -> Recipe:
    """Another part of the model: its activation, normalisation, pooling, initialisation.

    Args:
      recipe: any, whose network has these arguments.
      **parts: of the network, by name.

    Returns:
      The recipe with that network.
    """
    return replace(recipe, model=partial(recipe.model, **parts))


def network(recipe: Recipe, *, build: Callable) -> Recipe:
    """Another family of networks at the same widths.

    Args:
      recipe: whose model is a ``partial`` of a family, such as ``models.plain``, on its widths.
      build: of the other family, which takes the same arguments.

    Returns:
      The recipe with that network.
    """
    return replace(recipe, model=partial(build, *recipe.model.args, **recipe.model.keywords))


def architecture(recipe: Recipe, *, build: Callable) -> Recipe:
    """Another network, layout and all, that starts from the same kind of random weights.

    Args:
      recipe: whose network may have a ``kernel_init``, which is kept.
      build: ``(classes=, channels=, dtype=, axis_name=, kernel_init=) -> Model``.

    Returns:
      The recipe with that network.
    """
    kept = {name: value for name, value in recipe.model.keywords.items() if name == "kernel_init"}
    return replace(recipe, model=partial(build, **kept))


def swap(expected: int | None = None, paper: str | None = None, **parts: Any) -> Trick:
    """A trick that is another part of the model.

    Args:
      expected: sign of the paper's effect: +1, -1, 0, or None.
      paper: what the paper reports, and where, or None.
      **parts: arguments of the network, by name.

    Returns:
      The trick.
    """
    return Trick(partial(part, **parts), expected, paper)


def response_norm(features, *, axis_name, rngs):
    """Local response normalisation as a network's normalisation, for networks that have none by batch; no parameters.

    Args:
      features, axis_name, rngs: not used; what a network calls its normalisation with.

    Returns:
      ``(x, *, train) -> x``.
    """
    return lambda x, *, train: layers.local_response_norm(x)


def global_max(x):
    """The maximum over all positions, as a network's pooling.

    Args:
      x: ``[B, H, W, C]``.

    Returns:
      ``[B, C]``.
    """
    return layers.spatial_pyramid_pool(x, levels=(1,))
