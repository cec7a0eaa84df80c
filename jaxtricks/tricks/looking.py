"""Attention cropping: the network looks at each image, and then at the part of it that it looked at."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax

from jaxtricks import augment, models
from jaxtricks.keys import named
from jaxtricks.train import Recipe

__all__ = ["closer", "look_closer", "twice"]


def closer(build: Callable, *, tap: str, threshold: tuple[float, float], **arguments: Any) -> models.Model:
    """The network that, in training, also sees the box where its own map of the class that it decides for is high.

    Args:
      build: ``(**arguments) -> Model`` whose last layer ``head`` sees the average of the map ``tap``.
      tap: of the last map.
      threshold: as for ``augment.cam_crop``.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model; the logits of the crops are the tap ``closer``, in training alone, for which ``apply`` needs a key.
    """
    model = build(**arguments)

    def apply(params, stats, image, *, train, key=None):
        (logits, taps), after = model.apply(params, stats, image, train=train, key=key)
        if not train:
            return (logits, taps), after
        if key is None:
            raise ValueError("key is None; allowed: a key, for the crops are drawn.")
        keys = jax.random.split(key, len(image)) if key.ndim == 0 else key
        weights = params["head"]["kernel"].T[logits.argmax(-1)].astype(taps[tap].dtype)
        cams = jax.vmap(augment.class_activation)(taps[tap], weights)
        cut = partial(augment.cam_crop, size=image.shape[1:3], threshold=threshold)
        crops = jax.vmap(lambda key, image, cam: cut(named(key, "crop"), image, cam))(keys, image, cams)
        again = jax.vmap(lambda key: named(key, "closer"))(keys)
        (second, _), after = model.apply(params, after, jax.lax.stop_gradient(crops), train=True, key=again)
        return (logits, {**taps, "closer": second}), after

    return models.Model(model.init, apply)  # pyright: ignore[reportArgumentType]


def twice(params, out, batch, *, loss: Callable):
    """The mean of the losses of an image and of its crop; in evaluation the image's.

    Args:
      params: as for ``loss``.
      out: of ``closer``.
      batch: as for ``loss``.
      loss: ``(params, out, batch) -> [B]``, which reads no tap.

    Returns:
      Float ``[B]``.
    """
    first = loss(params, out, batch)
    return first if "closer" not in out[1] else (first + loss(params, (out[1]["closer"], {}), batch)) / 2


def look_closer(recipe: Recipe, *, tap: str = "stage3", threshold: tuple[float, float] = (0.4, 0.6)) -> Recipe:
    """Crops guided by the class activation map of the network that is trained, beside the images; twice the work.

    Args:
      recipe: of a classification, whose loss reads no tap.
      tap: the network's last map, whose average its last layer sees.
      threshold: smallest and largest part of the map's greatest value that a crop holds, within 0 to 1.

    Returns:
      The recipe.

    Reference: Hu et al., arXiv 1901.09891, whose maps are attention maps of their own.
    """
    model = partial(closer, recipe.model, tap=tap, threshold=threshold)
    return replace(recipe, model=model, loss=partial(twice, loss=recipe.loss))
