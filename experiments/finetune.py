"""Fine-tuning in four cases: 50 or 1,500 target images, from a similar or a different source.

The target is every other class (of Fashion-MNIST: T-shirt, pullover, coat, shirt, bag), the similar source the others;
the different one is handwritten digits, or Fashion-MNIST where the target is something else. A source trains once, for
five times the epochs. Both amounts take as many steps: 50 images come 30 times an epoch. The baseline trains all
layers: with 50 images at a fifth of the source's rate, chosen on held-out images of the similar case; with 1,500 at the
source's own, as from scratch and the probe. The probe, the last stage and "BN frozen" keep all batch statistics.
Co-training has as many of the source's images beside each batch, the nearest by the last features, or the stem's.

Measured with the command below, 8 paired seeds, 4 epochs, two cores of an AMD EPYC (jax 0.10.2) that other jobs shared;
differences to the baseline of the setting, verdicts after Holm's correction over all rows (results/finetune).

    python -m experiments.finetune --seeds 8

                                             expected      test %  difference, 95 %
    little, similar: baseline                               60.88
    little, similar: from scratch            -              59.66  -1.22 [-2.53, +0.10]  not resolved
    little, similar: linear probe                           58.75  -2.12 [-2.72, -1.53]  hurts
    little, similar: last stage                             60.26  -0.62 [-1.22, -0.02]  not resolved
    little, similar: rates by layer                         61.27  +0.40 [-0.11, +0.91]  not resolved
    little, similar: gradual unfreezing                     61.17  +0.30 [-0.22, +0.82]  not resolved
    little, similar: BN frozen                              59.65  -1.22 [-1.84, -0.61]  hurts
    little, similar: co-training             +              61.03  +0.16 [-0.41, +0.73]  not resolved
    little, similar: co-training, shallow    +              61.31  +0.43 [-0.26, +1.12]  not resolved
    little, different: baseline                             59.97
    little, different: from scratch                         59.66  -0.31 [-1.35, +0.73]  not resolved
    little, different: linear probe                         59.21  -0.76 [-1.96, +0.44]  not resolved
    little, different: last stage                           58.68  -1.28 [-2.34, -0.23]  not resolved
    little, different: rates by layer                       60.01  +0.04 [-0.55, +0.63]  not resolved
    little, different: gradual unfreezing                   59.74  -0.22 [-0.79, +0.34]  not resolved
    little, different: BN frozen                            58.81  -1.16 [-1.90, -0.41]  not resolved
    little, different: co-training           +              59.54  -0.42 [-1.41, +0.56]  not resolved
    little, different: co-training, shallow  +              59.67  -0.30 [-1.12, +0.52]  not resolved
    much, similar: baseline                                 74.82
    much, similar: from scratch              -              73.42  -1.40 [-2.38, -0.42]  not resolved
    much, similar: linear probe                             63.23  -11.60 [-12.19, -11.01]  hurts
    much, similar: last stage                               70.71  -4.12 [-4.87, -3.37]  hurts
    much, similar: rates by layer                           73.46  -1.37 [-1.89, -0.84]  hurts
    much, similar: gradual unfreezing                       74.22  -0.60 [-1.15, -0.05]  not resolved
    much, similar: BN frozen                                72.06  -2.77 [-3.33, -2.21]  hurts
    much, similar: co-training               +              74.07  -0.75 [-1.36, -0.14]  not resolved
    much, similar: co-training, shallow      +              74.53  -0.29 [-1.26, +0.68]  not resolved
    much, different: baseline                               75.51
    much, different: from scratch                           73.42  -2.08 [-3.32, -0.85]  not resolved
    much, different: linear probe                           66.57  -8.94 [-9.56, -8.32]  hurts
    much, different: last stage                             70.42  -5.08 [-5.87, -4.30]  hurts
    much, different: rates by layer                         74.01  -1.50 [-2.28, -0.72]  hurts
    much, different: gradual unfreezing                     74.39  -1.12 [-1.95, -0.29]  not resolved
    much, different: BN frozen                              71.64  -3.87 [-5.67, -2.07]  hurts
    much, different: co-training             +              74.90  -0.61 [-1.24, +0.02]  not resolved
    much, different: co-training, shallow    +              75.39  -0.12 [-0.83, +0.60]  not resolved
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
    "quick": Preset("fashion_mini", "resnet_mini", minutes=4, epochs=4, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "resnet_small", seeds=10, epochs=30, batch=16, lr=0.05, seeds_on="devices"),
}

if __name__ == "__main__":
    main("finetune", t.modern, SETTINGS, PRESETS, title="Fine-tuning", mode="add-one", dataset=p.target, begin=p.begin)
