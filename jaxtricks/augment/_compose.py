"""Putting augmentations together: over a batch, one after another, now and then."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.core import Tracer

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.keys import named

Batch = dict[str, jax.Array]
Augment = Callable[[jax.Array, Batch], Batch]  # (key, batch) -> batch


def each(transform: Callable[[jax.Array, jax.Array], jax.Array], *, per: str = "sample", loop: bool = False) -> Augment:
    """Turn a random function of one image into an augmentation of a batch.

    Args:
      transform: ``(key, image[H, W, C]) -> image``.
      per: ``"sample"``, a key and so a draw for every image; or ``"batch"``, one draw for all of them. Where the
        transform branches, as policies and maybe do, a draw for each image means that all branches are computed for all
        images; one draw for the batch, only the branch that is drawn.
      loop: go through the images one after another instead of all at once, so that only the branch drawn for each is
        computed. That pays on a CPU. On a batch that is spread over devices put it inside shard_map: a loop is not
        spread by itself.

    Returns:
      ``(key, batch) -> batch``; only ``batch["image"]``, ``[B, H, W, C]``, changes. It raises ValueError for images of
      another rank.

    Raises:
      ValueError: on a wrong option.
    """
    check.option("per", per, ("sample", "batch"))
    check.option("loop", loop, (False, True))

    def augment(key: jax.Array, batch: Batch) -> Batch:
        _checks.entries(batch, "image")
        image = batch["image"]
        rows = image.shape[:1]
        keys = jax.random.split(key, rows) if per == "sample" else key
        if loop:
            keys = keys if per == "sample" else jnp.broadcast_to(keys, rows + jnp.shape(keys))  # a raw key has an axis
            arguments = keys, image
            if not isinstance(image, Tracer):  # a loop is compiled: let the transform see the numbers before
                jax.eval_shape(lambda keys: jax.vmap(transform)(keys, image), keys)
            return {**batch, "image": jax.lax.map(lambda one: transform(*one), arguments)}
        return {**batch, "image": jax.vmap(transform, (0 if per == "sample" else None, 0))(keys, image)}

    return augment


def keyless(transform: Callable) -> Callable:
    """Turn a function that draws nothing, of an image, a sample or a batch, into one with a key that it does not use.

    Args:
      transform: ``(data) -> data``, such as flip_left_right or ``partial(fixed_label_noise, share=0.2, classes=10)``.

    Returns:
      ``(key, data) -> data``, for each, each_sample and chain.
    """
    return lambda key, data: transform(data)


def chain(**steps: Augment) -> Augment:
    """Apply named augmentations one after another; each draws from the key of its own name.

    Adding, dropping or reordering a step leaves the draws of the others as they were.

    Args:
      **steps: ``name=(key, batch) -> batch``, in order. None is allowed: the empty chain is the identity.

    Returns:
      ``(key, batch) -> batch``.

    Raises:
      TypeError: if a step is no function.
    """
    for name, step in steps.items():
        if not callable(step):
            raise TypeError(f"chain: {name} is {step!r}; allowed: a function (key, batch) -> batch.")

    def augment(key: jax.Array, batch: Batch) -> Batch:
        for name, step in steps.items():
            batch = step(named(key, name), batch)
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
        heads = jax.random.bernoulli(coin, probability)
        return jax.lax.cond(heads, lambda image: transform(draw, image), lambda image: image, jnp.asarray(image))

    return apply
