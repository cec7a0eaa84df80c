"""What the losses do with hostile arguments."""

from functools import partial

import numpy as np
from scipy.special import softmax

from tests.cases.case import Array, Case, Says
from tests.cases.common import within

Loss = partial(Case, rows=True, empty="B")


NUMBERS = Array(("B", "N"), lambda rng, shape: rng.integers(0, 9, shape), dtypes="iufbc", lead=True, edges=("zeros",))
INFINITE_BOX = Says("finite for all boxes of finite area")

MAPS = Array(("B", "H", "W", "D"), edges=("zeros", "one row zero", "tiny"), lead=True)
WIDER = Array(("B", "H", "W", "K"), edges=("zeros", "one row zero", "tiny"), lead=True)


def attention(maps):
    squares = np.einsum("bhwc,bhwc->bhw", maps, maps).reshape(len(maps), -1)
    return squares / np.linalg.norm(squares, axis=1, keepdims=True)


def by_columns(targets, counts):
    """The matrix whose column c is what becomes of class c: 1 - e, and e / (C - 1) elsewhere."""
    share = (counts - counts.min()) / max(counts.max() - counts.min(), 1e-30)
    epsilon, classes = 0.3 * np.sin(np.pi / 2 * share), len(counts)
    matrix = np.where(np.eye(classes, dtype=bool), 1 - epsilon, epsilon / (classes - 1))
    return targets @ matrix.T


CASES = {
    "losses.absolute_error": Loss(empty="BC", holds=within(0, np.inf)),
    "losses.arcface_logits": Loss(empty="BD", variants=({"scale": 4.0},)),
    "losses.asymmetric": Loss(
        empty="BC",
        holds=within(0, np.inf),
        kind="binary",
        variants=({"gamma_positive": 0.5, "gamma_negative": 0.5, "shift": 0.0},),
    ),
    "losses.attention_transfer": Loss(
        {"student": MAPS, "teacher": WIDER},
        empty="BDK",
        kind="",
        holds=within(0, 2.001),
        by_hand=(({"student": [[[[2.0], [0.0]]]], "teacher": [[[[0.0], [1.0]]]]}, [2.0]),),
        limit=({}, lambda student, teacher: 2 - 2 * (attention(student) * attention(teacher)).sum(-1)),
        reference=lambda student, teacher: ((attention(student) - attention(teacher)) ** 2).sum(-1),
        invariance=lambda student, teacher: {"student": -3 * student, "teacher": teacher[..., ::-1]},
    ),
    "losses.balance_alpha": Loss({"positives": NUMBERS, "negatives": NUMBERS}, empty="BN", holds=within(0, 1)),
    "losses.balanced_cross_entropy": Loss(options={"alpha": 0.3}, empty="BC", holds=within(0, np.inf), kind="binary"),
    "losses.bce_targets": Loss(holds=within(0, 1)),
    "losses.bi_tempered": Loss(
        options={"t1": 0.8, "t2": 1.3},
        holds=within(0, np.inf),
        variants=({"t1": 0.0, "t2": 4.0}, {"t1": 1.0, "t2": 1.0}),
    ),
    "losses.center": Loss(empty="BD", holds=within(0, np.inf)),
    "losses.center_pull": Case(empty="BD", labels=Says("NaN without gradient where the label is out of range")),
    "losses.ciou_loss": Loss(holds=within(0, np.inf), gradient=INFINITE_BOX),
    "losses.class_weights": Case(holds=within(0, np.inf)),
    "losses.costs_from_confusion": Case(empty="C", holds=within(0, 1)),
    "losses.costs_from_counts": Case(holds=within(0, np.inf)),
    "losses.diou_loss": Loss(holds=within(0, 2), gradient=INFINITE_BOX),
    "losses.distillation": Loss(options={"temperature": 2.0}),
    "losses.elastic_net": Case(options={"l1": 0.1, "l2": 0.1}),
    "losses.expected_cost": Loss(holds=within(0, np.inf)),
    "losses.expected_value": Loss(),
    "losses.gaussian_label_distribution": Loss(
        options={"sigma": 1.0}, holds=within(0, 1), gradient=Says("``[K]``, finite")
    ),
    "losses.generalized_cross_entropy": Loss(
        holds=within(0, 1 / 0.7),
        by_hand=(({"logits": [0.0, 0.0], "targets": [1.0, 0.0], "q": 0.5}, 2 - 2**0.5),),
        limit=({"q": 1.0}, lambda logits, targets: 1 - (targets * softmax(logits, axis=-1)).sum(-1)),
        reference=lambda logits, targets: (targets * (1 - softmax(logits, axis=-1) ** 0.7) / 0.7).sum(-1),
        invariance=lambda logits, targets: {"logits": logits + 3, "targets": targets},
    ),
    "losses.giou_loss": Loss(holds=within(0, 2), gradient=INFINITE_BOX),
    "losses.group_sparsity": Case(),
    "losses.hard_negative_weights": Loss(
        empty="BN", nan=Says("NaN counts as the smallest"), inf=Says("a negative of loss -inf is never kept")
    ),
    "losses.iou_loss": Loss(holds=within(0, 1), gradient=INFINITE_BOX),
    "losses.l1_penalty": Case(),
    "losses.l2_penalty": Case(),
    "losses.large_margin_logits": Loss(empty="BD", variants=({"margin": 3},)),
    "losses.ldam": Loss(holds=within(0, np.inf)),
    "losses.logit_adjusted": Loss(finite=Says("a target on it makes the loss inf")),
    "losses.logit_regression": Loss(holds=within(0, np.inf), absent=False),
    "losses.mad_scale": Case(empty="C", holds=within(1e-6, np.inf)),
    "losses.ohem_weights": Loss(
        options={"keep": 2}, nan=Says("a NaN counts as the smallest"), holds=lambda w: (w.sum(-1) == 2).all()
    ),
    "losses.ramp": Loss(),
    "losses.smooth_labels_by_counts": Loss(
        by_hand=(  # the sine of 30 degrees is a half: the middle class is half of the way from tail to head
            ({"targets": [0.0, 1.0, 0.0], "counts": [90, 30, 0], "head": 0.2}, [0.05, 0.9, 0.05]),
            ({"targets": [0.5, 0.0, 0.5], "counts": [90, 30, 0], "head": 0.2, "tail": 0.1}, [0.425, 0.075, 0.5]),
        ),
        limit=(  # one epsilon for all classes, whatever their sizes
            {"head": 0.3, "tail": 0.3},
            lambda targets, counts: (1 - 0.3) * targets + 0.3 / (targets.shape[-1] - 1) * (1 - targets),
        ),
        reference=by_columns,
        invariance=lambda targets, counts: {"targets": targets, "counts": 7 * counts},
    ),
    "losses.smooth_labels_exclusive": Loss(options={"alpha": 0.1}),
    "losses.softmax_focal": Loss(variants=({"gamma": 0.5}, {"gamma": 0.0})),
    "losses.supervised_contrastive": Case(
        empty="BD",
        labels=Says("only equality counts, so any value is a class"),
        gradient=Says("finite"),
        holds=within(0, np.inf),
    ),
    "losses.tukey_biweight": Loss(empty="BC", holds=within(0, 4.6851**2 / 6)),
    "losses.update_centers": Case(empty="BD", labels=Says("an example whose label is out of range is left out")),
    "losses.weston_watkins": Loss(holds=within(0, np.inf)),
}
