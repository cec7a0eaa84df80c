"""Activations in the place of ReLU, in a plain network with batch normalisation, and without any normalisation.

Measured with the command below, 4 paired seeds, 3,500 training images of fashion_mini, 6 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline of the
same setting, verdicts after Holm's correction over all rows. The complete report: results/activations.

    python -m experiments.activations

                               expected  test %  difference, 95 %
    BN: baseline                          79.52
    BN: sigmoid                - agrees   71.85  -7.67 [-8.87, -6.46]     hurts
    BN: tanh                              76.71  -2.81 [-3.56, -2.06]     hurts
    BN: leaky ReLU                        79.71  +0.19 [-0.51, +0.89]     not resolved
    BN: PReLU                             78.92  -0.60 [-1.53, +0.33]     not resolved
    BN: randomised leaky                  77.36  -2.16 [-3.45, -0.87]     not resolved
    BN: ELU                               78.92  -0.59 [-1.52, +0.34]     not resolved
    BN: SELU                              77.58  -1.93 [-2.51, -1.35]     hurts
    BN: SiLU                              79.49  -0.03 [-0.73, +0.68]     not resolved
    BN: learned Swish                     79.59  +0.07 [-0.93, +1.08]     not resolved
    BN: GELU                              79.76  +0.24 [-0.65, +1.13]     not resolved
    BN: Mish                              79.93  +0.41 [-0.46, +1.28]     not resolved
    no norm: baseline                     78.47
    no norm: sigmoid           - agrees   32.12  -46.36 [-59.63, -33.08]  hurts
    no norm: tanh                         75.93  -2.54 [-3.31, -1.77]     hurts
    no norm: leaky ReLU                   78.26  -0.22 [-0.81, +0.37]     not resolved
    no norm: PReLU                        78.43  -0.04 [-0.88, +0.79]     not resolved
    no norm: randomised leaky             76.67  -1.81 [-2.69, -0.93]     not resolved
    no norm: ELU                          79.50  +1.02 [+0.36, +1.69]     not resolved
    no norm: SELU                         79.90  +1.43 [+0.88, +1.97]     helps
    no norm: SiLU                         78.42  -0.06 [-0.90, +0.78]     not resolved
    no norm: learned Swish                78.54  +0.07 [-0.62, +0.76]     not resolved
    no norm: GELU                         78.79  +0.32 [-0.23, +0.87]     not resolved
    no norm: Mish                         79.30  +0.83 [-0.57, +2.22]     not resolved

Leaky ReLU has a slope of 0.01 there; GELU is JAX's default, the form by tanh. Rows since, 6 seeds, without norm, none
resolved (results/activations-more): slopes of 0.1 +0.37 [-0.19, +0.93] and 0.3 -0.06 [-0.70, +0.58]; the exact GELU,
by the error function, which is torch's default, +0.79 [+0.17, +1.42].
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
