"""Initialisers of a plain network with and without normalisation; and why a network must not start at zero.

A layer whose units start equal stays so: each unit gets the same gradient, of rank 1 for ever; all at zero, it is 0
and only the last bias learns. The classifier may start at zero, and so may logistic regression: its gradient does not
pass through its own weights. On digits, one hidden layer of 32 tanh units, ten epochs (signal.md; rank of the gradient
of the hidden kernel, 256 images):

    start                              first step  after training  test %
    hidden layer, all zero                  0             0          5.8
    hidden layer, all 0.1                   1             1         29.5
    hidden layer, He                       28            27         96.4
    hidden layer, He, classifier zero       0            26         97.2
    logistic regression, zero                                       95.8
    logistic regression, He                                         96.1

Through 20 layers of 256 ReLU units the variance of the activations ends at 1.5e-38 with N(0, 0.01), 1.4e-6 with Xavier,
1.5 with He, 3.3e-7 with orthogonal and 0.35 with orthogonal times sqrt 2 (arXiv 1312.6120; results/init/signal.png).

Measured with the command below, 4 paired seeds, 3,500 images of fashion_mini, 4 epochs, on two cores of an AMD EPYC
(jax 0.10.2) that other jobs shared; differences to the baseline of the same setting, verdicts after Holm's correction.

    python -m experiments.init

                              expected  test %  difference, 95 %
    no norm: baseline                    76.35
    no norm: all zero         - agrees   10.00  -66.35 [-67.22, -65.48]  hurts
    no norm: all 0.01         - agrees   30.84  -45.51 [-46.52, -44.50]  hurts
    no norm: N(0, 0.01)       - agrees   10.00  -66.35 [-67.22, -65.48]  hurts
    no norm: Xavier uniform   0          76.45  +0.10 [-0.89, +1.09]     not resolved
    no norm: He, fan in       +          76.51  +0.16 [-0.88, +1.20]     not resolved
    no norm: He, fan out      +          77.00  +0.65 [-0.23, +1.53]     not resolved
    no norm: He uniform       +          76.35  0.00 [-0.94, +0.94]      not resolved
    no norm: orthogonal                  76.90  +0.55 [-1.64, +2.74]     not resolved
    no norm: Dirac                       76.67  +0.32 [-0.51, +1.14]     not resolved
    no norm: classifier zero             73.63  -2.72 [-5.46, +0.02]     not resolved
    BN: baseline                         77.75
    BN: all zero              - agrees   10.00  -67.75 [-68.25, -67.25]  hurts
    BN: all 0.01              - agrees   30.52  -47.22 [-50.04, -44.41]  hurts
    BN: N(0, 0.01)                       75.97  -1.78 [-2.24, -1.31]     hurts
    BN: Xavier uniform        0          78.02  +0.27 [-0.62, +1.17]     not resolved
    BN: He, fan in                       77.51  -0.24 [-0.80, +0.32]     not resolved
    BN: He, fan out                      78.51  +0.76 [+0.14, +1.37]     not resolved
    BN: He uniform                       77.54  -0.21 [-0.94, +0.52]     not resolved
    BN: orthogonal                       77.28  -0.47 [-2.01, +1.08]     not resolved
    BN: Dirac                            77.76  +0.01 [-0.55, +0.57]     not resolved
    BN: classifier zero                  75.82  -1.93 [-2.70, -1.17]     hurts

Rows since, 6 seeds (results/init-more): without norm LeCun normal +0.82 [-0.52, +2.17], LSUV +0.19 [-0.74, +1.12],
N(0, 0.01) cut at two deviations -66.51 [-67.06, -65.96]; with BN -0.56 [-1.00, -0.11] and, the last, -1.84 [-2.76,
-0.91]; Fixup, on a residual network of three blocks without norm, -1.99 [-2.75, -1.24].
"""

from functools import partial

from jaxtricks import init
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.ablation.initial_signal import show
from jaxtricks.tricks import Setting
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import starts as s
from jaxtricks.tricks import unmeasured as u

NORMAL = partial(t.part, kernel_init=init.xavier_normal())  # which Xavier of the table is measured against
SETTINGS = {
    "no norm": Setting(partial(NORMAL, norm=None), s.kernels(True) | u.starts(True)),
    "BN": Setting(NORMAL, s.kernels(False) | u.starts(False)),
    "residual, no norm": Setting(partial(s.residual, layout="resnet_mini"), u.FIXUP),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=4, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("init", t.modern, SETTINGS, PRESETS, title="Initialisers", mode="add-one", also=show, begin=s.begin)
