"""What is done to one update, without memory: centralisation and a limit on the weights of a unit."""

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check


def centralize() -> optax.GradientTransformation:
    r"""Subtract from the gradient of each output unit its mean.

    .. math:: g_{:,c} \leftarrow g_{:,c} - \mathrm{mean}(g_{:,c})

    A unit is the last axis of a kernel, as in ``[..., in, out]``; vectors and scalars pass. ``optax.centralize``
    averages over all axes but the first, which is right for kernels stored output first, and so not for these.

    Returns:
      The transformation.

    Reference:
      Yong et al., Gradient centralization, arXiv 2004.01461.
    """

    def center(update: jax.Array, _: jax.Array | None) -> jax.Array:
        return update - update.mean(tuple(range(update.ndim - 1)), keepdims=True) if update.ndim > 1 else update

    return optax.stateless_with_tree_map(center)  # pyright: ignore[reportArgumentType]


def max_norm(limit: float) -> optax.GradientTransformation:
    r"""Scale the weights that enter an output unit back to a norm, after the step.

    .. math:: w_{:,c} \leftarrow w_{:,c} \min(1, r / \lVert w_{:,c} \rVert_2), \quad w = p + u

    A unit is the last axis of a kernel, as in ``[..., in, out]``; vectors and scalars pass. Put it last in a chain;
    ``optax.masked`` chooses the kernels. The norm is kept up to rounding.

    Args:
      limit: r > 0.

    Returns:
      The transformation; it needs the parameters.

    Raises:
      ValueError: if limit is not positive, or the parameters are not given.

    Reference:
      Hinton et al., Improving neural networks by preventing co-adaptation of feature detectors, arXiv 1207.0580.
    """
    check.positive("limit", limit)

    def cap(update: jax.Array, param: jax.Array | None) -> jax.Array:
        if param is None:
            raise ValueError("params is None; allowed: the parameters.")
        if param.ndim < 2:
            return update
        wide = jnp.promote_types(param.dtype, jnp.float32)
        old = param.astype(wide)
        new = old + update.astype(wide)
        norm = jnp.sqrt(jnp.square(new).sum(tuple(range(new.ndim - 1)), keepdims=True))
        capped = new * (limit / jnp.maximum(norm, limit)) - old
        return jnp.where(norm <= limit, update.astype(wide), capped).astype(update.dtype)

    return optax.stateless_with_tree_map(cap)  # pyright: ignore[reportArgumentType]
