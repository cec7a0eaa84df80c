"""Augmentations of images with boxes, as tricks of a detector's recipe."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from jaxtricks import augment, check
from jaxtricks.train import Recipe
from jaxtricks.tricks.trick import unset


def flip(recipe: Recipe) -> Recipe:
    """Mirrored images, with their boxes.

    Args:
      recipe: without an augmentation.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has one, which this would drop.
    """
    return replace(unset(recipe, "augment"), augment=augment.each_sample(augment.random_flip_sample))


def affine(recipe: Recipe) -> Recipe:
    """Images moved, scaled and turned a little, whose boxes follow.

    Args:
      recipe: without an augmentation.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has one, which this would drop.
    """
    move = partial(augment.random_affine_sample, angle=5.0, shift=0.1, scale=(0.8, 1.25), visible=0.3)
    return replace(unset(recipe, "augment"), augment=augment.each_sample(move))


def mosaic(recipe: Recipe, *, scale: tuple[float, float] = (1.0, 1.0)) -> Recipe:
    """Four images in one, each at a random scale.

    Args:
      recipe: without an augmentation.
      scale: as for ``augment.mosaic``.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has one, which this would drop.
    """
    return replace(unset(recipe, "augment"), augment=partial(without_masks, step=partial(_four, scale=scale)))


def _four(key, batch, *, scale):
    instances = tuple(name for name in ("box_label", "box_crowd") if name in batch)
    return augment.mosaic(key, batch, scale=scale, visible=0.3, instances=instances)


def multi_scale(
    recipe: Recipe, *, factors: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5), fill: float = 114 / 255
) -> Recipe:
    """Training at several sizes, one a step: all images of a batch smaller or larger, in a frame of their size.

    A step is compiled once, so that the frame stays: around a smaller image is grey, and of a larger one a part is
    seen, both at a random place, another one for each image. In YOLO the network itself sees another size every ten
    steps, which costs or saves time.

    Args:
      recipe: without an augmentation.
      factors: of height and width, one of which is drawn for a batch, greater than 0.
      fill: value of what is around a smaller image, 0 to 1.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has an augmentation, which this would drop, there is no factor, or one is not greater than 0.
    """
    if not factors:
        raise ValueError(f"factors is {factors!r}; allowed: one or more.")
    for factor in factors:
        check.positive("factor", factor)
    check.between("fill", fill, 0.0, 1.0)
    scaled = partial(_scaled, factors=tuple(factors), fill=fill)
    return replace(unset(recipe, "augment"), augment=partial(without_masks, step=scaled))


def _scaled(key, batch, *, factors, fill):
    of_factor, of_place = jax.random.split(key)
    number = jax.random.randint(of_factor, (), 0, len(factors))
    branches = [partial(_framed, factor=factor, fill=fill) for factor in factors]
    return jax.lax.switch(number, branches, of_place, batch)


def _framed(key, batch, *, factor, fill):
    """Images at a factor of their size in a frame of their size, each at a random place, their boxes with them."""
    count, height, width = batch["image"].shape[:3]
    tall, wide = max(1, round(factor * height)), max(1, round(factor * width))
    batch = augment.multi_scale(batch, size=(tall, wide))

    def one(key, sample):
        free = jnp.array([height - tall, width - wide])
        top, left = jax.random.randint(key, (2,), jnp.minimum(free, 0), jnp.maximum(free, 0) + 1)
        move = jnp.eye(3).at[:2, 2].set(jnp.stack([left, top]).astype(jnp.float32))
        frame = jnp.full((max(height, tall), max(width, wide), sample["image"].shape[-1]), fill, sample["image"].dtype)
        at = jnp.maximum(jnp.stack([top, left]), 0)
        frame = jax.lax.dynamic_update_slice(frame, sample["image"], (at[0], at[1], 0))
        seen = jnp.maximum(-jnp.stack([top, left]), 0)
        image = jax.lax.dynamic_slice(frame, (seen[0], seen[1], 0), (height, width, frame.shape[-1]))
        return augment.move_labels(sample, move, size=(height, width), visible=0.3) | {"image": image}

    return jax.vmap(one)(jax.random.split(key, count), batch)


def without_masks(key, batch, *, step: Callable):
    """An augmentation of images and boxes, where masks of items would not follow.

    Args:
      key, batch: as ``step`` takes them; ``mask`` is left out.
      step: ``(key, batch) -> batch``.

    Returns:
      The batch after the step.
    """
    return step(key, {name: column for name, column in batch.items() if name != "mask"})


def copy_paste(recipe: Recipe, *, flipped: bool = False) -> Recipe:
    """Items of another image of the batch are pasted onto every image by their masks, each with a chance of a half.

    Args:
      recipe: without an augmentation, for canvases of ``shapes`` with ``instances``.
      flipped: whether images are mirrored at random before.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has an augmentation, which this would drop.
    """
    first = {"flip": augment.each_sample(augment.random_flip_sample)} if flipped else {}
    paste = partial(augment.copy_paste, visible=0.3, instances=("box_label",))
    return replace(unset(recipe, "augment"), augment=augment.chain(**first, paste=paste))
