"""Classes of unequal size: samplers, weights, losses, deferred and decoupled training, after an exponential tail.

Class c keeps n f^(-c / 9) training images (arXiv 1906.07413), for f = 100: 350, 209, 125, 75, 45, 27, 16, 9, 5, 3 of
fashion_mini. Held-out and test images stay balanced; what is compared is the mean recall of the classes. Samplers whose
epochs are longer have fewer of them, so that all rows take as many steps. LDAM is without the normalised classifier.

Checked with the command below and --epochs 3 --seeds 2 --under "factor 100", on two cores of an AMD EPYC (jax 0.10.2)
that other jobs shared: 162 steps, which is far too few to compare methods, and no row is resolved. Means of 2 seeds in
percent, and many, medium, few-shot classes: baseline 39.32 (76, 30, 0), balanced sampling 63.62, +24.30 [+0.58,
+48.02] (73, 45, 70), label shuffling 63.03, +23.72 [-5.72, +53.15], progressive sampling 52.70, +13.38 [+10.21,
+16.56], balanced softmax 54.62, +15.30 [-31.29, +61.89] (80, 39, 36), cRT 50.72, +11.40 [-27.57, +50.37].
Published for CIFAR-10-LT, f = 100, 200 epochs of ResNet-32, error in percent (BagofTricks-LT): cross-entropy 29.64,
balanced sampling 27.55, balanced softmax 22.46, DRS 24.93, DRW 25.18, LDAM-DRW 22.27, cRT 25.01, mixup 25.94.

    python -m experiments.imbalance
"""

from functools import partial

from jaxtricks import data, losses
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import decoupling as d
from jaxtricks.tricks import imbalance as i
from jaxtricks.tricks import objectives as o
from jaxtricks.tricks import reweighting as r

CAO, KANG, MENON = "arXiv 1906.07413", "arXiv 1910.09217", "arXiv 2007.07314"


def change(function, expected=None, paper=None, **options):
    return Trick(partial(function, **options), expected, paper)


FEW = {
    "balanced sampling": change(i.sampled, 1, KANG, sampler=data.class_balanced),
    "balanced softmax": change(r.by_counts, 1, MENON, how=o.on_targets, loss=losses.logit_adjusted, name="prior"),
    "DRW": change(r.deferred_weights, 1, CAO, scheme=r.inverse),
    "cRT": change(d.retrained, 1, KANG),
}
ALL = {
    **FEW,
    "square-root sampling": change(i.sampled, 1, "arXiv 1805.00932", sampler=data.square_root),
    "progressive sampling": change(i.progressive, 1, KANG),
    "over-sampling": change(i.sampled, 1, "arXiv 1710.05381", sampler=data.over_sample),
    "label shuffling": change(i.sampled, 1, "Hikvision 2016", sampler=data.label_shuffle),
    "batches: at most a quarter": change(i.bounded, high=0.25),
    "batches: a 16th to a quarter": change(i.bounded, high=0.25, low=1 / 16),
    "repeat factor": change(i.sampled, 1, "arXiv 1908.03195", sampler=partial(data.repeat_factor, threshold=0.1)),
    "DRS": change(i.resampled, 1, CAO, sampler=data.class_balanced),
    "weights 1 / n": change(r.reweighted, None, scheme=r.inverse),
    "weights 1 / sqrt n": change(r.reweighted, None, scheme=r.inverse_root),
    "weights by effective number": change(r.reweighted, 1, "arXiv 1901.05555", scheme=r.effective),
    "cost matrix": change(r.costly, None, "arXiv 1508.03422", weight=1.0),
    "smoothing": Trick(t.smoothing, 1, "arXiv 1512.00567"),
    "focal": o.trick(o.on_targets, losses.softmax_focal, 1, "arXiv 1708.02002"),
    "focal by effective number": change(r.focal_by_counts, 1, "arXiv 1901.05555", scheme=r.effective),
    "asymmetric": o.trick(o.on_classes, losses.asymmetric, None, "arXiv 2009.14119"),
    "LDAM": change(r.by_counts, 1, CAO, how=o.on_labels, loss=losses.ldam, name="counts"),
    "LDAM-DRW": change(r.margins_deferred, 1, CAO, scheme=r.inverse),
    "logit adjustment afterwards": change(d.post_hoc, 1, MENON),
    "tau-normalised": change(d.tau_normalised, 1, KANG, tau=0.5),
    "learnable scales": change(d.scaled, 1, KANG),
    "mixup": change(t.mixup, 1, "arXiv 1710.09412", alpha=1.0),
    "remix": change(r.remixed, 1, "arXiv 2007.03943", alpha=1.0),
}
SETTINGS = {"factor 100": i.setting(100, ALL), "factor 50": i.setting(50, FEW), "factor 10": i.setting(10, FEW)}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", seeds=4, epochs=20, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "resnet20", seeds=5, epochs=200, batch=128, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("imbalance", t.modern, SETTINGS, PRESETS, title="Imbalance", mode="add-one", dataset=i.checked, begin=i.begin)
