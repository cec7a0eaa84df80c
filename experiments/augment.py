"""Augmentation: each one alone, against none at all, and each on top of random crops and flips.

Grey images are tinted first, each in a colour of its own, so that augmentations of colour have something to act on.

Measured with the command below, 4 paired seeds, 880 training images of cifar10.npz, 24 epochs, on two cores of an AMD
EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline of the same
setting, verdicts after Holm's correction over all rows. These are 648 updates: little enough that what makes images
harder costs more than it gives. A longer run, in which the baseline overfits, was not made. The policies' shears were
still about the centre then, and are about the corner now. The whole report: results/augment.

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
from jaxtricks.ablation import Setting

STACKED = ("color jitter", "cutout", "mixup", "CutMix", "TrivialAugment", "AugMix")
LADDER = {
    "alone": Setting(None, a.EVERYTHING),
    "on crop, flip": Setting(
        partial(a.together, tricks=(a.EVERYTHING["crop"], a.EVERYTHING["flip"])),
        {
            **{name: a.EVERYTHING[name] for name in STACKED},
            **a.several("color jitter", "PCA noise"),
            **a.several("color jitter", "cutout", "CutMix"),
            **a.several("TrivialAugment", "erasing", "CutMix"),
        },
    ),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", seeds=2, epochs=8, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_mini", seeds=4, epochs=24, batch=32, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("augment", o.bare, LADDER, PRESETS, title="Augmentation", mode="add-one", dataset=a.tinted)
