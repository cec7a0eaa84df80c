"""Hashed weights: every weight of a layer is one of a few, chosen by a hash of its place, so that no index is kept."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check


def hash_places(count: int, *, buckets: int, seed: int = 0) -> tuple[jax.Array, jax.Array]:
    r"""A bucket and a sign for each place, by a pure function of place and seed: murmur's finaliser of 32 bits.

    .. math:: b_i = h(2 i, s) \bmod K, \quad \xi_i = 1 - 2 (h(2 i + 1, s) \bmod 2)

    Args:
      count: N, 1 to 2^31.
      buckets: K, 1 or more.
      seed: s, 0 to 2^32 - 1.

    Returns:
      Buckets, int32 ``[N]``, and signs, float32 ``[N]``. The signs make the inner product of two hashed vectors
      unbiased.

    Raises:
      ValueError: if an argument is out of range.

    Reference:
      Chen et al., Compressing neural networks with the hashing trick, arXiv 1504.04788; murmur3 by Appleby.
    """
    count = check.at_least("count", count, minimum=1)
    buckets = check.at_least("buckets", buckets, minimum=1)
    seed = check.at_least("seed", seed)
    for name, value, limit in (("count", count, 2**31), ("buckets", buckets, 2**31 - 1), ("seed", seed, 2**32 - 1)):
        if value > limit:
            raise ValueError(f"{name} is {value}; allowed: at most {limit}.")
    start = jnp.uint32((seed * 0x9E3779B9) % 2**32)

    def mixed(x):
        x = x ^ start
        x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
        x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
        return x ^ (x >> 16)

    twice = 2 * jnp.arange(count, dtype=jnp.uint32)
    signs = 1.0 - 2.0 * (mixed(twice + 1) % 2).astype(jnp.float32)
    return (mixed(twice) % jnp.uint32(buckets)).astype(jnp.int32), signs


def hashed_kernel(weights: jax.Array, *, shape: tuple[int, ...], seed: int = 0) -> jax.Array:
    """A kernel of few weights that are spread by a hash; train the weights, and keep them and the seed.

    Args:
      weights: ``[K]``, floating point.
      shape: of the kernel.
      seed: of the layer, 0 to 2^32 - 1.

    Returns:
      The kernel, in the dtype of the weights; the gradient of a weight is the signed sum over its places.

    Raises:
      ValueError: if weights is no vector of floating-point numbers, or shape or seed is wrong.

    Reference:
      Chen et al., Compressing neural networks with the hashing trick, arXiv 1504.04788.
    """
    check.rank("weights", weights, 1)
    check.floating("weights", weights)
    if not hasattr(shape, "__len__"):
        raise ValueError(f"shape is {shape!r}; allowed: integers of 1 or more, in a tuple.")
    shape = tuple(check.at_least(f"shape[{axis}]", size, minimum=1) for axis, size in enumerate(shape))
    buckets, signs = hash_places(int(np.prod(shape)), buckets=weights.size, seed=seed)
    weights = jnp.asarray(weights)
    return (weights[buckets] * signs.astype(weights.dtype)).reshape(shape)


def fold_kernel(kernel: jax.Array, *, buckets: int, seed: int = 0) -> jax.Array:
    """The weights whose hashed kernel is nearest to a trained one: the signed means of the buckets.

    Args:
      kernel: of any shape, floating point.
      buckets: K, 1 or more.
      seed: of the layer.

    Returns:
      ``[K]``; a bucket without a place has 0.

    Raises:
      ValueError: if the dtype is wrong, or an option out of range.
    """
    check.floating("kernel", kernel)
    flat = jnp.asarray(kernel).reshape(-1)
    places, signs = hash_places(flat.size, buckets=buckets, seed=seed)
    total = jnp.zeros(buckets, flat.dtype).at[places].add(flat * signs.astype(flat.dtype))
    return total / jnp.maximum(jnp.zeros(buckets, flat.dtype).at[places].add(1), 1)


def index_dtype(count: int) -> type:
    """The smallest unsigned integer that holds 0 to count - 1."""
    return next(kind for kind, bits in ((np.uint8, 8), (np.uint16, 16), (np.uint32, 32)) if count <= 2**bits)
