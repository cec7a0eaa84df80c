"""Blocks: what the convolutions, the pooling and the readout of a small network are made of.

The baseline is a plain network of 3x3 convolutions with batch normalisation, the maximum of 2x2 between its stages, and
the average of all positions before the classifier. In the setting "large kernels" the baseline has 5x5, and two of 3x3,
with ReLU between, take their place; in "larger kernels" 7x7, and 1x7 with 7x1; in "one more" a 3x3 more on the last
map, whose taps may move by offsets. Multiply-accumulates and parameters of
every row are in the table of costs; what is expected is the sign of the papers' claims on their own networks.

By hand, weights of a stage from I to O channels: 9 I O for 3x3; 25 I O for 5x5, of which two 3x3 have 9 O (I + O), 28 %
fewer where I = O; 49 I O for 7x7, of which 1x7 and 7x1 have 7 O (I + O), 71 % fewer; 9 I + I O for a depthwise
convolution with one of 1x1.

Measured with the command below, 6 paired seeds, 3,500 training images of fashion_mini, 6 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline of the same
setting, verdicts after Holm's correction over all rows. The complete report, with the costs: results/blocks.

    python -m experiments.blocks --seeds 6

                                                   expected     test %  difference, 95 %
    3x3: baseline                                                79.73
    3x3: strided convolution for pooling                         78.57  -1.17 [-1.88, -0.45]  hurts
    3x3: depthwise                                 - agrees      74.32  -5.41 [-6.80, -4.02]  hurts
    3x3: dense on 4 x 4 positions                  - disagrees   84.74  +5.01 [+4.24, +5.78]  helps
    3x3: squeeze-excite                            +             79.31  -0.43 [-1.40, +0.54]  not resolved
    3x3: ECA                                       +             79.98  +0.24 [-0.45, +0.94]  not resolved
    3x3: space to depth                            0             80.09  +0.36 [-0.26, +0.97]  not resolved
    large kernels: baseline                                      80.93
    large kernels: two 3x3                         +             80.51  -0.43 [-0.98, +0.12]  not resolved
    larger kernels: baseline                                     80.61
    larger kernels: 1x7, 7x1                       0             80.43  -0.17 [-1.03, +0.68]  not resolved
    larger kernels: 7x1, 1x7 without ReLU between                79.59  -1.01 [-1.62, -0.40]  hurts
    larger kernels: three 3x3                      +             79.73  -0.87 [-1.54, -0.21]  not resolved
    one more: baseline                                           80.28
    one more: deformable                                         80.53  +0.26 [-0.30, +0.81]  not resolved
"""

from functools import partial

from jaxtricks import layers, models
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting, Trick, blocks
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import regularizers as r

SQUARES = partial(r.wrapped, how=blocks.space_to_depth, block=2)
GRID = models.fixed(partial(layers.spatial_pyramid_pool, levels=(4,)))
SMALL = {
    "strided convolution for pooling": t.swap(None, "arXiv 1412.6806", pool=blocks.strided()),
    "depthwise": t.swap(-1, "arXiv 1704.04861: 1 point on ImageNet, of MobileNet's own", block=blocks.separable),
    "dense on 4 x 4 positions": t.swap(-1, "arXiv 1312.4400: the average of all regularises", readout=GRID),
    "squeeze-excite": t.swap(1, "arXiv 1709.01507", after=models.learned(layers.SqueezeExcite, ratio=4)),
    "ECA": t.swap(1, "arXiv 1910.03151", after=models.learned(layers.EfficientChannelAttention)),
    "space to depth": Trick(SQUARES, 0, "arXiv 2003.13630: as accurate, and faster"),
}
LARGE = {"two 3x3": t.swap(1, "arXiv 1409.1556", block=blocks.chained((3, 3), (3, 3)))}
LARGER = {
    "1x7, 7x1": t.swap(0, "arXiv 1512.00567", block=blocks.chained((1, 7), (7, 1))),
    "7x1, 1x7 without ReLU between": t.swap(None, "arXiv 1512.00567", block=blocks.asymmetric),
    "three 3x3": t.swap(1, "arXiv 1409.1556", block=blocks.chained((3, 3), (3, 3), (3, 3))),
}
DEFORMED = {"deformable": Trick(partial(t.part, deformed=True), None, "arXiv 1703.06211, for boxes and masks")}
SETTINGS = {
    "3x3": Setting(None, SMALL),
    "large kernels": Setting(partial(t.part, block=blocks.chained((5, 5))), LARGE),
    "larger kernels": Setting(partial(t.part, block=blocks.chained((7, 7))), LARGER),
    "one more": Setting(blocks.with_one_more, DEFORMED),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("blocks", t.modern, SETTINGS, PRESETS, title="Blocks", mode="add-one")
