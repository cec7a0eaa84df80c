"""Several networks as one: ways to combine them, and ways to come by them, at the price of one training or of four.

All members are trained on the same images. What is fitted above them (weights, temperatures, the second level) is
fitted on the held-out eighth, which a single network does not see: its gain is partly that of more images. Snapshots
and short cycles are the weights of one run at several ends of its rate (arXiv 1704.00109, 1802.10026), the momentum
begun anew. For each row: accuracy, difference to one network, trainings and forward passes in those of one network,
the correlation of the members' errors, and the share of images that are answered at all.

Not measured yet. Run so far, on 500 digits with two members: seeds, snapshots and fused taps; the other groups never.

    python -m experiments.ensembles
"""

from functools import partial

from jaxtricks import losses, models
from jaxtricks.ablation import members as m
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import objectives as o
from jaxtricks.tricks import teams
from jaxtricks.tricks.trick import set_fields

FUSED = partial(models.fuse_taps, partial(models.plain, (8, 16, 32)), taps=("stage1", "stage2"))
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
    partial(set_fields, model=FUSED),
)
GROUPS = {  # members; trainings of one network, forward passes of one
    "seeds": (partial(m.independent, members=4), 4, 4),
    "losses": (partial(m.independent, members=4, change=LOSSES), 4, 4),
    "networks": (partial(m.independent, members=4, change=NETWORKS), 4, 4),
    "snapshots": (partial(m.snapshots, members=4), 1, 4),
    "short cycles": (partial(m.snapshots, members=4, first=0.7), 1, 4),
    "distilled": (partial(teams.distilled, members=4), 5, 1),
    "fused taps": (partial(m.independent, members=1, change=(partial(set_fields, model=FUSED),)), 1, 1),
}
WAYS = {
    "one network": ("seeds", m.single),
    "seeds: average": ("seeds", m.average),
    "seeds: average of logs": ("seeds", m.geometric),
    "seeds: weighted": ("seeds", m.weighted),
    "seeds: average, calibrated": ("seeds", m.calibrated),
    "seeds: plurality": ("seeds", m.plurality),
    "seeds: majority or nothing": ("seeds", m.majority),
    "seeds: Borda": ("seeds", m.borda),
    "seeds: stacked": ("seeds", m.stacked),
    "seeds: features, SVM": ("seeds", partial(m.joined, kind="svm")),
    "seeds: features, logistic": ("seeds", partial(m.joined, kind="logistic")),
    "losses: average": ("losses", m.average),
    "losses: features, SVM": ("losses", partial(m.joined, kind="svm")),
    "networks: average": ("networks", m.average),
    "networks: weighted": ("networks", m.weighted),
    "snapshots: average": ("snapshots", m.average),
    "snapshots: last": ("snapshots", m.last),
    "short cycles: average": ("short cycles", m.average),
    "distilled: one network": ("distilled", m.single),
    "fused taps: one network": ("fused taps", m.single),
}

if __name__ == "__main__":
    m.main("ensembles", t.modern, "plain_mini", GROUPS, WAYS)
