"""Arithmetic at its edges: where the textbook form gives NaN, a stated value and a finite gradient."""

import jax
import jax.numpy as jnp


def absolute(x: jax.Array) -> jax.Array:
    """The absolute value, with gradient 0 at 0, where that of ``jnp.abs`` is 1."""
    return x * jnp.sign(x)


def ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """The quotient, 0 with gradient 0 where the denominator is not positive."""
    positive = denominator > 0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1.0), 0.0)


def root(square: jax.Array) -> jax.Array:
    """The square root, 0 with gradient 0 where the square is not positive."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1.0)), 0.0)


def norm(vectors: jax.Array, *, axis: int | tuple[int, ...], keepdims: bool = False) -> jax.Array:
    """The length, with gradient 0 at the zero vector."""
    return root(jnp.sum(vectors**2, axis=axis, keepdims=keepdims))


def unit(vectors: jax.Array, *, axis: int) -> jax.Array:
    """The direction; the zero vector stays zero."""
    length = norm(vectors, axis=axis, keepdims=True)
    return vectors / jnp.where(length > 0, length, 1.0)
