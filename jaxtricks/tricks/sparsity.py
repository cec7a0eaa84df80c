"""Weights that go by a pattern that hardware takes, a step of ``compression``; and an importance by the curvature."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import compress
from jaxtricks.tricks._kernels import base, on
from jaxtricks.tricks.compression import Network, example_losses, masked

__all__ = ["curvature", "n_of_m"]

Tree = Any


def n_of_m(network: Network, *, n: int, m: int, patterns: tuple[str, ...], batch: Tree, key: jax.Array) -> Network:
    """Of every m neighbours along the inputs of a kernel the n largest stay: 2 of 4 for sparse tensor cores.

    Args:
      network: whose parameters are arrays.
      n, m: as for ``compress.n_of_m_mask``.
      patterns: of the kernels, whose inputs are a multiple of m.
      batch, key: not used.

    Returns:
      The network, whose file has zeros in a sparse form.
    """
    base(network)
    everything = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), network.params)
    chosen = on(network.params, dict.fromkeys(patterns), lambda leaf, _: compress.n_of_m_mask(leaf, n=n, m=m))
    masks = jax.tree.map(lambda ones, leaf: leaf if leaf.dtype == bool else ones, everything, chosen)
    return masked(network, masks)


def curvature(network: Network, *, batch: Tree, key: jax.Array, samples: int = 32) -> Tree:
    """The importance by the Hessian's own diagonal, by products with random signs, for ``compression.pruned``.

    Fisher's diagonal of ``compression.second_order`` is its expectation at a minimum, and never negative. This one is
    of any point, and negative for a weight that lies on a ridge, or by the noise of few products; its magnitude counts,
    or the weights of the greatest effect would go first.

    Args:
      network: whose parameters are arrays.
      batch: images and targets.
      key: of the signs.
      samples: products, 1 or more.

    Returns:
      Scores like the parameters.
    """
    loss = example_losses(network, batch)

    @jax.jit
    def diagonal(params):
        return compress.hessian_diagonal(key, lambda p: loss(p, batch).mean(), params, samples=samples)

    size = jax.tree.map(jnp.abs, diagonal(network.params))
    return compress.saliency(network.params, network.params, hessian=size)
