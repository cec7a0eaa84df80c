"""Augmentations as tricks: steps by name that add up, ways to mix a batch, FixRes, and grey images in colours."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import augment, data, optim
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing, looking, published
from jaxtricks.tricks._columns import class_count, in_memory
from jaxtricks.tricks.regularizers import wrapped
from jaxtricks.tricks.trick import Trick, set_fields

__all__ = [
    "CIFAR10_COLORS",
    "COLOR",
    "CROP",
    "ERASED",
    "EVERYTHING",
    "FLIP",
    "MIXED",
    "MORE",
    "OTHERS",
    "POLICIES",
    "augmented",
    "fix_resolution",
    "half_cutout",
    "mix",
    "resized_crop",
    "several",
    "smaller",
    "stage",
    "staged",
    "tinted",
    "together",
    "without_convolutions",
]

# Of the 50,000 training images: augment.fit_color_pca(data.load("cifar10.npz").train["image"])
CIFAR10_COLORS = augment.ColorPCA(
    jnp.array([0.0029, 0.0139, 0.1719]),
    jnp.array([[0.4356, -0.7063, -0.5580], [-0.8151, -0.0464, -0.5775], [0.3820, 0.7063, -0.5960]]),
)


def staged(key, batch, **steps: Callable):
    """``augment.chain`` as a function whose steps can be read from a partial of it, and added to.

    Args:
      key: one key.
      batch: as an augmentation gets it.
      **steps: ``(key, batch) -> batch`` by name, in order.

    Returns:
      The batch after all steps.
    """
    return augment.chain(**steps)(key, batch)


def augmented(recipe: Recipe, **steps: Callable) -> Recipe:
    """More steps of augmentation, after those that are there; a step has the draws of its name, whatever the others.

    Args:
      recipe: without augmentation, or with one of this function's.
      **steps: ``(key, batch) -> batch`` by new names, in order.

    Returns:
      The recipe with these steps too.

    Raises:
      ValueError: if the recipe's augmentation was made otherwise, or has a step of this name.
    """
    before = recipe.augment
    if before is not None and not (isinstance(before, partial) and before.func is staged):
        raise ValueError(f"recipe.augment is {before!r}; allowed: None, or what augmented made.")
    present = {} if before is None else before.keywords
    if set(present) & set(steps):
        raise ValueError(f"steps are {', '.join(steps)}; allowed: none of {', '.join(present)}, which are there.")
    return replace(recipe, augment=partial(staged, **present, **steps))


def together(recipe: Recipe, *, tricks: Sequence[Trick]) -> Recipe:
    """Several tricks as one, to measure what they do to each other.

    Args:
      recipe: any.
      tricks: in the order in which they change it.

    Returns:
      The recipe with all of them.
    """
    for trick in tricks:
        recipe = trick.change(recipe)
    return recipe


def resized_crop(key, image, *, area: tuple[float, float]):
    """A random resized crop to the size that the image has: objects at many sizes.

    Args:
      key: one key.
      image: float ``[H, W, C]``.
      area: smallest and largest share of the image, in (0, 1].

    Returns:
      Float ``[H, W, C]``.
    """
    return augment.random_resized_crop(key, image, size=image.shape[:2], area=area)


def half_cutout(key, image):
    """Cutout of half the side, the paper's on CIFAR-10.

    Args:
      key: one key.
      image: float ``[H, W, C]``.

    Returns:
      Float ``[H, W, C]``, a quarter of it or less blanked.
    """
    return augment.cutout(key, image, size=(image.shape[0] // 2, image.shape[1] // 2))


def tinted(dataset: data.Dataset) -> data.Dataset:
    """Grey images in a random colour, which says nothing of the class, so that augmentations of colour act on them.

    Args:
      dataset: images in memory; of three channels they stay as they are.

    Returns:
      A dataset of colour images, the same for every seed; black stays black.

    Raises:
      DataError: if the images have no class each.
    """
    class_count(dataset)
    if dataset.shape[-1] == 3:
        return dataset
    splits = []
    for number, split in enumerate((dataset.train, dataset.test)):
        color = np.random.default_rng((6, number)).uniform(0.3, 1.0, (len(split), 1, 1, 3))
        splits += [np.round(in_memory(split, "image") * color).astype(np.uint8), split["label"]]
    colored = data.from_arrays(f"{dataset.name}, tinted", *splits, classes=dataset.classes)
    return replace(colored, class_names=dataset.class_names, notes=dataset.notes)


def smaller(recipe: Recipe, *, size: int) -> Recipe:
    """Train on random resized crops of a smaller size, which is faster; test images are as large as before.

    Args:
      recipe: as for ``augmented``.
      size: of the side in pixels, 1 to that of the images.

    Returns:
      The recipe with the step ``crop``; ``fix_resolution`` mends what the change of size does.
    """
    crop = partial(augment.random_resized_crop, size=size, area=(0.3, 1.0))
    return augmented(recipe, crop=augment.each(crop))


def fix_resolution(recipe: Recipe, *, epochs: float, lr: float) -> Recipe:
    """FixRes: the second training, on images as they are tested, ``train.fit(..., initial=run.variables)``.

    Classifier and batch normalisation alone are trained; augmentation and mixing are dropped.

    Args:
      recipe: of the first training.
      epochs: of the second, > 0; a few are enough.
      lr: its peak rate, > 0.

    Returns:
      The recipe of the second training.

    Reference: Touvron et al., Fixing the train-test resolution discrepancy, arXiv 1906.06423.
    """
    recipe = composing.around(recipe, without_convolutions)
    return replace(recipe, augment=None, mix=None, epochs=epochs, lr=lr)


def without_convolutions(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """An optimiser that leaves the kernels of convolutions as they are; for ``composing.around``.

    Args:
      tx: the optimiser of the other parameters.

    Returns:
      The transformation.
    """
    return optim.freeze(tx, "conv/kernel$")


def stage(
    name: str, function: Callable, paper: str | None = None, expected: int | None = 1, *, loop: bool = False, **options
) -> dict[str, Trick]:
    """A trick that is one step of augmentation, drawn for each image.

    Args:
      name: of the trick and of the step.
      function: ``(key, image, **options) -> image``.
      paper: where it comes from, or None.
      expected: sign of the effect on accuracy: +1, -1, 0, or None.
      loop: one image after another, in less memory, as for ``augment.each``.
      **options: of the function.

    Returns:
      The trick by its name.
    """
    step = augment.each(partial(function, **options), loop=loop)
    return {name: Trick(partial(augmented, **{name: step}), expected, paper)}


def mix(name: str, function: Callable, paper: str | None, expected: int | None = 1, **options: Any) -> dict[str, Trick]:
    """A trick that mixes the examples of a batch, images and targets.

    Args:
      name: of the trick.
      function: ``(key, batch, **options) -> batch``.
      paper: where it comes from, or None.
      expected: sign of the effect on accuracy: +1, -1, 0, or None.
      **options: of the function.

    Returns:
      The trick by its name.
    """
    return {name: Trick(partial(set_fields, mix=partial(function, **options)), expected, paper)}


CROP = stage("crop", augment.random_pad_crop, "arXiv 1512.03385", padding=4)
FLIP = stage("flip", augment.random_flip, "arXiv 1512.03385")
COLOR = {
    **stage("color jitter", augment.color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    **stage("HSV power", augment.random_hsv_power, "arXiv 1406.6909"),
    **stage("PCA noise", augment.pca_noise, "Krizhevsky et al. 2012", pca=CIFAR10_COLORS),
}
ERASED = {
    **stage("erasing", augment.random_erasing, "arXiv 1708.04896"),
    **stage("cutout", half_cutout, "arXiv 1708.04552"),
    **stage("GridMask", augment.gridmask, "arXiv 2001.04086"),
}
MIXED = {
    **mix("mixup", augment.mixup, "arXiv 1710.09412", alpha=0.2),
    **mix("CutMix", augment.cutmix, "arXiv 1905.04899"),
}
POLICIES = {
    **stage("RandAugment", augment.rand_augment, "arXiv 1909.13719", loop=True),
    **stage("TrivialAugment", augment.trivial_augment, "arXiv 2103.10158", loop=True),
    **stage("AutoAugment", augment.auto_augment, "arXiv 1805.09501", loop=True, policy=augment.CIFAR10_POLICY),
    **stage("AugMix", augment.augmix, "arXiv 1912.02781", None, loop=True),
    **stage("3-Augment", augment.three_augment, "arXiv 2204.07118", loop=True),
}
OTHERS = {
    **stage("resized crop", resized_crop, "arXiv 1409.4842", area=(0.3, 1.0)),
    **stage("scaled crop", augment.random_scaled_crop),
    **stage("affine", augment.random_affine, angle=15.0, shift=0.1, scale=(0.9, 1.1), slope=0.1),
    **stage("noise", augment.gaussian_noise, None, None, std=0.05),
    **stage("blur", augment.random_blur, None, None, sigma=(0.1, 1.0)),
    **mix("wrong targets", augment.label_noise, "arXiv 1605.00055", probability=0.1),
}


def several(*names: str) -> dict[str, Trick]:
    """Several tricks of EVERYTHING as one, for ladders that stack them.

    Args:
      *names: in the order in which they act.

    Returns:
      The trick, by all their names.
    """
    return {", ".join(names): Trick(partial(together, tricks=tuple(EVERYTHING[name] for name in names)))}


SHARES = (0.75, 1.0, 1.25)
MORE = {
    "alternating flip": Trick(partial(augmented, flip=published.alternating), 1, "arXiv 2404.00498"),
    "sizes 3/4 to 5/4": Trick(
        partial(wrapped, how=published.many_sizes, shares=(0.75, 1.0, 1.25)), 1, "arXiv 1612.08242"
    ),
    "crops by CAM": Trick(looking.look_closer, 1, "arXiv 1901.09891"),
}
EVERYTHING = {**CROP, **FLIP, **OTHERS, **COLOR, **ERASED, **MIXED, **POLICIES, **MORE}
