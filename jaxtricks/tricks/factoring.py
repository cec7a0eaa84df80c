"""Kernels computed of fewer numbers, which are trained: factors of low rank, hashed weights, structured matrices.

Steps of ``compression``. Layers still multiply with the full kernel: the file becomes smaller, not the time.
"""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check, compress, optim
from jaxtricks.tricks._kernels import base, behind, on
from jaxtricks.tricks.compression import Network

__all__ = [
    "aligned",
    "diagonals",
    "energetic",
    "hashed",
    "low_rank",
    "multiplied",
    "ranked",
    "recoded",
    "shifted",
    "spread",
    "structures",
    "thrice",
    "tucker",
    "wrapped",
]

Tree = Any


def recoded(
    network: Network,
    *,
    encode: Callable,
    decode: Callable,
    patterns: tuple[str, ...],
    batch: Tree,
    key: jax.Array,
) -> Network:
    """Kernels are computed of fewer numbers, which are trained: factors of low rank, hashed weights.

    Layers still multiply with the full kernel: the file becomes smaller, not the time.

    Args:
      network: whose parameters are arrays.
      encode: ``kernel -> array, or dict of arrays``.
      decode: ``(what encode gave, shape) -> kernel``.
      patterns: of the kernels.
      batch, key: not used.

    Returns:
      The network, whose parameters are these numbers.
    """
    base(network, fills=True)
    params = on(network.params, dict.fromkeys(patterns), lambda leaf, _: encode(leaf))
    return _computed(network, params, decode, patterns)


def _computed(network: Network, params: Tree, decode: Callable, patterns: tuple[str, ...]) -> Network:
    """The network whose kernels are decoded from these parameters."""
    params = jax.tree.map(np.asarray, params)
    shapes = jax.tree.map(np.shape, network.params)
    restored = partial(_restored, shapes=shapes, decode=decode, patterns=patterns)
    model = partial(behind, network.plain.model, change=restored, start=params)
    return replace(network, recipe=replace(network.plain, model=model), params=params, unpack=restored)


def ranked(network: Network, *, budget: float, patterns: tuple[str, ...], batch: Tree, key: jax.Array) -> Network:
    """Kernels are products of two, of ranks that are chosen for all layers together.

    Layers still multiply with the full kernel: the file becomes smaller, not the time.

    Args:
      network: whose parameters are arrays.
      budget: as for ``compress.ranks_of_budget``.
      patterns: of the kernels, dense or of convolutions.
      batch, key: not used.

    Returns:
      The network, whose parameters are the factors.
    """
    base(network, fills=True)
    chosen = optim.path_mask(network.params, *patterns)
    kernels = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for (path, leaf), taken in zip(jax.tree.leaves_with_path(network.params), jax.tree.leaves(chosen), strict=True)
        if taken
    }
    ranks = {f"^{re.escape(path)}$": r for path, r in compress.ranks_of_budget(kernels, budget=budget).items()}
    params = on(network.params, ranks, lambda leaf, rank: compress.svd(leaf, rank=rank)._asdict())
    return _computed(network, params, multiplied, tuple(ranks))


def low_rank(kernel: jax.Array, *, share: float) -> dict[str, jax.Array]:
    """The two factors of a dense kernel, for ``recoded``.

    Args:
      kernel: ``[C, D]``.
      share: of its parameters, that the factors have at most; rank 1 at the lowest.

    Returns:
      ``first`` and ``second``.

    Raises:
      ValueError: if the kernel is of a convolution, or the share is not 0 to 1.
    """
    check.rank("kernel", kernel, 2)
    check.between("share", share, 0.0, 1.0)
    rank = max(1, int(share * kernel.size / sum(kernel.shape)))
    return compress.svd(kernel, rank=rank)._asdict()


def multiplied(factors: dict[str, jax.Array], shape: tuple[int, ...]) -> jax.Array:
    """The kernel of two factors.

    Args:
      factors: of ``low_rank`` or ``compress.svd``.
      shape: of the kernel.

    Returns:
      The kernel.
    """
    first, second = factors["first"], factors["second"]
    return (first.reshape(-1, first.shape[-1]) @ second.reshape(-1, second.shape[-1])).reshape(shape)


def energetic(kernel: jax.Array, *, energy: float) -> dict[str, jax.Array]:
    """The two factors of a kernel, of the rank that holds a share of its energy; for ``recoded``.

    Args:
      kernel: dense or of a convolution.
      energy: share of the sum of its squared singular values, greater than 0, at most 1.

    Returns:
      ``first`` and ``second``.
    """
    return compress.svd(kernel, rank=compress.rank_of_energy(kernel, energy=energy))._asdict()


