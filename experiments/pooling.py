"""Pooling: what halves the resolution between stages, and what reads out the last stage.

The baseline takes the maximum of 2 x 2 and, at the end, the average of all positions.

Measured with the command below, 6 paired seeds, 3,500 training images of fashion_mini, 6 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline, verdicts
after Holm's correction over all rows. The complete report: results/pooling.

    python -m experiments.pooling --seeds 6

                       expected     test %  difference, 95 %
    baseline                         79.86
    average                          79.45  -0.41 [-1.22, +0.40]  not resolved
    overlapping                      80.23  +0.37 [-0.34, +1.09]  not resolved
    L2                               79.65  -0.21 [-0.91, +0.49]  not resolved
    stochastic         + disagrees   78.14  -1.72 [-2.41, -1.03]  hurts
    blur               +             79.24  -0.62 [-1.38, +0.13]  not resolved
    read out: maximum                82.27  +2.41 [+1.69, +3.14]  helps
    read out: GeM                    82.12  +2.26 [+1.33, +3.18]  helps
    read out: pyramid                84.30  +4.44 [+3.84, +5.04]  helps
"""

from functools import partial

from flax import nnx

from jaxtricks import layers, models
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import bag as t

HALF = {"window_shape": (2, 2), "strides": (2, 2)}
OVERLAPPING = {"window_shape": (3, 3), "strides": (2, 2), "padding": ((1, 1), (1, 1))}
TWO = {"window": 2, "strides": 2}


def positive(pool):
    """The pools of what must not be negative come after ReLU, which the baseline has."""
    return partial(pool, **TWO)


LADDER = {
    "average": t.swap(pool=models.fixed(partial(nnx.avg_pool, **HALF))),
    "overlapping": t.swap(None, "Krizhevsky et al. 2012", pool=models.fixed(partial(nnx.max_pool, **OVERLAPPING))),
    "L2": t.swap(pool=models.fixed(partial(layers.lp_pool, p=2.0, **TWO))),
    "stochastic": t.swap(
        1,
        "arXiv 1301.3557",
        pool=models.drawn(positive(layers.stochastic_pool), positive(layers.stochastic_pool_mean)),
    ),
    "blur": t.swap(1, "arXiv 1904.11486", pool=models.fixed(layers.blur_pool)),
    "read out: maximum": t.swap(readout=models.fixed(t.global_max)),
    "read out: GeM": t.swap(None, "arXiv 1711.02512", readout=models.learned(layers.GeM)),
    "read out: pyramid": t.swap(None, "arXiv 1406.4729", readout=models.fixed(layers.spatial_pyramid_pool)),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("pooling", t.modern, LADDER, PRESETS, title="Pooling", mode="add-one")
