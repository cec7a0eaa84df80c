"""Units that never fire, by rate and activation: a plain network without normalisation, at four learning rates.

A unit, a channel of one of three stages, is dead if no test image makes it positive anywhere. ReLU gives it no gradient
then; leaky ReLU, ELU and GELU do, so that there it may come back, and what is counted is that it does not. Reported is
the share of dead units, the mean of the three stages, each of which stands beside it, with the accuracy: lower is
better, and a negative difference is an improvement. Saturated sigmoids are no dead units, and have none by this count.

Measured with the command below, 6 paired seeds, 3,500 training images of fashion_mini, 6 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline of the same
rate, verdicts after Holm's correction over all rows (results/dead_units). From ReLU's 0.7 % of dead units at the base
rate of 0.05 it is 58 % at eight times that, with batch normalisation 5. In brackets: the seeds that did not diverge.

    python -m experiments.dead_units --seeds 6

                                        expected  dead %  difference, 95 %
    rate x1: baseline                               0.69
    rate x1: leaky ReLU                 -           0.00  -0.69 [-3.36, +1.97]     not resolved
    rate x1: ELU                        -           0.00  -0.69 [-3.36, +1.97]     not resolved
    rate x1: GELU                                   0.35  -0.35 [-3.22, +2.53]     not resolved
    rate x1: BN                         -           0.00  -0.69 [-3.36, +1.97]     not resolved
    rate x2: baseline                               7.47
    rate x2: leaky ReLU (4 of 6 seeds)  -           0.00  -8.85 [-22.90, +5.19]    not resolved
    rate x2: ELU                        -           7.99  +0.52 [-22.94, +23.98]   not resolved
    rate x2: GELU                                   0.52  -6.94 [-14.46, +0.57]    not resolved
    rate x2: BN                         -           0.00  -7.47 [-15.19, +0.26]    not resolved
    rate x4: baseline                              42.53
    rate x4: leaky ReLU (0 of 6 seeds)  -                                          not resolved
    rate x4: ELU (0 of 6 seeds)         -                                          not resolved
    rate x4: GELU                                  22.74  -19.79 [-46.00, +6.42]   not resolved
    rate x4: BN                         - agrees    2.08  -40.45 [-56.56, -24.34]  helps
    rate x8: baseline                              58.33
    rate x8: leaky ReLU (0 of 6 seeds)  -                                          not resolved
    rate x8: ELU (0 of 6 seeds)         -                                          not resolved
    rate x8: GELU (4 of 6 seeds)                   35.42  -23.44 [-54.26, +7.38]   not resolved
    rate x8: BN                         - agrees    5.38  -52.95 [-58.59, -47.32]  helps
"""

from functools import partial

import jax

from jaxtricks import models
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting, Trick
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import firing as f


def activation(function, expected, paper):
    return Trick(partial(t.part, activation=models.fixed(function)), expected, paper)


LADDER = {
    "leaky ReLU": activation(partial(jax.nn.leaky_relu, negative_slope=0.1), 1, "arXiv 1505.00853"),
    "ELU": activation(jax.nn.elu, 1, "arXiv 1511.07289"),
    "GELU": activation(jax.nn.gelu, None, "arXiv 1606.08415"),
    "BN": Trick(partial(t.part, norm=models.batch_norm), 1, "arXiv 1502.03167"),
}
SETTINGS = {
    "rate x1": Setting(None, LADDER),
    **{f"rate x{times}": Setting(partial(f.faster, times=float(times)), LADDER) for times in (2, 4, 8)},
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.05, seeds_on="devices"),
}

if __name__ == "__main__":
    main("dead_units", f.baseline, SETTINGS, PRESETS, title="Dead units", mode="add-one")