def tucker(kernel: jax.Array, *, share: float) -> dict[str, jax.Array]:
    """The three factors of a convolution's kernel, for ``recoded``.

    Args:
      kernel: ``[h, w, C, D]``.
      share: of its inputs and of its outputs, that the ranks are, rounded up.

    Returns:
      ``first``, ``core`` and ``last``.

    Raises:
      ValueError: if the share is 0, or not 0 to 1.
    """
    check.positive("share", share)
    check.between("share", share, 0.0, 1.0)
    ranks = (math.ceil(share * kernel.shape[2]), math.ceil(share * kernel.shape[3]))
    return compress.tucker2(kernel, ranks=ranks)._asdict()


def thrice(factors: dict[str, jax.Array], shape: tuple[int, ...]) -> jax.Array:
    """The kernel of three factors.

    Args:
      factors: of ``tucker``.
      shape: of the kernel, not used.

    Returns:
      The kernel ``[h, w, C, D]``.
    """
    first, last = (factors[name][0, 0] for name in ("first", "last"))
    return jnp.einsum("cr,ijrs,sd->ijcd", first, factors["core"], last)


def hashed(kernel: jax.Array, *, share: float) -> jax.Array:
    """The weights whose hashed kernel is nearest to a kernel, for ``recoded``.

    Args:
      kernel: of any shape.
      share: of its size, that the weights have.

    Returns:
      The weights.

    Raises:
      ValueError: if the share is not 0 to 1.
    """
    check.between("share", share, 0.0, 1.0)
    return compress.fold_kernel(kernel, buckets=max(1, int(share * kernel.size)))


def spread(weights: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The kernel of hashed weights.

    Args:
      weights: of ``hashed``.
      shape: of the kernel.

    Returns:
      The kernel.
    """
    return compress.hashed_kernel(weights, shape=shape)


def wrapped(kernel: jax.Array) -> jax.Array:
    """The column of the circulant matrix that is nearest to a kernel, filled up with zeros; for ``recoded``.

    Args:
      kernel: ``[..., D]``, taken as ``[C, D]``.

    Returns:
      ``[max(C, D)]``.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    side = max(matrix.shape)
    return compress.nearest_circulant(jnp.pad(matrix, [(0, side - n) for n in matrix.shape]).T)


def shifted(column: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The kernel of a circulant matrix.

    Args:
      column: of ``wrapped``.
      shape: of the kernel.

    Returns:
      The kernel.
    """
    return compress.circulant(column).T[: math.prod(shape[:-1]), : shape[-1]].reshape(shape)


def diagonals(kernel: jax.Array) -> dict[str, jax.Array]:
    """The Toeplitz matrix that is nearest to a kernel, the mean of each diagonal; for ``recoded``.

    Args:
      kernel: ``[..., D]``, taken as ``[C, D]``, whose transpose is the matrix.

    Returns:
      ``column [D]`` and ``row [C]``, the first of the matrix.
    """
    matrix = np.asarray(kernel).reshape(-1, kernel.shape[-1]).T
    below = [np.diagonal(matrix, -n).mean() for n in range(matrix.shape[0])]
    right = [np.diagonal(matrix, n).mean() for n in range(matrix.shape[1])]
    return {"column": jnp.asarray(below, kernel.dtype), "row": jnp.asarray(right, kernel.dtype)}


def aligned(numbers: dict[str, jax.Array], shape: tuple[int, ...]) -> jax.Array:
    """The kernel of a Toeplitz matrix.

    Args:
      numbers: of ``diagonals``.
      shape: of the kernel.

    Returns:
      The kernel.
    """
    unit = jnp.eye(math.prod(shape[:-1]))
    return compress.toeplitz_product(numbers["column"], numbers["row"], unit).reshape(shape)


def structures(pattern: str) -> dict[str, Callable]:
    """Steps that have a large kernel computed of a tenth of its numbers or less, or of what holds 90 % of its energy.

    Args:
      pattern: of the kernel.

    Returns:
      Steps by name.
    """
    ways = {
        "low rank, 90 % of the energy": (partial(energetic, energy=0.9), multiplied),
        "circulant": (wrapped, shifted),
        "Toeplitz": (diagonals, aligned),
        "hashed, 10 %": (partial(hashed, share=0.1), spread),
    }
    make = {name: {"encode": encode, "decode": decode} for name, (encode, decode) in ways.items()}
    return {name: partial(recoded, patterns=(pattern,), **how) for name, how in make.items()}


def _restored(params: Tree, *, shapes: Tree, decode: Callable, patterns: tuple[str, ...], path: str = "") -> Tree:
    """The kernels of what ``recoded`` trains."""
    if isinstance(shapes, dict):
        parts = {"decode": decode, "patterns": patterns}
        return {key: _restored(params[key], shapes=s, path=f"{path}/{key}", **parts) for key, s in shapes.items()}
    return decode(params, shapes) if any(re.search(pattern, path[1:]) for pattern in patterns) else params
