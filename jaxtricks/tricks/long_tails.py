"""The rows of a table of long tails: every trick of ``imbalance``, ``reweighting`` and ``decoupling`` that is compared.

``PUBLISHED`` has the test errors of BagofTricks-LT (Zhang et al., Bag of tricks for long-tailed visual recognition with
deep convolutional neural networks, AAAI 2021; documents/trick_gallery.md at commit ce7859a) for the same rows: CIFAR-10
long-tailed by 100 and by 50, ResNet-32, 200 epochs, one run each.
"""

from functools import partial

from jaxtricks import data, losses
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import decoupling as d
from jaxtricks.tricks import imbalance as i
from jaxtricks.tricks import objectives as o
from jaxtricks.tricks import reweighting as r
from jaxtricks.tricks.trick import Trick

__all__ = ["PUBLISHED", "few", "rows"]

PUBLISHED = {  # test error in percent: by factor 100, by factor 50
    "baseline": (29.64, 25.19),
    "balanced sampling": (27.55, 21.92),
    "square-root sampling": (28.58, 22.32),
    "progressive sampling": (28.02, 21.43),
    "DRS": (24.93, 19.27),
    "weights 1 / n": (31.70, 23.20),
    "weights 1 / sqrt n": (31.70, 22.22),
    "weights by effective number": (29.52, 22.52),
    "DRW": (25.18, 20.18),
    "DRW by effective number": (25.36, 20.65),
    "smoothing": (27.19, 23.43),
    "label-aware smoothing": (27.49, 22.04),
    "focal": (28.44, 22.09),
    "focal by effective number": (24.80, 21.01),
    "focal, DRW": (28.85, 20.68),
    "focal, DRW by effective number": (24.57, 18.62),
    "LDAM": (26.34, 20.99),
    "LDAM-DRW": (22.27, 18.40),
    "class temperatures": (22.90, 18.19),
    "balanced softmax": (22.46, 18.89),
    "mixup": (25.94, 21.33),
    "remix": (26.57, 20.74),
    "cRT": (25.01, 19.83),
    "learnable scales": (27.37, 21.34),
    "tau-normalised": (27.30, 20.22),
}
FACTORS = (100, 50)
FEW = ("balanced sampling", "balanced softmax", "DRW", "cRT")
CAO, CUI, KANG, MENON = "arXiv 1906.07413", "arXiv 1901.05555", "arXiv 1910.09217", "arXiv 2007.07314"


def _samplers():
    return {
        "balanced sampling": (partial(i.sampled, sampler=data.class_balanced), 1, KANG),
        "square-root sampling": (partial(i.sampled, sampler=data.square_root), 1, "arXiv 1805.00932"),
        "progressive sampling": (i.progressive, 1, KANG),
        "over-sampling": (partial(i.sampled, sampler=data.over_sample), 1, "arXiv 1710.05381"),
        "label shuffling": (partial(i.sampled, sampler=data.label_shuffle), 1, "Hikvision 2016"),
        "batches: at most a quarter": (partial(i.bounded, high=0.25), None, None),
        "batches: a 16th to a quarter": (partial(i.bounded, high=0.25, low=1 / 16), None, None),
        "repeat factor": (
            partial(i.sampled, sampler=partial(data.repeat_factor, threshold=0.1)),
            1,
            "arXiv 1908.03195",
        ),
        "DRS": (partial(i.resampled, sampler=data.class_balanced), 1, CAO),
    }


def _losses():
    focal = partial(o.objective, how=o.on_targets, loss=losses.softmax_focal)
    margins = partial(r.by_counts, how=o.on_labels, loss=losses.ldam, name="counts")
    balanced = partial(r.by_counts, how=o.on_targets, loss=losses.logit_adjusted, name="prior")
    asymmetric = partial(o.objective, how=o.on_classes, loss=losses.asymmetric)
    return {
        "weights 1 / n": (partial(r.reweighted, scheme=r.inverse), None, None),
        "weights 1 / sqrt n": (partial(r.reweighted, scheme=r.inverse_root), None, None),
        "weights by effective number": (partial(r.reweighted, scheme=r.effective), 1, CUI),
        "DRW": (partial(r.deferred_weights, scheme=r.inverse), 1, CAO),
        "DRW by effective number": (partial(r.deferred_weights, scheme=r.effective), 1, CAO),
        "cost matrix": (partial(r.costly, weight=1.0), None, "arXiv 1508.03422"),
        "smoothing": (t.smoothing, 1, "arXiv 1512.00567"),
        "label-aware smoothing": (r.smoothed, 1, "arXiv 2104.00466"),
        "focal": (focal, 1, "arXiv 1708.02002"),
        "focal by effective number": (partial(r.focal_by_counts, scheme=r.effective), 1, CUI),
        "focal, DRW": (partial(r.focal_deferred, scheme=r.inverse), 1, CAO),
        "focal, DRW by effective number": (partial(r.focal_deferred, scheme=r.effective), 1, CAO),
        "asymmetric": (asymmetric, None, "arXiv 2009.14119"),
        "LDAM": (margins, 1, CAO),
        "LDAM-DRW": (partial(r.margins_deferred, scheme=r.inverse), 1, CAO),
        "class temperatures": (r.cooled, 1, "arXiv 2001.01385"),
        "balanced softmax": (balanced, 1, MENON),
    }


def _others():
    return {
        "mixup": (partial(t.mixup, alpha=1.0), 1, "arXiv 1710.09412"),
        "remix": (partial(i.remixed, alpha=1.0), 1, "arXiv 2007.03943"),
        "cRT": (d.retrained, 1, KANG),
        "learnable scales": (d.scaled, 1, KANG),
        "tau-normalised": (partial(d.tau_normalised, tau=0.5), 1, KANG),
        "logit adjustment afterwards": (d.post_hoc, 1, MENON),
    }


def rows(factor: int) -> dict[str, Trick]:
    """Every trick, with its paper and what is published for this factor.

    Args:
      factor: the size of the first class by that of the last; figures are published for those of ``FACTORS``.

    Returns:
      Tricks by name.
    """
    every = {**_samplers(), **_losses(), **_others()}
    return {name: Trick(change, sign, _paper(name, paper, factor)) for name, (change, sign, paper) in every.items()}


def few(factor: int) -> dict[str, Trick]:
    """The tricks of ``FEW``, one of each kind: for factors besides the one that is looked at closely.

    Args:
      factor: as for ``rows``.

    Returns:
      Tricks by name.
    """
    every = rows(factor)
    return {name: every[name] for name in FEW}


def _paper(name: str, paper: str | None, factor: int) -> str | None:
    if factor not in FACTORS or name not in PUBLISHED:
        return paper
    before, after = (PUBLISHED[row][FACTORS.index(factor)] for row in ("baseline", name))
    printed = f"CIFAR-10, factor {factor}: error {before:.2f} to {after:.2f} %, BagofTricks-LT"
    return printed if paper is None else f"{paper}; {printed}"
