"""What the augmentation experiment is made of: stages by name, grey images in colours, FixRes."""

from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np

from jaxtricks import augment, data, optim
from jaxtricks.train import Recipe

# Of the 50,000 training images: augment.fit_color_pca(data.load("cifar10.npz").train.images)
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


def mixed(recipe: Recipe, *, how) -> Recipe:
    """Examples that mix, with their targets."""
    return replace(recipe, mix=how)


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
        splits += [np.round(split.images * color).astype(np.uint8), split.labels]
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
    tuned = partial(without_convolutions, inner=recipe.optimizer)
    return replace(recipe, augment=None, mix=None, optimizer=tuned, epochs=epochs, lr=lr)


def without_convolutions(schedule, *, inner):
    """An optimiser that leaves the kernels of convolutions as they are."""
    return optim.freeze(inner(schedule), "conv/kernel$")
