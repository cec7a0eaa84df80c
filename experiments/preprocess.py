"""Preprocessing of the pixels: centred, scaled, each image by itself, whitened.

The baseline subtracts the mean of each channel and divides by its deviation, both of the training set. ``per pixel``
has a mean and a deviation for every place; ZCA whitens the images as vectors, with an epsilon of 0.01.
Batch normalisation after the first convolution undoes shift and scale, so that the rows are measured without it too.

Not run: the table comes with the long run. The settings are those of experiments.pooling. The presets:

    python -m experiments.preprocess
    python -m experiments.preprocess --preset full --data cifar10
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
    "quick": Preset("fashion_mini", "plain_mini", seeds=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("preprocess", t.modern, SETTINGS, PRESETS, title="Preprocessing", mode="add-one")
