"""Tweaks of a ResNet, table 5 of the bag of tricks: where the strides are, and what the stem is made of.

B moves the stride of a block from its 1x1 to its 3x3 convolution, C makes the 7x7 stem of three 3x3, D halves the
shortcut by an average. Each keeps what came before. The training is the paper's efficient one (four times the batch,
warm-up, zero gamma, no bias decay, float16), as in its table. Multiply-accumulates and parameters are in the report;
printed.md has the printed cells beside ours.

What arXiv 1812.01187 prints, top-1 on ImageNet in percent, single runs, about 25 M parameters each (v2, table 5):

                   GFLOPs  top-1    step
    ResNet-50      3.8     76.21
    + ResNet-B     4.1     76.66   +0.45
    + ResNet-C     4.3     76.87   +0.21
    + ResNet-D     4.3     77.16   +0.29

With the authors' own later code (GluonCV's model zoo) and smoothing and cosine decay from the start the four are 77.36,
77.67, 78.03 and 78.48. In bag_of_tricks, on 10,000 images of CIFAR-10, B and D help, and C hurts.

Rates, batches and lengths are those of bag_of_tricks. Here, 12 paired seeds of a small network on 3,500 images of
fashion_mini, 4 epochs, on two cores of an AMD EPYC (jax 0.10.2) that other jobs shared (results/tweaks):

    python -m experiments.tweaks --seeds 12

                        expected  test %  difference, 95 %
    the complete stack             75.77  -0.66 [-1.33, +0.01]  not resolved
    baseline                       76.43
    + ResNet-B          +          76.72  +0.29 [-0.32, +0.91]  not resolved
    + ResNet-C          +          76.52  -0.20 [-0.84, +0.44]  not resolved
    + ResNet-D          +          75.77  -0.76 [-1.57, +0.06]  not resolved

ImageNet: not run.

    python -m experiments.tweaks --preset paper --data imagenet2012
"""

from functools import partial

from jaxtricks.ablation import printed
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import paper as p

LADDER = {
    f"ResNet-{letter}": p.rung(partial(t.tweak, **{letter.lower(): True}), p.Cell(5, f"ResNet-{letter}", "ResNet-50"))
    for letter in "BCD"
}
CELLS = {"baseline": p.Cell(5, "ResNet-50", "ResNet-50")}
CELLS |= {f"+ {name}": p.Cell(5, name, "ResNet-50") for name in LADDER}
SMALL = partial(Preset, "fashion_mini", "resnet_micro", batch=16, lr=0.1, seeds_on="devices")
PRESETS = {
    "quick": SMALL(minutes=4, epochs=4),
    "full": SMALL(seeds=20, epochs=8),
    "paper": Preset("imagenet2012", "resnet50", seeds=3, epochs=120, batch=256, lr=0.1, hours=True),
}

if __name__ == "__main__":
    show = partial(printed.show, cells=CELLS, ends=(("+ ResNet-D", "baseline"),))
    main("tweaks", p.efficient, LADDER, PRESETS, title="ResNet tweaks", after=show, tables=p.SOURCE)
