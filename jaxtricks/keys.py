"""Random keys folded by name, so that adding a trick never shifts the draws of another."""

import zlib

import jax


def named(key: jax.Array, name: str) -> jax.Array:
    """The key of one named consumer of randomness.

    ``key_name = fold_in(key, crc32(name))``: the key of ``"mixup"`` does not depend on who else draws, so two runs
    with the same seed that differ by one trick share every other draw (common random numbers).

    Args:
      key: a typed key, scalar.
      name: any text; the same text gives the same key, on every machine.

    Returns:
      A typed key, scalar.
    """
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
