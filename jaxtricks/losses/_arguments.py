"""What the losses ask of their arguments: float32 or wider inside, and a label out of range made visible."""

import jax
import jax.numpy as jnp
from jax.experimental import checkify

from jaxtricks import check


def wide(name: str, array, *, rank: int = 0) -> jax.Array:
    """The floating-point array, of ``rank`` axes or more, in float32 or wider."""
    check.min_rank(name, array, rank)
    check.floating(name, array)
    return jnp.asarray(array, jnp.promote_types(jnp.result_type(array), jnp.float32))


def scores(name: str, array) -> jax.Array:
    """Scores of at least one class, ``[..., C]``, in float32 or wider."""
    array = wide(name, array, rank=1)
    if array.shape[-1] == 0:
        raise ValueError(f"{name} has shape {array.shape}, no class; allowed: 1 class or more.")
    return array


def like(name: str, array, other_name: str, other) -> jax.Array:
    """The floating-point array, of the shape of ``other``, in float32 or wider."""
    check.same_shape(name, array, other_name, other)
    return wide(name, array)


def class_counts(counts) -> jax.Array:
    """How often each of one class or more occurs, ``[C]``, integers or floating point, as float32."""
    check.rank("counts", counts, 1)
    check.number("counts", counts)
    return scores("counts", jnp.asarray(counts, jnp.float32))


def in_range(labels: jax.Array, classes: int) -> jax.Array:
    """Which labels lie in 0 to ``classes - 1``; under ``checkify.checkify`` a label that does not is an error."""
    is_class = (labels >= 0) & (labels < classes)
    checkify.debug_check(jnp.all(is_class), f"labels lie outside 0 to {classes - 1}")
    return is_class


def label_mask(labels, logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The true class as a mask, ``[..., C]``, and whether there is one, ``[...]``."""
    check.integer("labels", labels)
    check.shape("labels", labels, logits.shape[:-1])
    labels, classes = jnp.asarray(labels), logits.shape[-1]
    return jax.nn.one_hot(labels, classes, dtype=bool), in_range(labels, classes)


def rows(table: jax.Array, labels) -> tuple[jax.Array, jax.Array]:
    """Row ``labels`` of the table (row 0 where there is none), and whether there is one, ``[...]``."""
    check.integer("labels", labels)
    labels = jnp.asarray(labels)
    is_class = in_range(labels, table.shape[0])
    return table[jnp.where(is_class, labels, 0)], is_class
