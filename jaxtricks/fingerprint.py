"""A recipe, or any part of one, as text that is the same in every process, and a digest of the code that it runs."""

import ast
import dataclasses
import functools
import hashlib
import itertools
import json
import keyword
import linecache
import re
import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

import jax
import numpy as np

PACKAGE = Path(__file__).parent
LIBRARIES = ("jax", "flax", "optax")
VERSIONED = {PACKAGE.name, "numpy", *LIBRARIES, *sys.stdlib_module_names}  # whose files are not the user's
RULES = ("jvp", "fwd", "bwd")  # what jax.custom_jvp and jax.custom_vjp keep of derivatives
UNREAD = {"ctx", "kind", "type_comment", "type_ignores"}  # fields of a syntax tree that change nothing


class SourceError(TypeError):
    """The source of a function is needed to tell it from others and cannot be read; the message names the place."""


def describe(value: Any) -> Any:
    """A recipe, or any part of one, as nested text: equal for two values if they are made of the same parts.

    What a module with a file has under its name is described by that name; ``source_digest`` sees the file. Any other
    function, such as a lambda, is described by a digest of its source without comments and docstrings, its defaults and
    what it closed over; in a notebook also by the globals that it uses. A partial is described by its arguments, a
    method by its object, an object by its class and attributes, an array by a digest. Bytecode is not read.

    Args:
      value: a recipe, function, array, number, text, container or object of these.

    Returns:
      Dicts, lists and text, fit for JSON. What has an attribute ``described_as``, such as a recipe, is a dict of its
      fields, any other object one of its class. Text is quoted, unless it is a plain word.

    Raises:
      SourceError: at a lambda or nested function without source: of ``exec``, ``python -c``, a plain interpreter; or of
        several lambdas in a line, with ``-X no_debug_ranges``.
      TypeError: at a part of which nothing can be said that would be the same in the next process.
    """
    return _describe(value, getattr(type(value), "described_as", "value"), ())


def fingerprint(value: Any) -> str:
    """Sixteen hexadecimal digits that name what ``describe`` says.

    Args:
      value: as for ``describe``.

    Returns:
      Text; the same in every process and Python with the same versions of the libraries that made the parts.

    Raises:
      TypeError: as ``describe``.
    """
    return _digest(json.dumps(describe(value), sort_keys=True))


def source_digest(*values: Any) -> str:
    """Sixteen hexadecimal digits that change with the code that these values run.

    The code is every module of this package; the modules outside it that functions and classes of the values come from,
    with what these import from folders of ``sys.path`` that are the user's; and the versions of jax, flax and optax.
    Comments, docstrings and layout do not count. A file is read once a process, even if its module is reloaded.

    Args:
      values: recipes, or parts of them; without any, the digest is that of the package.

    Returns:
      Text; the same in every process and Python.

    Raises:
      TypeError: as ``describe``.
    """
    text = json.dumps([describe(value) for value in values], ensure_ascii=False)
    names = {front for name in re.findall(r'"([^\W\d][\w.]*)[.]', text) for front in _fronts(name)}
    users = {key: digest for name in sorted(names) for key, digest in _digests_of_module(name).items()}
    return _digest(json.dumps([_digest_of_package(), users], sort_keys=True))


def _normalised(node: Any) -> str:
    """Code as one line without comments, docstrings, layout and positions; the same on Python 3.11 to 3.13."""
    if isinstance(node, list):
        texts = [p for p in node if isinstance(p, ast.Expr) and isinstance(getattr(p.value, "value", None), str)]
        return f"[{','.join([_normalised(part) for part in node if part not in texts])}]"
    if isinstance(node, ast.JoinedStr):  # where text between braces is cut into parts depends on the Python
        kinds: Any = itertools.groupby(node.values, lambda part: isinstance(part, ast.Constant))
        parts = [ascii("".join(p.value for p in run)) if text else _normalised(list(run)) for text, run in kinds]
        return f"f[{','.join(part for part in parts if part != ascii(''))}]"
    if not isinstance(node, ast.AST):
        return ascii(node)
    parts = [(name, getattr(node, name, None)) for name in node._fields if name not in UNREAD]
    text = ",".join([f"{name}={_normalised(part)}" for name, part in parts if part is not None and part != []])
    return f"{type(node).__name__}({text})"


def _digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:16]


