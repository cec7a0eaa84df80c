"""Detection on canvases of Fashion-MNIST's items, five kinds, with occlusion: parts of a small RetinaNet.

2,000 canvases of 64 x 64 pixels for training and 500 for the test, 1 to 4 items each. The baseline has a pyramid on two
maps of a residual network, three anchors a cell, focal loss, smooth L1 and NMS. Reported is COCO's mean average
precision over IoU .50 to .95; that at .50 stands beside it.

Measured with the command below, 5 paired seeds, two cores of an AMD EPYC (jax 0.10.2) that other jobs shared; verdicts
after Holm's correction over 26 rows (results/detect). In so few epochs ways to weigh the background other than focal
loss help, and what makes canvases harder hurts. flip on deepforest's held-out photograph: 0.66 to 1.63 %
(results/detect-deepforest). benchmarks.detector: 65.7 % in 247 s, with more canvases.

    python -m experiments.detect --epochs 5 --batch 16 --seeds 5

                               expected      mAP %  difference, 95 %
    baseline                                 32.26
    IoU loss                   +             31.92  -0.34 [-1.67, +0.98]     not resolved
    GIoU loss                  +             31.75  -0.51 [-1.74, +0.72]     not resolved
    DIoU loss                  +             32.00  -0.27 [-2.07, +1.54]     not resolved
    CIoU loss                  +             31.68  -0.59 [-2.59, +1.42]     not resolved
    balanced cross-entropy     - disagrees   35.92  +3.66 [+2.81, +4.50]     helps
    hard negatives, 3 to 1     - disagrees   39.91  +7.65 [+6.11, +9.19]     helps
    hardest anchors            - disagrees   39.12  +6.85 [+5.06, +8.65]     helps
    ATSS                       +             34.09  +1.83 [+0.08, +3.58]     not resolved
    ratio matching                           27.00  -5.27 [-7.17, -3.36]     hurts
    anchor-free                +             27.61  -4.65 [-6.92, -2.39]     not resolved
    anchor-free, centre-ness   +             28.72  -3.54 [-5.21, -1.86]     not resolved
    peaks of a heat map                      34.74  +2.48 [-0.31, +5.27]     not resolved
    soft-NMS, linear           +             32.31  +0.05 [-0.46, +0.57]     not resolved
    soft-NMS, Gaussian         +             32.60  +0.34 [-0.17, +0.85]     not resolved
    DIoU-NMS                   +             32.26  0.00 [-0.49, +0.49]      not resolved
    box voting                 +             31.87  -0.39 [-1.08, +0.29]     not resolved
    mirrored view, NMS         +             31.12  -1.14 [-1.76, -0.52]     not resolved
    mirrored view, fused       +             31.79  -0.48 [-1.03, +0.08]     not resolved
    larger view, fused                       31.73  -0.53 [-1.32, +0.27]     not resolved
    flip                       +             29.88  -2.39 [-5.03, +0.26]     not resolved
    affine, boxes follow       +             29.67  -2.59 [-5.27, +0.09]     not resolved
    copy-paste                 +             29.83  -2.43 [-5.80, +0.93]     not resolved
    flip, copy-paste           +             28.25  -4.01 [-5.89, -2.13]     not resolved
    mosaic                     + disagrees   24.44  -7.82 [-9.18, -6.47]     hurts
    mosaic, scales 0.5 to 1.5  + disagrees   21.16  -11.10 [-13.68, -8.52]   hurts
    multi-scale, 0.5 to 1.5    + disagrees   17.67  -14.59 [-18.40, -10.79]  hurts

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
