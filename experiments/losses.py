"""Losses in the place of cross-entropy: on clean labels, and with 20 and 40 % of the training labels wrong.

The wrong labels are drawn once and stay: each is another class, uniformly. Validation and test labels are clean. Robust
losses (ramp, Tukey, bi-tempered, GCE) were made for wrong labels: there they are expected to help.

MEASURED
"""

from functools import partial

import optax

from experiments import _objectives as o
from experiments import _tricks as t
from experiments._main import Preset, main
from jaxtricks import losses
from jaxtricks.ablation import Setting, Trick


def trick(how, loss, expected=None, paper=None):
    return Trick(partial(o.objective, how=how, loss=loss), expected, paper)


def robust(expected):
    """Losses that bound what one example can do."""
    return {
        "ramp": trick(o.on_labels, partial(losses.ramp, s=-1.0), expected, "Collobert et al. 2006"),
        "Tukey": trick(o.on_residuals, partial(losses.tukey_biweight, c=1.0), expected, "arXiv 1505.06606"),
        "bi-tempered": trick(o.on_targets, partial(losses.bi_tempered, t1=0.8, t2=1.2), expected, "arXiv 1906.03361"),
        "GCE": trick(o.on_targets, partial(losses.generalized_cross_entropy, q=0.7), expected, "arXiv 1805.07836"),
    }


ALTERNATIVES = {
    "binary": trick(o.on_classes, optax.sigmoid_binary_cross_entropy),
    "focal": trick(o.on_targets, losses.softmax_focal, None, "arXiv 1708.02002"),
    "poly": trick(o.on_targets, optax.losses.poly_loss_cross_entropy, None, "arXiv 2204.12511"),
    "asymmetric": trick(o.on_classes, losses.asymmetric, None, "arXiv 2009.14119"),
    "hinge": trick(o.on_labels, optax.losses.multiclass_hinge_loss),
    "Weston-Watkins": trick(o.on_labels, losses.weston_watkins),
    "squared": trick(o.on_probabilities, optax.squared_error),
    "absolute": trick(o.on_probabilities, losses.absolute_error),
    "smoothing": Trick(t.smoothing, 1, "arXiv 1512.00567"),
    "L-Softmax": Trick(
        partial(o.objective, how=o.on_angles, logits=partial(losses.large_margin_logits, margin=2, blend=1.0)),
        1,
        "arXiv 1612.02295",
    ),
    "contrastive": Trick(
        partial(o.auxiliary, second=partial(o.contrast, temperature=0.1), weight=0.1), 1, "arXiv 2004.11362"
    ),
}
LADDER = {
    "clean": Setting(None, {**ALTERNATIVES, **robust(None)}),
    "20 % wrong": Setting(partial(t.wrong_labels, share=0.2), {"smoothing": Trick(t.smoothing, None), **robust(1)}),
    "40 % wrong": Setting(partial(t.wrong_labels, share=0.4), {"smoothing": Trick(t.smoothing, None), **robust(1)}),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", seeds=4, epochs=8, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "resnet_small", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("losses", t.modern, LADDER, PRESETS, title="Losses", mode="add-one")
