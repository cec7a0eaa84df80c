"""Masks and rates by parameter path: what decays, what a pattern takes, which rate each leaf has.

A path is the keys of a leaf joined by "/", as ``stage1/0/conv1/kernel``; a pattern is a regular expression that is
searched in it. A pattern that takes nothing is an error. All of it depends on the tree alone, so it is computed while
tracing and costs nothing in the step.
"""

import re
from collections.abc import Sequence
from typing import Any

import jax

from jaxtricks import check

Tree = Any


def path_mask(params: Tree, *patterns: str) -> Tree:
    """Which leaves have a path that one of the patterns is found in.

    Args:
      params: a tree of arrays or shapes.
      *patterns: regular expressions, one or more.

    Returns:
      A tree of Python booleans like ``params``.

    Raises:
      ValueError: if there is no pattern, or one is found nowhere.
    """
    return _found("patterns", params, patterns)


def decay_mask(params: Tree, *, exclude: Sequence[str] = ()) -> Tree:
    """Which leaves weight decay acts on: kernels, not biases, not the parameters of normalisation.

    A leaf decays if its rank is 2 or more, the last part of its path is neither ``bias`` nor ``scale``, and no
    pattern of ``exclude`` is found in the path.

    Args:
      params: a tree of arrays or shapes.
      exclude: regular expressions.

    Returns:
      A tree of Python booleans like ``params``, for ``optax.add_decayed_weights(rate, mask=...)`` and ``optax.adamw``.

    Raises:
      ValueError: if a pattern of ``exclude`` is found nowhere.

    Reference:
      He et al., Bag of tricks for image classification with convolutional neural networks, arXiv 1812.01187.
    """
    if isinstance(exclude, str):
        raise ValueError(f"exclude is {exclude!r}; allowed: a sequence of patterns.")
    excluded = _found("exclude", params, exclude) if exclude else jax.tree.map(lambda _: False, params)

    def decays(path: str, leaf, out: bool) -> bool:
        return leaf.ndim >= 2 and path.split("/")[-1] not in ("bias", "scale") and not out

    return jax.tree.map(decays, _paths(params), params, excluded)


def layer_rates(params: Tree, layers: Sequence[str], *, decay: float) -> Tree:
    r"""The share of the learning rate that each leaf gets under layer-wise decay.

    .. math:: r_i = d^{L - 1 - i}, \quad i = 0 \dots L - 1 \text{ from the input to the head}

    Args:
      params: a tree of arrays or shapes.
      layers: L regular expressions, from the input to the head; a leaf belongs to the first that is found.
      decay: d, 0 to 1.

    Returns:
      A tree of Python floats like ``params``.

    Raises:
      ValueError: if a pattern takes no leaf, a leaf is taken by none, or decay is out of range.

    Reference:
      Howard and Ruder, Universal language model fine-tuning for text classification, arXiv 1801.06146.
    """
    check.between("decay", decay, 0.0, 1.0)
    rates = {pattern: float(decay) ** power for power, pattern in enumerate(reversed(layers))}
    return jax.tree.map(rates.__getitem__, first_match("layers", params, layers))


def leaf_table(params: Tree, **columns: Tree) -> str:
    """A table of the leaves: path, shape, and what the masks and rates say of each.

    For example ``print(leaf_table(params, decays=decay_mask(params), frozen=path_mask(params, "^stem")))``.

    Args:
      params: a tree of arrays or shapes.
      **columns: trees like ``params`` of booleans, numbers or text.

    Returns:
      The table as text; the last line counts parameters, in all and where a column is true.

    Raises:
      ValueError: if a column is not a tree like ``params``.
    """
    structure, leaves = jax.tree.structure(params), jax.tree.leaves(params)
    table = [
        ["path", *jax.tree.leaves(_paths(params)), "parameters"],
        ["shape", *(str(tuple(leaf.shape)) for leaf in leaves), str(sum(leaf.size for leaf in leaves))],
    ]
    for name, column in columns.items():
        if jax.tree.structure(column) != structure:
            raise ValueError(f"{name} is {jax.tree.structure(column)}; allowed: the tree of params, {structure}.")
        values = jax.tree.leaves(column)
        count = sum(leaf.size for leaf, value in zip(leaves, values, strict=True) if value is True)
        table.append([name, *map(_cell, values), str(count) if isinstance(values[0], bool) else ""])
    widths = [max(map(len, column)) for column in table]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in zip(*table, strict=True))


def first_match(name: str, tree: Tree, patterns: Sequence[str], *, rest: bool = False) -> Tree:
    """The tree with each leaf replaced by the first pattern found in its path; with ``rest``, by "" where none is."""

    def first(path: str) -> str:
        for pattern in patterns:
            if re.search(pattern, path):
                return pattern
        if rest:
            return ""
        raise ValueError(f"{name}: no pattern takes {path!r}; allowed: patterns that take every parameter.")

    paths = _paths(tree)
    matches = jax.tree.map(first, paths)
    _each_takes(name, patterns, set(jax.tree.leaves(matches)), paths)
    return matches


def _paths(tree: Tree) -> Tree:
    """The tree with each leaf replaced by its path."""
    return jax.tree.map_with_path(lambda keys, _: jax.tree_util.keystr(keys, simple=True, separator="/"), tree)


def _found(name: str, tree: Tree, patterns: Sequence[str]) -> Tree:
    """The tree with each leaf replaced by whether one of the patterns is found in its path."""
    paths = _paths(tree)
    leaves = jax.tree.leaves(paths)
    _each_takes(name, patterns, {p for p in patterns if any(re.search(p, path) for path in leaves)}, paths)
    return jax.tree.map(lambda path: any(re.search(p, path) for p in patterns), paths)


def _each_takes(name: str, patterns: Sequence[str], taken: set[str], paths: Tree) -> None:
    """Raise ValueError unless there are patterns, each of them once, and each has taken a leaf."""
    idle = [pattern for i, pattern in enumerate(patterns) if pattern not in taken or pattern in patterns[:i]]
    if idle or not patterns:
        names = jax.tree.leaves(paths)
        some = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise ValueError(f"{name}: {idle or 'no pattern'} takes no parameter; allowed: patterns found in {some}.")


def _cell(value) -> str:
    """A value of a column as text."""
    if isinstance(value, bool):
        return "yes" if value else "-"
    return value if isinstance(value, str) else f"{value:g}"
