"""Low-rank kernels: one layer becomes two or three smaller ones, whose product is the nearest of that rank."""

import heapq
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check


class Factors(NamedTuple):
    """Two layers in the place of one.

    Fields:
      first: the kernel from the inputs to ``rank`` features; no bias, no activation after it.
      second: the kernel from these to the outputs; the bias of the layer goes here.
    """

    first: jax.Array
    second: jax.Array


class Tucker(NamedTuple):
    """Three convolutions in the place of one.

    Fields:
      first: ``[1, 1, C, R]``.
      core: ``[h, w, R, S]``, with the strides and the padding of the layer.
      last: ``[1, 1, S, D]``; the bias of the layer goes here.
    """

    first: jax.Array
    core: jax.Array
    last: jax.Array


def svd(kernel: jax.Array, *, rank: int) -> Factors:
    r"""The nearest kernel of a rank, as two kernels; use it on wide layers whose singular values fall fast.

    .. math:: W = U S V^T \approx (U_r \sqrt{S_r}) (\sqrt{S_r} V_r^T)

    The error is the root of the sum of the squared singular values that are left out: no matrix of that rank is nearer
    (Eckart and Young). The kernel of a convolution is taken as ``[h w C, D]``: the first layer is h x w, the second
    1 x 1. There are fewer parameters only below the rank ``m n / (m + n)``.

    Args:
      kernel: ``[C, D]`` or ``[h, w, C, D]``, floating point.
      rank: r, 1 to the smaller side of the matrix. A Python integer.

    Returns:
      Factors: ``[C, r]`` and ``[r, D]``, or ``[h, w, C, r]`` and ``[1, 1, r, D]``; float32 or wider.

    Raises:
      ValueError: if the shape or the dtype is wrong, or the rank is less than 1 or above the smaller side.

    Example:
      >>> first, second = svd(jnp.array([[2.0, 0.0], [0.0, 1.0]]), rank=1)
      >>> print(np.asarray(first @ second).round(3))
      [[2. 0.]
       [0. 0.]]

    Reference:
      Denton et al., Exploiting linear structure within convolutional networks, arXiv 1404.0736.
    """
    matrix = _matrix(kernel)
    rank = _rank("rank", rank, min(matrix.shape))
    u, s, vt = jnp.linalg.svd(matrix, full_matrices=False)
    root = jnp.sqrt(s[:rank])
    first, second = u[:, :rank] * root[None], root[:, None] * vt[:rank]
    if kernel.ndim == 2:
        return Factors(first, second)
    return Factors(first.reshape(*kernel.shape[:-1], rank), second[None, None])


def tucker2(kernel: jax.Array, *, ranks: tuple[int, int]) -> Tucker:
    r"""A convolution as 1x1, h x w and 1x1: smaller than an SVD where both inputs and outputs are redundant.

    .. math:: W_{ijcd} \approx \sum_{rs} A_{cr} K_{ijrs} B_{ds}

    A and B are the leading singular vectors of the kernel unfolded by inputs and by outputs (higher-order SVD), and K
    is the projection on both. It is exact at full ranks, and within a factor of the root of two of the best otherwise.

    Args:
      kernel: ``[h, w, C, D]``, floating point.
      ranks: R and S, 1 to C and 1 to D. Python integers.

    Returns:
      Tucker, float32 or wider.

    Raises:
      ValueError: if the shape or the dtype is wrong, or a rank is out of range.

    Reference:
      Kim et al., Compression of deep convolutional neural networks for fast and low power mobile applications,
      arXiv 1511.06530.
    """
    check.rank("kernel", kernel, 4)
    matrix = _matrix(kernel)
    if not isinstance(ranks, (tuple, list)) or len(ranks) != 2:
        raise ValueError(f"ranks is {ranks!r}; allowed: two integers.")
    inputs = _rank("ranks[0]", ranks[0], kernel.shape[2])
    outputs = _rank("ranks[1]", ranks[1], kernel.shape[3])
    wide = matrix.reshape(kernel.shape)
    a = jnp.linalg.svd(jnp.moveaxis(wide, 2, 0).reshape(kernel.shape[2], -1), full_matrices=False)[0]
    b = jnp.linalg.svd(jnp.moveaxis(wide, 3, 0).reshape(kernel.shape[3], -1), full_matrices=False)[0]
    if min(a.shape[1] - inputs, b.shape[1] - outputs) < 0:  # an unfolding may have fewer columns than rows
        raise ValueError(f"ranks is {tuple(ranks)}; allowed: 1 to {a.shape[1]} and 1 to {b.shape[1]}.")
    a, b = a[:, :inputs], b[:, :outputs]
    core = jnp.einsum("ijcd,cr,ds->ijrs", wide, a, b)
    return Tucker(a[None, None], core, b.T[None, None])


