"""A starting recipe from the data; published recipes, each relative to the paper's baseline.

The baseline has 120 epochs in batches of 256 at a rate of 0.1.

With ``--preset paper`` a recipe is as it was published; a shorter preset shortens all of them alike, and scales their
batches and rates by the same factors.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import optax

from jaxtricks import augment, data, optim
from jaxtricks._signatures import shown
from jaxtricks._suggest import Reason, suggest
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import composing, published

__all__ = [
    "BASELINE",
    "CARDS",
    "Card",
    "Reason",
    "airbench",
    "efficient",
    "plain_views",
    "refined",
    "strikes_back",
    "suggest",
    "torchvision_v1",
    "torchvision_v2",
]

HEAVY_BALL = partial(optax.sgd, momentum=0.9)


@dataclass(frozen=True)
class Card:
    """What is known of a published recipe.

    Fields:
      change: ``Recipe -> Recipe`` that makes it from the baseline.
      published: top-1 accuracy in percent on the data and network of the source.
      on: these data and this network.
      source: where the number, and the recipe, was read.
      without: what of the recipe is left out here.
    """

    change: Callable[..., Recipe]
    published: float
    on: str
    source: str
    without: str = ""

    def __repr__(self) -> str:
        return shown(self)


def sized(recipe: Recipe, *, epochs: float, batch: int, lr: float, views: int = 1) -> Recipe:
    """So many epochs, images a step and rate, where the baseline has 120, 256 and 0.1.

    With several views of each image a batch holds fewer images, eight or a multiple of it, and an epoch counts views.

    Args:
      recipe: of ``bag.standard``, as a preset shortens it.
      epochs: as published, > 0.
      batch: views in a step as published, >= 1.
      lr: peak rate as published, > 0.
      views: of an image in a batch, >= 1.

    Returns:
      The recipe, with its length, batch and rate in proportion.
    """
    images = recipe.batch * batch / 256 / views
    return replace(
        recipe,
        epochs=recipe.epochs * epochs / 120 / views,
        batch=round(images) if views == 1 else 8 * max(1, round(images / 8)),
        lr=recipe.lr * lr / 0.1,
    )


def plain_views(recipe: Recipe, complete: data.Dataset, dataset: data.Dataset) -> Recipe:
    """The baseline with crop and flip only, so that a card adds its own augmentation to nothing else.

    Args:
      recipe: of ``bag.standard``.
      complete: not used; what an experiment's ``begin`` is called with.
      dataset: what is trained on; of images of varying size the crop is the feed's.

    Returns:
      The recipe.
    """
    if dataset.train.resident:
        return recipe
    return replace(recipe, augment=augment.chain(flip=augment.each(augment.random_flip)))


def efficient(recipe: Recipe) -> Recipe:
    """The paper's large batch, warm-up, zero gamma, no bias decay and low precision.

    Args:
      recipe: of ``bag.standard``.

    Returns:
      The recipe.
    """
    for change in (t.large_batch, t.warm_up, t.zero_gamma, t.no_bias_decay, t.low_precision):
        recipe = change(recipe)
    return recipe


def refined(recipe: Recipe) -> Recipe:
    """The efficient baseline on ResNet-D with cosine decay, smoothing, distillation and mixup, for 200 epochs.

    Args:
      recipe: of ``bag.standard``.

    Returns:
      The recipe.
    """
    recipe = t.tweak(efficient(recipe), b=True, c=True, d=True)
    longer = replace(recipe, epochs=recipe.epochs * 200 / 120)  # the warm-up stays as long as it was: 5 epochs
    return t.distillation(t.mixup(t.smoothing(t.cosine(longer))))


def torchvision_v1(recipe: Recipe) -> Recipe:
    """90 epochs of momentum without Nesterov's look ahead, a tenth of the rate every 30.

    Args:
      recipe: of ``bag.standard``.

    Returns:
      The recipe.
    """
    recipe = sized(recipe, epochs=90, batch=256, lr=0.1)
    recipe = composing.exchange(t.tweak(recipe, b=True), core=HEAVY_BALL, weight=1e-4)
    return replace(recipe, schedule=partial(optim.step_decay, fractions=(1 / 3, 2 / 3)))


def torchvision_v2(recipe: Recipe) -> Recipe:
    """600 epochs with TrivialAugment, erasing, smoothing, mixup or CutMix, EMA, four views of each image.

    Args:
      recipe: of ``plain_views``.

    Returns:
      The recipe.
    """
    recipe = sized(recipe, epochs=600, batch=1024, lr=0.5, views=4)
    images, passes = 4 * recipe.batch, 4 * recipe.epochs
    recipe = composing.exchange(recipe, core=HEAVY_BALL, weight=2e-5, mask=published.not_of_normalisation)
    return replace(
        t.smoothing(t.tweak(recipe, b=True), smooth=optax.smooth_labels),
        schedule=optim.cosine,
        warmup=partial(optim.with_warmup, epochs=recipe.epochs * 5 / 600),
        augment=published.views(
            recipe.augment, 4, policy=published.drawn_for_each(augment.trivial_augment), erase=published.erasing(0.1)
        ),
        mix=partial(published.mix_or_cut, mixup=0.2, cutmix=1.0),
        ema=1 - 2e-5 * images / passes,
    )


def strikes_back(
    recipe: Recipe, *, epochs: float, lr: float, decay: float, mixup: float, level: int, repeats: int
) -> Recipe:
    """LAMB on binary cross-entropy, for which every class of a mixture is there in full.

    Args:
      recipe: of ``plain_views``.
      epochs: of the run as published, > 0.
      lr: peak rate as published, > 0.
      decay: weight of the decay, 0 or more.
      mixup: alpha of mixup, > 0; CutMix has 1.
      level: of RandAugment, 0 to 10.
      repeats: views of an image in a batch, >= 1.

    Returns:
      The recipe.
    """
    recipe = sized(recipe, epochs=epochs, batch=2048, lr=lr, views=repeats)
    policy = published.drawn_for_each(partial(augment.rand_augment, count=2, strength=level / 10))
    recipe = composing.exchange(recipe, core=optax.lamb, decay=composing.own, weight=decay, mask=optim.decay_mask)
    return replace(
        t.tweak(recipe, b=True),
        loss=published.all_or_nothing,
        schedule=optim.cosine,
        warmup=partial(optim.with_warmup, epochs=recipe.epochs * 5 / epochs),
        augment=published.views(recipe.augment, repeats, policy=policy),
        mix=partial(published.mix_or_cut, mixup=mixup, cutmix=1.0),
    )


def airbench(recipe: Recipe) -> Recipe:
    """Ten epochs: Nesterov, a lopsided triangle, smoothing of 0.2, every other epoch mirrored, shifts by 2 pixels.

    Args:
      recipe: of ``bag.standard``.

    Returns:
      The recipe.
    """
    recipe = sized(recipe, epochs=9.9, batch=1024, lr=11.5 / (1 + 1 / (1 - 0.85)))
    crop = augment.each(partial(augment.random_pad_crop, padding=2, mode="reflect"))
    core = partial(published.faster_biases, momentum=0.85, times=64)
    recipe = composing.exchange(recipe, core=core, decay=composing.own, weight=0.0153 / 11.5)
    return replace(
        t.smoothing(recipe, alpha=0.2, smooth=optax.smooth_labels),
        schedule=partial(published.lopsided, start=0.2, peak_at=0.23, end=0.07),
        augment=augment.chain(crop=crop, flip=published.alternating),
    )


PAPER = "arXiv 1812.01187, tables 2, 3, 6; values of https://github.com/dmlc/web-data, gluoncv/logs/classification"
TORCHVISION = "https://pytorch.org/vision/stable/models/generated/torchvision.models.resnet50.html"
REFERENCES = "https://github.com/pytorch/vision/tree/main/references/classification"
TIMM = "https://huggingface.co/blog/rwightman/resnet-trick-or-treat"
RESULTS = "https://github.com/huggingface/pytorch-image-models, results/results-imagenet.csv"
MMPRETRAIN = "https://github.com/open-mmlab/mmpretrain/tree/main/configs/resnet"
AIRBENCH = "https://github.com/KellerJordan/cifar10-airbench, README.md and airbench94.py"

RSB = (
    "stochastic depth (0.05), which the network here has not; the spread of RandAugment's magnitude; bicubic resizing; "
    "that a class is there from a share of 0.2 on, and three views an image (2,040 a step for 2,048), were read in a "
    "configuration by others"
)
A1 = partial(strikes_back, epochs=600, lr=0.005, decay=0.01, mixup=0.2, level=7, repeats=3)
A2 = partial(strikes_back, epochs=300, lr=0.005, decay=0.02, mixup=0.1, level=7, repeats=3)
A3 = partial(strikes_back, epochs=100, lr=0.008, decay=0.02, mixup=0.1, level=6, repeats=1)
CARDS = {
    "Bag of Tricks, efficient": Card(efficient, 76.21, "ResNet-50, ImageNet", PAPER, "float16, which is bfloat16 here"),
    "Bag of Tricks, refined": Card(refined, 79.29, "ResNet-50, ImageNet", PAPER, "float16, which is bfloat16 here"),
    "torchvision V1": Card(torchvision_v1, 76.13, "ResNet-50, ImageNet", f"{TORCHVISION}; {REFERENCES}"),
    "torchvision V2": Card(
        torchvision_v2,
        80.858,
        "ResNet-50, ImageNet",
        f"{TORCHVISION}; https://github.com/pytorch/vision/issues/3995 and pull/5201; {REFERENCES}",
        "training at 176 and evaluation at 224 pixels of 232, for one --size serves both here; erasing is to black",
    ),
    "RSB A1": Card(
        A1,
        80.382,
        "ResNet-50, ImageNet, weights of timm",
        f"{TIMM}; {RESULTS}; {MMPRETRAIN}",
        f"label smoothing of 0.1, which the threshold on a mixture's shares would undo; {RSB}",
    ),
    "RSB A2": Card(A2, 79.828, "ResNet-50, ImageNet, weights of timm", f"{RESULTS}; {MMPRETRAIN}", RSB),
    "RSB A3": Card(
        A3,
        78.052,
        "ResNet-50, ImageNet, weights of timm at 224 px",
        f"{RESULTS}; {MMPRETRAIN}",
        f"its size in training (--size 160); {RSB}",
    ),
    "airbench94": Card(
        airbench,
        94.01,
        "CIFAR-10, its own network, mean of 1,000 runs",
        AIRBENCH,
        "its network, with whitening, identity starts and fixed scales; lookahead with a rising share; six views at "
        "test time",
    ),
}
BASELINE = Card(t.standard, 75.87, "ResNet-50, ImageNet", PAPER)
