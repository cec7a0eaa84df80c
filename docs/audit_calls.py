"""What code calls, read from its text: the names that it uses, where they are defined, and what these use in turn."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def file_of(module: str) -> Path | None:
    """The file of a module of this repository, or None."""
    path = ROOT / module.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@cache
def tree(module: str) -> ast.Module:
    """The code of a module; empty for one of another library."""
    path = file_of(module)
    return ast.parse("" if path is None else path.read_text("utf-8"))


@cache
def scope(module: str) -> dict[str, ast.AST | str]:
    """What the names of a module stand for: its own statements, or the dotted names of what it imports."""
    names: dict[str, ast.AST | str] = {}
    for node in tree(module).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute) and "(" not in ast.unparse(node):
            first, *rest = ast.unparse(node.value).split(".")  # another name of what is imported
            names[ast.unparse(node.targets[0])] = ".".join([str(names.get(first, first)), *rest])
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                names |= {name.id: node for name in ast.walk(target) if isinstance(name, ast.Name)}
    return names


@cache
def resolve(name: str) -> str:
    """Where a dotted name is defined, through modules that only hand it on; another library's stays as it is."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        if file_of(module := ".".join(parts[:cut])) is not None:
            target = scope(module).get(parts[cut])
            return (
                resolve(".".join([target, *parts[cut + 1 :]])) if isinstance(target, str) and target != name else name
            )
    return name


def named(node: ast.AST, module: str) -> Iterator[str]:
    """The names that some code of a module uses, where they are defined; an argument hides a name of the module."""
    local = {arg.arg for part in ast.walk(node) if isinstance(part, ast.arguments) for arg in part.args}
    for part in ast.walk(node):
        attributes, inner = [], part
        while isinstance(inner, ast.Attribute):
            attributes, inner = [inner.attr, *attributes], inner.value
        if not isinstance(inner, ast.Name) or not isinstance(part, (ast.Name, ast.Attribute)):
            continue
        if inner.id in scope(module) and (attributes or inner.id not in local):
            target = scope(module)[inner.id]
            base = target if isinstance(target, str) else f"{module}.{inner.id}"
            yield from (resolve(".".join([base, *attributes[:cut]])) for cut in range(len(attributes) + 1))


def reached(names: list[str], followed: tuple[str, ...]) -> frozenset[str]:
    """The names, and those that their definitions name, as far as these are in the packages that are followed."""
    seen: set[str] = set()
    while names:
        if (name := names.pop()) not in seen:
            seen.add(name)
            owner, _, last = name.rpartition(".")
            names += _of(owner, last) if owner.startswith(followed) else ()
    return frozenset(seen)


@cache
def _of(module: str, name: str) -> tuple[str, ...]:
    node = scope(module).get(name, "")
    return () if isinstance(node, str) else tuple(named(node, module))
