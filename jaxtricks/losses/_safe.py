"""Arithmetic at its edges: where the textbook form gives NaN, a stated value and a finite gradient."""

import jax
import jax.numpy as jnp


def absolute(x: jax.Array) -> jax.Array:
    """The absolute value, with gradient 0 at 0, where that of ``jnp.abs`` is 1."""
    return x * jnp.sign(x)


def ratio(numerator: jax.Array | float, denominator: jax.Array) -> jax.Array:
    """The quotient, 0 with gradient 0 where the denominator is 0 or less; NaN where it is NaN."""
    empty = denominator <= 0
    return jnp.where(empty, 0.0, numerator / jnp.where(empty, 1.0, denominator))


def root(square: jax.Array) -> jax.Array:
    """The square root, 0 with gradient 0 where the square is 0 or less; NaN where it is NaN."""
    empty = square <= 0
    return jnp.where(empty, 0.0, jnp.sqrt(jnp.where(empty, 1.0, square)))


def norm(vectors: jax.Array, *, axis: int | tuple[int, ...], keepdims: bool = False) -> jax.Array:
    """The length, with gradient 0 at the zero vector."""
    return root(jnp.sum(vectors**2, axis=axis, keepdims=keepdims))


def unit(vectors: jax.Array, *, axis: int) -> jax.Array:
    """The direction; the zero vector stays zero."""
    length = norm(vectors, axis=axis, keepdims=True)
    return vectors / jnp.where(length == 0, 1.0, length)


@jax.custom_jvp
def softplus(x: jax.Array) -> jax.Array:
    """Log of 1 + e^x, in fewer passes over x than ``jax.nn.softplus`` and its gradient take."""
    return jnp.maximum(x, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


softplus.defjvps(lambda tangent, value, x: tangent * jax.nn.sigmoid(x))
