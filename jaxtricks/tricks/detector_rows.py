"""The rows of the experiment detect: parts in the place of those of ``detecting.baseline``."""

from functools import partial

import optax

from jaxtricks import losses
from jaxtricks.tricks import detecting as d
from jaxtricks.tricks import detector as plan
from jaxtricks.tricks.trick import Trick

__all__ = ["EVERYTHING"]


def _row(expected, paper, **fields):
    return Trick(partial(plan.changed, **fields), expected, paper)


def _boxes(loss, paper):
    return _row(1, paper, box_loss=partial(d.overlap, loss=loss))


HARDEST = partial(d.hardest, keep=64)
MIRRORED, LARGER = (True, 1.0), (False, 1.5)
EVERYTHING = {
    "IoU loss": _boxes(losses.iou_loss, "arXiv 1608.01471"),
    "GIoU loss": _boxes(losses.giou_loss, "arXiv 1902.09630"),
    "DIoU loss": _boxes(losses.diou_loss, "arXiv 1911.08287"),
    "CIoU loss": _boxes(losses.ciou_loss, "arXiv 1911.08287"),
    "balanced cross-entropy": _row(-1, "arXiv 1708.02002", score_loss=d.balanced),
    "hard negatives, 3 to 1": _row(
        -1, "arXiv 1512.02325", score_loss=optax.sigmoid_binary_cross_entropy, weights=d.mined
    ),
    "hardest anchors": _row(-1, "arXiv 1708.02002", score_loss=optax.sigmoid_binary_cross_entropy, weights=HARDEST),
    "ATSS": _row(1, "arXiv 1912.02424", match=d.by_atss),
    "ratio matching": _row(None, "YOLOv5", match=d.by_ratio),
    "anchor-free": Trick(d.anchor_free, 1, "arXiv 1904.01355"),
    "anchor-free, centre-ness": Trick(d.centered, 1, "arXiv 1904.01355"),
    "peaks of a heat map": Trick(d.peaks, None, "arXiv 1904.07850"),
    "soft-NMS, linear": _row(1, "arXiv 1704.04503", suppress=d.soft),
    "soft-NMS, Gaussian": _row(1, "arXiv 1704.04503", suppress=partial(d.soft, method="gaussian")),
    "DIoU-NMS": _row(1, "arXiv 1911.08287", suppress=d.by_distance),
    "box voting": _row(1, "arXiv 1505.01749", suppress=d.voted),
    "mirrored view, NMS": _row(1, None, views=(MIRRORED,), join=plan.nms),
    "mirrored view, fused": _row(1, "arXiv 1910.13302", views=(MIRRORED,), join=partial(d.fused, views=2)),
    "larger view, fused": _row(None, "arXiv 1910.13302", views=(LARGER,), join=partial(d.fused, views=2)),
    "flip": Trick(d.flip, 1),
    "affine, boxes follow": Trick(d.affine, 1),
    "copy-paste": Trick(d.copy_paste, 1, "arXiv 2012.07177"),
    "flip, copy-paste": Trick(partial(d.copy_paste, flipped=True), 1, "arXiv 2012.07177"),
    "mosaic": Trick(d.mosaic, 1, "arXiv 2004.10934"),
    "mosaic, scales 0.5 to 1.5": Trick(partial(d.mosaic, scale=(0.5, 1.5)), 1, "arXiv 2004.10934"),
    "multi-scale, 0.5 to 1.5": Trick(d.multi_scale, 1, "arXiv 1612.08242"),
}
