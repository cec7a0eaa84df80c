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

Measured with the command below, 6 paired seeds, 3,500 images of fashion_mini, 4 epochs, on two cores of an AMD EPYC
(jax 0.10.2) that other jobs shared; differences to the baseline of the same setting, verdicts after Holm's correction.

    python -m experiments.init --seeds 6

                                    expected  test %  difference, 95 %
    no norm: baseline                          76.54
    no norm: all zero               - agrees   10.00  -66.54 [-67.05, -66.03]  hurts
    no norm: all 0.01               - agrees   27.60  -48.94 [-58.06, -39.83]  hurts
    no norm: N(0, 0.01)             - agrees   10.00  -66.54 [-67.05, -66.03]  hurts
    no norm: Xavier uniform         0          76.74  +0.20 [-0.54, +0.94]     not resolved
    no norm: He, fan in             +          77.08  +0.53 [-0.38, +1.44]     not resolved
    no norm: He, fan out            +          77.06  +0.52 [-0.21, +1.24]     not resolved
    no norm: He uniform             +          76.83  +0.29 [-0.58, +1.16]     not resolved
    no norm: orthogonal                        77.13  +0.58 [-0.47, +1.63]     not resolved
    no norm: Dirac                             77.16  +0.62 [-0.12, +1.35]     not resolved
    no norm: classifier zero                   74.44  -2.10 [-3.88, -0.32]     not resolved
    no norm: LeCun normal           -          77.14  +0.60 [-0.64, +1.84]     not resolved
    no norm: N(0, 0.01), truncated  - agrees   10.00  -66.54 [-67.05, -66.03]  hurts
    no norm: LSUV                   +          76.84  +0.29 [-0.57, +1.16]     not resolved
    BN: baseline                               78.31
    BN: all zero                    - agrees   10.00  -68.31 [-69.06, -67.56]  hurts
    BN: all 0.01                    - agrees   32.03  -46.28 [-47.16, -45.41]  hurts
    BN: N(0, 0.01)                             75.93  -2.38 [-3.26, -1.50]     hurts
    BN: Xavier uniform              0          78.24  -0.07 [-0.60, +0.46]     not resolved
    BN: He, fan in                             77.76  -0.56 [-1.01, -0.10]     not resolved
    BN: He, fan out                            78.55  +0.24 [-0.28, +0.76]     not resolved
    BN: He uniform                             77.67  -0.64 [-1.19, -0.09]     not resolved
    BN: orthogonal                             77.63  -0.68 [-1.62, +0.26]     not resolved
    BN: Dirac                                  77.81  -0.51 [-1.05, +0.04]     not resolved
    BN: classifier zero                        76.18  -2.13 [-2.78, -1.48]     hurts
    BN: LeCun normal                           77.76  -0.55 [-1.01, -0.09]     not resolved
    BN: N(0, 0.01), truncated                  76.13  -2.18 [-3.31, -1.06]     not resolved
    residual, no norm: baseline                77.26
    residual, no norm: Fixup        +          75.89  -1.36 [-2.29, -0.43]     not resolved
"""

from functools import partial

from jaxtricks import init
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.ablation.initial_signal import show
from jaxtricks.tricks import Setting, further
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import starts as s

NORMAL = partial(t.part, kernel_init=init.xavier_normal())  # which Xavier of the table is measured against
SETTINGS = {
    "no norm": Setting(partial(NORMAL, norm=None), s.kernels(True) | further.starts(True)),
    "BN": Setting(NORMAL, s.kernels(False) | further.starts(False)),
    "residual, no norm": Setting(partial(s.residual, layout="resnet_mini"), further.FIXUP),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=4, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("init", t.modern, SETTINGS, PRESETS, title="Initialisers", mode="add-one", also=show, begin=s.begin)
