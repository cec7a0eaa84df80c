"""Augmentation: each one alone, against none at all, and each on top of random crops and flips.

Grey images are tinted first, each in a colour of its own, so that augmentations of colour have something to act on.

Measured with the command below, 4 paired seeds, 880 training images of cifar10.npz, 24 epochs, on two cores of an AMD
EPYC (jax 0.10.2) that ran nothing else; differences are to the baseline of the same setting, verdicts after Holm's
correction over all rows. These are 648 updates: little enough that what makes images harder costs more than it gives.
The time is that of a run by the baseline's. The complete report: results/augment. With 80 epochs the baseline overfits,
and everything that was tried gains (--epochs 80 --under alone --only crop flip cutout mixup CutMix "color jitter";
other jobs shared the machine, so that no times are given; results/augment-overfit):

    alone: baseline                                            47.68
    alone: crop                                        +       49.37  +1.68 [-0.38, +3.74]      not resolved
    alone: flip                                        +       49.72  +2.04 [+0.67, +3.41]      not resolved
    alone: color jitter                                +       50.11  +2.43 [+0.40, +4.45]      not resolved
    alone: cutout                                      +       48.57  +0.89 [-0.24, +2.02]      not resolved
    alone: mixup                                       +       48.96  +1.28 [+0.15, +2.40]      not resolved
    alone: CutMix                                      +       50.85  +3.17 [+1.85, +4.48]      helps

    python -m experiments.augment --preset full --data cifar10.npz --images 1000

                                                    expected  test %  difference, 95 %                        time
    alone: baseline                                            46.91
    alone: crop                                        +       43.92  -2.99 [-3.38, -2.59]      disagrees     x0.98
    alone: flip                                        +       46.87  -0.04 [-0.87, +0.79]      not resolved  x1.05
    alone: resized crop                                +       40.46  -6.45 [-7.46, -5.44]      disagrees     x1.10
    alone: scaled crop                                 +       42.10  -4.81 [-6.26, -3.36]      disagrees     x1.05
    alone: affine                                      +       43.00  -3.91 [-5.67, -2.16]      not resolved  x1.13
    alone: noise                                               45.72  -1.19 [-2.29, -0.09]      not resolved  x1.08
    alone: blur                                                45.00  -1.91 [-2.62, -1.21]      not resolved  x1.02
    alone: wrong targets                               +       46.23  -0.69 [-1.91, +0.54]      not resolved  x0.96
    alone: color jitter                                +       46.07  -0.84 [-1.73, +0.04]      not resolved  x1.00
    alone: HSV power                                   +       40.89  -6.02 [-8.19, -3.85]      not resolved  x1.17
    alone: PCA noise                                   +       46.76  -0.15 [-1.44, +1.13]      not resolved  x0.94
    alone: erasing                                     +       46.56  -0.35 [-0.87, +0.16]      not resolved  x0.99
    alone: cutout                                      +       43.52  -3.40 [-4.47, -2.32]      disagrees     x0.98
    alone: GridMask                                    +       42.69  -4.22 [-5.30, -3.15]      disagrees     x1.00
    alone: mixup                                       +       47.27  +0.36 [+0.10, +0.61]      not resolved  x0.95
    alone: CutMix                                      +       44.11  -2.80 [-3.44, -2.16]      disagrees     x1.00
    alone: RandAugment                                 +       45.80  -1.11 [-2.54, +0.32]      not resolved  x1.01
    alone: TrivialAugment                              +       42.57  -4.34 [-5.33, -3.35]      disagrees     x0.97
    alone: AutoAugment                                 +       45.14  -1.77 [-3.42, -0.12]      not resolved  x0.99
    alone: AugMix                                              46.81  -0.10 [-1.17, +0.97]      not resolved  x1.27
    alone: 3-Augment                                   +       40.75  -6.16 [-6.82, -5.51]      disagrees     x1.04
    on crop, flip: baseline                                    43.62
    on crop, flip: color jitter                        +       41.92  -1.70 [-3.73, +0.33]      not resolved  x1.10
    on crop, flip: cutout                              +       40.03  -3.59 [-5.51, -1.66]      not resolved  x1.04
    on crop, flip: mixup                               +       42.41  -1.21 [-2.91, +0.49]      not resolved  x1.00
    on crop, flip: CutMix                              +       38.25  -5.37 [-6.28, -4.46]      disagrees     x1.11
    on crop, flip: TrivialAugment                      +       38.97  -4.65 [-6.84, -2.45]      not resolved  x1.23
    on crop, flip: AugMix                                      42.73  -0.89 [-1.32, -0.46]      not resolved  x1.48
    on crop, flip: color jitter, PCA noise             +       41.90  -1.72 [-3.62, +0.17]      not resolved  x1.09
    on crop, flip: color jitter, cutout, CutMix        +       33.45  -10.18 [-11.11, -9.24]    disagrees     x1.05
    on crop, flip: TrivialAugment, erasing, CutMix     +       32.38  -11.24 [-13.06, -9.42]    disagrees     x1.14

Rows since, on fashion_mini, 6 seeds, 8 epochs, against none at all (results/augment-more), hurt there as well:
alternating flip -0.61 [-1.07, -0.15], sizes 3/4 to 5/4 -2.52 [-3.09, -1.94], crops by CAM -1.40 [-2.16, -0.64].
"""

from functools import partial

from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting, bare
from jaxtricks.tricks import augmentation as a

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
    main("augment", bare, LADDER, PRESETS, title="Augmentation", mode="add-one", dataset=a.tinted)
