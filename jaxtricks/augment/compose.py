"""Putting augmentations together: over a batch, one after another, now and then."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.keys import named

Batch = dict[str, jax.Array]
Augment = Callable[[jax.Array, Batch], Batch]  # (key, batch) -> batch


def each(transform: Callable[[jax.Array, jax.Array], jax.Array]) -> Augment:
    """Turn a random function of one image into an augmentation of a batch: a key for every image, then vmap.

    Args:
      transform: ``(key, image[H, W, C]) -> image``.

    Returns:
      ``(key, batch) -> batch``; only ``batch["image"]``, ``[B, H, W, C]``, changes. It raises ValueError for images of
      another rank.
    """

    def augment(key: jax.Array, batch: Batch) -> Batch:
        image = batch["image"]
        check.rank('batch["image"]', image, 4)
        return {**batch, "image": jax.vmap(transform)(jax.random.split(key, image.shape[0]), image)}

    return augment


def chain(**stages: Augment) -> Augment:
    """Apply named augmentations one after another; each draws from the key of its own name.

    Adding, dropping or reordering a stage leaves the draws of the others as they were.

    Args:
      **stages: ``name=(key, batch) -> batch``, in order. None is allowed: the empty chain is the identity.

    Returns:
      ``(key, batch) -> batch``.

    Raises:
      TypeError: if a stage is no function.
    """
    for name, stage in stages.items():
        if not callable(stage):
            raise TypeError(f"chain: {name} is {stage!r}; allowed: a function (key, batch) -> batch.")

    def augment(key: jax.Array, batch: Batch) -> Batch:
        for name, stage in stages.items():
            batch = stage(named(key, name), batch)
        return batch

    return augment


def maybe(probability: float, transform: Callable[[jax.Array, jax.Array], jax.Array]) -> Callable:
    """Apply a random function of one image with a probability, else leave the image as it is.

    Args:
      probability: 0 to 1.
      transform: ``(key, image) -> image`` of the same shape.

    Returns:
      ``(key, image) -> image``.

    Raises:
      ValueError: if probability lies outside 0 to 1.
    """
    check.between("probability", probability, 0.0, 1.0)

    def apply(key: jax.Array, image: jax.Array) -> jax.Array:
        coin, draw = named(key, "maybe"), named(key, "transform")
        return jnp.where(jax.random.bernoulli(coin, probability), transform(draw, image), image)

    return apply
