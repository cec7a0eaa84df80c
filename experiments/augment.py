"""Augmentation: each one alone, against none at all, and each on top of random crops and flips.

Grey images are tinted first, each in a colour of its own, so that augmentations of colour have something to act on.

Measured with the command below, 6 paired seeds, 880 training images of cifar10.npz, 24 epochs, on two cores of an AMD
EPYC (jax 0.10.2) that other jobs shared; differences are to the baseline of the same setting, verdicts after Holm's
correction over all rows (results/augment). These are 648 updates: little enough that what makes images harder costs
more than it gives. With 80 epochs, below, the baseline overfits, and all six that were tried help.

    python -m experiments.augment --preset full --data cifar10.npz --images 1000 --seeds 6

                                                    expected     test %  difference, 95 %
    alone: baseline                                               47.04
    alone: crop                                     + disagrees   43.15  -3.89 [-4.53, -3.25]    hurts
    alone: flip                                     +             46.97  -0.07 [-0.72, +0.58]    not resolved
    alone: resized crop                             + disagrees   39.90  -7.14 [-8.10, -6.17]    hurts
    alone: scaled crop                              + disagrees   41.59  -5.45 [-6.18, -4.72]    hurts
    alone: affine                                   + disagrees   42.70  -4.34 [-4.98, -3.71]    hurts
    alone: noise                                                  45.77  -1.27 [-1.90, -0.63]    hurts
    alone: blur                                                   44.71  -2.33 [-2.96, -1.71]    hurts
    alone: wrong targets                            +             46.72  -0.32 [-1.05, +0.41]    not resolved
    alone: color jitter                             + disagrees   45.49  -1.55 [-2.24, -0.87]    hurts
    alone: HSV power                                + disagrees   40.79  -6.25 [-7.71, -4.79]    hurts
    alone: PCA noise                                +             47.09  +0.05 [-0.78, +0.89]    not resolved
    alone: erasing                                  +             46.26  -0.78 [-1.50, -0.07]    not resolved
    alone: cutout                                   + disagrees   43.91  -3.13 [-3.97, -2.28]    hurts
    alone: GridMask                                 + disagrees   42.44  -4.60 [-5.43, -3.77]    hurts
    alone: mixup                                    +             46.83  -0.21 [-0.81, +0.40]    not resolved
    alone: CutMix                                   + disagrees   44.41  -2.63 [-3.37, -1.89]    hurts
    alone: RandAugment                              + disagrees   44.91  -2.13 [-2.91, -1.35]    hurts
    alone: TrivialAugment                           +             43.12  -3.92 [-6.13, -1.71]    not resolved
    alone: AutoAugment                              + disagrees   44.12  -2.91 [-3.70, -2.13]    hurts
    alone: AugMix                                                 46.99  -0.05 [-0.99, +0.88]    not resolved
    alone: 3-Augment                                + disagrees   40.91  -6.13 [-7.78, -4.48]    hurts
    alone: alternating flip                         +             47.41  +0.37 [-0.31, +1.05]    not resolved
    alone: sizes 3/4 to 5/4                         +             46.30  -0.74 [-1.53, +0.05]    not resolved
    alone: crops by CAM                             + disagrees   44.99  -2.05 [-2.91, -1.19]    hurts
    on crop, flip: baseline                                       43.33
    on crop, flip: color jitter                     +             41.32  -2.01 [-3.27, -0.76]    not resolved
    on crop, flip: cutout                           + disagrees   39.70  -3.64 [-5.12, -2.15]    hurts
    on crop, flip: mixup                            +             43.31  -0.02 [-1.04, +1.01]    not resolved
    on crop, flip: CutMix                           + disagrees   38.74  -4.59 [-5.68, -3.51]    hurts
    on crop, flip: TrivialAugment                   + disagrees   37.94  -5.39 [-6.51, -4.27]    hurts
    on crop, flip: AugMix                                         42.53  -0.81 [-1.88, +0.27]    not resolved
    on crop, flip: color jitter, PCA noise          +             41.95  -1.38 [-2.73, -0.03]    not resolved
    on crop, flip: color jitter, cutout, CutMix     + disagrees   33.60  -9.74 [-11.98, -7.49]   hurts
    on crop, flip: TrivialAugment, erasing, CutMix  + disagrees   32.95  -10.38 [-11.62, -9.13]  hurts

The same with --epochs 80 --seeds 5 --under alone --only crop flip cutout mixup CutMix "color jitter" has 47.44 for the
baseline (results/augment-overfit), and all help: crop +1.76 [+0.56, +2.96], flip +2.45 [+1.34, +3.57], color jitter
+2.09 [+0.88, +3.30], cutout +1.55 [+0.17, +2.93], mixup +1.49 [+0.47, +2.50], CutMix +3.28 [+2.19, +4.37].
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
