"""Arrays that are written to memory once, where XLA's CPU compiler would compute them anew for each reader.

That compiler joins an operation that takes one large array, such as normalisation with ReLU, with every operation that
reads its result. A copy in another order of axes, which the gradient of a kernel needs, then computes it place by place
against the order in memory, and after a residual sum each block computes the blocks before it again. Of an operation
that takes two large arrays the result is kept as soon as one reader, such as a convolution, cannot be joined. Such are
a selection, of an array where it is equal to itself, which only a NaN is not, and a product with what such a selection
has made ones of.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxtricks.layers._sharding import explicit


def materialized(x: jax.Array) -> jax.Array:
    """x, bit for bit but for the sign of a NaN; its derivative is the identity.

    Args:
      x: any shape, floating point.

    Returns:
      x, on a CPU written to memory once; elsewhere, and on a mesh with explicit axes, as it is.
    """
    return x if explicit(x) else lax.platform_dependent(x, cpu=_selected, default=_as_it_is)


def materialized_gradient(y: jax.Array, tangent: jax.Array) -> jax.Array:
    """The tangent of y, whose transpose, the gradient, is written to memory once on a CPU.

    Args:
      y: the array, of any shape, floating point; kept until the gradient is computed.
      tangent: of y, the shape and dtype of y.

    Returns:
      The tangent; NaN where y is NaN, on a CPU.
    """
    if explicit(y, tangent):
        return tangent
    return lax.platform_dependent(y, tangent, cpu=_times_one, default=lambda y, tangent: tangent)


@jax.custom_jvp
def _selected(x):
    return jnp.where(x == x, x, -x)  # no constant that is NaN, for which jax_debug_nans would look


@_selected.defjvp
def _selected_jvp(primals, tangents):
    return _selected(*primals), tangents[0]


def _as_it_is(x):
    return x


def _times_one(y, tangent):
    y = lax.stop_gradient(y)
    return tangent * jnp.where(y == y, jnp.ones_like(y), y)