def _parsed(text: str | bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes such as "\d": they were given when the file was imported
        return ast.parse(text)


def _describe(value: Any, at: str, within: tuple[int, ...]) -> Any:
    """``describe`` for what stands at a place, ``within`` functions and objects that are being described."""

    def nested(parts: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _describe(part, f"{at}.{name}", (*within, id(value))) for name, part in parts.items()}

    value, rules = _bare(value)
    if hasattr(type(value), "described_as"):
        return nested(_fields(value) or {})
    if isinstance(value, functools.partial):
        arguments = nested({str(i): part for i, part in enumerate(value.args)} | dict(sorted(value.keywords.items())))
        inner = _describe(value.func, at, within)
        return {inner: arguments} if isinstance(inner, str) else {**inner, "(arguments)": arguments}
    if isinstance(value, (np.ndarray, jax.Array)):
        return _of_array(value, at, within)
    if isinstance(value, str):
        plain = value.isidentifier() and not keyword.iskeyword(value) and value not in ("nan", "inf")
        return str(value) if plain else repr(str(value))
    if isinstance(value, Mapping):
        names = [key if isinstance(key, str) else f"({_describe(key, at, within)})" for key in value]
        parts = nested(dict(zip(names, value.values(), strict=True)))
        return parts if names == sorted(names) else {**parts, "(order)": names}  # which augment.chain follows
    if isinstance(value, (set, frozenset)):
        return {"(set)": sorted((_describe(part, f"{at}, a set,", within) for part in value), key=json.dumps)}
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return [_describe(part, f"{at}[{i}]", within) for i, part in enumerate(value)]
    if isinstance(value, types.ModuleType):
        name, parts = value.__name__, {}
    elif isinstance(value, type):
        name, parts = f"{value.__module__}.{value.__qualname__}", _methods(value)
    elif isinstance(value, types.FunctionType):
        name, parts = _of_function(value, rules, at)
    elif (name := getattr(value, "__qualname__", None) or getattr(value, "__name__", None)) and callable(value):
        owner = getattr(value, "__self__", None)  # of a method; a module, of what is written in C
        parts = {} if owner is None or isinstance(owner, types.ModuleType) else {"self": owner}
        name = f"{getattr(value, '__module__', None) or type(value).__module__}.{name}"
    else:
        name, parts = f"{type(value).__module__}.{type(value).__qualname__}", _fields(value)
        if parts is None and " at 0x" in repr(value):
            raise TypeError(
                f"{at} holds {value!r}, which has another name in the next process; "
                "allowed: functions, numbers, text, arrays, and containers and objects of these."
            )
        if parts is None:
            return repr(value)
        parts |= _methods(type(value))
    return {name: nested(parts)} if parts and id(value) not in within else name


def _of_array(value: np.ndarray | jax.Array, at: str, within: tuple[int, ...]) -> Any:
    if jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
        return {str(value.dtype): _of_array(jax.random.key_data(value), at, within)}
    array = np.asarray(value)
    if array.dtype.hasobject:
        return {str(array.dtype): _describe(array.tolist(), at, within)}
    digest = hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).hexdigest()[:12]
    return f"{array.dtype}{list(array.shape)}:{digest}" if array.size > 4 else f"{array.dtype}:{array.tolist()}"


def _of_function(function: types.FunctionType, rules: Mapping[str, Any], at: str) -> tuple[str, dict[str, Any]]:
    """A name, and what else the function is made of, where no file has it under that name."""
    if _is_found(function):
        return f"{function.__module__}.{function.__qualname__}", {}
    code, node, module, parts = function.__code__, _node(function), function.__globals__.get("__name__"), dict(rules)
    if node is None:
        where = f"{code.co_filename}, line {code.co_firstlineno}, whose source cannot be read"
        raise SourceError(f"{at} holds {code.co_qualname} of {where}; allowed: functions of a file or a notebook.")
    if not hasattr(sys.modules.get(module or ""), "__file__"):
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} & function.__globals__.keys()
        used = {name: function.__globals__[name] for name in sorted(names)}
        parts |= {k: v for k, v in used.items() if callable(v) or isinstance(v, (int, float, str, tuple))}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        parts[name] = cell.cell_contents
    defaults = function.__defaults__ or ()
    parts |= zip(code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount], defaults, strict=True)
    parts |= function.__kwdefaults__ or {}
    return f"{module}.{code.co_qualname}#{_digest(_normalised(node))[:8]}", parts


def _methods(kind: type) -> dict[str, Any]:
    """The functions of a class that no file has under its name; those without source, a dataclass's, are left out."""
    functions = {n: f for n, f in vars(kind).items() if isinstance(f, types.FunctionType)}
    return {} if _is_found(kind) else {n: f for n, f in functions.items() if _node(f) is not None}


