"""Detection on canvases of Fashion-MNIST's items, five kinds, with occlusion: parts of a small RetinaNet.

2,000 canvases of 64 x 64 pixels for training and 500 for the test, 1 to 4 items each. The baseline has a pyramid on two
maps of a residual network, three anchors a cell, focal loss, smooth L1 and NMS. Reported is COCO's mean average
precision over IoU .50 to .95; that at .50 stands beside it.

The table is not run: it takes two cores of an otherwise idle machine, and 4 seeds of 25 rows some hours.
On deepforest's held-out photograph the baseline has 0.71 %, with flip 1.73 (results/detect-deepforest).
With more canvases and a better backbone benchmarks.detector has 65.7 %, and 88.6 % at .50, after 247 s on two cores.

    python -m experiments.detect

Images with boxes of one's own, as COCO, VOC or YOLO have them, are scaled to fit into a square of ``--size``, and their
anchors get the sizes of their boxes:

    python -m experiments.detect --data annotations.json --size 128 --minutes 30
"""

from functools import partial

import optax

from jaxtricks import losses
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick
from jaxtricks.tricks import detecting as d
from jaxtricks.tricks import detector as plan


def row(expected, paper, **fields):
    return Trick(partial(plan.changed, **fields), expected, paper)


def boxes(loss, paper):
    return row(1, paper, box_loss=partial(d.overlap, loss=loss))


HARDEST = partial(d.hardest, keep=64)
MIRRORED, LARGER = (True, 1.0), (False, 1.5)
LADDER = {
    "IoU loss": boxes(losses.iou_loss, "arXiv 1608.01471"),
    "GIoU loss": boxes(losses.giou_loss, "arXiv 1902.09630"),
    "DIoU loss": boxes(losses.diou_loss, "arXiv 1911.08287"),
    "CIoU loss": boxes(losses.ciou_loss, "arXiv 1911.08287"),
    "balanced cross-entropy": row(-1, "arXiv 1708.02002", score_loss=d.balanced),
    "hard negatives, 3 to 1": row(
        -1, "arXiv 1512.02325", score_loss=optax.sigmoid_binary_cross_entropy, weights=d.mined
    ),
    "hardest anchors": row(-1, "arXiv 1708.02002", score_loss=optax.sigmoid_binary_cross_entropy, weights=HARDEST),
    "ATSS": row(1, "arXiv 1912.02424", match=d.by_atss),
    "ratio matching": row(None, "YOLOv5", match=d.by_ratio),
    "anchor-free": Trick(d.anchor_free, 1, "arXiv 1904.01355"),
    "anchor-free, centre-ness": Trick(d.centered, 1, "arXiv 1904.01355"),
    "peaks of a heat map": Trick(d.peaks, None, "arXiv 1904.07850"),
    "soft-NMS, linear": row(1, "arXiv 1704.04503", suppress=d.soft),
    "soft-NMS, Gaussian": row(1, "arXiv 1704.04503", suppress=partial(d.soft, method="gaussian")),
    "DIoU-NMS": row(1, "arXiv 1911.08287", suppress=d.by_distance),
    "box voting": row(1, "arXiv 1505.01749", suppress=d.voted),
    "mirrored view, NMS": row(1, None, views=(MIRRORED,), join=plan.nms),
    "mirrored view, fused": row(1, "arXiv 1910.13302", views=(MIRRORED,), join=partial(d.fused, views=2)),
    "larger view, fused": row(None, "arXiv 1910.13302", views=(LARGER,), join=partial(d.fused, views=2)),
    "flip": Trick(d.flip, 1),
    "affine, boxes follow": Trick(d.affine, 1),
    "copy-paste": Trick(d.copy_paste, 1, "arXiv 2012.07177"),
    "flip, copy-paste": Trick(partial(d.copy_paste, flipped=True), 1, "arXiv 2012.07177"),
    "mosaic": Trick(d.mosaic, 1, "arXiv 2004.10934"),
    "mosaic, scales 0.5 to 1.5": Trick(partial(d.mosaic, scale=(0.5, 1.5)), 1, "arXiv 2004.10934"),
    "multi-scale, 0.5 to 1.5": Trick(d.multi_scale, 1, "arXiv 1612.08242"),
}
SHAPES = partial(d.shapes, instances=True)
PRESETS = {
    "quick": Preset("fashion_mini", "resnet_mini", seeds=4, epochs=12, batch=32, lr=0.003, seeds_on="devices"),
}

if __name__ == "__main__":
    parts = {"mode": "add-one", "dataset": SHAPES, "task": d.task_for, "begin": d.fitted, "adapted": d.adapted}
    parts |= {"masks": False}
    main("detect", d.baseline, LADDER, PRESETS, title="Detection", **parts)
