"""Augmentation: each one alone, against none at all, and each on top of random crops and flips.

Grey images are tinted first, each in a colour of its own, so that augmentations of colour have something to act on.

Measured with the command below, 4 paired seeds, 880 training images of cifar10.npz, 24 epochs, on two cores of an AMD
EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline of the same
setting, verdicts after Holm's correction over all rows. These are 648 updates: little enough that what makes images
harder costs more than it gives. A longer run, in which the baseline overfits, was not made. The whole report:
results/augment.

    python -m experiments.augment --preset full --data cifar10.npz --images 1000

                                                    expected  test %  difference, 95 %
    alone: baseline                                            46.91
    alone: crop                                        +       43.92  -2.99 [-3.38, -2.59]  disagrees
    alone: flip                                        +       46.87  -0.04 [-0.87, +0.79]  not resolved
    alone: resized crop                                +       40.12  -6.79 [-7.77, -5.80]  disagrees
    alone: scaled crop                                 +       41.23  -5.68 [-6.79, -4.57]  disagrees
    alone: affine                                      +       43.21  -3.70 [-5.15, -2.25]  not resolved
    alone: noise                                               45.72  -1.19 [-2.29, -0.09]  not resolved
    alone: blur                                                45.00  -1.91 [-2.62, -1.21]  not resolved
    alone: wrong targets                               +       46.23  -0.69 [-1.91, +0.54]  not resolved
    alone: color jitter                                +       46.07  -0.84 [-1.73, +0.04]  not resolved
    alone: HSV power                                   +       40.89  -6.02 [-8.19, -3.85]  not resolved
    alone: PCA noise                                   +       46.76  -0.15 [-1.44, +1.13]  not resolved
    alone: erasing                                     +       46.53  -0.38 [-0.87, +0.11]  not resolved
    alone: cutout                                      +       44.03  -2.88 [-3.23, -2.52]  disagrees
    alone: GridMask                                    +       42.69  -4.22 [-5.30, -3.15]  disagrees
    alone: mixup                                       +       47.27  +0.36 [+0.10, +0.61]  not resolved
    alone: CutMix                                      +       44.17  -2.74 [-3.51, -1.97]  disagrees
    alone: RandAugment                                 +       46.04  -0.87 [-1.48, -0.26]  not resolved
    alone: TrivialAugment                              +       42.95  -3.96 [-5.24, -2.68]  disagrees
    alone: AutoAugment                                 +       45.22  -1.69 [-4.06, +0.67]  not resolved
    alone: AugMix                                              47.18  +0.27 [-0.34, +0.88]  not resolved
    alone: 3-Augment                                   +       40.75  -6.16 [-6.82, -5.51]  disagrees
    on crop, flip: baseline                                    43.62
    on crop, flip: color jitter                        +       41.92  -1.70 [-3.73, +0.33]  not resolved
    on crop, flip: cutout                              +       40.03  -3.59 [-5.51, -1.66]  not resolved
    on crop, flip: mixup                               +       42.41  -1.21 [-2.91, +0.49]  not resolved
    on crop, flip: CutMix                              +       38.25  -5.37 [-6.28, -4.46]  disagrees
    on crop, flip: TrivialAugment                      +       39.38  -4.24 [-5.99, -2.48]  not resolved
    on crop, flip: AugMix                                      42.74  -0.88 [-2.26, +0.51]  not resolved
    on crop, flip: color jitter, PCA noise             +       41.90  -1.72 [-3.62, +0.17]  not resolved
    on crop, flip: color jitter, cutout, CutMix        +       33.45  -10.18 [-11.11, -9.24]  disagrees
    on crop, flip: TrivialAugment, erasing, CutMix     +       32.67  -10.95 [-12.77, -9.14]  disagrees
"""

from functools import partial

from experiments import _augment as a
from experiments import _objectives as o
from experiments._main import Preset, main
from jaxtricks import augment
from jaxtricks.ablation import Setting, Trick


def stage(name, function, paper=None, expected=1, *, loop=False, **options):
    """A trick that is one stage: a random function of an image."""
    each = augment.each(partial(function, **options), loop=loop)
    return {name: Trick(partial(a.augmented, **{name: each}), expected, paper)}


def mix(name, function, paper, expected=1, **options):
    return {name: Trick(partial(a.mixed, how=partial(function, **options)), expected, paper)}


CROP = stage("crop", augment.random_pad_crop, "arXiv 1512.03385", padding=4)
FLIP = stage("flip", augment.random_flip, "arXiv 1512.03385")
COLOR = {
    **stage("color jitter", augment.color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    **stage("HSV power", augment.random_hsv_power, "arXiv 1406.6909"),
    **stage("PCA noise", augment.pca_noise, "Krizhevsky et al. 2012", pca=a.CIFAR10_COLORS),
}
ERASED = {
    **stage("erasing", augment.random_erasing, "arXiv 1708.04896"),
    **stage("cutout", a.half_cutout, "arXiv 1708.04552"),
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
    **stage("resized crop", a.resized_crop, "arXiv 1409.4842", area=(0.3, 1.0)),
    **stage("scaled crop", augment.random_scaled_crop),
    **stage("affine", augment.random_affine, angle=15.0, shift=0.1, scale=(0.9, 1.1), slope=0.1),
    **stage("noise", augment.gaussian_noise, None, None, std=0.05),
    **stage("blur", augment.random_blur, None, None, sigma=(0.1, 1.0)),
    **mix("wrong targets", augment.label_noise, "arXiv 1605.00055", probability=0.1),
}


def together(*names):
    """Several tricks as one row."""
    return {", ".join(names): Trick(partial(a.together, tricks=tuple(EVERYTHING[name] for name in names)))}


EVERYTHING = {**CROP, **FLIP, **OTHERS, **COLOR, **ERASED, **MIXED, **POLICIES}
STACKED = {name: EVERYTHING[name] for name in ("color jitter", "cutout", "mixup", "CutMix", "TrivialAugment", "AugMix")}
LADDER = {
    "alone": Setting(None, EVERYTHING),
    "on crop, flip": Setting(
        partial(a.together, tricks=(EVERYTHING["crop"], EVERYTHING["flip"])),
        {
            **STACKED,
            **together("color jitter", "PCA noise"),
            **together("color jitter", "cutout", "CutMix"),
            **together("TrivialAugment", "erasing", "CutMix"),
        },
    ),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", seeds=2, epochs=8, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_mini", seeds=4, epochs=24, batch=32, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("augment", o.bare, LADDER, PRESETS, title="Augmentation", mode="add-one", dataset=a.tinted)
