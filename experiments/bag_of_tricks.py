"""The Bag-of-Tricks ladder, rung by rung, on the images you have: He et al., arXiv 1812.01187.

The paper raises ResNet-50's top-1 accuracy on ImageNet from 75.3 to 79.29 % (its abstract; 75.3 is the reference, its
own baseline has 75.87 in table 2). Its ladder starts from step decay, Xavier, Nesterov and decay on every parameter,
and each rung keeps what came before. The cells beside the rungs below are printed in its tables 4 (large batch to FP16,
at batch 1,024), 5 (B, C, D) and 6 (ResNet-50-D): single runs, without a spread. The expected sign is that of the step
in the table. No bias decay lowers the accuracy there at both batches; FP16 does at 256 and not at 1,024, and the text
says that it changes nothing, which is what is expected here. Distillation after mixup is a rise on ResNet-50-D alone.

How the settings of quick and full were chosen: on 7,000 images of Fashion-MNIST's training set that are not among those
of fashion_mini, so that its test set was not read. Sought was a run in which tricks can act and of which minutes buy
many seeds: a small network with the stem of ImageNet's. With 4 epochs, rates of 0.05, 0.1 and 0.2 gave the baseline
77.8, 77.0 and 76.2 %, and the fourfold batch cost 1.3, 3.0 and 21.3 points: at 0.1 there is something for a warm-up to
mend; at 0.125, 0.135 and 0.15 no more was resolved. Of 24 seeds of 2 epochs, 10 resolve at least four of quick's ten
differences in 82 of 100 draws, of 18 seeds of 3 epochs 8 do in 82 and 6 in 30: minutes buy 10 of the former, or 6 to 8
of the latter. So quick has 2 epochs, 96 updates of the large batch, in which no regulariser can act: for those
--epochs 8 --minutes 60. Of its ten, on the test set, the 16 seeds that four minutes buy resolve seven (README).

Measured on CIFAR-10, 10,000 training images, two cores of an AMD EPYC beside other jobs (results/cifar10-10000): seeds
0 to 23, in 47 minutes, resolved seven of the twelve rungs. All were asked anew, with 54 seeds that were new:

    python -m experiments.bag_of_tricks --preset full --data cifar10.npz --images 10000 --epochs 5 --first-seed 24 \
        --minutes 118

    rung             expected  test %  difference to the rung below, 95 %
    baseline                   41.84
    + large batch        -     34.97   -6.87 [-8.07, -5.67]  agrees
    + warm-up            +     41.89   +6.92 [+5.71, +8.14]  agrees
    + zero gamma         +     42.25   +0.36 [0.00, +0.72]  not resolved
    + no bias decay      -     42.22   -0.02 [-0.31, +0.26]  no effect
    + low precision      0     42.23   +0.01 [-0.30, +0.31]  no effect
    + ResNet-B           +     43.31   +1.08 [+0.78, +1.39]  agrees
    + ResNet-C           +     41.14   -2.17 [-2.64, -1.71]  disagrees
    + ResNet-D           +     43.99   +2.85 [+2.34, +3.36]  agrees
    + cosine             +     49.49   +5.50 [+5.21, +5.79]  agrees
    + smoothing          +     49.93   +0.44 [+0.06, +0.82]  not resolved
    + mixup              +     49.12   -0.82 [-1.29, -0.34]  disagrees
    + distillation       +     50.93   +1.81 [+1.45, +2.17]  agrees
    the complete stack               +9.09 [+8.74, +9.43]  helps

Eight rungs differ from zero, two have no effect beyond half a point. Taken away from all others (results/cifar10-leave-
one-out, 6 seeds) seven are missed: zero gamma by 5.75, smoothing by 2.40. ImageNet (--preset paper): not run. Other
than there: bfloat16 (efficient has float16), epochs as many for all rungs, crop, flip, colours, small batches. Length
of full on held-out images, these 10,000 and seeds 90 to 92: with 5, 8, 16 epochs cosine alone gains 4.8, 5.9, 4.3
points, smoothing on it 1.7, 0.4, 1.3, then mixup loses 2.3, 2.7, 1.7: 8 need the schedule most, 5 buy seeds.
On another network, as in table 6 (--model mobilenet_v1_mini, inception_v3_mini), the switches of a ResNet and zero
gamma are left out, which is said, and a ResNet-D teaches, which is expected to lower the accuracy, as it does there.
"""

from functools import partial

from jaxtricks import models
from jaxtricks.ablation import printed
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick, paper
from jaxtricks.tricks import bag as t

LADDER = {
    "large batch": Trick(t.large_batch, -1, "75.87 to 75.17 % at batch 1,024 (table 4); 0.9 points in the text"),
    "warm-up": Trick(partial(t.warm_up, from_zero=False), 1, "75.17 to 75.93 %; 75.87 to 76.03 at batch 256 (table 4)"),
    "zero gamma": Trick(t.zero_gamma, 1, "75.93 to 76.37 %; 76.03 to 76.19 at batch 256 (table 4)"),
    "no bias decay": Trick(t.no_bias_decay, -1, "76.37 to 76.03 %; 76.19 to 76.16 at batch 256 (table 4)"),
    "low precision": Trick(t.low_precision, 0, "76.03 to 76.21 %; 76.16 to 76.15 at 256 (table 4); text: none"),
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
ADAPTED = partial(
    paper.adapted,
    switches=("B, C, D", *MERGED["B, C, D"]),
    teacher=partial(models.resnet, models.LAYOUTS["resnet_small"]),
)
SMALL = partial(Preset, "fashion_mini", "resnet_micro", batch=16, lr=0.1, seeds_on="devices")
PRESETS = {
    "quick": SMALL(minutes=4, epochs=2, merge=MERGED),
    "full": SMALL(seeds=20, epochs=8),
    "paper": Preset("imagenet2012", "resnet50", seeds=3, epochs=120, batch=256, lr=0.1, held_out=0.04, hours=True),
}

if __name__ == "__main__":
    after = partial(printed.show, cells=paper.ladder_cells, merged=MERGED, aloud=False)
    parts = {"adapted": ADAPTED, "after": after, "tables": paper.SOURCE}
    main("bag_of_tricks", t.standard, LADDER, PRESETS, title="Bag of Tricks", **parts)
