"""A starting recipe from the data: rules of thumb, each with the sentence and the source that it rests on."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jaxtricks import check, data, layers, models, optim, tasks
from jaxtricks.data._kinds import other_kind
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t

FEW = 1000  # training images: below, a rule of thumb takes all of them in a step; see experiments.suggest
MANY_CLASSES = 50
BATCH_OF_MANY = 128
IMBALANCE = 10.0  # largest class by smallest: from here on, classes are re-sampled
SMALL = 64  # pixels of the longer side
UPDATES = 128  # steps of a run at least
EPOCHS = 20.0
USUAL = {"batch": 16, "lr": 0.05}  # of the committed tables of small images
LARGER = ("cifar10-10000", "+ large batch")
THUMB = "a rule of thumb, not measured here"
# In points, resolved, from experiments/results/FOLDER/results.json: tests/test_suggest.py reads them there.
MEASURED: dict[tuple[str, str], float] = {
    ("cifar10-10000", "+ large batch"): -6.87,
    ("cifar10-10000", "+ warm-up"): 6.92,
    ("cifar10-10000", "+ ResNet-B"): 1.08,
    ("cifar10-10000", "+ ResNet-C"): -2.17,
    ("cifar10-10000", "+ ResNet-D"): 2.85,
    ("cifar10-10000", "+ cosine"): 5.50,
    ("pooling", "read out: pyramid"): 4.44,
    ("augment", "alone: crop"): -3.89,
    ("regularizers", "plain: dropout"): -1.90,
    ("finetune", "little, similar: linear probe"): -2.12,
}


class Reason(NamedTuple):
    """Why a part of a suggested recipe is as it is.

    Fields:
      says: a sentence.
      source: where it comes from: a rule of thumb, or a folder of experiments/results with its row.
    """

    says: str
    source: str

    def __str__(self) -> str:
        return f"{self.says} [{self.source}]"


def _measured(says: str, folder: str, row: str) -> Reason:
    """A reason that a committed table supports, with its figure."""
    return Reason(f"{says} {MEASURED[folder, row]:+.2f} points.", f"experiments/results/{folder}, {row!r}")


def suggest(dataset: data.Dataset, *, epochs: float | None = None) -> tuple[Recipe, tuple[Reason, ...]]:
    """A recipe to start from, by rules of thumb on the data alone: when nothing has been tried on them yet.

    What is read are sizes: of the images, of the training set, of the classes. Nothing is trained. The rules are
    rules of thumb, and what the committed tables say; ``experiments.suggest`` compares what comes out with the default
    and with a random search.

    Args:
      dataset: of classification, with labels in memory.
      epochs: passes over the training set, > 0; 20 if None, and more where that would be fewer than 128 steps.

    Returns:
      The recipe, and a reason for each part that a rule decided.

    Raises:
      ValueError: if epochs is not greater than 0, or the images have no class each; the message names
        the command that takes them.

    Example:
      >>> from jaxtricks import data, recipes
      >>> recipe, reasons = recipes.suggest(data.load("digits").subset(500))
      >>> recipe.batch
      16
      >>> print(reasons[0].source)
      experiments/results/cifar10-10000, '+ large batch'
    """
    if dataset.classes is None or "label" not in dataset.train.columns:
        raise ValueError(f"dataset {other_kind(dataset, 'images with a class each')}")
    if epochs is not None:
        check.positive("epochs", epochs)
    images, classes = len(dataset.train), dataset.classes
    batch, reasons = _batch(images, classes)
    build, more = _network(dataset)
    reasons += more
    epochs = max(EPOCHS, UPDATES / max(1, images // batch)) if epochs is None else epochs
    recipe = t.cosine(
        t.standard(
            task=tasks.classification(classes),
            augmented=None if images < FEW else t.augmentation(dataset),
            model=build,
            lr=optim.scaled_lr(USUAL["lr"], batch, per=USUAL["batch"], rule="sqrt"),
            batch=batch,
            epochs=epochs,
        )
    )
    reasons += [_measured("The rate follows a cosine, which changed a run by", "cifar10-10000", "+ cosine")]
    recipe = t.warm_up(recipe)
    reasons += [
        _measured(
            "The rate begins with a warm-up, which changed a run of large batches by", "cifar10-10000", "+ warm-up"
        )
    ]
    ratio = _imbalance(dataset)
    if ratio >= IMBALANCE:
        recipe = replace(recipe, sampler=partial(data.class_balanced, rows=images))
        says = (
            f"The largest class has {ratio:.3g} times the images of the smallest: every class is drawn equally often."
        )
        reasons += [Reason(says, THUMB)]
    reasons += [_measured("No dropout, which changed a small network by", "regularizers", "plain: dropout")]
    if images < FEW:
        says = "No augmentation: a crop changed a small network on 880 images by"
        reasons += [_measured(says, "augment", "alone: crop")]
        says = "With weights of similar images, train the classifier alone (a linear probe)."
        reasons += [Reason(f"Not done, for weights are needed: {says[0].lower()}{says[1:]}", THUMB)]
        words = "The measurement here speaks against it: beside tuning all layers it changed a run by"
        reasons += [_measured(words, "finetune", "little, similar: linear probe")]
    return recipe, tuple(reasons)


def _batch(images: int, classes: int) -> tuple[int, list[Reason]]:
    """Images in a step."""
    if images < FEW:
        says = f"{images:,} training images are fewer than {FEW:,}: a rule of thumb lets every step see all. Not done:"
        return min(USUAL["batch"], images), [
            _measured(f"{says} four times the batch, at as many epochs, changed a run by", *LARGER)
        ]
    if classes >= MANY_CLASSES:
        says = f"{classes:,} classes are many: a batch of {BATCH_OF_MANY}, so that a step sees most of them."
        return BATCH_OF_MANY, [Reason(says, THUMB)]
    says = f"A batch of {USUAL['batch']}: four times as many, at as many epochs and without a warm-up, changed a run by"
    return USUAL["batch"], [_measured(says, *LARGER)]


def _network(dataset: data.Dataset) -> tuple[Callable[..., Any], list[Reason]]:
    """The network for images of this size."""
    rows, columns, _ = dataset.shape
    side = f"Images of {rows} x {columns}"
    if max(rows, columns) <= SMALL:
        says = f"{side} are small: a small network, whose first convolution has stride 1."
        build, reasons = models.NETWORKS["plain_small"], [Reason(says, THUMB)]
        if min(rows, columns) >= 16:  # the pyramid has 4 x 4 cells, behind two poolings
            build = partial(build, readout=models.fixed(layers.spatial_pyramid_pool))
            words = "Its readout is a spatial pyramid in the place of the average, which changed a run by"
            reasons += [_measured(words, "pooling", "read out: pyramid")]
        return build, reasons
    large = len(dataset.train) >= 10 * FEW
    name = "resnet50" if large else "resnet18"
    reasons = [Reason(f"{side} and {len(dataset.train):,} of them: {name}.", THUMB)]
    reasons += [
        _measured("Its shortcuts average before they halve (D), which changed a run by", "cifar10-10000", "+ ResNet-D")
    ]
    if large:  # B is of bottleneck blocks
        reasons += [
            _measured(
                "Its 3x3 convolutions have the strides (B), which changed a run by", "cifar10-10000", "+ ResNet-B"
            )
        ]
    reasons += [_measured("Not C, three 3x3 for the 7x7, which changed a run by", "cifar10-10000", "+ ResNet-C")]
    return partial(models.NETWORKS[name], d=True, **({"b": True} if large else {})), reasons


def _imbalance(dataset: data.Dataset) -> float:
    """The size of the largest class by that of the smallest that has an image."""
    counts = data.class_counts(np.asarray(dataset.train["label"]), dataset.classes or 0)
    counts = counts[counts > 0]
    return float(counts.max() / counts.min())
