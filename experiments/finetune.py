"""Fine-tuning in four cases: 50 or 1,500 target images, from a similar or a different source.

The target is every other class (of Fashion-MNIST: T-shirt, pullover, coat, shirt, bag). The similar source is the
other classes; the different one is handwritten digits, or Fashion-MNIST where the target is something else. Each
source is trained once, for five times the epochs. Both amounts take as many steps: 50 images come 30 times an epoch.

The baseline of a case trains all layers: with 50 images at a fifth of the source's rate, the best of a fifth, 1 and 5
times on held-out images of the similar case (seeds 100, 101); with 1,500 at the source's own, since a fifth was worse
there than from scratch. From scratch and the probe take the source's own; the probe and the last stage, as "BN frozen",
keep all batch statistics. Co-training puts beside each batch as many of the source's images, nearest by the last
features; the row "shallow", not run yet, by histograms of the stem's, as Ge and Yu say.

Measured with the command below, 4 paired seeds, 50 or 1,500 of the 1,750 training images of five classes of
fashion_mini, 4 epochs, on two cores of an AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given;
differences are to the baseline of the setting, verdicts after Holm's correction over all rows (results/finetune).

    python -m experiments.finetune

                                           expected  test %  difference, 95 %
    little, similar: baseline                         61.18
    little, similar: from scratch             -       59.60  -1.58 [-3.20, +0.03]  not resolved
    little, similar: linear probe                     58.87  -2.32 [-5.82, +1.19]  not resolved
    little, similar: last stage                       58.57  -2.62 [-6.90, +1.66]  not resolved
    little, similar: rates by layer                   60.95  -0.23 [-0.74, +0.28]  not resolved
    little, similar: gradual unfreezing               61.73  +0.55 [-0.35, +1.45]  not resolved
    little, similar: BN frozen                        58.85  -2.33 [-6.03, +1.36]  not resolved
    little, similar: co-training              +       60.73  -0.45 [-3.57, +2.67]  not resolved
    little, different: baseline                       59.75
    little, different: from scratch                   59.60  -0.15 [-2.59, +2.29]  not resolved
    little, different: linear probe                   61.08  +1.33 [-0.86, +3.53]  not resolved
    little, different: last stage                     60.03  +0.28 [-2.23, +2.79]  not resolved
    little, different: rates by layer                 59.68  -0.07 [-0.93, +0.80]  not resolved
    little, different: gradual unfreezing             59.77  +0.02 [-1.09, +1.13]  not resolved
    little, different: BN frozen                      60.20  +0.45 [-1.19, +2.09]  not resolved
    little, different: co-training            +       59.67  -0.08 [-2.27, +2.10]  not resolved
    much, similar: baseline                           74.65
    much, similar: from scratch               -       72.73  -1.92 [-2.95, -0.89]  not resolved
    much, similar: linear probe                       64.43  -10.22 [-12.11, -8.32]  lower
    much, similar: last stage                         69.93  -4.72 [-6.57, -2.86]  not resolved
    much, similar: rates by layer                     73.25  -1.40 [-2.47, -0.33]  not resolved
    much, similar: gradual unfreezing                 74.02  -0.63 [-1.72, +0.46]  not resolved
    much, similar: BN frozen                          71.42  -3.23 [-5.78, -0.69]  not resolved
    much, similar: co-training                +       73.30  -1.35 [-2.84, +0.14]  not resolved
    much, different: baseline                         74.48
    much, different: from scratch                     72.73  -1.75 [-3.08, -0.42]  not resolved
    much, different: linear probe                     66.80  -7.68 [-9.54, -5.82]  lower
    much, different: last stage                       70.97  -3.52 [-4.45, -2.58]  lower
    much, different: rates by layer                   72.97  -1.52 [-2.27, -0.76]  not resolved
    much, different: gradual unfreezing               74.07  -0.42 [-1.21, +0.37]  not resolved
    much, different: BN frozen                        71.70  -2.78 [-5.29, -0.27]  not resolved
    much, different: co-training              +       73.87  -0.62 [-2.00, +0.77]  not resolved
"""

from functools import partial

from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import finetuning as f
from jaxtricks.tricks import pretraining as p


def ladder(source, images):
    """Ways to go on from a source's weights; the baseline trains all layers at one rate."""
    source_lr, borrowed = 1 / f.SHARES[images], partial(f.co_training, images=images, weight=1.0)
    return {
        "from scratch": Trick(partial(f.from_scratch, lr=source_lr), -1 if source == "similar" else None),
        "linear probe": Trick(partial(f.only, last=1, lr=source_lr), None),
        "last stage": Trick(partial(f.only, last=2, lr=1.0), None),
        "rates by layer": Trick(partial(f.by_layer, decay=0.7), None, "arXiv 1801.06146"),
        "gradual unfreezing": Trick(partial(f.unfreezing, share=1 / 3), None, "arXiv 1801.06146"),
        "BN frozen": Trick(partial(t.part, frozen_bn=True), None),
        "co-training": Trick(partial(borrowed, by="deep"), 1, "arXiv 1702.08690"),
        "co-training, shallow": Trick(borrowed, 1, "arXiv 1702.08690"),
    }


SETTINGS = {
    "little, similar": f.setting(ladder, "similar", 50),
    "little, different": f.setting(ladder, "different", 50),
    "much, similar": f.setting(ladder, "similar", 1500),
    "much, different": f.setting(ladder, "different", 1500),
}
PRESETS = {
    "quick": Preset("fashion_mini", "resnet_mini", seeds=4, epochs=4, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "resnet_small", seeds=10, epochs=30, batch=16, lr=0.05, seeds_on="devices"),
}

if __name__ == "__main__":
    main("finetune", t.modern, SETTINGS, PRESETS, title="Fine-tuning", mode="add-one", dataset=p.target, begin=p.begin)
