"""On what kind of mesh an array lies."""

import jax
from jax.sharding import AxisType


def explicit(*arrays: jax.Array) -> bool:
    """Whether an array lies on a mesh with explicit axes, along which many operations want to know what comes out.

    Args:
      *arrays: arrays, or what stands for them while a program is traced.

    Returns:
      True or False.
    """
    kinds = [kind for array in arrays for kind in jax.typeof(array).sharding.mesh.axis_types]
    return AxisType.Explicit in kinds