def _fields(value: Any) -> dict[str, Any] | None:
    """Fields of a dataclass or a named tuple, attributes and slots of another object; None where its repr tells it."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return dict(zip(value._fields, value, strict=True))  # pyright: ignore[reportAttributeAccessIssue]
    slots = [name for kind in type(value).__mro__ for name in kind.__dict__.get("__slots__", ())]
    parts = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(value, "__dict__", {})
    return parts if type(value).__repr__ is object.__repr__ or (callable(value) and parts) else None


def _bare(value: Any) -> tuple[Any, dict[str, Any]]:
    """What ``jax.jit`` or ``jax.custom_jvp`` was given, where they know of files and lines; and the rules they keep."""
    rules = {}
    while callable(value) and not isinstance(value, (type, types.FunctionType, types.MethodType)):
        if not callable(inner := getattr(value, "__wrapped__", None)):
            break
        rules |= {name: rule for name in RULES if callable(rule := getattr(value, name, None))}
        value = inner
    return value, rules


def _is_found(value: type | types.FunctionType) -> bool:
    """Whether a module with a file has this under its name, by itself or compiled: then the name tells it."""
    holder = sys.modules.get(value.__module__)
    for part in value.__qualname__.split("."):
        holder = getattr(holder, part, None)
    return _bare(holder)[0] is value and hasattr(sys.modules[value.__module__], "__file__")


def _node(function: types.FunctionType) -> ast.AST | None:
    """The syntax tree of a function, found by its line, and among several lambdas in a line by columns."""
    code = function.__code__
    linecache.lazycache(code.co_filename, function.__globals__)
    nodes = [node for name, node in _functions(code.co_filename).get(code.co_firstlineno, ()) if name == code.co_name]
    if len(nodes) > 1:
        places = [((line, start), (last, end)) for line, last, start, end in code.co_positions() if end]
        around = lambda n, p: (n.lineno, n.col_offset) < p[0] and p[1] <= (n.end_lineno, n.end_col_offset)  # noqa: E731
        nodes = [node for node in nodes if all(around(node, place) for place in places)]
        if not places:  # as of a constant on Python 3.12, which is the last one then
            constant = ascii(code.co_consts[-1]) if None not in next(iter(code.co_positions())) else ""
            nodes = [node for node in nodes if ascii(getattr(node.body, "value", node)) == constant]
    return max(nodes, key=lambda node: (node.lineno, node.col_offset), default=None)  # of nested ones the innermost


@functools.cache
def _functions(file: str) -> dict[int, list[tuple[str, Any]]]:
    """Names and trees of the functions of a file, by the line that their code names, that of the first decorator."""
    functions = {}
    for node in ast.walk(_parsed("".join(linecache.getlines(file)))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            line = (getattr(node, "decorator_list", None) or [node])[0].lineno
            functions.setdefault(line, []).append((getattr(node, "name", "<lambda>"), node))
    return functions


def _fronts(name: str) -> Iterator[str]:
    return itertools.accumulate(name.split("."), lambda front, part: f"{front}.{part}")  # a, a.b, a.b.c


@functools.cache
def _digest_of_package() -> str:
    files = {path.relative_to(PACKAGE).as_posix(): path.read_bytes() for path in PACKAGE.rglob("*.py")}
    digests = {name: _digest(_normalised(_parsed(text))) for name, text in files.items()}
    return _digest(json.dumps([digests, {name: version(name) for name in LIBRARIES}], sort_keys=True))


@functools.cache
def _digests_of_module(module: str) -> dict[str, str]:
    """Digests of a module outside the package, and of what it imports from the user's folders, by name."""
    digests, waiting = {}, {module: getattr(sys.modules.get(module), "__file__", None)}
    while waiting:
        name, file = waiting.popitem()
        if file is None or name in digests or name.split(".")[0] in VERSIONED:
            continue
        tree = _parsed(Path(file).read_bytes() if str(file).endswith(".py") else b"")
        digests[name] = _digest(_normalised(tree) if tree.body else Path(file).read_bytes())
        package = name if Path(file).name == "__init__.py" else name.rpartition(".")[0]
        waiting |= _imports(tree, (sys.modules[name].__package__ or "") if name == "__main__" else package)
    return digests


def _imports(tree: ast.AST, package: str) -> dict[str, Path | None]:
    """The modules that a file of this package imports, and the packages these are in, from folders of the user's."""
    names, sources = [], {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            where = getattr(node, "level", 0) * "." + (getattr(node, "module", None) or "")
            base = resolve_name(where, package) if package else where.lstrip(".")
            names += [".".join([*filter(None, [base]), alias.name]) for alias in node.names]
    for front in {front for name in names for front in _fronts(name)}:
        stems = [Path(root, *front.split(".")) for root in sys.path if "-packages" not in root]
        files = (file for stem in stems for file in (stem / "__init__.py", Path(f"{stem}.py")) if file.is_file())
        sources[front] = next(files, None)
    return sources
