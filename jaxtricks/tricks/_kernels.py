"""Kernels of nested dicts by the patterns of their paths, and networks that see them through a function."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import compress, optim

Tree = Any


def on(tree: Tree, rules: Mapping[str, Any], change: Callable, *, path: str = "", named: bool = False) -> Tree:
    """Nested dicts whose leaves ``change(leaf, rule)`` where a pattern is found in the path; the first one counts."""
    if not path:
        optim.path_mask(tree, *rules)  # finds a pattern that takes nothing
    if isinstance(tree, dict):
        return {key: on(leaf, rules, change, path=f"{path}/{key}", named=named) for key, leaf in tree.items()}
    matching = [rule for pattern, rule in rules.items() if re.search(pattern, path[1:])]
    where = (path[1:],) if named else ()
    return change(*where, tree, matching[0]) if matching else tree


def behind(build, *, change, start=None, **arguments):
    """The network on changed parameters; it begins with ``start``, or with its own."""
    model = build(**arguments)
    init = None if start is None else (lambda key: (jax.tree.map(jnp.asarray, start), model.init(key)[1]))
    return compress.through(model, change, init=init)
