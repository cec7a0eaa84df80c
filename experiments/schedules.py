"""Schedules at one peak rate, without and with a warm-up.

The baseline keeps the peak to the end. Exponential decay, by steps and by epochs, and one over time end at 1 % of it,
three steps at 0.1 %, two at 1 %, all others at 0 or next to it. One-cycle and triangular rates take no warm-up: they
rise by themselves.

Measured with the command below, 4 paired seeds, 3,500 training images of fashion_mini, 6 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline of the same
setting, verdicts after Holm's correction over all rows. The complete report: results/schedules.

    python -m experiments.schedules

                                       expected     test %  difference, 95 %
    no warm-up: baseline                             78.08
    no warm-up: three steps            +             76.00  -2.08 [-3.61, -0.56]  not resolved
    no warm-up: two steps, late        +             78.76  +0.67 [-0.35, +1.70]  not resolved
    no warm-up: exponential            +             77.19  -0.89 [-2.23, +0.44]  not resolved
    no warm-up: exponential by epochs  +             77.42  -0.66 [-1.66, +0.34]  not resolved
    no warm-up: one over time          + disagrees   69.69  -8.39 [-9.61, -7.17]  hurts
    no warm-up: linear                 + agrees      79.92  +1.84 [+0.95, +2.73]  helps
    no warm-up: quadratic              +             78.60  +0.52 [-0.33, +1.37]  not resolved
    no warm-up: cosine                 +             79.42  +1.33 [+0.34, +2.32]  not resolved
    no warm-up: restarts               +             79.40  +1.32 [+0.43, +2.21]  not resolved
    no warm-up: stable, then linear    + agrees      80.33  +2.24 [+1.28, +3.21]  helps
    no warm-up: one cycle              +             79.50  +1.42 [+0.51, +2.32]  not resolved
    no warm-up: triangular             +             79.51  +1.42 [+0.51, +2.34]  not resolved
    warm-up: baseline                                76.24
    warm-up: three steps               +             75.98  -0.26 [-3.34, +2.82]  not resolved
    warm-up: two steps, late           +             78.92  +2.68 [-0.26, +5.61]  not resolved
    warm-up: exponential               +             77.58  +1.34 [-1.45, +4.14]  not resolved
    warm-up: exponential by epochs     +             78.20  +1.96 [-0.91, +4.83]  not resolved
    warm-up: one over time             +             71.75  -4.49 [-7.77, -1.22]  not resolved
    warm-up: linear                    +             79.43  +3.19 [+0.33, +6.06]  not resolved
    warm-up: quadratic                 +             78.53  +2.29 [-0.58, +5.16]  not resolved
    warm-up: cosine                    +             79.52  +3.27 [+0.31, +6.24]  not resolved
    warm-up: restarts                  +             79.05  +2.81 [-0.18, +5.80]  not resolved
    warm-up: stable, then linear       +             80.18  +3.93 [+0.86, +7.01]  not resolved

Rows since, 6 seeds, none resolved (results/schedules-more), without and with a warm-up: half every epoch +0.81 [-1.13,
+2.74], +0.57 [-1.23, +2.37]; one over the root of time (Noam) -0.06 [-1.56, +1.44], -0.31 [-2.08, +1.47]; plateaus
+1.56 [-0.18, +3.30], +0.98 [-1.46, +3.42].
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
