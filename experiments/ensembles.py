"""Several networks as one: ways to combine them, and ways to come by them, at the price of one training or of four.

All members are trained on the same images. What is fitted above them (weights, temperatures, the second level) is
fitted on the held-out eighth, which a single network does not see: its gain is partly that of more images. Snapshots
and short cycles are the weights of one run at several ends of its rate (arXiv 1704.00109, 1802.10026), the momentum
begun anew; quarter runs are as many networks of their own at the same price. Folds are networks of a cross-validation.
Columns: trainings and multiply-accumulates of a prediction in those of one network; disagreement, Q statistic and error
correlation of pairs; the share of images that are answered, where it is not all of them.

Measured with the command below, 4 paired seeds, on two cores of an AMD EPYC (jax 0.10.2) that other jobs shared;
differences in points to the first row, verdicts after Holm's correction over all. 2,000 images to train on and hold
out. The average of four different networks helps (+2.44); that of four seeds gains 1.2 points, which 4 seeds do not
resolve. At the price of one training nothing gains: quarter runs hurt by 6.61 points, snapshots and short cycles are
not resolved. The complete table, with the diversity of the members: results/ensembles. Not run: stages of length 1 and
the soup, four runs that go on from one network's weights, of which the mean of the best is one network.

    python -m experiments.ensembles --images 2000

                                     test %  difference, 95 %       verdict       trained  passes
    one network                       76.50                                       x1  x1
    one network: stages, SVM          77.10  +0.60 [-0.86, +2.06]   not resolved  x1  x1
    one network: hyper-columns, SVM   77.12  +0.62 [-1.02, +2.25]   not resolved  x1  x1
    fused taps: one network           76.32  -0.18 [-1.34, +0.97]   not resolved  x1  x1
    added taps: one network           76.42  -0.08 [-1.34, +1.19]   not resolved  x1  x1
    seeds: average                    77.74  +1.24 [+0.43, +2.05]   not resolved  x4  x4
    seeds: average of logs            77.78  +1.27 [+0.48, +2.07]   not resolved  x4  x4
    seeds: weighted                   77.38  +0.88 [+0.03, +1.74]   not resolved  x4  x4
    seeds: average, calibrated        77.80  +1.30 [+0.50, +2.10]   not resolved  x4  x4
    seeds: plurality                  77.85  +1.35 [+0.53, +2.17]   not resolved  x4  x4
    seeds: majority or nothing        80.64                                       x4  x4
    seeds: Borda                      77.58  +1.08 [+0.28, +1.89]   not resolved  x4  x4
    seeds: stacked                    77.72  +1.22 [+0.34, +2.10]   not resolved  x4  x4
    seeds: features, SVM              78.37  +1.87 [+0.15, +3.58]   not resolved  x4  x4
    seeds: features, logistic         77.61  +1.11 [+0.03, +2.18]   not resolved  x4  x4
    losses: average                   77.52  +1.02 [+0.26, +1.79]   not resolved  x4  x4
    losses: average, calibrated       77.64  +1.14 [+0.35, +1.94]   not resolved  x4  x4
    losses: features, SVM             78.11  +1.61 [+0.52, +2.70]   not resolved  x4  x4
    networks: average                 78.94  +2.44 [+1.59, +3.29]   helps         x4  x4.53
    networks: weighted                79.64  +3.14 [+1.35, +4.93]   not resolved  x4  x4.53
    folds: average                    77.49  +0.99 [+0.06, +1.93]   not resolved  x4  x4
    folds: best two                   77.15  +0.65 [-0.33, +1.63]   not resolved  x4  x2
    folds: stacked out of fold        77.55  +1.05 [+0.07, +2.03]   not resolved  x4  x4
    quarter runs: average             69.89  -6.61 [-7.79, -5.42]   hurts         x1  x4
    snapshots: average                74.61  -1.89 [-3.24, -0.55]   not resolved  x1  x4
    snapshots: last two               75.40  -1.10 [-2.61, +0.41]   not resolved  x1  x2
    snapshots: last                   75.44  -1.06 [-2.58, +0.47]   not resolved  x1  x1
    short cycles: average             74.73  -1.77 [-3.84, +0.31]   not resolved  x1  x4
    last epochs: average              75.88  -0.62 [-1.89, +0.66]   not resolved  x1  x4
    distilled: one network            76.11  -0.39 [-2.78, +2.00]   not resolved  x5  x1
"""