def rank_of_energy(kernel: jax.Array, *, energy: float) -> int:
    r"""The smallest rank whose singular values hold a share of the energy; use it to choose the rank of ``svd``.

    .. math:: \min r : \sum_{i \le r} s_i^2 \ge e \sum_i s_i^2

    Args:
      kernel: as for ``svd``; its numbers are read, so this does not run under jit.
      energy: e, greater than 0, at most 1.

    Returns:
      A rank, 1 or more.

    Raises:
      ValueError: if the kernel or the share is wrong, or the kernel is zero or not finite.
    """
    if not isinstance(energy, check.NUMBERS) or not 0 < energy <= 1:
        raise ValueError(f"energy is {energy!r}; allowed: greater than 0, at most 1.")
    kept = np.cumsum(_energies("kernel", kernel))
    return int(np.searchsorted(kept, energy - 1e-12)) + 1 if energy < 1 else len(kept)


def ranks_of_budget(kernels: Mapping[str, jax.Array], *, budget: float) -> dict[str, int]:
    """The rank of each layer under one budget of parameters: more where a rank holds more of a layer's energy.

    All layers start at rank 1. Then the layer gets one more rank whose next singular value holds the largest share of
    its own energy for each parameter, until the next one would not fit. Where a rank costs the same in all layers, no
    other choice keeps more.

    Args:
      kernels: by name, each as for ``svd``; their numbers are read.
      budget: share of the parameters of these kernels that the factors may have, greater than 0, less than 1.

    Returns:
      A rank for each name.

    Raises:
      ValueError: if a kernel is wrong, the budget is out of range, or rank 1 in every layer does not fit.
    """
    if not isinstance(budget, check.NUMBERS) or not 0 < budget < 1:
        raise ValueError(f"budget is {budget!r}; allowed: greater than 0, less than 1.")
    if not kernels:
        raise ValueError("kernels is empty; allowed: one kernel or more.")
    energies = {name: _energies(name, kernel) for name, kernel in kernels.items()}
    cost = {name: int(np.prod(kernel.shape[:-1])) + kernel.shape[-1] for name, kernel in kernels.items()}
    left = budget * sum(kernel.size for kernel in kernels.values()) - sum(cost.values())
    if left < 0:
        raise ValueError(
            f"budget is {budget}; allowed: enough for rank 1 in every layer, {sum(cost.values())} numbers."
        )
    ranks = dict.fromkeys(kernels, 1)
    gains = [(-energies[name][1] / cost[name], name) for name in kernels if len(energies[name]) > 1]
    heapq.heapify(gains)
    while gains and cost[gains[0][1]] <= left:
        _, name = heapq.heappop(gains)
        ranks[name] += 1
        left -= cost[name]
        if ranks[name] < len(energies[name]):
            heapq.heappush(gains, (-energies[name][ranks[name]] / cost[name], name))
    return ranks


def _matrix(kernel) -> jax.Array:
    """The kernel as a matrix of inputs and outputs, float32 or wider."""
    check.rank("kernel", kernel, (2, 4))
    check.floating("kernel", kernel)
    if 0 in kernel.shape:
        raise ValueError(f"kernel has shape {kernel.shape}; allowed: no axis of size 0.")
    kernel = jnp.asarray(kernel)
    return kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32)).reshape(-1, kernel.shape[-1])


def _rank(name: str, rank, largest: int) -> int:
    rank = check.at_least(name, rank, minimum=1)
    if rank > largest:
        raise ValueError(f"{name} is {rank}; allowed: 1 to {largest}, the smaller side.")
    return rank


def _energies(name: str, kernel) -> np.ndarray:
    """The squared singular values as shares of their sum, falling."""
    matrix = np.asarray(_matrix(kernel), np.float64)
    if not np.isfinite(matrix).all() or not matrix.any():
        raise ValueError(f"{name} is zero or not finite; allowed: numbers, of which one is not 0.")
    energies = np.linalg.svd(matrix, compute_uv=False) ** 2
    return energies / energies.sum()
