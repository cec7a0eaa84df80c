"""What ``help`` and ``repr`` print of functions that are values: their names, where Python prints addresses."""

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from typing import Any

LONGEST = 60  # characters of a default that is printed as it is, where a global name stands for it


class Table(dict):
    """A dict whose repr names functions without their addresses."""

    def __repr__(self) -> str:
        return shown(self)


class _Parameter(inspect.Parameter):
    """A parameter whose default is printed as ``text``; the default itself is as it was."""

    __slots__ = ("text",)

    def __str__(self) -> str:
        text = getattr(self, "text", None)  # what inspect makes of this one, as for a partial, has none
        return super().__str__() if text is None else super().__str__().replace(repr(self.default), text)


def name_defaults(package: Mapping[str, Any]) -> None:
    """Let the signatures of a package's functions and classes print names for defaults that are functions or tables.

    Args:
      package: its ``globals()``, with ``__all__``.
    """
    for name in package["__all__"]:
        value = package[name]
        if inspect.isclass(value):
            value = vars(value).get("__init__")
        if not inspect.isfunction(value) or hasattr(value, "__signature__"):
            continue
        signature = inspect.signature(value)
        names = inspect.unwrap(value).__globals__
        parameters = [_named(parameter, names) for parameter in signature.parameters.values()]
        if any(isinstance(parameter, _Parameter) for parameter in parameters):
            value.__signature__ = signature.replace(parameters=parameters)


def shown(value: Any) -> str:
    """The repr of a value, with functions by their names.

    Args:
      value: a function, a partial, a container or a dataclass of these, or anything else.

    Returns:
      Text, without addresses of what is named.
    """
    if isinstance(value, functools.partial):
        words = [*map(shown, value.args), *(f"{name}={shown(part)}" for name, part in value.keywords.items())]
        return f"partial({', '.join([shown(value.func), *words])})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {shown(part)}" for key, part in value.items()) + "}"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _fields(value, value._fields)  # pyright: ignore[reportAttributeAccessIssue]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value, [field.name for field in dataclasses.fields(value)])
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(shown, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    if callable(value) and " at 0x" in repr(value):
        return getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or type(value).__qualname__
    return repr(value)


def _fields(value: Any, names) -> str:
    return f"{type(value).__qualname__}({', '.join(f'{name}={shown(getattr(value, name))}' for name in names)})"


def _named(parameter: inspect.Parameter, names: Mapping[str, Any]) -> inspect.Parameter:
    """The parameter, printing the name under which the function's module knows its default, where the repr does not."""
    default = parameter.default
    if default is parameter.empty or (" at 0x" not in repr(default) and len(repr(default)) <= LONGEST):
        return parameter
    text = next((name for name, value in names.items() if value is default), None) or shown(default)
    named = _Parameter(parameter.name, parameter.kind, default=default, annotation=parameter.annotation)
    named.text = text
    return named
