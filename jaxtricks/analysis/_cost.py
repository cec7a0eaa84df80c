"""What a function costs: multiply-accumulates counted on its jaxpr, parameters counted on its tree."""

import math
from collections.abc import Callable
from typing import Any

import jax


def count_macs(function: Callable, *args: Any, **kwargs: Any) -> int:
    """Multiply-accumulates of a function: those of its matrix products and convolutions.

    A product of ``[m, k]`` and ``[k, n]`` counts m k n; a convolution counts, for each output element, the elements of
    the kernel that reach it (grouped: of its group). Additions, activations and normalisation count nothing, as in the
    figures that papers print. The body of a loop counts as often as it runs where the length is known (scan); of a
    ``while`` once; of a ``cond`` its costliest branch.

    Args:
      function: traced, not run.
      *args, **kwargs: arrays or ``jax.ShapeDtypeStruct``.

    Returns:
      An integer. Twice it is the usual count of floating-point operations.
    """
    return _macs(jax.make_jaxpr(function)(*args, **kwargs).jaxpr)


def count_parameters(params: Any) -> int:
    """Numbers in a tree of arrays.

    Args:
      params: any pytree of arrays, or of ``jax.ShapeDtypeStruct``.

    Returns:
      The sum of the leaves' sizes.

    Raises:
      ValueError: if a leaf is neither.
    """
    leaves = jax.tree.leaves(params)
    for leaf in leaves:
        if not hasattr(leaf, "size"):
            raise ValueError(f"params holds {leaf!r}; allowed: arrays.")
    return sum(leaf.size for leaf in leaves)


def _macs(jaxpr) -> int:
    total = 0
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        if name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            total += math.prod(equation.outvars[0].aval.shape) * math.prod(left[d] for d in contracted)
        elif name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            spec = params["dimension_numbers"].rhs_spec  # output, input / groups, then space
            window = math.prod(kernel[d] for d in spec[1:])
            total += math.prod(equation.outvars[0].aval.shape) * window // math.prod(params["lhs_dilation"])
        elif name == "cond":
            branches = params["branches"]
            branches = branches[-1:] if params.get("branches_platforms") else branches  # the default
            total += max(_macs(branch.jaxpr) for branch in branches)
        else:
            times = params["length"] if name == "scan" else 1
            total += times * sum(_macs(inner) for inner in _inner(params))
    return total


def _inner(params: dict):
    """The jaxprs that an equation calls, whatever the primitive names them."""
    for value in params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if hasattr(part, "eqns"):
                yield part
            elif hasattr(part, "jaxpr") and hasattr(part.jaxpr, "eqns"):
                yield part.jaxpr
