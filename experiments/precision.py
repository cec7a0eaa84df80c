"""Low precision: what it does to accuracy. Speed is not the point here: it pays on accelerators, where it was not run.

Convolutions and matrix products run in the named type; normalisation, softmax, loss, statistics and weights stay
float32, except in the row that keeps the weights themselves in bfloat16. The loss scale halves on an overflow and
doubles after 2,000 good steps. From 2^15 no step was skipped, from 2^24, the largest there is, 7 to 9 of 1,308.

Measured with the command below, 6 paired seeds, 3,500 training images of fashion_mini, 6 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline, verdicts
after Holm's correction over all rows. The complete report: results/precision.

    python -m experiments.precision --seeds 6

                              expected  test %  difference, 95 %
    baseline                             79.86
    bfloat16                  0          79.68  -0.18 [-0.68, +0.32]  not resolved
    bfloat16, weights too                79.19  -0.67 [-1.30, -0.05]  not resolved
    float16, dynamic scale    0          79.57  -0.29 [-0.84, +0.26]  not resolved
    float16, scale from 2^24  0          79.73  -0.13 [-0.61, +0.35]  not resolved
    float16, no scale                    79.79  -0.07 [-0.66, +0.53]  not resolved
"""

from functools import partial

from jaxtricks import train
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick, set_fields
from jaxtricks.tricks import bag as t


def trick(precision, expected=0, paper=None):
    return Trick(partial(set_fields, precision=precision), expected, paper)


LADDER = {
    "bfloat16": trick(train.BFLOAT16),
    "bfloat16, weights too": trick(train.Precision("bfloat16", "bfloat16"), None),
    "float16, dynamic scale": trick(train.FLOAT16, 0, "arXiv 1710.03740"),
    "float16, scale from 2^24": trick(train.FLOAT16._replace(scale=2.0**24)),
    "float16, no scale": trick(train.FLOAT16._replace(scale=None), None, "arXiv 1710.03740: small gradients are lost"),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("precision", t.modern, LADDER, PRESETS, title="Precision", mode="add-one")
