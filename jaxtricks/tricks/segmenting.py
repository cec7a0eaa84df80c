"""Segmentation: an FCN baseline on any backbone, and the changes of its network, its loss and its targets.

The network of a recipe is ``network`` with a backbone; a trick changes one of its arguments and keeps the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks import augment, data, losses, models, tasks
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import detecting
from jaxtricks.tricks.trick import unset

__all__ = [
    "NAMES",
    "auxiliary",
    "baseline",
    "crop",
    "cross_entropy",
    "dilated",
    "mixup",
    "mixup_pixels",
    "network",
    "only_masks",
    "pyramid",
    "shapes",
    "skips",
    "smooth_pixels",
    "smoothing",
    "unet",
    "with_auxiliary",
]

NAMES = ("top", "trousers", "dress", "shoe", "bag")  # of detecting.KINDS


def shapes(dataset: data.Dataset) -> data.Dataset:
    """Canvases of Fashion-MNIST's items, of five kinds, with their masks.

    Args:
      dataset: Fashion-MNIST, or a part of it.

    Returns:
      ``only_masks`` of ``detecting.shapes``; a mask holds 0 for the background and 1 + kind.
    """
    canvases = only_masks(detecting.shapes(dataset))
    named = NAMES if dataset.name.startswith("fashion") and canvases.classes == len(NAMES) else None
    return replace(canvases, class_names=named)


def only_masks(dataset: data.Dataset) -> data.Dataset:
    """The images and masks of a dataset, so that what neither mixes nor counts, such as boxes, is in no batch.

    Args:
      dataset: with the columns ``image`` and ``mask``.

    Returns:
      A dataset of these two columns.
    """
    parts = ({name: split[name] for name in ("image", "mask")} for split in (dataset.train, dataset.test))
    return data.from_columns(dataset.name, *parts, classes=dataset.classes)


def cross_entropy(params, out, batch):
    """Softmax cross-entropy to the soft targets of the pixels, a mean over those that count.

    Args:
      params: not used.
      out: ``(logits [B, H, W, C], taps)``.
      batch: with ``target [B, H, W, C]``, whose rows sum to 1, or to 0 where a pixel counts nothing.

    Returns:
      Float ``[B]``.
    """
    target = batch["target"]
    total = optax.softmax_cross_entropy(out[0], target).sum((1, 2))
    return total / jnp.maximum(target.sum((1, 2, 3)), 1.0)


def with_auxiliary(params, out, batch, *, loss: Callable, weight: float):
    """A loss of the logits plus a share of that of the auxiliary head's.

    Args:
      params, batch: as for ``loss``.
      out: ``(logits [B, H, W, C], taps)`` with the tap ``auxiliary``, of the same shape.
      loss: ``(params, out, batch) -> [B]``.
      weight: of the second, 0 or more.

    Returns:
      Float ``[B]``.
    """
    logits, taps = out
    return loss(params, (logits, taps), batch) + weight * loss(params, (taps["auxiliary"], taps), batch)


def network(
    *,
    backbone: Callable,
    classes: int,
    channels: int,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
    kernel_init: Callable | None = None,
    **parts: Any,
) -> models.Model:
    """FCN or PSPNet on a backbone of the experiments.

    Args:
      backbone: ``(classes=, channels=, dtype=, axis_name=) -> Model``.
      classes, channels, dtype, axis_name: as of every model of a recipe.
      kernel_init: of backbone and heads, or None for their own.
      **parts: of ``models.segmenter``: ``taps``, ``bins``, ``auxiliary`` and others.

    Returns:
      The Model.
    """
    shared: dict[str, Any] = {"channels": channels, "dtype": dtype, "axis_name": axis_name}
    shared |= {} if kernel_init is None else {"kernel_init": kernel_init}
    return models.segmenter(backbone(classes=1, **shared), classes=classes, **shared, **parts)


def dilated(recipe: Recipe, *, stages: int = 2) -> Recipe:
    """The last stages keep the resolution, by dilated kernels: finer maps and outlines, for more computation.

    Args:
      recipe: of ``baseline``, on a ResNet.
      stages: how many, 1 to the number that halve.

    Returns:
      The recipe with that backbone.
    """
    body = partial(_parts(recipe)["backbone"], dilated=stages)
    return t.part(recipe, backbone=body)


def pyramid(recipe: Recipe, *, bins: Sequence[int] = (1, 2, 3, 6)) -> Recipe:
    """PSPNet's pyramid of averages: every pixel sees what is elsewhere in the image.

    Args:
      recipe: of ``baseline``.
      bins: of the pyramid.

    Returns:
      The recipe with that head.
    """
    _parts(recipe)
    return t.part(recipe, bins=tuple(bins))


def skips(recipe: Recipe, *, taps: Sequence[str]) -> Recipe:
    """Scores of finer maps are added on the way up, as in FCN-8s: sharper outlines at little cost.

    Args:
      recipe: of ``baseline``.
      taps: of the backbone, from fine to coarse.

    Returns:
      The recipe with these maps.
    """
    _parts(recipe)
    return t.part(recipe, taps=tuple(taps))


def auxiliary(recipe: Recipe, *, tap: str, weight: float = 0.4) -> Recipe:
    """A second head with a loss of its own on an earlier map, which helps deep backbones to learn.

    Args:
      recipe: of ``baseline``, without such a head.
      tap: of the backbone.
      weight: of its loss, 0 or more; 0.4 in the paper.

    Returns:
      The recipe with head and loss.

    Raises:
      ValueError: if there is such a head, whose loss would then be that of the new one twice.
    """
    if (tap_now := _parts(recipe).get("auxiliary")) is not None:
        raise ValueError(f"recipe.model has an auxiliary head on {tap_now!r}; allowed: none, for it would be dropped.")
    return replace(t.part(recipe, auxiliary=tap), loss=partial(with_auxiliary, loss=recipe.loss, weight=weight))


def unet(recipe: Recipe, *, widths: Sequence[int]) -> Recipe:
    """A U-Net in the place of backbone and head.

    Args:
      recipe: of ``baseline``, whose network no trick has changed but for ``kernel_init``.
      widths: of its levels.

    Returns:
      The recipe with that network.

    Raises:
      ValueError: if a trick has changed backbone or head, which this would drop.
    """
    parts = _parts(recipe)
    changed = {name: parts[name] for name in ("bins", "auxiliary") if parts.get(name)}
    changed |= {} if len(parts["taps"]) == 1 else {"taps": parts["taps"]}
    changed |= {name: value for name, value in _keywords(parts["backbone"]).items() if value}
    if changed:
        raise ValueError(
            f"recipe.model has {changed}; allowed: a network that no trick has changed, for it is dropped."
        )
    kept = {name: parts[name] for name in ("kernel_init",) if name in parts}
    return replace(recipe, model=partial(models.unet, tuple(widths), **kept))


def smooth_pixels(targets: jax.Array, alpha: float) -> jax.Array:
    """The paper's label smoothing of the pixels that count.

    Args:
      targets: ``[..., C]``, one-hot, or 0 for all classes where a pixel counts nothing.
      alpha: share that the true class loses, 0 to 1.

    Returns:
      ``[..., C]``, still 0 where a pixel counts nothing.
    """
    counts = targets.sum(-1, keepdims=True)
    return counts * losses.smooth_labels_exclusive(targets, alpha)


def smoothing(recipe: Recipe, *, alpha: float = 0.1) -> Recipe:
    """Label smoothing of every pixel that counts.

    Args:
      recipe: any whose loss reads soft targets of pixels.
      alpha: share of the target that the true class loses, 0 to 1.

    Returns:
      The recipe with these targets.
    """
    return t.smoothing(recipe, alpha=alpha, smooth=smooth_pixels)


def mixup_pixels(key: jax.Array, batch: dict[str, jax.Array], *, alpha: float = 0.2) -> dict[str, jax.Array]:
    """Mixup of images and of the targets of their pixels, by one weight for the batch.

    Args:
      key: a typed key.
      batch: ``image [B, H, W, K]`` and ``target [B, H, W, C]``; ``mask``, which does not mix, is left out.
      alpha: parameter of the Beta distribution of the weight, > 0.

    Returns:
      The batch without ``mask``.

    Raises:
      ValueError: as ``augment.mixup``: boxes do not mix either.
    """
    target = batch["target"]
    flat = {name: value for name, value in batch.items() if name != "mask"}
    mixed = augment.mixup(key, flat | {"target": target.reshape(target.shape[0], -1)}, alpha=alpha)
    return mixed | {"target": mixed["target"].reshape(target.shape)}


def mixup(recipe: Recipe, *, alpha: float = 0.2) -> Recipe:
    """Mixup of images and of the targets of their pixels.

    Args:
      recipe: whose loss reads soft targets of pixels, and without a mix.
      alpha: parameter of the Beta distribution of the weight, > 0.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has a mix, which this would drop.
    """
    return replace(unset(recipe, "mix"), mix=partial(mixup_pixels, alpha=alpha))


def crop(recipe: Recipe, *, size: int, area: tuple[float, float] = (0.25, 1.0)) -> Recipe:
    """A random part of each image, at the size of the image, and its mask with it.

    Args:
      recipe: without an augmentation.
      size: height and width of the images.
      area: minimum and maximum part of the image's area, within 0 to 1.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has an augmentation, which this would drop.
    """
    step = partial(augment.random_crop_sample, size=size, area=area)
    return replace(unset(recipe, "augment"), augment=augment.each_sample(step))


def baseline(**arguments: Any) -> Recipe:
    """FCN on the third map of a backbone: cross-entropy of every pixel, SGD, steps of the rate, no augmentation.

    Args:
      **arguments: of ``bag.standard``; of the task the number of classes counts, beside which is the background.

    Returns:
      The recipe.
    """
    recipe = t.warm_up(t.standard(**arguments))
    return replace(
        recipe,
        model=partial(network, backbone=arguments["model"], taps=("stage3",)),
        task=tasks.segmentation(recipe.task.outputs + 1),
        loss=cross_entropy,
        augment=None,
    )


def _parts(recipe: Recipe) -> dict[str, Any]:
    """The arguments of ``network`` in a recipe; ValueError if it has another."""
    if getattr(recipe.model, "func", None) is not network:
        raise ValueError(f"recipe.model is {recipe.model!r}; allowed: of `baseline`, with a backbone and a head.")
    return recipe.model.keywords  # pyright: ignore[reportFunctionMemberAccess]


def _keywords(build: Callable) -> dict[str, Any]:
    return dict(getattr(build, "keywords", {}))
