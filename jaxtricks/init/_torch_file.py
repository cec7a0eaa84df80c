"""What torch.save wrote, without torch: a reader of the instructions that a file of tensors needs; it calls nothing.

A pickle is a program. Here it is only listed (``pickletools``), and a small stack machine follows it with numbers,
texts, containers and tensors. A name that it asks for is never imported: it is one of those below, or the file is
refused.
"""

import io
import math
import os
import pickletools
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxtricks.archive import LIMIT

STORAGES = {
    "torch DoubleStorage": np.float64,
    "torch FloatStorage": np.float32,
    "torch HalfStorage": np.float16,
    "torch BFloat16Storage": jnp.bfloat16,
    "torch LongStorage": np.int64,
    "torch IntStorage": np.int32,
    "torch ShortStorage": np.int16,
    "torch CharStorage": np.int8,
    "torch ByteStorage": np.uint8,
    "torch BoolStorage": np.bool_,
}
DICT = "collections OrderedDict"
TENSOR = "torch._utils _rebuild_tensor_v2"
PARAMETER = "torch._utils _rebuild_parameter"
NAMES = {DICT, TENSOR, PARAMETER, *STORAGES}
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # what files begin with that are no archive
MARK = object()
LISTED = 3  # places that a message names
DIMENSIONS = 32
LONG = 200  # characters of a message


class Refused(ValueError):
    """What is wrong with a file."""


class Name(NamedTuple):
    """A name that the file asks for; no more than its text."""

    text: str


class Storage(NamedTuple):
    """Numbers in a row: which, of which dtype, and how many."""

    key: str
    dtype: np.dtype
    size: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch(source: str | os.PathLike) -> dict[str, np.ndarray]:
    """Tensors of a file that ``torch.save`` wrote, without torch: to bring weights that come as .pth to JAX.

    Such a file is a pickle, a program that Python's and torch's loaders run. This reader runs nothing: it follows the
    instructions for numbers, texts, containers and tensors, and refuses any other, and all names but those of tensors.
    ``python -m jaxtricks weights SOURCE OUT`` writes what it reads for ``init.load_pretrained``.

    Args:
      source: a .pt, .pth or .bin file with tensors by name, of torch 0.1.10 or later; or an archive, such as a wheel,
        that holds one such file. What lies in further dicts and lists gets the names of the path, joined by dots.

    Returns:
      Name to array, read-only; bfloat16 as float32, which holds it exactly. Values that are no tensor, such as the
      number of an epoch, are passed over, with a warning that names them.

    Raises:
      ValueError: if the file is none of torch's, asks for anything else than tensors, or is damaged, or its tensors
        hold more bytes than ``archive.LIMIT``.
      OSError: if the file cannot be read.
    """
    path = Path(source)
    raw = path.read_bytes()
    try:
        value, storages = _opened(raw)
        leaves = dict(_leaves(value))
        views = {name: _view(name, leaf, storages) for name, leaf in leaves.items() if isinstance(leaf, Tensor)}
        if not views:
            raise Refused("holds no tensor")
        if (total := sum(view.nbytes for view in views.values())) > LIMIT:
            raise Refused(f"has tensors of {total:,} bytes, more than {LIMIT:,}")
    except MemoryError:
        raise
    except Exception as error:  # whatever hostile bytes lead to
        why = str(error) if isinstance(error, Refused) else f"is damaged or no file of torch ({error!r:.100})"
        raise ValueError(f"source is {str(path)!r}, which {why}; allowed: tensors by name from torch.save.") from error
    if odd := [name for name in leaves if name not in views]:
        names = ", ".join(odd[:LISTED]) + ", ..." * (len(odd) > LISTED)
        warnings.warn(f"{path}: {len(odd)} that are no tensor are passed over: {names}.", stacklevel=2)
    return {name: view.astype(np.float32) if view.dtype == jnp.bfloat16 else view for name, view in views.items()}


def _opened(raw: bytes) -> tuple[Any, dict[str, bytes]]:
    """The value of a file, and the bytes of its storages."""
    members = _members(raw)
    if members and not any(name.endswith("/data.pkl") for name in members):
        inner = [name for name in members if name.endswith((".pt", ".pth", ".bin"))]
        if len(inner) != 1:
            raise Refused(f"is an archive of which {len(inner)} files end in .pt, .pth or .bin")
        raw = members[inner[0]]
        members = _members(raw)
    return _of_an_archive(members) if members else _in_a_row(raw)


def _members(raw: bytes) -> dict[str, bytes]:
    """The files of an archive; none of what is no archive."""
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        return {}
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        if sum(member.file_size for member in archive.infolist()) > LIMIT:
            raise Refused(f"unpacks to more than {LIMIT:,} bytes")
        return {name: archive.read(name) for name in archive.namelist()}


