"""Schedules at one peak rate, without and with a warm-up.

The baseline keeps the peak to the end. Exponential decay, by steps and by epochs, and one over time end at 1 % of it,
three steps at 0.1 %, two at 1 %, all others at 0 or next to it. One-cycle and triangular rates take no warm-up: they
rise by themselves.

Measured with the command below, 6 paired seeds, 3,500 training images of fashion_mini, 6 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline of the same
setting, verdicts after Holm's correction over all rows. The complete report: results/schedules.

    python -m experiments.schedules --seeds 6

                                       expected     test %  difference, 95 %
    no warm-up: baseline                             77.83
    no warm-up: three steps            +             76.76  -1.07 [-2.48, +0.33]  not resolved
    no warm-up: two steps, late        +             78.93  +1.10 [-0.38, +2.58]  not resolved
    no warm-up: exponential            +             77.42  -0.41 [-1.82, +1.00]  not resolved
    no warm-up: exponential by epochs  +             78.19  +0.37 [-1.03, +1.76]  not resolved
    no warm-up: one over time          + disagrees   70.20  -7.63 [-9.01, -6.24]  hurts
    no warm-up: half every epoch                     78.47  +0.64 [-0.77, +2.06]  not resolved
    no warm-up: one over root of time                77.49  -0.34 [-1.65, +0.97]  not resolved
    no warm-up: plateaus                             78.76  +0.93 [-1.09, +2.96]  not resolved
    no warm-up: linear                 +             79.94  +2.11 [+0.74, +3.48]  not resolved
    no warm-up: quadratic              +             78.70  +0.87 [-0.64, +2.38]  not resolved
    no warm-up: cosine                 +             79.68  +1.86 [+0.43, +3.28]  not resolved
    no warm-up: restarts               +             79.56  +1.73 [+0.38, +3.07]  not resolved
    no warm-up: stable, then linear    +             80.22  +2.39 [+1.04, +3.74]  not resolved
    no warm-up: one cycle              +             79.66  +1.83 [+0.60, +3.07]  not resolved
    no warm-up: triangular             +             79.21  +1.38 [+0.04, +2.71]  not resolved
    warm-up: baseline                                77.77
    warm-up: three steps               +             76.81  -0.96 [-2.67, +0.76]  not resolved
    warm-up: two steps, late           +             79.32  +1.56 [-0.12, +3.23]  not resolved
    warm-up: exponential               +             77.91  +0.14 [-1.52, +1.80]  not resolved
    warm-up: exponential by epochs     +             78.53  +0.77 [-0.89, +2.42]  not resolved
    warm-up: one over time             + disagrees   72.05  -5.72 [-7.95, -3.48]  hurts
    warm-up: half every epoch                        78.62  +0.86 [-0.85, +2.56]  not resolved
    warm-up: one over root of time                   78.04  +0.28 [-1.20, +1.76]  not resolved
    warm-up: plateaus                                78.69  +0.92 [-1.16, +3.00]  not resolved
    warm-up: linear                    +             79.81  +2.04 [+0.43, +3.65]  not resolved
    warm-up: quadratic                 +             79.01  +1.24 [-0.34, +2.83]  not resolved
    warm-up: cosine                    +             79.86  +2.09 [+0.39, +3.80]  not resolved
    warm-up: restarts                  +             79.47  +1.71 [+0.09, +3.32]  not resolved
    warm-up: stable, then linear       +             80.36  +2.59 [+0.95, +4.24]  not resolved
"""

from dataclasses import replace

from jaxtricks import optim
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.train import Recipe
from jaxtricks.tricks import Setting, further
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import schedules as s


def constant(**arguments) -> Recipe:
    """The baseline: the peak rate all along."""
    return replace(t.standard(**arguments), schedule=optim.constant)


FALLING = {
    "three steps": s.trick(optim.step_decay, 1, "arXiv 1512.03385"),
    "two steps, late": s.trick(optim.step_decay, fractions=(0.5, 0.8)),
    "exponential": s.trick(optim.exponential, by_epochs=s.exponent),
    "exponential by epochs": s.trick(optim.natural_exponential, by_epochs=s.logarithm, staircase=True),
    "one over time": s.trick(optim.inverse_time, by_epochs=s.hyperbola),
    **further.DECAYS,
    **further.plateaus(1308),
    "linear": s.trick(optim.polynomial),
    "quadratic": s.trick(optim.polynomial, power=2.0),
    "cosine": s.trick(optim.cosine, 1, "arXiv 1608.03983"),
    "restarts": s.trick(optim.restarts, 1, "arXiv 1608.03983", cycles=2),
    "stable, then linear": s.trick(optim.stable_decay, 1, "arXiv 2404.06395"),
}
RISING = {
    "one cycle": s.trick(optim.one_cycle, 1, "arXiv 1708.07120"),
    "triangular": s.trick(optim.triangular, 1, "arXiv 1506.01186", by_epochs=s.cycle),
}
LADDER = {
    "no warm-up": Setting(None, {**FALLING, **RISING}),
    "warm-up": Setting(t.warm_up, FALLING),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("schedules", constant, LADDER, PRESETS, title="Schedules", mode="add-one", counted=further.plateaus)
