"""A network whose parameters are something else than what its layers take: codes, real numbers behind signs, hashes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Tree = Any


def through(model: Any, change: Callable, *, init: Callable | None = None) -> Any:
    """The network on changed parameters, through which gradients go: to train codes, signs, or rounded weights.

    Args:
      model: a ``models.Model``.
      change: ``params -> params that the network takes``; with ``init``, of the parameters that it gives.
      init: ``key -> (params, stats)``, or None for the network's own.

    Returns:
      The Model.
    """

    def apply(params, stats, image, *, train, key=None):
        return model.apply(change(params), stats, image, train=train, key=key)

    return model._replace(apply=apply, **({} if init is None else {"init": init}))


def resized(build: Callable, *, params: Tree, stats: Tree, **arguments: Any) -> Any:
    """A network that begins with arrays of other sizes than its own, such as those of ``shrink``: to train it on.

    ``train.fit(initial=)`` refuses them, for they are not the network's own. With
    ``replace(recipe, model=partial(resized, recipe.model, params=params, stats=stats))`` they are.

    Args:
      build: ``(**arguments) -> Model``, such as ``recipe.model``, of the network before its channels were taken out.
      params, stats: what ``init`` is to give: nested dicts, at the leaves arrays that ``Model.apply`` takes.
      **arguments: that a recipe's model is called with: ``classes``, ``channels`` and others.

    Returns:
      The Model; its ``init`` gives these arrays for every key, and its ``apply`` is that of the network.

    Raises:
      TypeError: if build cannot be called.

    Example:
      >>> from functools import partial
      >>> from jaxtricks import compress, models
      >>> build = partial(models.perceptron, (8,), size=16)
      >>> params, stats = build(classes=3, channels=1).init(jax.random.key(0))
      >>> graph = compress.graph_of(params, stats)
      >>> keep = {name: np.arange(8) < 2 for name in graph.groups}
      >>> small = compress.shrink(params, stats, graph, keep)
      >>> model = compress.resized(build, params=small[0], stats=small[1], classes=3, channels=1)
      >>> model.apply(*model.init(jax.random.key(1)), jnp.ones((5, 4, 4, 1)), train=False)[0][0].shape
      (5, 3)
    """
    if not callable(build):
        raise TypeError(
            f"build is {type(build).__name__}; allowed: a function that makes a Model, such as recipe.model."
        )
    return build(**arguments)._replace(init=lambda key: jax.tree.map(jnp.asarray, (params, stats)))


def from_values(params: Tree, codes: Tree, decode: Callable) -> Tree:
    """Arrays in the place of codebooks whose values are trained; the indices stay as they are.

    Args:
      params: like codes, with the values in the place of each code.
      codes: nested dicts, at the leaves arrays and codes, tuples with the field ``values``.
      decode: ``code -> array``.

    Returns:
      Nested dicts of arrays; arrays of params stay.
    """
    if isinstance(codes, dict):
        return {key: from_values(params[key], code, decode) for key, code in codes.items()}
    return decode(codes._replace(values=params)) if hasattr(codes, "values") else params


def values_of(codes: Tree) -> Tree:
    """The trainable part of codes: the values of each, and the arrays as they are.

    Args:
      codes: as for ``from_values``.

    Returns:
      Nested dicts of arrays.
    """
    if isinstance(codes, dict):
        return {key: values_of(code) for key, code in codes.items()}
    return codes.values if hasattr(codes, "values") else codes
