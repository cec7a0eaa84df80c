"""A recipe, or any part of one, as text that is the same in every process."""

import dataclasses
import functools
import hashlib
import json
import keyword
import sys
import types
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

RULES = ("jvp", "fwd", "bwd")  # what jax.custom_jvp and jax.custom_vjp keep of derivatives


def describe(value: Any) -> Any:
    """A recipe, or any part of one, as nested text: equal for two values if they are made of the same parts.

    A function or class that its module has under its name is told by that name. Any other function, such as a lambda or
    a nested one, is told by its code, its defaults and what it closed over; a partial by its arguments; a method by
    its object; an object by its class and attributes; arrays by a digest. A compiled function is the function. What
    globals hold is not seen.

    Args:
      value: a recipe, function, array, number, text, container or object of these.

    Returns:
      Dicts, lists and text, fit for JSON. A recipe is a dict of its fields, any other object one of its class. Text
      that is no plain word is quoted, so that it is told apart from a number or a function.

    Raises:
      TypeError: at a part, by its place, of which nothing can be said that would be the same in the next process.
    """
    return _describe(value, "recipe" if _is_recipe(value) else "value", ())


def fingerprint(value: Any) -> str:
    """Sixteen hexadecimal digits that name what ``describe`` says.

    Args:
      value: as for ``describe``.

    Returns:
      Text; the same in every process with the same versions of Python and of the libraries that made the parts.

    Raises:
      TypeError: as ``describe``.
    """
    text = json.dumps(describe(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_recipe(value: Any) -> bool:
    return type(value).__name__ == "Recipe" and dataclasses.is_dataclass(value)


def _describe(value: Any, at: str, within: tuple[int, ...]) -> Any:
    """``describe`` for what stands at a place, ``within`` functions and objects that are being described."""

    def each(parts: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _describe(part, f"{at}.{name}", (*within, id(value))) for name, part in parts.items()}

    value, rules = _bare(value)
    if _is_recipe(value):
        return each(_fields(value))
    if isinstance(value, functools.partial):
        given = each({str(i): part for i, part in enumerate(value.args)} | dict(sorted(value.keywords.items())))
        inner = _describe(value.func, at, within)
        return {inner: given} if isinstance(inner, str) else {**inner, "(given)": given}
    if isinstance(value, (np.ndarray, jax.Array)):
        return _of_array(value, at, within)
    if isinstance(value, str):
        plain = value.isidentifier() and not keyword.iskeyword(value) and value not in ("nan", "inf")
        return str(value) if plain else repr(str(value))
    if isinstance(value, Mapping):
        return _of_mapping(value, at, within)
    if isinstance(value, (set, frozenset)):
        return {"(set)": sorted((_describe(part, f"{at}, a set,", within) for part in value), key=json.dumps)}
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return [_describe(part, f"{at}[{i}]", within) for i, part in enumerate(value)]
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, types.FunctionType):
        name, parts = _of_function(value, rules)
    elif (name := getattr(value, "__qualname__", None) or getattr(value, "__name__", None)) and callable(value):
        name, parts = _of_method(value, name)
    else:
        name, parts = f"{type(value).__module__}.{type(value).__qualname__}", _fields(value)
        if parts is None:
            return _by_repr(value, at)
    return {name: each(parts)} if parts and id(value) not in within else name


def _of_array(value: np.ndarray | jax.Array, at: str, within: tuple[int, ...]) -> Any:
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return {str(value.dtype): _of_array(jax.random.key_data(value), at, within)}
    array = np.asarray(value)
    if array.dtype.hasobject:
        return {str(array.dtype): _describe(array.tolist(), at, within)}
    digest = hashlib.sha256(array.tobytes()).hexdigest()[:12]
    return f"{array.dtype}{list(array.shape)}:{digest}" if array.size > 4 else f"{array.dtype}:{array.tolist()}"


def _of_mapping(value: Mapping, at: str, within: tuple[int, ...]) -> dict[str, Any]:
    """The entries, and their order, which ``augment.chain`` follows, where it is not that of the alphabet."""
    names = [key if isinstance(key, str) else f"({_describe(key, at, within)})" for key in value]
    out = {name: _describe(part, f"{at}.{name}", within) for name, part in zip(names, value.values(), strict=True)}
    return out if names == sorted(names) else {**out, "(order)": names}


def _of_function(function: types.FunctionType, rules: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A name, and what else the function is made of, where its module does not have it under that name."""
    if _is_found(function):
        return f"{function.__module__}.{function.__qualname__}", {}
    code, parts = function.__code__, dict(rules)
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        parts[name] = cell.cell_contents
    defaults = function.__defaults__ or ()
    parts |= zip(code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount], defaults, strict=True)
    parts |= function.__kwdefaults__ or {}
    digest = hashlib.sha256(_text_of_code(code)).hexdigest()[:8]
    return f"{function.__globals__.get('__name__')}.{code.co_qualname}#{digest}", parts


def _of_method(function: Any, name: str) -> tuple[str, dict[str, Any]]:
    """A name and the object of a method; of what is written in C, if it is none, the name."""
    module = getattr(function, "__module__", None) or type(function).__module__
    own = getattr(function, "__self__", None)
    return f"{module}.{name}", {} if own is None or isinstance(own, types.ModuleType) else {"self": own}


def _fields(value: Any) -> dict[str, Any] | None:
    """Fields of a dataclass or a named tuple, attributes and slots of another object; None where its repr tells it."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return dict(zip(value._fields, value, strict=True))
    slots = [name for kind in type(value).__mro__ for name in kind.__dict__.get("__slots__", ())]
    parts = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(value, "__dict__", {})
    told = type(value).__repr__ is not object.__repr__
    return None if told and not (callable(value) and parts) else parts


def _by_repr(value: Any, at: str) -> str:
    text = repr(value)
    if " at 0x" in text:
        raise TypeError(
            f"{at} holds {text}, which has another name in the next process; "
            "allowed: functions, numbers, text, arrays, and containers and objects of these."
        )
    return text


def _is_found(function: types.FunctionType) -> bool:
    """Whether the module of a function has it under its name, by itself or compiled: then the name tells it."""
    found = sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return _bare(found)[0] is function


def _bare(value: Any) -> tuple[Any, dict[str, Any]]:
    """What ``jax.jit`` or ``jax.custom_jvp`` was given, where they know of files and lines; and the rules they keep."""
    rules = {}
    while callable(value) and not isinstance(value, (type, types.FunctionType, types.MethodType)):
        if not callable(inner := getattr(value, "__wrapped__", None)):
            break
        rules |= {name: rule for name in RULES if callable(rule := getattr(value, name, None))}
        value = inner
    return value, rules


def _text_of_code(code: types.CodeType) -> bytes:
    """What a function does, without addresses and orders that are others in the next process."""

    def same(const):
        if isinstance(const, types.CodeType):
            return _text_of_code(const)
        return sorted(map(repr, const)) if isinstance(const, frozenset) else const

    return code.co_code + repr((tuple(map(same, code.co_consts)), code.co_names)).encode()
