"""Arrays of devices as NumPy arrays of this host, also where several processes share them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils


def to_host(tree: Any) -> Any:
    """Replicated (or single-process) arrays as NumPy arrays; anything else as it is.

    Args:
      tree: a pytree.

    Returns:
      A pytree of the same structure.
    """
    return jax.tree.map(
        lambda x: np.asarray(x if x.is_fully_addressable else x.addressable_data(0)) if isinstance(x, jax.Array) else x,
        tree,
    )


def row(tree: Any, i: int) -> Any:
    """What stands at one place of the first axis of every array, in arrays of their own.

    On a CPU memory is the host's, and an operation on a sharded array takes a millisecond: there rows are copied by
    NumPy, to the default device.

    Args:
      tree: a pytree of arrays.
      i: the place.

    Returns:
      A pytree of the same structure.
    """
    if jax.default_backend() != "cpu" or jax.process_count() > 1:
        return jax.tree.map(lambda x: x[i], tree)

    def on_host(x):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(np.asarray(jax.random.key_data(x))[i], impl=jax.random.key_impl(x))
        return np.asarray(x)[i]

    return jax.device_put(jax.tree.map(on_host, tree), may_alias=False)


def copies(tree: Any) -> Any:
    """Arrays of their own, which a later step does not donate."""
    return jax.tree.map(jnp.copy, tree)


def gathered(array: jax.Array) -> np.ndarray:
    """All rows of an array of which each process has a part; all processes call it together.

    Args:
      array: spread over its first axis, or not at all.

    Returns:
      The array.
    """
    if array.is_fully_addressable:
        return np.asarray(array)
    return np.asarray(multihost_utils.process_allgather(array, tiled=True))
