"""Detection on canvases of Fashion-MNIST's items, five kinds, with occlusion: parts of a small RetinaNet.

2,000 canvases of 64 x 64 pixels for training and 500 for the test, 1 to 4 items each. The baseline has a pyramid on two
maps of a residual network, three anchors a cell, focal loss, smooth L1 and NMS. Reported is COCO's mean average
precision over IoU .50 to .95; that at .50 stands beside it.

Measured with the command below, 2 paired seeds, two cores of an AMD EPYC (jax 0.10.2) that other jobs shared; verdicts
after Holm's correction over 26 rows, of which two seeds resolve none (results/detect). flip on deepforest's held-out
photograph: 0.66 to 1.63 % (results/detect-deepforest). benchmarks.detector: 65.7 % in 247 s, with more canvases.

    python -m experiments.detect --epochs 5 --batch 16 --seeds 2

                               expected   mAP %  difference, 95 %
    baseline                              31.50
    IoU loss                   +          31.91  +0.41 [-2.42, +3.24]  not resolved
    GIoU loss                  +          33.27  +1.77 [-5.87, +9.41]  not resolved
    DIoU loss                  +          33.00  +1.50 [-2.03, +5.04]  not resolved
    CIoU loss                  +          31.49  -0.01 [-2.52, +2.49]  not resolved
    balanced cross-entropy     -          35.58  +4.08 [+0.45, +7.71]  not resolved
    hard negatives, 3 to 1     -          39.00  +7.49 [+3.51, +11.47]  not resolved
    hardest anchors            -          39.16  +7.66 [-9.53, +24.86]  not resolved
    ATSS                       +          33.66  +2.15 [-3.99, +8.30]  not resolved
    ratio matching                        26.76  -4.74 [-7.42, -2.06]  not resolved
    anchor-free                +          27.49  -4.01 [-21.05, +13.03]  not resolved
    anchor-free, centre-ness   +          26.94  -4.56 [-9.47, +0.35]  not resolved
    peaks of a heat map                   33.91  +2.40 [-0.43, +5.24]  not resolved
    soft-NMS, linear           +          31.58  +0.08 [-2.40, +2.55]  not resolved
    soft-NMS, Gaussian         +          31.82  +0.32 [-2.16, +2.79]  not resolved
    DIoU-NMS                   +          31.52  +0.02 [-2.46, +2.49]  not resolved
    box voting                 +          31.28  -0.22 [-2.71, +2.26]  not resolved
    mirrored view, NMS         +          30.01  -1.50 [-4.23, +1.23]  not resolved
    mirrored view, fused       +          31.01  -0.49 [-3.71, +2.73]  not resolved
    larger view, fused                    30.38  -1.12 [-3.66, +1.41]  not resolved
    flip                       +          28.89  -2.62 [-24.66, +19.43]  not resolved
    affine, boxes follow       +          29.92  -1.59 [-12.82, +9.64]  not resolved
    copy-paste                 +          28.77  -2.74 [-7.57, +2.10]  not resolved
    flip, copy-paste           +          26.89  -4.61 [-21.06, +11.84]  not resolved
    mosaic                     +          23.27  -8.23 [-12.13, -4.33]  not resolved
    mosaic, scales 0.5 to 1.5  +          22.47  -9.04 [-17.24, -0.83]  not resolved
    multi-scale, 0.5 to 1.5    +          18.07  -13.43 [-20.03, -6.84]  not resolved

Images with boxes of one's own, as COCO, VOC or YOLO have them, are scaled to fit into a square of ``--size``, and their
anchors get the sizes of their boxes:

    python -m experiments.detect --data annotations.json --size 128 --minutes 30
"""

from functools import partial

from jaxtricks.ablation import drawn_boxes
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import detecting as d
from jaxtricks.tricks import detector_rows

LADDER = detector_rows.EVERYTHING
SHAPES = partial(d.shapes, instances=True)
PRESETS = {
    "quick": Preset("fashion_mini", "resnet_mini", minutes=4, epochs=12, batch=32, lr=0.003, seeds_on="devices"),
}

if __name__ == "__main__":
    parts = {"mode": "add-one", "dataset": SHAPES, "task": d.task_for, "begin": d.fitted, "adapted": d.adapted}
    parts |= {"masks": False, "after": drawn_boxes.show}
    main("detect", d.baseline, LADDER, PRESETS, title="Detection", **parts)
