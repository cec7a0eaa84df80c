"""The Bag-of-Tricks ladder, rung by rung, on the images you have: He et al., arXiv 1812.01187.

The paper raises ResNet-50's top-1 accuracy on ImageNet from 75.3 to 79.29 % (its abstract). Its ladder starts from step
decay, Xavier, Nesterov and decay on every parameter, and each rung keeps what came before.
"""

from functools import partial

from experiments import _tricks as t
from experiments._main import Preset, main
from jaxtricks.ablation import Trick

LADDER = {
    "large batch": Trick(t.large_batch, -1, "256 to 1,024 with linear scaling alone costs 0.9 points (section 3.3)"),
    "warm-up": Trick(t.warm_up, 1, "with the next two it makes up for the large batch (section 3.3)"),
    "zero gamma": Trick(t.zero_gamma, 1, "as warm-up"),
    "no bias decay": Trick(t.no_bias_decay, 0, "as warm-up, though not by itself (table 4)"),
    "low precision": Trick(t.low_precision, 0, "FP16 does not change the accuracy (section 3.3)"),
    "ResNet-B": Trick(partial(t.tweak, b=True)),
    "ResNet-C": Trick(partial(t.tweak, c=True)),
    "ResNet-D": Trick(partial(t.tweak, d=True)),
    "cosine": Trick(t.cosine),
    "smoothing": Trick(t.smoothing),
    "mixup": Trick(t.mixup),
    "distillation": Trick(t.distillation),
}
MERGED = {"B, C, D": ("ResNet-B", "ResNet-C", "ResNet-D")}
PRESETS = {
    "quick": Preset(data="fashion_mini", model="resnet_mini", seeds=2, epochs=12, batch=32, lr=0.05, merge=MERGED),
    "full": Preset(data="fashion_mini", model="resnet_mini", seeds=5, epochs=30, batch=32, lr=0.05),
    "paper": Preset(data="imagenet2012", model="resnet50", seeds=3, epochs=120, batch=256, lr=0.1),
}

if __name__ == "__main__":
    main("bag_of_tricks", t.standard, LADDER, PRESETS, title="Bag of Tricks")
