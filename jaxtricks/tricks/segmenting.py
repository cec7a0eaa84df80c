"""Segmentation: an FCN baseline on any backbone, and the changes of its network, its loss and its targets.

The network of a recipe is ``network`` with a backbone; a trick changes one of its arguments and keeps the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp

from jaxtricks import augment, check, data, layers, models, tasks, train
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import detecting
from jaxtricks.tricks._columns import for_canvases
from jaxtricks.tricks.pixels import cross_entropy, mixup_pixels, smooth_pixels, with_auxiliary
from jaxtricks.tricks.trick import unset

__all__ = [
    "auxiliary",
    "baseline",
    "crop",
    "dilated",
    "mixup",
    "network",
    "only_masks",
    "pyramid",
    "shapes",
    "skips",
    "smoothing",
    "task_for",
    "unet",
]


def shapes(dataset: data.Dataset) -> data.Dataset:
    """Canvases of Fashion-MNIST's items, of five kinds, with their masks; images that have masks stay as they are.

    Args:
      dataset: Fashion-MNIST, or a part of it; or of ``data.masked``.

    Returns:
      ``only_masks`` of ``detecting.shapes``, or of the dataset; a mask holds 0 for the background and 1 + kind.

    Raises:
      DataError: if the images have no masks and cannot be put on canvases; the message names what takes them.
    """
    if "mask" not in dataset.train.columns:
        for_canvases(dataset, otherwise="images with PNGs of masks, or with a COCO file of outlines")
        dataset = detecting.shapes(dataset)
    return replace(only_masks(dataset), class_names=dataset.class_names)


def task_for(dataset: data.Dataset) -> train.Task:
    """Segmentation of the classes of a dataset, one or more, and the background.

    Args:
      dataset: with masks.

    Returns:
      ``tasks.segmentation``.
    """
    if dataset.classes is None:
        raise data.DataError(f"{dataset.name} has no classes; allowed: masks of one class or more.")
    return tasks.segmentation(dataset.classes + 1)


def only_masks(dataset: data.Dataset) -> data.Dataset:
    """The images and masks of a dataset, so that what neither mixes nor counts, such as boxes, is in no batch.

    Args:
      dataset: with the columns ``image`` and ``mask``.

    Returns:
      A dataset of these two columns.
    """
    parts = ({name: split[name] for name in ("image", "mask")} for split in (dataset.train, dataset.test))
    return data.from_columns(dataset.name, *parts, classes=dataset.classes)


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


def skips(recipe: Recipe, *, taps: Sequence[str], scaled: bool = False) -> Recipe:
    """Scores of finer maps are added on the way up, as in FCN-8s: sharper outlines at little cost.

    Args:
      recipe: of ``baseline``.
      taps: of the backbone, from fine to coarse.
      scaled: whether the vectors of each map have a learned length, 20 at first, as in ParseNet.

    Returns:
      The recipe with these maps.
    """
    _parts(recipe)
    return t.part(recipe, taps=tuple(taps), **({"tap_norm": layers.FeatureNorm} if scaled else {}))


def auxiliary(recipe: Recipe, *, tap: str, weight: float = 0.4) -> Recipe:
    """A second head with a loss of its own on an earlier map, which helps deep backbones to learn.

    Args:
      recipe: of ``baseline``, without such a head.
      tap: of the backbone.
      weight: of its loss, 0 or more; 0.4 in the paper.

    Returns:
      The recipe with head and loss.

    Raises:
      ValueError: if there is such a head, whose loss would then be that of the new one twice, or the weight is below 0.
    """
    check.between("weight", weight, 0.0, float("inf"))
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
    changed = {name: parts[name] for name in ("bins", "auxiliary", "tap_norm") if parts.get(name)}
    changed |= {} if len(parts["taps"]) == 1 else {"taps": parts["taps"]}
    body = getattr(parts["backbone"], "keywords", {})
    changed |= {name: body[name] for name in ("dilated", "source") if body.get(name)}
    if changed:
        raise ValueError(
            f"recipe.model has {changed}; allowed: a network that no trick has changed, for it is dropped."
        )
    kept = {name: parts[name] for name in ("kernel_init",) if name in parts}
    return replace(recipe, model=partial(models.unet, tuple(widths), **kept))


def smoothing(recipe: Recipe, *, alpha: float = 0.1) -> Recipe:
    """Label smoothing of every pixel that counts.

    Args:
      recipe: any whose loss reads soft targets of pixels.
      alpha: share of the target that the true class loses, 0 to 1.

    Returns:
      The recipe with these targets.
    """
    return t.smoothing(recipe, alpha=alpha, smooth=smooth_pixels)


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


def crop(recipe: Recipe, *, area: tuple[float, float] = (0.25, 1.0)) -> Recipe:
    """A random part of each image, at the size of the image, and its mask with it.

    Args:
      recipe: without an augmentation.
      area: minimum and maximum part of the image's area, within 0 to 1.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has an augmentation, which this would drop.
    """
    return replace(unset(recipe, "augment"), augment=augment.each_sample(partial(_crop, area=area)))


def _crop(key, sample, *, area):
    return augment.random_crop_sample(key, sample, size=sample["image"].shape[:2], area=area)


def baseline(**arguments: Any) -> Recipe:
    """FCN on the third map of a backbone: cross-entropy of every pixel, SGD, steps of the rate, no augmentation.

    Args:
      **arguments: of ``bag.standard``. A task with masks stays as it is; of another one the number of classes counts,
        beside which is the background.

    Returns:
      The recipe.
    """
    recipe = t.warm_up(t.standard(**arguments))
    columns = {column.name for column in recipe.task.columns}
    return replace(
        recipe,
        model=partial(network, backbone=arguments["model"], taps=("stage3",)),
        task=recipe.task if "mask" in columns else tasks.segmentation(recipe.task.outputs + 1),
        loss=cross_entropy,
        augment=None,
    )


def _parts(recipe: Recipe) -> dict[str, Any]:
    """The arguments of ``network`` in a recipe; ValueError if it has another."""
    if getattr(recipe.model, "func", None) is not network:
        raise ValueError(f"recipe.model is {recipe.model!r}; allowed: of `baseline`, with a backbone and a head.")
    return recipe.model.keywords  # pyright: ignore[reportFunctionMemberAccess]
