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
