"""Units that never fire, by rate and activation: a plain network without normalisation, at four learning rates.

A unit, a channel of one of three stages, is dead if no test image makes it positive anywhere. ReLU gives it no gradient
then; leaky ReLU, ELU and GELU do, so that there it may come back, and what is counted is that it does not. Reported is
the share of dead units, the mean of the three stages, each of which stands beside it, with the accuracy: lower is
better, and a negative difference is an improvement. Saturated sigmoids are no dead units, and have none by this count.

The table is not run: it takes two cores of an otherwise idle machine.

    python -m experiments.dead_units
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
    "quick": Preset("fashion_mini", "plain_mini", seeds=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.05, seeds_on="devices"),
}

if __name__ == "__main__":
    main("dead_units", f.baseline, SETTINGS, PRESETS, title="Dead units", mode="add-one")
