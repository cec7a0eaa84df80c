"""A network whose parameters are something else than what its layers take: codes, real numbers behind signs, hashes."""

from collections.abc import Callable
from typing import Any

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
