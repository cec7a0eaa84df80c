"""Which refinements of a classifier's training help a detector that starts from it: table 8, on small images.

As the experiment transfer, with the detector of the experiment detect on top of the backbones; by COCO's mean average
precision. In the paper Faster R-CNN on Pascal VOC starts from ResNet-50-D, trained on ImageNet: 78.30 % mAP with the
efficient recipe, 79.23 with cosine, 80.71 with smoothing, 80.96 with distillation, 81.10 with mixup in its place, 81.33
with both. Single runs. Distillation is left out here.

The table is not run: it takes two cores of an otherwise idle machine.

    python -m experiments.transfer_boxes
"""

from functools import partial

from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import detecting, transferring

LADDER = transferring.ladder(
    {
        "cosine": (1, "78.30 to 79.23 % mAP (table 8)"),
        "smoothing": (1, "78.30 to 80.71 % mAP, with cosine (table 8)"),
        "mixup": (1, "78.30 to 81.10 % mAP, with cosine and smoothing (table 8)"),
    }
)
PRESETS = {
    "quick": Preset("fashion_mini", "resnet_mini", seeds=4, epochs=4, batch=32, lr=0.003, seeds_on="devices"),
}

if __name__ == "__main__":
    parts = {"mode": "add-one", "dataset": detecting.shapes, "begin": partial(transferring.begin, lr=0.1)}
    main("transfer_boxes", detecting.baseline, LADDER, PRESETS, title="Transfer to detection", **parts)