from functools import partial

from jaxtricks import losses, models
from jaxtricks.ablation import groups as g
from jaxtricks.ablation import ways as w
from jaxtricks.ablation.members import Group, Way, main
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import objectives as o
from jaxtricks.tricks import teams
from jaxtricks.tricks.trick import set_fields

FUSED, ADDED = partial(teams.fused, how="concat"), partial(teams.fused, how="add")
LOSSES = (
    t.part,
    t.smoothing,
    partial(o.objective, how=o.on_targets, loss=losses.softmax_focal),
    partial(o.objective, how=o.on_classes, loss=losses.asymmetric),
)
NETWORKS = (
    t.part,
    partial(set_fields, model=partial(models.plain, (12, 24, 24))),
    partial(set_fields, model=partial(models.plain, (8, 16, 16, 32))),
    FUSED,
)
GROUPS = {
    "seeds": Group(partial(g.independent, members=4), 4),
    "quarter runs": Group(partial(g.independent, members=4, share=0.25), 1),
    "losses": Group(partial(g.independent, members=4, change=LOSSES), 4),
    "networks": Group(partial(g.independent, members=4, change=NETWORKS), 4),
    "folds": Group(partial(g.folds, members=4), 4),
    "snapshots": Group(partial(g.snapshots, members=4), 1),
    "short cycles": Group(partial(g.snapshots, members=4, first=0.7), 1),
    "last epochs": Group(partial(g.last_epochs, members=4), 1),
    "soup": Group(partial(g.souped, members=4, share=0.5, rates=(0.2, 0.5)), 2.5),
    "distilled": Group(partial(teams.distilled, members=4), 5),
    "fused taps": Group(partial(g.independent, members=1, change=(FUSED,)), 1),
    "added taps": Group(partial(g.independent, members=1, change=(ADDED,)), 1),
}
ONE, TWO, LAST = slice(1), slice(-2, None), slice(-1, None)
WAYS = {
    "one network": Way("seeds", w.average, ONE, 1),
    "one network: stages, SVM": Way("seeds", partial(w.of_layers, kind="svm"), ONE, 1),
    "one network: stages of length 1, SVM": Way("seeds", partial(w.of_layers, kind="svm", unit=True), ONE, 1),
    "one network: hyper-columns, SVM": Way("seeds", partial(w.of_columns, kind="svm"), ONE, 1),
    "fused taps: one network": Way("fused taps", w.average),
    "added taps: one network": Way("added taps", w.average),
    "seeds: average": Way("seeds", w.average),
    "seeds: average of logs": Way("seeds", w.geometric),
    "seeds: weighted": Way("seeds", w.weighted),
    "seeds: average, calibrated": Way("seeds", w.calibrated),
    "seeds: plurality": Way("seeds", w.plurality),
    "seeds: majority or nothing": Way("seeds", w.majority),
    "seeds: Borda": Way("seeds", w.borda),
    "seeds: stacked": Way("seeds", w.stacked),
    "seeds: features, SVM": Way("seeds", partial(w.joined, kind="svm")),
    "seeds: features, logistic": Way("seeds", partial(w.joined, kind="logistic")),
    "losses: average": Way("losses", w.average),
    "losses: average, calibrated": Way("losses", w.calibrated),
    "losses: features, SVM": Way("losses", partial(w.joined, kind="svm")),
    "networks: average": Way("networks", w.average),
    "networks: weighted": Way("networks", w.weighted),
    "folds: average": Way("folds", w.average),
    "folds: best two": Way("folds", partial(w.best, keep=2), used=2),
    "folds: stacked out of fold": Way("folds", w.stacked_out_of_fold),
    "quarter runs: average": Way("quarter runs", w.average),
    "snapshots: average": Way("snapshots", w.average),
    "snapshots: last two": Way("snapshots", w.average, TWO),
    "snapshots: last": Way("snapshots", w.average, LAST),
    "short cycles: average": Way("short cycles", w.average),
    "last epochs: average": Way("last epochs", w.average),
    "soup: one network": Way("soup", w.average),
    "distilled: one network": Way("distilled", w.average),
}

if __name__ == "__main__":
    main("ensembles", t.modern, GROUPS, WAYS, epochs=6)
