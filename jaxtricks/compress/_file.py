"""One file for a compressed network: indices packed to the bit or in Huffman's code, checked, without pickle.

The file is ``jtcz`` and a version byte, the length of the header in 4 bytes, the header as JSON, the bytes of each
entry, and the SHA-256 of all that. An entry is an array as it is, a ``Codebook`` or a ``ProductCode``. Of the forms of
a codebook the smallest is written: all indices, or, where the first value is 0, the gaps between the others and these.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks.compress import _packing
from jaxtricks.compress._codebooks import Codebook, ProductCode, decode, product_decode
from jaxtricks.compress._hashing import index_dtype
from jaxtricks.compress._huffman import CodeError

Tree = Any
MAGIC = b"jtcz\x01"
DIGEST = 32
LIMIT = 2**32  # bytes of decoded arrays
KINDS = {"float16": "<f2", "float32": "<f4", "float64": "<f8", "bool": "|b1"} | {
    f"{sign}int{8 * size}": f"{'|' if size == 1 else '<'}{sign or 'i'}{size}"
    for sign in ("", "u")
    for size in (1, 2, 4, 8)
}


class FileError(ValueError):
    """A file that ``save`` did not write, or that was cut or changed since; the message says what is wrong with it."""


def save(path: str | os.PathLike, tree: Tree, *, huffman: bool = True) -> int:
    """Write a network in as few bytes as its codes take.

    Args:
      path: of the file; what is there is replaced when the new one is complete.
      tree: nested dicts with text keys without "/", at the leaves arrays, Codebooks and ProductCodes.
      huffman: whether indices and gaps may be written in Huffman's code; else in as many bits as the largest needs.

    Returns:
      The bytes of the file, as ``os.path.getsize`` has them.

    Raises:
      TypeError: if a leaf or a key is of another kind.
      ValueError: if an index is none of its codebook, or an array has a dtype that cannot be written.
      OSError: if the file cannot be written.
    """
    if not isinstance(tree, Mapping):
        raise TypeError(f"tree is {type(tree).__name__}; allowed: nested dicts.")
    header, body = [], []
    for name, leaf in _leaves(tree, ()):
        entry, parts = _entry(name, leaf, huffman)
        header.append(["/".join(name), *entry, [len(part) for part in parts]])
        body += parts
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    data = b"".join([MAGIC, len(text).to_bytes(4, "little"), text, *body])
    data += hashlib.sha256(data).digest()
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return len(data)


def load(path: str | os.PathLike, *, limit: int = LIMIT) -> Tree:
    """The tree of a file of ``save``; nothing in it is trusted before its digest and its sizes agree.

    Args:
      path: of the file.
      limit: bytes that its arrays may take together.

    Returns:
      Nested dicts of NumPy arrays, Codebooks and ProductCodes; ``expand`` makes arrays of them.

    Raises:
      FileError: if it is no such file, cut, changed, or larger than the limit when decoded.
      OSError: if the file cannot be read.
    """
    data = Path(path).read_bytes()
    smallest = len(MAGIC) + 4 + DIGEST
    if len(data) < smallest or data[: len(MAGIC)] != MAGIC:
        raise FileError(f"{path} is no file of compress.save: {len(data)} bytes that begin with {data[:5]!r}.")
    if hashlib.sha256(data[:-DIGEST]).digest() != data[-DIGEST:]:
        raise FileError(f"{path} is cut or changed: its SHA-256 is another.")
    try:
        return _decoded(memoryview(data)[len(MAGIC) : -DIGEST], limit)
    except (AttributeError, CodeError, LookupError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise FileError(f"{path} does not hold what its header says: {error}") from error


def expand(tree: Tree, *, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Tree:
    """Arrays in the place of codes.

    Args:
      tree: of ``load``.
      shapes: by path, of kernels behind product codes that are not ``[M L, D]``.

    Returns:
      The tree with arrays at all leaves.

    Raises:
      ValueError: if a shape does not fit its code.
    """

    def one(name, leaf):
        if isinstance(leaf, Mapping):
            return {key: one((*name, key), value) for key, value in leaf.items()}
        if isinstance(leaf, Codebook):
            return decode(leaf)
        if isinstance(leaf, ProductCode):
            places, _, length = leaf.values.shape
            flat = (places * length, leaf.indices.shape[1])
            return product_decode(leaf, shape=(shapes or {}).get("/".join(name), flat))
        return leaf

    return one((), tree)


def _leaves(tree, name):
    if not isinstance(tree, Mapping):
        yield name, tree
        return
    for key, value in tree.items():
        if not isinstance(key, str) or "/" in key or not key:
            raise TypeError(f"tree has the key {key!r}; allowed: text without '/'.")
        if isinstance(value, Mapping) and not value:
            raise TypeError(f"tree has nothing at {'/'.join((*name, key))}; allowed: dicts that hold something.")
        yield from _leaves(value, (*name, key))


def _entry(name, leaf, huffman) -> tuple[list, list[bytes]]:
    """What the header says of a leaf, and its bytes."""
    where = "/".join(name)
    if isinstance(leaf, (Codebook, ProductCode)):
        values, indices = np.asarray(leaf.values, np.float32), np.asarray(leaf.indices)
        size = values.shape[-1 if isinstance(leaf, Codebook) else 1] if values.ndim else 0
        if values.ndim != (1 if isinstance(leaf, Codebook) else 3) or not size:
            raise ValueError(
                f"{where} has values of shape {values.shape}; allowed: [K], or [M, K, L] of a ProductCode."
            )
        if indices.dtype.kind not in "iu" or (indices.size and not 0 <= indices.min() <= indices.max() < size):
            raise ValueError(f"{where} has indices that are none; allowed: integers of 0 to {size - 1}.")
        if isinstance(leaf, ProductCode) and (indices.ndim != 2 or indices.shape[0] != values.shape[0]):
            raise ValueError(f"{where} has indices of shape {indices.shape}; allowed: ({values.shape[0]}, D).")
        sparse = isinstance(leaf, Codebook) and values[0] == 0
        form, parts = _packing.packed(indices.reshape(-1).astype(np.int64), size, sparse=sparse, huffman=huffman)
        return [form, list(values.shape), list(indices.shape)], [values.astype("<f4").tobytes(), *parts]
    if not hasattr(leaf, "dtype") or not hasattr(leaf, "shape"):
        raise TypeError(f"{where} is {type(leaf).__name__}; allowed: dicts, arrays, Codebooks, ProductCodes.")
    array = np.asarray(leaf)
    if array.dtype.name not in KINDS:
        raise ValueError(f"{where} has dtype {array.dtype}; allowed: {', '.join(KINDS)}.")
    return [array.dtype.name, list(array.shape), []], [array.astype(KINDS[array.dtype.name]).tobytes()]


def _decoded(data: memoryview, limit: int) -> Tree:
    length = int.from_bytes(data[:4], "little")
    header = json.loads(bytes(data[4 : 4 + length]))
    at, tree, total = 4 + length, {}, 0
    if at > len(data):
        raise FileError("its header is longer than the file.")
    for name, kind, shape, indices, sizes in header:
        for number in (*shape, *indices, *sizes):
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise FileError(f"{name} has a size {number!r}.")
        total += 8 * math.prod(shape) + 8 * math.prod(indices)
        if total > limit:
            raise FileError(f"its arrays take more than {limit:,} bytes, the limit.")
        parts = []
        for size in sizes:
            parts.append(bytes(data[at : at + size]))
            at += size
        *path, last = name.split("/")
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        if last in node:
            raise FileError(f"{name} occurs twice.")
        node[last] = _leaf(name, kind, shape, indices, parts)
    if at != len(data):
        raise FileError(f"its entries take {at} bytes, and there are {len(data)}.")
    return tree


def _leaf(name, kind, shape, indices, parts):
    if kind in KINDS:
        (raw,) = parts
        dtype = np.dtype(KINDS[kind])
        if len(raw) != math.prod(shape) * dtype.itemsize:
            raise FileError(f"{name} has shape {shape} and {len(raw)} bytes.")
        return np.frombuffer(raw, dtype).reshape(shape).copy()
    raw, *rest = parts
    if len(shape) not in (1, 3) or len(raw) != 4 * math.prod(shape) or not math.prod(shape):
        raise FileError(f"{name} has values of shape {shape} and {len(raw)} bytes.")
    size = shape[0] if len(shape) == 1 else shape[1]
    flat = _packing.unpacked(kind, rest, size, math.prod(indices))
    values = np.frombuffer(raw, "<f4").reshape(shape).copy()
    index = flat.astype(index_dtype(size)).reshape(indices)
    return Codebook(values, index) if len(shape) == 1 else ProductCode(values, index)
