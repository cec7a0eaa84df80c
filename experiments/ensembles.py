"""Several networks as one: ways to combine them, and ways to come by them, at the price of one training or of four.

What is fitted above the members is fitted on the held-out eighth, which no member sees. Snapshots and short cycles are
the weights of one run at several ends of its rate (arXiv 1704.00109, 1802.10026); quarter runs cost as much. Costs are
in trainings and multiply-accumulates of one network.

5 paired seeds, 2,000 images, two cores of an AMD EPYC (jax 0.10.2), shared; points to one network (76.53 %), verdicts
after Holm's correction. The average of four different networks helps, +2.30 [+1.73, +2.87], with fitted weights +2.98
[+1.94, +4.02]; that of four seeds +1.14 [+0.66, +1.62]. At the price of one training nothing gains: quarter runs -6.88
[-8.00, -5.76] hurt; snapshots -1.49 [-2.74, -0.24], or a soup of 2.5, -1.41 [-2.52, -0.29], are not resolved.

    python -m experiments.ensembles --images 2000 --seeds 5
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
