"""Blocks: what the convolutions, the pooling and the readout of a small network are made of.

The baseline is a plain network of 3x3 convolutions with batch normalisation, the maximum of 2x2 between its stages, and
the average of all positions before the classifier. In the setting "large kernels" the baseline has 5x5, and two of 3x3,
with ReLU between, take their place; in "larger kernels" 7x7, and 1x7 with 7x1; in "one more" a 3x3 more on the last
map, whose taps may move by offsets. Multiply-accumulates and parameters of
every row are in the table of costs; what is expected is the sign of the papers' claims on their own networks.

By hand, weights of a stage from I to O channels: 9 I O for 3x3; 25 I O for 5x5, of which two 3x3 have 9 O (I + O), 28 %
fewer where I = O; 49 I O for 7x7, of which 1x7 and 7x1 have 7 O (I + O), 71 % fewer; 9 I + I O for a depthwise
convolution with one of 1x1.

Not run: the table comes with the long run. The settings are those of experiments.pooling. The presets:

    python -m experiments.blocks
    python -m experiments.blocks --preset full --data cifar10
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
    "quick": Preset("fashion_mini", "plain_mini", seeds=6, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("blocks", t.modern, SETTINGS, PRESETS, title="Blocks", mode="add-one")
