"""Regularisers on small networks without augmentation.

The plain network ends at a training loss of 0.40 and a test loss of 0.47, the residual one at 0.22 and 0.43. Weight
decay is coupled, 1e-4; decoupled is ten times as large. Turns have 109 steps; SWA begins at three quarters of the run.

Measured with the command below, 6 paired seeds, 3,500 images of fashion_mini, 8 epochs, on two cores of an AMD EPYC
(jax 0.10.2) that other jobs shared; to the setting's baseline (results/regularizers).

    python -m experiments.regularizers --seeds 6

                                             expected     test %  difference, 95 %
    plain: baseline                                        82.79
    plain: dropout                           + disagrees   80.89  -1.90 [-2.18, -1.62]  hurts
    plain: DropBlock                         + disagrees   80.52  -2.27 [-2.58, -1.96]  hurts
    plain: classifier noise                                82.46  -0.33 [-0.72, +0.05]  not resolved
    plain: DisturbLabel                      + disagrees   81.57  -1.22 [-1.59, -0.84]  hurts
    plain: no decay                          -             82.72  -0.07 [-0.58, +0.45]  not resolved
    plain: decay 1e-3                                      82.38  -0.41 [-0.62, -0.19]  not resolved
    plain: decoupled decay                                 82.59  -0.19 [-0.55, +0.16]  not resolved
    plain: L1 penalty                                      82.81  +0.02 [-0.57, +0.61]  not resolved
    plain: max norm 1                        + disagrees   81.46  -1.33 [-1.85, -0.80]  hurts
    plain: gradient noise                    + disagrees   79.67  -3.12 [-3.72, -2.51]  hurts
    plain: EMA                                             82.83  +0.04 [-0.19, +0.26]  no effect beyond ±0.5 points
    plain: constant rate                     -             77.47  -5.32 [-8.21, -2.43]  not resolved
    plain: constant rate, EMA                              83.47  +0.68 [+0.21, +1.15]  not resolved
    plain: dropout 0.5                       + disagrees   77.18  -5.61 [-6.40, -4.82]  hurts
    plain: plain dropout                     + disagrees   80.33  -2.46 [-2.92, -2.00]  hurts
    plain: L2 penalty                                      82.48  -0.31 [-0.75, +0.13]  not resolved
    plain: elastic net                                     82.98  +0.19 [-0.47, +0.86]  not resolved
    plain: group sparsity                                  82.89  +0.10 [-0.10, +0.30]  no effect beyond ±0.5 points
    plain: max norm 3                        + disagrees   82.68  -0.11 [-0.30, +0.09]  no effect beyond ±0.5 points
    plain: max norm 4                        +             82.58  -0.21 [-0.51, +0.09]  not resolved
    plain: EMA, recalibrated                 + disagrees   82.81  +0.02 [-0.19, +0.24]  no effect beyond ±0.5 points
    plain: decay 1e-3, by turns                            82.58  -0.21 [-0.55, +0.13]  not resolved
    plain: constant rate, SWA                              83.31  +0.52 [+0.07, +0.98]  not resolved
    plain: constant rate, SWA, recalibrated  +             83.46  +0.67 [+0.32, +1.03]  not resolved
    plain: LAWA                                            82.79  +0.01 [-0.28, +0.29]  not resolved
    residual: baseline                                     84.97
    residual: stochastic depth               + disagrees   83.61  -1.36 [-1.96, -0.75]  hurts
    residual: dropout                        +             84.60  -0.37 [-1.14, +0.41]  not resolved

Where the baseline overfits (880 images, 60 epochs, 5 seeds; results/regularizers-overfit) dropout is -0.01 [-0.44,
+0.41], DropBlock -0.01 [-1.24, +1.22], DisturbLabel +0.35 [-0.16, +0.85], none of them resolved; dropout 0.5 -1.96
[-2.50, -1.42] and gradient noise -1.52 [-2.12, -0.92] hurt.
"""

from functools import partial

from jaxtricks import augment, layers, optim
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting, Trick, composing, further, set_fields
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import regularizers as r


def trick(change, expected=None, paper=None, **options):
    return Trick(partial(change, **options), expected, paper)


PLAIN = {
    "dropout": t.swap(1, "Srivastava et al. 2014", head=r.drawn(layers.dropout, rate=0.2)),
    "DropBlock": t.swap(1, "arXiv 1810.12890", after=r.drawn(layers.drop_block, rate=0.1, block=3)),
    "classifier noise": trick(r.wrapped, how=r.noisy_classifier, std=0.5),
    "DisturbLabel": trick(set_fields, 1, "arXiv 1605.00055", mix=partial(augment.label_noise, probability=0.1)),
    "no decay": trick(composing.weight_decay, -1, weight=0.0),
    "decay 1e-3": trick(composing.weight_decay, weight=1e-3),
    "decoupled decay": trick(composing.weight_decay, None, "arXiv 1711.05101", weight=1e-3, decay=composing.decoupled),
    "L1 penalty": trick(r.penalised, weight=1e-4),
    "max norm 1": trick(r.max_norm, 1, "Srivastava et al. 2014", limit=1.0),
    "gradient noise": trick(r.gradient_noise, 1, "arXiv 1511.06807", eta=0.01, gamma=0.55),
    "EMA": trick(set_fields, ema=0.99),
    "constant rate": trick(set_fields, -1, schedule=optim.constant),
    "constant rate, EMA": trick(set_fields, ema=0.99, schedule=optim.constant),
    **further.REGULARIZERS,
    **further.averages(872),
}
RESIDUAL = {
    "stochastic depth": trick(r.wrapped, 1, "arXiv 1603.09382", how=r.stochastic_depth, rate=0.2),
    "dropout": t.swap(1, "Srivastava et al. 2014", dropout_rate=0.2),
}
LADDER = {"plain": Setting(None, PLAIN), "residual": Setting(partial(r.residual, layout="resnet_mini"), RESIDUAL)}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=8, batch=32, lr=0.1, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("regularizers", t.bare, LADDER, PRESETS, title="Regularisers", mode="add-one", counted=further.averages)
