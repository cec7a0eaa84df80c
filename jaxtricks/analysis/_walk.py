"""The equations of a function in the order in which they run, calls replaced by what they call.

Of what ``jax.lax.platform_dependent`` chooses from, it is the default, whatever the device.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from jax.extend.core import Literal

CALLS = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "checkpoint")


class Value:
    """What one equation computes; equal to itself only."""

    def __init__(self, aval: Any):
        self.aval = aval


class Step(NamedTuple):
    """One equation.

    Fields:
      equation: of a jaxpr; its own variables are those of the function that holds it.
      inputs: the values or literals that come in.
      outputs: the values that it computes.
    """

    equation: Any
    inputs: tuple
    outputs: tuple


class Walk(NamedTuple):
    """A traced function.

    Fields:
      inputs: values, one a leaf of the arguments.
      steps: its equations.
      outputs: values or literals, one a leaf of the result.
      tree: structure of the result.
    """

    inputs: tuple
    steps: tuple[Step, ...]
    outputs: tuple
    tree: Any


def walk(function: Callable, *args: Any) -> Walk:
    """Trace a function; ``args`` are arrays or their shapes."""
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
    names: dict[Any, Any] = {}
    steps = tuple(_steps(closed.jaxpr, names))
    outputs = tuple(_outside(names, atom) for atom in closed.jaxpr.outvars)
    return Walk(tuple(closed.jaxpr.invars), steps, outputs, jax.tree.structure(shape))


def called(equation: Any) -> Any:
    """The jaxpr that an equation only calls, with its last inputs, or None."""
    if equation.params.get("branches_platforms"):
        return equation.params["branches"][-1].jaxpr  # default; the index is not for it
    if equation.primitive.name not in CALLS and not equation.primitive.name.startswith("remat"):
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        inner = equation.params.get(name)
        inner = getattr(inner, "jaxpr", inner)
        if inner is not None and len(inner.invars) == len(equation.invars):
            return inner
    return None


def _steps(jaxpr, names: dict) -> Iterator[Step]:
    for equation in jaxpr.eqns:
        inputs = tuple(_outside(names, atom) for atom in equation.invars)
        inner = called(equation)
        if inner is None:
            # The same jaxpr may be called twice: what it computes gets a name of its own each time.
            outputs = tuple(Value(var.aval) for var in equation.outvars)
            names.update(zip(equation.outvars, outputs, strict=True))
            yield Step(equation, inputs, outputs)
        else:
            names.update(zip(inner.invars, inputs[len(inputs) - len(inner.invars) :], strict=True))
            yield from _steps(inner, names)
            names.update(zip(equation.outvars, (_outside(names, atom) for atom in inner.outvars), strict=True))


def _outside(names: dict, atom: Any) -> Any:
    return atom if isinstance(atom, Literal) else names.get(atom, atom)
