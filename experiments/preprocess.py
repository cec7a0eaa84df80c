"""Preprocessing of the pixels: centred, scaled, each image by itself, whitened.

The baseline subtracts the mean of each channel and divides by its deviation, both of the training set. ``per pixel``
has a mean and a deviation for every place; ZCA whitens the images as vectors, with an epsilon of 0.01.
Batch normalisation after the first convolution undoes shift and scale, so that the rows are measured without it too.

Measured with the command below, 6 paired seeds, 3,500 training images of fashion_mini, 6 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline of the same
setting, verdicts after Holm's correction over all rows (results/preprocess). Under batch normalisation the range of the
pixels makes no difference that these runs can tell; without it five of the seven ways cost points.

    python -m experiments.preprocess --seeds 6

                           expected  test %  difference, 95 %
    BN: baseline                      79.73
    BN: zero-centred                  79.81  +0.08 [-0.33, +0.48]  not resolved
    BN: mean image                    77.73  -2.00 [-2.85, -1.15]  hurts
    BN: per pixel                     66.01  -13.72 [-23.76, -3.69]  not resolved
    BN: 0 to 1                        79.56  -0.17 [-0.78, +0.44]  not resolved
    BN: -1 to 1                       79.49  -0.24 [-0.92, +0.44]  not resolved
    BN: per image                     80.16  +0.43 [-0.02, +0.88]  not resolved
    BN: ZCA                           77.41  -2.33 [-3.29, -1.36]  hurts
    no norm: baseline                 78.40
    no norm: zero-centred             76.31  -2.09 [-2.76, -1.41]  hurts
    no norm: mean image               73.54  -4.86 [-5.93, -3.78]  hurts
    no norm: per pixel                74.58  -3.82 [-5.62, -2.03]  hurts
    no norm: 0 to 1                   74.59  -3.81 [-5.46, -2.15]  hurts
    no norm: -1 to 1                  78.01  -0.39 [-0.92, +0.14]  not resolved
    no norm: per image                78.67  +0.27 [-0.36, +0.89]  not resolved
    no norm: ZCA                      75.79  -2.61 [-2.99, -2.23]  hurts
"""

from functools import partial

from jaxtricks import preprocess as p
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting, Trick, set_fields
from jaxtricks.tricks import bag as t


def trick(fit, apply=p.standardize, expected=None, paper=None, **options):
    return Trick(partial(set_fields, preprocess=(partial(fit, **options), apply)), expected, paper)


LADDER = {
    "zero-centred": trick(p.center_fit),
    "mean image": trick(p.mean_image_fit, paper="Krizhevsky et al. 2012"),
    "per pixel": trick(p.standardize_fit, per="pixel"),
    "0 to 1": trick(p.min_max_fit),
    "-1 to 1": trick(p.min_max_fit, low=-1.0, high=1.0),
    "per image": trick(p.per_image_fit, p.per_image),
    "ZCA": trick(p.zca_fit, p.zca, paper="Krizhevsky 2009", epsilon=0.01),
}
SETTINGS = {"BN": Setting(None, LADDER), "no norm": Setting(partial(t.part, norm=None), LADDER)}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("preprocess", t.modern, SETTINGS, PRESETS, title="Preprocessing", mode="add-one")