def _of_an_archive(members: Mapping[str, bytes]) -> tuple[Any, dict[str, bytes]]:
    """Of torch 1.6 and later: one pickle, and a file a storage."""
    (front,) = (name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl"))
    if members.get(front + "byteorder", b"little") != b"little":
        raise Refused("was written with the other order of bytes")
    data = front + "data/"
    storages = {name.removeprefix(data): content for name, content in members.items() if name.startswith(data)}
    return _followed(io.BytesIO(members[front + "data.pkl"])), storages


def _in_a_row(raw: bytes) -> tuple[Any, dict[str, bytes]]:
    """Of torch before 1.6: five pickles, then the storages, each behind its size."""
    file = io.BytesIO(raw)
    start = raw[:1] == b"\x80" and _followed(file)
    if start != MAGIC or _followed(file) != PROTOCOL:
        raise Refused("does not begin as a file of torch does")
    if not _followed(file)["little_endian"]:
        raise Refused("was written with the other order of bytes")
    value = _followed(file)
    sizes = {leaf.storage.key: leaf.storage.dtype.itemsize for _, leaf in _leaves(value) if isinstance(leaf, Tensor)}
    storages = {}
    for key in _followed(file):
        count = int.from_bytes(file.read(8), "little")
        storages[key] = file.read(count * sizes[key])
    return value, storages


def _followed(file: io.BytesIO) -> Any:
    """The value that one pickle stands for."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}

    def marked() -> list[Any]:
        place = len(stack) - 1 - next(i for i, value in enumerate(reversed(stack)) if value is MARK)
        values = stack[place + 1 :]
        del stack[place:]
        return values

    for code, argument, _ in pickletools.genops(file):
        match code.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                stack.append(MARK)
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(code.name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(code.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(marked()))
            case "EMPTY_DICT" | "EMPTY_LIST":
                stack.append({} if code.name == "EMPTY_DICT" else [])
            case "APPEND" | "APPENDS":
                values = marked() if code.name == "APPENDS" else [stack.pop()]
                stack[-1].extend(values)  # pyright: ignore[reportAttributeAccessIssue]
            case "SETITEM" | "SETITEMS":
                values = marked() if code.name == "SETITEMS" else [stack.pop(-2), stack.pop()]
                stack[-1].update(zip(values[::2], values[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(_name(str(argument)))
            case "STACK_GLOBAL":
                module, name = stack.pop(-2), stack.pop()
                stack.append(_name(f"{module} {name}"))
            case "BINPERSID":
                stack.append(_storage(*stack.pop()))
            case "REDUCE":
                name, arguments = stack.pop(-2), stack.pop()
                stack.append(_made(name, arguments))
            case "BUILD":  # attributes of a dict, such as the versions of its modules
                stack.pop()
                if not isinstance(stack[-1], dict):
                    raise Refused("sets attributes of what is no dict")
            case other:
                raise Refused(f"has the instruction {other}, which no tensor needs")
    raise Refused("ends before its program does")


def _name(text: str) -> Name:
    if text not in NAMES:
        raise Refused(f"asks for {text.replace(' ', '.')!r}, which is no part of a tensor; nothing of it was run")
    return Name(text)


def _storage(kind: str, dtype: Name, key: str, place: str, size: int, view: None = None) -> Storage:
    if kind != "storage" or view is not None or not isinstance(dtype, Name):
        raise Refused("refers to what is no storage of tensors")
    return Storage(key, np.dtype(STORAGES[dtype.text]), size)


def _made(name: Name, arguments: Sequence[Any]) -> Any:
    """What a call stands for."""
    if name == Name(DICT) and not arguments:
        return {}
    if name == Name(PARAMETER) and isinstance(arguments[0], Tensor):
        return arguments[0]
    if name == Name(TENSOR) and isinstance(arguments[0], Storage):
        return Tensor(*arguments[:4])
    raise Refused("calls what is not to be called")


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Everything that is no dict and no list, by the path to it."""
    names, containers = set(), set()

    def walked(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if not isinstance(value, (dict, list)):
            name = ".".join(path)
            if name in names:
                raise Refused(f"has two values {name!r}")
            names.add(name)
            yield name, value
            return
        if id(value) in containers:  # a few of these in each other would have more leaves than memory
            raise Refused(f"has {'.'.join(path)!r} in two places")
        containers.add(id(value))
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from walked(inner, (*path, str(key)))

    return walked(value, ())


def _view(name: str, tensor: Tensor, storages: Mapping[str, bytes]) -> np.ndarray:
    """The numbers of a tensor, where they lie."""
    (key, dtype, size), shape, strides = tensor.storage, tensor.shape, tensor.strides
    raw = storages.get(key, b"")
    if len(raw) != size * dtype.itemsize:
        raise Refused(f"has {len(raw):,} of {size * dtype.itemsize:,} bytes of {name!r}")
    if len(shape) != len(strides) or len(shape) > DIMENSIONS or min((*shape, *strides, tensor.offset)) < 0:
        raise Refused(f"has {name!r} with shape {shape} and strides {strides}"[:LONG])
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) and (last >= size or math.prod(shape) > size):
        raise Refused(f"has {size:,} numbers for {name!r} of shape {shape}")
    steps = tuple(step * dtype.itemsize for step in strides)
    flat = np.frombuffer(raw, dtype)[tensor.offset :]
    return np.lib.stride_tricks.as_strided(flat, shape, steps, writeable=False)
