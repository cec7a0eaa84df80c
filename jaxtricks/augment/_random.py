"""Noise for images: the numbers of jax.random, by a generator of our own that is faster on a CPU.

On a CPU jax.random runs the rounds of Threefry in a loop, which is slow for as many numbers as an image has; here they
are written out. ``python -m benchmarks.noise`` on two shared cores, jax 0.10.2
(``benchmarks/results/noise-2cores.json``): with jax.random, noise in 128 images of 224 px takes 3.6 times as long
(quartiles 3.0 to 4.1), and random erasing 4.4 times (2.9 to 4.8); in 8 images of 32 px, 2.2 and 1.6 times. Keys of
other generators go to jax.random, as do all where ``jax_threefry_partitionable`` is off: the numbers are others then.
"""

import math

import jax
import jax.numpy as jnp

ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)  # of Threefry-2x32; twenty rounds


def uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """jax.random.uniform: float32 in [0, 1)."""
    if not _is_written_out(key):
        return jax.random.uniform(key, shape)
    bits = (_bits(key, shape) >> 9) | jnp.uint32(0x3F800000)  # 1 to 2
    return jax.lax.bitcast_convert_type(bits, jnp.float32) - 1


def normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """jax.random.normal: float32, of mean 0 and variance 1."""
    if not _is_written_out(key):
        return jax.random.normal(key, shape)
    low = -1 + 2.0**-24
    return math.sqrt(2) * jax.lax.erf_inv(jnp.maximum(low, (1 - low) * uniform(key, shape) + low))


def _is_written_out(key: jax.Array) -> bool:
    return (
        isinstance(key, jax.Array)
        and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        and str(jax.random.key_impl(key)) == "threefry2x32"
        and jax.config.jax_threefry_partitionable  # pyright: ignore[reportAttributeAccessIssue]
    )


def _bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """32 random bits for each place, by its number: in two parts, or XLA computes them again in all that follows."""
    size = math.prod(shape)
    place = jax.lax.iota(jnp.uint32, -(-size // 2))
    words = jax.lax.map(lambda first: _threefry(key, first + place), jnp.arange(2, dtype=jnp.uint32) * len(place))
    return words.reshape(-1)[:size].reshape(shape)


def _threefry(key: jax.Array, count: jax.Array) -> jax.Array:
    """Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011; the two words of a block in one."""
    first, second = jax.random.key_data(key)
    keys = first, second, first ^ second ^ jnp.uint32(0x1BD11BDA)
    x, y = jnp.full_like(count, first), count + second
    for i in range(5):
        for rotation in ROTATIONS[i % 2]:
            x = x + y
            y = x ^ ((y << rotation) | (y >> (32 - rotation)))
        x, y = x + keys[(i + 1) % 3], y + keys[(i + 2) % 3] + jnp.uint32(i + 1)
    return x ^ y
