"""Optimisers, each at its own learning rate: four tried for each, half a decade apart, on held-out images.

The search has seeds of its own (100 and 101) and the same budget for every row; the rates it chose are in rates.md
beside the report. The network is a perceptron of 256 hidden units on images without augmentation. The baseline is SGD
with Nesterov's momentum of 0.9. All have warm-up and cosine decay, except the schedule-free one, which keeps its rate
after it; all add 1e-4 of the weights to the gradient, except those that decay by themselves. Adam hands over to SGD
after 436 steps, half of the run, and the momentum rises as long. Muon has the kernels, Adam the rest, at a tenth.

Measured with the command below, 4 paired seeds, 3,500 training images of fashion_mini, 8 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared; differences to the baseline. Report: results/optimizers. Rows since, with
6 seeds (-more): norm clipped at 1 -0.23 [-0.34, -0.13] hurts, at 5 -0.19 [-0.49, +0.10], at 15 it never acted; at 10,
values at 0.1, gradients of norm 1, spikes skipped: no effect; AMSGrad (arXiv 1904.09237) -0.27 [-0.74, +0.20].

    python -m experiments.optimizers

                         expected  test %  difference, 95 %
    baseline                        84.74
    plain SGD            -          84.80  +0.06 [-0.38, +0.50]  not resolved
    heavy ball                      84.97  +0.22 [-0.33, +0.78]  not resolved
    momentum 0.5 to 0.9             84.77  +0.03 [-0.43, +0.48]  not resolved
    centralised          +          84.52  -0.22 [-0.79, +0.34]  not resolved
    adaptive clipping               84.04  -0.70 [-1.39, -0.01]  not resolved
    lookahead            +          84.89  +0.15 [-0.35, +0.65]  not resolved
    SAM                  +          85.20  +0.46 [-0.03, +0.95]  not resolved
    Adagrad                         85.11  +0.37 [-0.10, +0.84]  not resolved
    Adadelta                        84.66  -0.08 [-0.50, +0.33]  not resolved
    RMSProp                         85.08  +0.34 [-0.13, +0.82]  not resolved
    Adam                            84.93  +0.19 [-0.22, +0.60]  not resolved
    AdamW                           85.07  +0.32 [-0.11, +0.76]  not resolved
    LARS                            84.88  +0.14 [-0.30, +0.59]  not resolved
    LAMB                            85.37  +0.62 [+0.15, +1.10]  not resolved
    Muon                            85.24  +0.50 [+0.09, +0.91]  not resolved
    schedule-free                   84.62  -0.12 [-0.55, +0.30]  not resolved
    Adam, then SGD                  84.45  -0.29 [-0.75, +0.16]  not resolved
"""

from functools import partial

import optax

from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick, bare, composing
from jaxtricks.tricks import optimizers as o
from jaxtricks.tricks import unmeasured as u

FACTORS = (0.1, 10**-0.5, 1.0, 10**0.5)


def other(core, times, expected=None, paper=None, **parts):
    """``times`` is the middle of the rates tried, in those of the baseline."""
    return Trick(partial(composing.exchange, core=core, times=times, **parts), expected, paper)


def counted(steps):
    """The tricks that count the steps of a run: their change comes after half of them."""
    half = steps // 2
    rising = partial(o.rising_momentum, first=0.5, last=0.9, steps=half)
    return {
        "momentum 0.5 to 0.9": other(rising, 1, None, "Sutskever et al. 2013"),
        "Adam, then SGD": other(partial(o.adam_then_sgd, at=half, share=0.04), 1, None, "arXiv 1712.07628"),
    }


LADDER = {
    "plain SGD": other(partial(optax.sgd, momentum=0.0), 10, -1),
    "heavy ball": other(partial(optax.sgd, momentum=0.9), 1),
    "momentum 0.5 to 0.9": counted(872)["momentum 0.5 to 0.9"],
    "centralised": Trick(o.centralized, 1, "arXiv 2004.01461"),
    "adaptive clipping": Trick(o.adaptive_clip, None, "arXiv 2102.06171"),
    **u.GRADIENTS,
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
    "Adam, then SGD": counted(872)["Adam, then SGD"],
}
PRESETS = {
    "quick": Preset("fashion_mini", "perceptron", minutes=4, epochs=8, batch=32, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("optimizers", bare, LADDER, PRESETS, title="Optimisers", mode="add-one", counted=counted, factors=FACTORS)
