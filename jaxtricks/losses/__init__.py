"""Losses, one value an example, and what goes with them: targets, weights, penalties.

A NaN among the arguments makes every result that depends on it NaN, which the training step skips and counts. So does a
label that is no class, without gradient; under ``jax.experimental.checkify`` it is an error. Functions that do anything
else say so.
"""

from jaxtricks.losses._balanced import (
    asymmetric,
    balance_alpha,
    balanced_cross_entropy,
    ldam,
    logit_adjusted,
    softmax_focal,
)
from jaxtricks.losses._boxes import ciou_loss, diou_loss, giou_loss, iou_loss
from jaxtricks.losses._costs import class_weights, cost_vector, costs_from_confusion, costs_from_counts, expected_cost
from jaxtricks.losses._distillation import attention_transfer, distillation, logit_regression
from jaxtricks.losses._margin import arcface_logits, large_margin_logits, ramp, weston_watkins
from jaxtricks.losses._metric import center, center_pull, supervised_contrastive, update_centers
from jaxtricks.losses._mining import hard_negative_weights, ohem_weights
from jaxtricks.losses._penalties import elastic_net, group_sparsity, l1_penalty, l2_penalty
from jaxtricks.losses._regression import absolute_error
from jaxtricks.losses._robust import bi_tempered, generalized_cross_entropy, mad_scale, tukey_biweight
from jaxtricks.losses._soft_targets import (
    bce_targets,
    expected_value,
    gaussian_label_distribution,
    smooth_labels_by_counts,
    smooth_labels_exclusive,
)

__all__ = [
    "absolute_error",
    "arcface_logits",
    "asymmetric",
    "attention_transfer",
    "balance_alpha",
    "balanced_cross_entropy",
    "bce_targets",
    "bi_tempered",
    "center",
    "center_pull",
    "ciou_loss",
    "class_weights",
    "cost_vector",
    "costs_from_confusion",
    "costs_from_counts",
    "diou_loss",
    "distillation",
    "elastic_net",
    "expected_cost",
    "expected_value",
    "gaussian_label_distribution",
    "generalized_cross_entropy",
    "giou_loss",
    "group_sparsity",
    "hard_negative_weights",
    "iou_loss",
    "l1_penalty",
    "l2_penalty",
    "large_margin_logits",
    "ldam",
    "logit_adjusted",
    "logit_regression",
    "mad_scale",
    "ohem_weights",
    "ramp",
    "smooth_labels_by_counts",
    "smooth_labels_exclusive",
    "softmax_focal",
    "supervised_contrastive",
    "tukey_biweight",
    "update_centers",
    "weston_watkins",
]


def __dir__() -> list[str]:
    return __all__
