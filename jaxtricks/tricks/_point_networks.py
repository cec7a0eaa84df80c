"""Networks that say a point of an image: two numbers, or a map with an offset a cell."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import models

SIZE, STRIDE = 64, 4  # pixels of a canvas, and of a cell of the maps
CELLS = SIZE // STRIDE


def regressor(*, backbone: Callable, classes: int, channels: int, tap: str | None = "stage3", **shared: Any):
    """Two numbers of an image: a dense layer on all of a map, or the backbone's own on its average.

    Args:
      backbone: ``(classes=, channels=, ...) -> Model``.
      classes: 2.
      channels: of the image.
      tap: the map, or None for the average of the last.
      **shared: of every model of a recipe: ``dtype``, ``axis_name``.

    Returns:
      The Model, whose output is ``[B, 2]``, in sides of the image from its centre.
    """
    body = backbone(classes=classes, channels=channels, **shared)
    if tap is None:
        return body
    image = jax.ShapeDtypeStruct((1, SIZE, SIZE, channels), jnp.float32)
    params, stats = jax.eval_shape(body.init, jax.random.key(0))
    (_, taps), _ = jax.eval_shape(partial(body.apply, train=False), params, stats, image)
    count = taps[tap].size

    def init(key):
        keys = jax.random.split(key)
        params, stats = body.init(keys[0])
        kernel = jax.nn.initializers.lecun_normal()(keys[1], (count, classes))
        return {"backbone": params, "head": {"kernel": kernel, "bias": jnp.zeros(classes)}}, stats

    def apply(params, stats, image, *, train, key=None):
        (_, taps), after = body.apply(params["backbone"], stats, image, train=train, key=key)
        flat = taps[tap].reshape(len(image), count).astype(jnp.float32)
        return (flat @ params["head"]["kernel"] + params["head"]["bias"][None], taps), after

    return models.Model(init, apply)  # pyright: ignore[reportArgumentType]


def mapper(*, backbone: Callable, classes: int, channels: int, dtype: Any = jnp.float32, axis_name: str | None = None):
    """A map of one number and an offset a cell, from a pyramid on two maps of the backbone.

    Args:
      backbone: ``(classes=, channels=, dtype=, axis_name=) -> Model``.
      classes: 2, not used.
      channels, dtype, axis_name: as of every model of a recipe.

    Returns:
      The Model, whose output is ``[B, H, W, 3]``: logits, and offsets x and y in cells.
    """
    body = backbone(classes=1, channels=channels, dtype=dtype, axis_name=axis_name)
    taps = ("stage2", "stage3")
    head = models.detector(body, taps=taps, classes=1, channels=channels, width=32, prior=0.1, dtype=dtype)

    def apply(params, stats, image, *, train, key=None):
        (out, taps), after = head.apply(params, stats, image, train=train, key=key)
        both = jnp.concatenate([out["score"], out["box"][..., :2]], -1)[:, : CELLS**2]
        return (both.reshape(len(image), CELLS, CELLS, 3), taps), after

    return models.Model(head.init, apply)  # pyright: ignore[reportArgumentType]
