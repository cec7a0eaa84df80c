"""The Bag-of-Tricks ladder, rung by rung, on the images you have: He et al., arXiv 1812.01187.

The paper raises ResNet-50's top-1 accuracy on ImageNet from 75.3 to 79.29 % (its abstract). Its ladder starts from step
decay, Xavier, Nesterov and decay on every parameter, and each rung keeps what came before. Of the paper only the
abstract was read; what is said of its sections is from readers' notes, and where no remark stands the expected sign
is that of a trick that the paper recommends, not of a cell of its tables.

How the settings of quick and full were chosen, on 500 images held out of the 4,000 for training, two seeds: learning
rates of 0.025, 0.05 and 0.1 at batch 16, and crops of 1 and 3 pixels, by the baseline's held-out accuracy, in trial
runs that are not kept; epochs and batch so that the fourfold batch still makes 378 updates (quick) and the ladder ends
within five minutes on two cores. Three complete ladders with other batches, crops or epochs were run on the
way, and their tables showed test accuracies too: quick's test set has been seen. CIFAR-10's was read once, below, and
later by experiments.augment.

Measured on CIFAR-10, 5,000 training images, 4 seeds, two cores of an Intel Xeon, 909 s (results/cifar10-5000):

    python -m experiments.bag_of_tricks --preset full --data cifar10.npz --images 5000 --seeds 4 --epochs 10

    rung             expected  test %  difference to the rung below, 95 %
    baseline                   41.78
    + large batch        -     41.61   -0.17 [-1.75, +1.40]  not resolved
    + warm-up            +     41.32   -0.29 [-1.30, +0.72]  not resolved
    + zero gamma         +     38.15   -3.18 [-4.07, -2.29]  disagrees
    + no bias decay      0     38.45   +0.30 [-1.14, +1.75]  not resolved
    + low precision      0     38.06   -0.38 [-0.73, -0.04]  not resolved
    + ResNet-B           +     37.08   -0.99 [-3.12, +1.14]  not resolved
    + ResNet-C           +     35.98   -1.09 [-3.35, +1.17]  not resolved
    + ResNet-D           +     40.76   +4.77 [+2.56, +6.99]  not resolved after Holm's correction
    + cosine             +     47.09   +6.33 [+4.83, +7.84]  agrees
    + smoothing          +     47.88   +0.78 [-0.29, +1.86]  not resolved
    + mixup              +     45.49   -2.39 [-4.18, -0.60]  not resolved
    + distillation       +     48.55   +3.06 [+1.99, +4.14]  agrees

ImageNet with ResNet-50 (--preset paper): not run.
"""

from functools import partial

from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick
from jaxtricks.tricks import bag as t

LADDER = {
    "large batch": Trick(
        t.large_batch, -1, "256 to 1,024 with linear scaling alone costs 0.9 points (section 3, from readers' notes)"
    ),
    "warm-up": Trick(
        t.warm_up, 1, "with the next two it makes up for the large batch (section 3, from readers' notes)"
    ),
    "zero gamma": Trick(t.zero_gamma, 1, "as warm-up"),
    "no bias decay": Trick(t.no_bias_decay, 0, "as warm-up, though not by itself (table 4, from readers' notes)"),
    "low precision": Trick(t.low_precision, 0, "FP16 does not change the accuracy (section 3, from readers' notes)"),
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
    "quick": Preset(
        "fashion_mini", "resnet_mini", seeds=2, epochs=7, batch=16, lr=0.05, seeds_on="devices", merge=MERGED
    ),
    "full": Preset("fashion_mini", "resnet_mini", seeds=10, epochs=24, batch=16, lr=0.05, seeds_on="devices"),
    "paper": Preset("imagenet2012", "resnet50", seeds=3, epochs=120, batch=256, lr=0.1),
}

if __name__ == "__main__":
    main("bag_of_tricks", t.standard, LADDER, PRESETS, title="Bag of Tricks")
