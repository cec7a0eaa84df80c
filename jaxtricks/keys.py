"""Random keys folded by name, so that adding a trick never shifts the draws of another."""

import zlib

import jax
import jax.numpy as jnp


def named(key: jax.Array, name: str) -> jax.Array:
    """The key of one named consumer of randomness.

    ``key_name = fold_in(key, crc32(name))``: the key of ``"mixup"`` does not depend on who else draws, so two runs
    with the same seed that differ by one trick share every other draw (common random numbers).

    Args:
      key: a key, scalar, typed or raw.
      name: any text; the same text gives the same key, on every machine.

    Returns:
      A key, scalar, of the same kind.
    """
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def typed(keys: jax.Array) -> jax.Array:
    """Typed keys of typed or raw ones: for what must know where the axes of an array of keys end.

    Args:
      keys: of any shape, typed, as ``jax.random.key`` makes them, or raw, as ``jax.random.PRNGKey`` does:
        ``[..., 2]``, uint32.

    Returns:
      Typed keys of the same shape, without the last axis of raw ones.

    Raises:
      ValueError: if keys are neither.
    """
    if hasattr(keys, "dtype"):
        if jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
            return keys
        if keys.dtype == jnp.uint32 and keys.shape[-1:] == jax.random.key_data(jax.random.key(0)).shape:
            return jax.random.wrap_key_data(keys)
    raise ValueError(f"keys is {keys!r}; allowed: keys, as jax.random.key or jax.random.PRNGKey makes them.")
