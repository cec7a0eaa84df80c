"""Optimisers, each at its own learning rate: four tried for each, half a decade apart, on held-out images.

The search has seeds of its own (100 and 101) and the same budget for every row; the rates it chose are in rates.md
beside the report. The network is a perceptron of 256 hidden units on images without augmentation. The baseline is SGD
with Nesterov's momentum of 0.9. All have warm-up and cosine decay, except the schedule-free one, which keeps its rate
after it; all add 1e-4 of the weights to the gradient, except those that decay by themselves. Adam hands over to SGD
after 436 steps, half of the run, and the momentum rises as long. Muon has the kernels, Adam the rest, at a tenth.

Measured with 6 paired seeds, 3,500 training images of fashion_mini, 8 epochs, on two cores of an AMD EPYC (jax 0.10.2)
that other jobs shared; differences to the baseline. Clipped at 15 the gradient never was. AMSGrad: arXiv 1904.09237.

    python -m experiments.optimizers --seeds 6

                           expected     test %  difference, 95 %
    baseline                             84.99
    plain SGD              - disagrees   85.09  +0.10 [-0.10, +0.30]  no effect beyond ±0.5 points
    heavy ball                           84.89  -0.10 [-0.28, +0.08]  no effect beyond ±0.5 points
    momentum 0.5 to 0.9                  85.11  +0.12 [-0.11, +0.35]  no effect beyond ±0.5 points
    centralised            +             84.71  -0.28 [-0.47, -0.10]  not resolved
    adaptive clipping                    84.21  -0.78 [-1.11, -0.46]  hurts
    norm clipped at 1                    84.76  -0.23 [-0.37, -0.09]  no effect beyond ±0.5 points
    norm clipped at 5                    84.79  -0.19 [-0.48, +0.09]  not resolved
    norm clipped at 10                   84.95  -0.04 [-0.17, +0.10]  no effect beyond ±0.5 points
    norm clipped at 15                   84.99  0.00 [-0.42, +0.42]   not resolved
    values clipped at 0.1                84.78  -0.21 [-0.41, -0.01]  not resolved
    gradients of norm 1                  84.81  -0.18 [-0.34, -0.02]  no effect beyond ±0.5 points
    spikes skipped         0 agrees      84.99  0.00 [-0.12, +0.12]   no effect beyond ±0.5 points
    AMSGrad                              84.72  -0.27 [-0.73, +0.19]  not resolved
    lookahead              + disagrees   84.94  -0.05 [-0.25, +0.15]  no effect beyond ±0.5 points
    SAM                    +             84.74  -0.24 [-0.42, -0.07]  not resolved
    Adagrad                              85.00  +0.01 [-0.28, +0.31]  no effect beyond ±0.5 points
    Adadelta                             85.28  +0.29 [-0.01, +0.59]  not resolved
    RMSProp                              84.98  -0.01 [-0.17, +0.15]  no effect beyond ±0.5 points
    Adam                                 84.41  -0.58 [-0.92, -0.23]  not resolved
    AdamW                                85.03  +0.04 [-0.35, +0.44]  not resolved
    LARS                                 84.94  -0.05 [-0.59, +0.49]  not resolved
    LAMB                                 84.98  -0.01 [-0.26, +0.25]  no effect beyond ±0.5 points
    Muon                                 85.36  +0.37 [+0.09, +0.64]  not resolved
    schedule-free                        84.49  -0.50 [-0.71, -0.29]  hurts
    Adam, then SGD                       84.88  -0.11 [-0.33, +0.11]  no effect beyond ±0.5 points
"""

from functools import partial

import optax

from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick, bare, composing, further
from jaxtricks.tricks import optimizers as o

FACTORS = (0.1, 10**-0.5, 1.0, 10**0.5)


def other(core, times, expected=None, paper=None, **parts):
    """``times`` is the middle of the rates tried, in those of the baseline."""
    return Trick(partial(composing.exchange, core=core, times=times, **parts), expected, paper)


LADDER = {
    "plain SGD": other(partial(optax.sgd, momentum=0.0), 10, -1),
    "heavy ball": other(partial(optax.sgd, momentum=0.9), 1),
    "momentum 0.5 to 0.9": further.handovers(872)["momentum 0.5 to 0.9"],
    "centralised": Trick(o.centralized, 1, "arXiv 2004.01461"),
    "adaptive clipping": Trick(o.adaptive_clip, None, "arXiv 2102.06171"),
    **further.GRADIENTS,
    "lookahead": Trick(o.lookahead, 1, "arXiv 1907.08610"),
    "SAM": Trick(partial(o.sharp, rho=0.05), 1, "arXiv 2010.01412"),
    "Adagrad": other(optax.adagrad, 1.6, None, "Duchi et al. 2011"),
    "Adadelta": other(optax.adadelta, 20, None, "arXiv 1212.5701"),
    "RMSProp": other(partial(optax.rmsprop, decay=0.99), 0.02),
    "Adam": other(optax.adam, 0.1, None, "arXiv 1412.6980"),
    "AdamW": other(optax.adam, 0.1, None, "arXiv 1711.05101", decay=composing.decoupled, weight=1e-2),
    "LARS": other(partial(optax.lars, trust_coefficient=0.02), 5, None, "arXiv 1708.03888"),
    "LAMB": other(optax.lamb, 0.2, None, "arXiv 1904.00962", decay=composing.own),
    "Muon": other(o.muon, 1, None, "Jordan et al. 2024", decay=composing.own, weight=1e-2),
    "schedule-free": Trick(partial(o.schedule_free, times=4), None, "arXiv 2405.15682"),
    "Adam, then SGD": further.handovers(872)["Adam, then SGD"],
}
PRESETS = {
    "quick": Preset("fashion_mini", "perceptron", minutes=4, epochs=8, batch=32, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    parts = {"counted": further.handovers, "factors": FACTORS}
    main("optimizers", bare, LADDER, PRESETS, title="Optimisers", mode="add-one", **parts)
