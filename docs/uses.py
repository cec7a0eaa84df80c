"""Which experiments use a public function: read from their tables, and from the tricks that these name."""

import ast
import functools
import importlib
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType

ROOT = Path(__file__).parents[1]
OWN = ("jaxtricks.tricks", "jaxtricks.recipes", "jaxtricks.ablation", "experiments")  # whose functions are looked into
LIBRARIES = ("jax.", "optax.", "flax.")
COMPARE_RECIPES = ("recipes", "views")  # each of their rows uses nearly everything: rows of the index name them by hand


def experiments() -> list[str]:
    """The names of the experiments, from the folder."""
    return sorted(path.stem for path in (ROOT / "experiments").glob("[a-z]*.py") if path.stem != "gallery")


@cache
def used(experiment: str) -> frozenset[int]:
    """Identities of the functions and classes that the rows of an experiment use; its baseline is not one of them.

    Args:
      experiment: its name, such as "losses".
    """
    module = importlib.import_module(f"experiments.{experiment}")
    tree = ast.parse(inspect.getsource(module))
    body = [node for node in tree.body if not isinstance(node, ast.If)]  # `if __name__ == ...`: the baseline
    seen: dict[int, object] = {}
    for node in body:
        if not isinstance(node, (ast.FunctionDef, ast.Import, ast.ImportFrom)):
            for value in _named(node, vars(module)):
                _walk(value, seen)
    return frozenset(seen)


def of(value: object) -> frozenset[int]:
    """Identities of the functions and classes that a trick, or any part of one, uses."""
    seen: dict[int, object] = {}
    _walk(value, seen)
    return frozenset(seen)


def _walk(value: object, seen: dict[int, object]) -> None:
    if id(value) in seen or isinstance(value, (str, int, float, type(None), ModuleType)):
        return
    seen[id(value)] = value
    if isinstance(value, functools.partial):
        for part in (value.func, *value.args, *value.keywords.values()):
            _walk(part, seen)
    elif isinstance(value, Mapping):
        for part in value.values():
            _walk(part, seen)
    elif isinstance(value, (tuple, list)):
        for part in value:
            _walk(part, seen)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            _walk(getattr(value, field.name), seen)
    elif isinstance(wrapped := getattr(value, "__wrapped__", None), (FunctionType, functools.partial)):  # by jax.jit
        _walk(wrapped, seen)
    elif isinstance(value, FunctionType) and not value.__module__.startswith(LIBRARIES):
        scope = dict(_closed_over(value))
        for part in scope.values():
            _walk(part, seen)
        if value.__module__.startswith(OWN):
            for part in _named(_body(value), value.__globals__ | scope):
                _walk(part, seen)


def _body(function: FunctionType) -> ast.AST:
    """The code of a function; of a lambda, whose source is a piece of a statement, all those of its line."""
    if function.__name__ != "<lambda>":
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    line, tree = function.__code__.co_firstlineno, ast.parse(inspect.getsource(inspect.getmodule(function)))
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and node.lineno == line]
    return ast.Module(body=[ast.Expr(node) for node in lambdas], type_ignores=[])


def _closed_over(function: FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, cell.cell_contents


def _named(tree: ast.AST, scope: Mapping[str, object]) -> Iterator[object]:
    """What the names and dotted names of some code stand for."""
    for node in ast.walk(tree):
        parts, inner = [], node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and isinstance(node, (ast.Name, ast.Attribute)) and inner.id in scope:
            value = scope[inner.id]
            for part in reversed(parts):
                value = getattr(value, part, None)
            yield value
