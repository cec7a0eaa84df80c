"""Augmentation: each one alone, against none at all, and each on top of random crops and flips.

Grey images are tinted first, each in a colour of its own, so that augmentations of colour have something to act on.

Measured with the command below, 4 paired seeds, 880 training images of cifar10.npz, 24 epochs, on two cores of an AMD
EPYC (jax 0.10.2) that ran nothing else; differences are to the baseline of the same setting, verdicts after Holm's
correction over all rows. These are 648 updates: little enough that what makes images harder costs more than it gives.
The time is that of a run by the baseline's. The complete report: results/augment. With 80 epochs the baseline overfits,
and everything that was tried gains (--epochs 80 --under alone --only crop flip cutout mixup CutMix "color jitter";
other jobs shared the machine, so that no times are given; results/augment-overfit):

    alone: baseline                                               46.91
    alone: crop                                     + disagrees   43.92  -2.99 [-3.63, -2.34]    hurts
    alone: flip                                     +             46.87  -0.04 [-0.81, +0.73]    not resolved
    alone: color jitter                             +             46.07  -0.84 [-1.63, -0.05]    not resolved
    alone: cutout                                   + disagrees   43.52  -3.40 [-4.26, -2.53]    hurts
    alone: mixup                                    +             47.27  +0.36 [-0.27, +0.98]    not resolved
    alone: CutMix                                   + disagrees   44.11  -2.80 [-3.51, -2.09]    hurts

    python -m experiments.augment --preset full --data cifar10.npz --images 1000

                                                    expected     test %  difference, 95 %
    alone: baseline                                            46.91
    alone: crop                                        +       43.92  -2.99 [-3.38, -2.59]      disagrees     x0.98
    alone: flip                                        +       46.87  -0.04 [-0.87, +0.79]      not resolved  x1.05
    alone: resized crop                             + disagrees   40.46  -6.45 [-7.29, -5.61]    hurts
    alone: scaled crop                              + disagrees   42.10  -4.81 [-6.01, -3.60]    hurts
    alone: affine                                   + disagrees   43.00  -3.91 [-5.43, -2.40]    hurts
    alone: noise                                                  45.72  -1.19 [-2.07, -0.31]    not resolved
    alone: blur                                                   45.00  -1.91 [-2.64, -1.18]    hurts
    alone: wrong targets                            +             46.23  -0.69 [-1.66, +0.29]    not resolved
    alone: color jitter                                +       46.07  -0.84 [-1.73, +0.04]      not resolved  x1.00
    alone: HSV power                                + disagrees   40.89  -6.02 [-7.98, -4.07]    hurts
    alone: PCA noise                                +             46.76  -0.15 [-1.19, +0.88]    not resolved
    alone: erasing                                  +             46.56  -0.35 [-1.03, +0.32]    not resolved
    alone: cutout                                      +       43.52  -3.40 [-4.47, -2.32]      disagrees     x0.98
    alone: GridMask                                 + disagrees   42.69  -4.22 [-5.09, -3.36]    hurts
    alone: mixup                                       +       47.27  +0.36 [+0.10, +0.61]      not resolved  x0.95
    alone: CutMix                                      +       44.11  -2.80 [-3.44, -2.16]      disagrees     x1.00
    alone: RandAugment                              +             45.80  -1.11 [-2.30, +0.07]    not resolved
    alone: TrivialAugment                           + disagrees   42.57  -4.34 [-5.17, -3.51]    hurts
    alone: AutoAugment                              +             45.14  -1.77 [-3.18, -0.36]    not resolved
    alone: AugMix                                                 46.81  -0.10 [-0.96, +0.76]    not resolved
    alone: 3-Augment                                + disagrees   40.75  -6.16 [-6.88, -5.45]    hurts
    on crop, flip: baseline                                       43.62
    on crop, flip: color jitter                     +             41.92  -1.70 [-3.41, +0.01]    not resolved
    on crop, flip: cutout                           + disagrees   40.03  -3.59 [-5.18, -1.99]    hurts
    on crop, flip: mixup                            +             42.41  -1.21 [-2.58, +0.17]    not resolved
    on crop, flip: CutMix                           + disagrees   38.25  -5.37 [-6.39, -4.35]    hurts
    on crop, flip: TrivialAugment                   + disagrees   38.97  -4.65 [-6.53, -2.77]    hurts
    on crop, flip: AugMix                                         42.73  -0.89 [-1.78, 0.00]     not resolved
    on crop, flip: color jitter, PCA noise          +             41.90  -1.72 [-3.30, -0.15]    not resolved
    on crop, flip: color jitter, cutout, CutMix     + disagrees   33.45  -10.18 [-11.21, -9.14]  hurts
    on crop, flip: TrivialAugment, erasing, CutMix  + disagrees   32.38  -11.24 [-12.74, -9.75]  hurts

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
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=8, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_mini", seeds=4, epochs=24, batch=32, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("augment", bare, LADDER, PRESETS, title="Augmentation", mode="add-one", dataset=a.tinted)
