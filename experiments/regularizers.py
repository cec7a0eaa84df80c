"""Regularisers on small networks without augmentation.

The plain network ends at a training loss of 0.40 and a test loss of 0.47, the residual one at 0.22 and 0.43. Weight
decay is coupled, 1e-4; decoupled is ten times as large. Turns have 109 steps; SWA begins at three quarters of the run.

Measured with the command below, 4 paired seeds, 3,500 images of fashion_mini, 8 epochs, on two cores of an AMD EPYC
(jax 0.10.2) that other jobs shared; to the setting's baseline. See results/regularizers, and -more for eight rows.

    python -m experiments.regularizers

                                 expected     test %  difference, 95 %
    plain: baseline                            82.93
    plain: dropout               + disagrees   80.54  -2.39 [-3.07, -1.71]  hurts
    plain: DropBlock             +             80.38  -2.55 [-3.77, -1.33]  not resolved
    plain: classifier noise                    82.73  -0.20 [-1.50, +1.10]  not resolved
    plain: DisturbLabel          +             81.63  -1.30 [-2.21, -0.39]  not resolved
    plain: no decay              -             83.27  +0.33 [-0.80, +1.47]  not resolved
    plain: decay 1e-3                          82.58  -0.36 [-1.97, +1.26]  not resolved
    plain: decay 1e-3, by turns                82.93  0.00 [-1.09, +1.09]   not resolved
    plain: decoupled decay                     83.13  +0.20 [-0.68, +1.08]  not resolved
    plain: L1 penalty                          83.22  +0.29 [-0.91, +1.49]  not resolved
    plain: max norm 1            +             81.44  -1.49 [-2.47, -0.52]  not resolved
    plain: gradient noise        + disagrees   79.00  -3.93 [-4.59, -3.28]  hurts
    plain: EMA                                 82.92  -0.02 [-0.63, +0.60]  not resolved
    plain: constant rate         -             79.60  -3.33 [-6.19, -0.48]  not resolved
    plain: constant rate, EMA                  83.62  +0.69 [-0.04, +1.42]  not resolved
    plain: constant rate, SWA                  83.46  +0.52 [-0.14, +1.19]  not resolved
    residual: baseline                         84.86
    residual: stochastic depth   +             83.78  -1.07 [-1.77, -0.38]  not resolved
    residual: dropout            + disagrees   84.85  -0.01 [-0.21, +0.20]  no effect beyond ±0.5 points

Where the baseline overfits (880 images, 60 epochs, 4 seeds; results/regularizers-overfit) dropout is +0.40 [-0.51,
+1.31], DropBlock +0.31 [-0.52, +1.14], DisturbLabel +0.84 [-0.31, +1.99]; dropout 0.5 -1.53 hurts. Six seeds at 8
epochs: plain dropout -2.37 [-2.66, -2.09], SWA recalibrated +1.01 [+0.54, +1.47], L2 -0.29 [-0.72, +0.13]; elastic net,
groups, max norm 4, EMA recalibrated and LAWA have no effect beyond 0.5 points.
"""

from functools import partial

from jaxtricks import augment, layers, optim
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting, Trick, composing, further, set_fields
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import regularizers as r


def trick(change, expected=None, paper=None, **options):
    return Trick(partial(change, **options), expected, paper)


def counted(steps):
    """The tricks that count the steps of a run: turns of an eighth of them, an average from three quarters on."""
    average = partial(optim.swa_decay, start=3 * steps // 4)
    return {
        "decay 1e-3, by turns": trick(composing.weight_decay, weight=1e-3, turns=max(1, steps // 8)),
        "constant rate, SWA": trick(set_fields, None, "arXiv 1803.05407", ema=average, schedule=optim.constant),
        **further.averages(steps),
    }


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
    **counted(872),
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
    main("regularizers", t.bare, LADDER, PRESETS, title="Regularisers", mode="add-one", counted=counted)
