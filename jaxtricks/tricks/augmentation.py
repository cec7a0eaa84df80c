"""What the augmentation experiment is made of: stages by name, grey images in colours, FixRes, and the tricks."""

from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np

from jaxtricks import augment, data, optim
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing
from jaxtricks.tricks.trick import Trick, set_fields

# Of the 50,000 training images: augment.fit_color_pca(data.load("cifar10.npz").train["image"])
CIFAR10_COLORS = augment.ColorPCA(
    jnp.array([0.0029, 0.0139, 0.1719]),
    jnp.array([[0.4356, -0.7063, -0.5580], [-0.8151, -0.0464, -0.5775], [0.3820, 0.7063, -0.5960]]),
)


def staged(key, batch, **stages):
    """``augment.chain`` as a function whose stages can be read from a partial of it, and added to."""
    return augment.chain(**stages)(key, batch)


def augmented(recipe: Recipe, **stages) -> Recipe:
    """More stages of augmentation, after those that are there; each has the draws of its name, whatever the others."""
    before = recipe.augment
    if before is not None and not (isinstance(before, partial) and before.func is staged):
        raise ValueError(f"recipe.augment is {before!r}; allowed: None, or what augmented made.")
    known = {} if before is None else before.keywords
    if set(known) & set(stages):
        raise ValueError(f"stages are {', '.join(stages)}; allowed: none of {', '.join(known)}, which are there.")
    return replace(recipe, augment=partial(staged, **known, **stages))


def together(recipe: Recipe, *, tricks) -> Recipe:
    """Several tricks, one after another."""
    for trick in tricks:
        recipe = trick.change(recipe)
    return recipe


def resized_crop(key, image, *, area):
    """A random resized crop to the size that the image has."""
    return augment.random_resized_crop(key, image, size=image.shape[:2], area=area)


def half_cutout(key, image):
    """Cutout of half the side, the paper's on CIFAR-10."""
    return augment.cutout(key, image, size=(image.shape[0] // 2, image.shape[1] // 2))


def tinted(dataset: data.Dataset) -> data.Dataset:
    """Grey images in a colour of their own each, which says nothing of the class; others as they are.

    Else an augmentation of colours would do nothing to them. Black stays black.
    """
    if dataset.shape[-1] == 3:
        return dataset
    splits = []
    for number, split in enumerate((dataset.train, dataset.test)):
        color = np.random.default_rng((6, number)).uniform(0.3, 1.0, (len(split), 1, 1, 3))
        splits += [np.round(split["image"] * color).astype(np.uint8), split["label"]]
    return data.from_arrays(f"{dataset.name}, tinted", *splits, classes=dataset.classes)


def smaller(recipe: Recipe, *, size: int) -> Recipe:
    """Train on random resized crops of this size; what is tested is as large as before."""
    crop = partial(augment.random_resized_crop, size=size, area=(0.3, 1.0))
    return augmented(recipe, crop=augment.each(crop))


def fix_resolution(recipe: Recipe, *, epochs: float, lr: float) -> Recipe:
    """FixRes: the second training, on images as they are tested, ``train.fit(..., initial=run.variables)``.

    Classifier and batch normalisation alone are trained; augmentation and mixing are dropped. Touvron et al., Fixing
    the train-test resolution discrepancy, arXiv 1906.06423.
    """
    recipe = composing.around(recipe, without_convolutions)
    return replace(recipe, augment=None, mix=None, epochs=epochs, lr=lr)


def without_convolutions(tx):
    """An optimiser that leaves the kernels of convolutions as they are."""
    return optim.freeze(tx, "conv/kernel$")


def stage(name, function, paper=None, expected=1, *, loop=False, **options):
    """A trick that is one stage: a random function of an image."""
    each = augment.each(partial(function, **options), loop=loop)
    return {name: Trick(partial(augmented, **{name: each}), expected, paper)}


def mix(name, function, paper, expected=1, **options):
    """A trick that mixes examples: a random function of a batch."""
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


def several(*names):
    """Several tricks as one."""
    return {", ".join(names): Trick(partial(together, tricks=tuple(EVERYTHING[name] for name in names)))}


EVERYTHING = {**CROP, **FLIP, **OTHERS, **COLOR, **ERASED, **MIXED, **POLICIES}
