"""The reference of every public name, as reStructuredText: a page a package or module."""

import dataclasses
import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterator, Mapping, Sequence

import jaxtricks


def modules(path: Sequence[str] = jaxtricks.__path__, prefix: str = "jaxtricks.") -> Iterator[types.ModuleType]:
    """The public modules: those of which no part begins with an underscore."""
    for info in pkgutil.iter_modules(path, prefix):
        if not info.name.split(".")[-1].startswith("_"):
            module = importlib.import_module(info.name)
            yield module
            if info.ispkg:
                yield from modules(module.__path__, f"{info.name}.")


def names(module: types.ModuleType) -> list[str]:
    """The public names of a module that are its own to document: those of ``__all__``, or what it defines."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
    defined = (name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__)
    return [name for name in defined if not name.startswith("_")]


def pages() -> dict[str, str]:
    """Text by name of the page: one for each top-level package or module, with the sub-modules that it has."""
    parts: dict[str, list[types.ModuleType]] = {}
    for module in modules():
        parts.setdefault(module.__name__.split(".")[1], []).append(module)
    text = {name: page(name, inside) for name, inside in parts.items()}
    listed = "\n".join(f"   {name}" for name in text)
    head = "API reference\n=============\n\nEvery public name. ``import jaxtricks as jt`` imports nothing else; a\n"
    more = "sub-module is imported when it is first used, as in ``jt.augment.mixup``.\n"
    return text | {"index": f"{head}{more}\n.. toctree::\n   :maxdepth: 1\n\n{listed}\n"}


def page(name: str, inside: Sequence[types.ModuleType]) -> str:
    """The page of a package: its docstring, its names, then those of its sub-modules that it does not export.

    Args:
      name: of the package or module.
      inside: the package, then its public sub-modules.
    """
    top, *below = inside
    also = [n for n in names(top) if elsewhere(getattr(top, n), name)]
    parts = [f"{name}\n{'=' * len(name)}\n", f".. automodule:: {top.__name__}\n"]
    parts += [entry(top, n) for n in sorted(names(top)) if n not in also]
    if also:
        links = ", ".join(f":py:obj:`{n} <jaxtricks.{elsewhere(getattr(top, n), name)}.{n}>`" for n in also)
        parts.append(f"Also under this name: {links}.\n")
    seen = {id(getattr(top, n)) for n in names(top)}
    for module in below:
        wanted = [n for n in names(module) if id(getattr(module, n)) not in seen]
        if wanted:
            again = "   :no-index:\n" if module.__name__.split(".")[-1] in names(top) else ""  # a function has its name
            head = f".. automodule:: {module.__name__}\n{again}"
            parts += [f"{module.__name__}\n{'-' * len(module.__name__)}\n", head]
            parts += [entry(module, n) for n in sorted(wanted)]
    return "\n".join(parts)


def elsewhere(value: object, name: str) -> str | None:
    """The package whose page has an exported value, if it is another one than this."""
    home = (getattr(value, "__module__", None) or "").split(".")
    if home[0] != "jaxtricks" or len(home) < 2 or home[1] == name or home[1].startswith("_") or not callable(value):
        return None  # a private module has no page
    package = importlib.import_module(f"jaxtricks.{home[1]}")
    return home[1] if getattr(package, getattr(value, "__name__", ""), None) is value else None


def entry(module: types.ModuleType, name: str) -> str:
    """The directive for one name."""
    value, full = getattr(module, name), f"{module.__name__}.{name}"
    if inspect.isclass(value):
        fields = list(getattr(value, "_fields", ()))
        if dataclasses.is_dataclass(value):
            fields = [field.name for field in dataclasses.fields(value)]
        hidden = f"   :exclude-members: {', '.join(fields)}\n" if fields else ""
        return f".. autoclass:: {full}\n   :members:\n{hidden}"
    if inspect.isroutine(value):
        return f".. autofunction:: {full}\n"
    return f".. py:data:: {full}\n   :type: {type(value).__name__}\n\n   {_shown(value)}\n"


def _shown(value: object) -> str:
    """What a constant holds, in a line."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return ", ".join(f"``{key}``" for key in value)
    text = " ".join(repr(value).split())
    return f"``{text}``" if len(text) < 80 and "0x" not in text else ""
