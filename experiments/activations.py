"""Activations in the place of ReLU, in a plain network with batch normalisation, and without any normalisation.

Measured with the command below, 6 paired seeds, 3,500 training images of fashion_mini, 6 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline of the
same setting, verdicts after Holm's correction over all rows. The complete report: results/activations.

    python -m experiments.activations --seeds 6

                               expected  test %  difference, 95 %
    BN: baseline                          79.86
    BN: sigmoid                - agrees   71.86  -8.01 [-9.34, -6.68]     hurts
    BN: tanh                              76.93  -2.93 [-4.10, -1.76]     hurts
    BN: leaky ReLU                        79.60  -0.26 [-0.67, +0.14]     not resolved
    BN: leaky ReLU 0.1                    79.09  -0.77 [-1.35, -0.19]     not resolved
    BN: leaky ReLU 0.3                    78.13  -1.73 [-2.23, -1.23]     hurts
    BN: PReLU                             78.74  -1.12 [-1.78, -0.47]     not resolved
    BN: randomised leaky                  77.77  -2.09 [-3.20, -0.98]     not resolved
    BN: ELU                               78.44  -1.42 [-1.97, -0.87]     hurts
    BN: SELU                              77.44  -2.42 [-2.81, -2.03]     hurts
    BN: SiLU                              79.59  -0.27 [-0.73, +0.19]     not resolved
    BN: learned Swish                     79.76  -0.11 [-0.52, +0.31]     not resolved
    BN: GELU                              79.91  +0.05 [-0.44, +0.54]     not resolved
    BN: exact GELU                        80.01  +0.14 [-0.45, +0.74]     not resolved
    BN: Mish                              79.22  -0.64 [-1.14, -0.15]     not resolved
    no norm: baseline                     78.44
    no norm: sigmoid           - agrees   33.32  -45.12 [-52.05, -38.19]  hurts
    no norm: tanh                         75.84  -2.61 [-3.14, -2.07]     hurts
    no norm: leaky ReLU                   78.66  +0.21 [-0.27, +0.69]     not resolved
    no norm: leaky ReLU 0.1               78.81  +0.36 [-0.26, +0.99]     not resolved
    no norm: leaky ReLU 0.3               78.37  -0.08 [-0.78, +0.62]     not resolved
    no norm: PReLU                        78.81  +0.37 [-0.51, +1.25]     not resolved
    no norm: randomised leaky             77.50  -0.94 [-1.76, -0.13]     not resolved
    no norm: ELU                          79.22  +0.77 [-0.06, +1.61]     not resolved
    no norm: SELU                         80.38  +1.94 [+0.95, +2.93]     not resolved
    no norm: SiLU                         79.01  +0.56 [-0.22, +1.34]     not resolved
    no norm: learned Swish                79.03  +0.59 [-0.13, +1.31]     not resolved
    no norm: GELU                         79.18  +0.73 [+0.04, +1.42]     not resolved
    no norm: exact GELU                   79.18  +0.74 [+0.03, +1.45]     not resolved
    no norm: Mish                         79.08  +0.63 [-0.08, +1.34]     not resolved

Leaky ReLU has a slope of 0.01 where no other is named; GELU is JAX's default, by tanh, and the exact one torch's.
"""

from functools import partial

import jax

from jaxtricks import layers, models
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting, Trick
from jaxtricks.tricks import bag as t


def trick(layer, paper=None, expected=None):
    return Trick(partial(t.part, activation=layer), expected, paper)


LADDER = {
    "sigmoid": trick(models.fixed(jax.nn.sigmoid), "Glorot & Bengio 2010: saturates", -1),
    "tanh": trick(models.fixed(jax.nn.tanh)),
    "leaky ReLU": trick(models.fixed(jax.nn.leaky_relu)),
    "leaky ReLU 0.1": trick(models.fixed(partial(jax.nn.leaky_relu, negative_slope=0.1)), "arXiv 1505.00853"),
    "leaky ReLU 0.3": trick(models.fixed(partial(jax.nn.leaky_relu, negative_slope=0.3)), "arXiv 1505.00853"),
    "PReLU": trick(models.learned(layers.PReLU), "arXiv 1502.01852"),
    "randomised leaky": trick(models.drawn(layers.rrelu, layers.rrelu_mean), "arXiv 1505.00853"),
    "ELU": trick(models.fixed(jax.nn.elu), "arXiv 1511.07289"),
    "SELU": trick(models.fixed(jax.nn.selu), "arXiv 1706.02515"),
    "SiLU": trick(models.fixed(jax.nn.silu), "arXiv 1710.05941"),
    "learned Swish": trick(models.learned(layers.Swish), "arXiv 1710.05941"),
    "GELU": trick(models.fixed(jax.nn.gelu), "arXiv 1606.08415"),
    "exact GELU": trick(models.fixed(partial(jax.nn.gelu, approximate=False)), "arXiv 1606.08415"),
    "Mish": trick(models.fixed(jax.nn.mish), "arXiv 1908.08681"),
}
SETTINGS = {"BN": Setting(None, LADDER), "no norm": Setting(partial(t.part, norm=None), LADDER)}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("activations", t.modern, SETTINGS, PRESETS, title="Activations", mode="add-one")
