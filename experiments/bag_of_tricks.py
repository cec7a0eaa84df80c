"""The Bag-of-Tricks ladder, rung by rung, on the images you have: He et al., arXiv 1812.01187.

The paper raises ResNet-50's top-1 accuracy on ImageNet from 75.3 to 79.29 % (its abstract; 75.3 is the reference, its
own baseline has 75.87 in table 2). Its ladder starts from step decay, Xavier, Nesterov and decay on every parameter,
and each rung keeps what came before. The cells beside the rungs below are printed in its tables 4 (large batch to FP16,
at batch 1,024), 5 (B, C, D) and 6 (ResNet-50-D): single runs, without a spread. The expected sign is that of the step
in the table. No bias decay lowers the accuracy there at both batches; FP16 does at 256 and not at 1,024, and the text
says that it changes nothing, which is what is expected here. Distillation after mixup is a rise on ResNet-50-D alone.

How the settings of quick and full were chosen: on 7,000 images of Fashion-MNIST's training set that are not among those
of fashion_mini, so that its test set was not read. Sought was a run in which tricks can act and of which minutes buy
many seeds: 4 epochs of a small network with the stem of ImageNet's. Learning rates of 0.05, 0.1 and 0.2 gave the
baseline 77.8, 77.0 and 76.2 %, and the fourfold batch cost 1.3, 3.0 and 21.3 points: at 0.1 there is something for a
warm-up to mend. Before, with 7 epochs of a network without that pooling, quick's test set was seen.

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

That run was made when the tables had not been read: of no bias decay it expected no effect, where it is now a decrease.
ImageNet with ResNet-50 (--preset paper): not run. Xavier was normal in that run, smoothing gave a share to the true
class too, and the warm-up began at 0; now all are the paper's, as is hue. What still differs: low precision is
bfloat16, which needs no loss scale, for float16 (efficient has that), all rungs have as many epochs, and on small
images the crop, flip, colours, batch and epochs are those of small images.
"""

from functools import partial

from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick
from jaxtricks.tricks import bag as t

LADDER = {
    "large batch": Trick(t.large_batch, -1, "75.87 to 75.17 % at batch 1,024 (table 4); 0.9 points in the text"),
    "warm-up": Trick(partial(t.warm_up, from_zero=False), 1, "75.17 to 75.93 %; 75.87 to 76.03 at batch 256 (table 4)"),
    "zero gamma": Trick(t.zero_gamma, 1, "75.93 to 76.37 %; 76.03 to 76.19 at batch 256 (table 4)"),
    "no bias decay": Trick(t.no_bias_decay, -1, "76.37 to 76.03 %; 76.19 to 76.16 at batch 256 (table 4)"),
    "low precision": Trick(t.low_precision, 0, "76.03 to 76.21 %; 76.16 to 76.15 at batch 256 (table 4)"),
    "ResNet-B": Trick(partial(t.tweak, b=True), 1, "76.21 to 76.66 % (table 5)"),
    "ResNet-C": Trick(partial(t.tweak, c=True), 1, "76.66 to 76.87 % (table 5)"),
    "ResNet-D": Trick(partial(t.tweak, d=True), 1, "76.87 to 77.16 % (table 5)"),
    "cosine": Trick(t.cosine, 1, "77.16 to 77.91 % (table 6)"),
    "smoothing": Trick(t.smoothing, 1, "77.91 to 78.31 % (table 6)"),
    "mixup": Trick(t.mixup, 1, "78.31 to 79.15 %, with 200 epochs (table 6)"),
    "distillation": Trick(
        t.distillation, 1, "79.15 to 79.29 %; Inception-V3 78.77 to 78.34, MobileNet 73.28 to 72.51 (table 6)"
    ),
}
MERGED = {"B, C, D": ("ResNet-B", "ResNet-C", "ResNet-D")}
SMALL = partial(Preset, "fashion_mini", "resnet_micro", batch=16, lr=0.1, seeds_on="devices")
PRESETS = {
    "quick": SMALL(minutes=4, epochs=4, merge=MERGED),
    "full": SMALL(seeds=20, epochs=8),
    "paper": Preset("imagenet2012", "resnet50", seeds=3, epochs=120, batch=256, lr=0.1),
}

if __name__ == "__main__":
    main("bag_of_tricks", t.standard, LADDER, PRESETS, title="Bag of Tricks")
