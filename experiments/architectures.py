"""Architectures: the families of networks at about equal multiply-accumulates, trained alike with paired seeds.

Every network has 1.8 to 2.5 million multiply-accumulates for a grey image of 28 x 28, and batch normalisation, so that
one learning rate suits all; LeNet, AlexNet, VGG, NIN, GoogLeNet, Highway and SqueezeNet
had none in their papers; a RepVGG is measured as it is trained, with three branches. The
baseline, to which differences are, is a plain network: three 3x3 convolutions with pooling between. Beside the report
stand pareto.md, with parameters, latency of one image and the best throughput of this machine, and pareto.png: accuracy
against multiply-accumulates and against latency. No sign is expected: what the papers claim is of networks a thousand
times as large, on ImageNet.

With 1,000 images, 5 paired seeds and 4 epochs, on two cores of an AMD EPYC (jax 0.10.2) that other jobs shared, six of
the 19 differences are resolved (results/architectures-1000). LeNet +4.78 points [+3.24, +6.32] and VGG +3.77 [+2.38,
+5.17] help; Highway -6.69 [-8.40, -4.97], the pre-activation ResNet -5.42 [-7.50, -3.34], DenseNet -6.79 [-9.37, -4.22]
and VoVNet -7.09 [-10.16, -4.01] hurt: so few images and steps favour what is shallow. LeNet has 18 times the
baseline's parameters. With all images: not run. The presets:

    python -m experiments.architectures            # quick: two seeds at least, which here take over ten minutes
    python -m experiments.architectures --preset full --data cifar10
    python -m experiments.architectures --only "MobileNet v1" SqueezeNet
"""

from functools import partial

from jaxtricks import models as m
from jaxtricks.ablation import pareto
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick, parts
from jaxtricks.tricks import bag as t

INCEPTION = (((6, 6, 10, 3, 5, 5),), ((12, 12, 22, 3, 6, 6),), ((18, 12, 22, 3, 11, 6),))
MOBILE = ((16, 1, 1, 1), (16, 2, 2, 4), (24, 2, 2, 4))
NORM = {"norm": m.batch_norm}
CONV, RES, PRE, MOB = m.CONV_LAYOUTS, m.LAYOUTS, m.PREACT_LAYOUTS, m.MOBILE_LAYOUTS


def row(paper, family, layout, *, options=None, **sizes):
    """A network of a family: a layout of the package with these sizes."""
    layout = layout._replace(**sizes) if sizes else layout
    build = partial(family, layout, **(options or {}))
    return Trick(partial(parts.architecture, build=build), None, paper)


LADDER = {
    "LeNet": row("LeCun et al. 1998", m.lenet, m.LENET_LAYOUTS["lenet_caffe"], options=NORM),
    "AlexNet": row(
        "NIPS 2012", m.stacked, CONV["alexnet_mini"], stages=((12,), (24,), (32, 24)), lrn=False, options=NORM
    ),
    "VGG": row("arXiv 1409.1556", m.stacked, CONV["vgg_mini"], stages=((12,), (24,), (48, 48)), options=NORM),
    "NIN": row("arXiv 1312.4400", m.nin, ((5, (20, 16, 10)), (5, (20, 20, 20)), (3, (20, 20))), options=NORM),
    "GoogLeNet": row("arXiv 1409.4842", m.googlenet, m.INCEPTION_LAYOUTS["inception_mini"], stages=INCEPTION),
    "Inception-v3": row("arXiv 1512.00567", m.inception_v3, m.INCEPTION_V3_LAYOUTS["inception_v3_mini"], width=0.045),
    "Highway": row("arXiv 1505.00387", m.highway, ((6, 2), (10, 2), (12, 1)), options=NORM),
    "ResNet": row("arXiv 1512.03385", m.resnet, RES["resnet_mini"], widths=(6, 12, 26), stem=(3, 1)),
    "ResNeXt": row("arXiv 1611.05431", m.resnet, RES["resnext_mini"], widths=(6, 14, 28), base=24),
    "pre-activation ResNet": row("arXiv 1603.05027", m.preact, PRE["preact_mini"], widths=(6, 12, 20), width=8),
    "wide ResNet": row("arXiv 1605.07146", m.preact, PRE["wrn_10_1"], widths=(7, 14, 28), width=8),
    "DenseNet": row(
        "arXiv 1608.06993", m.densenet, m.DENSE_LAYOUTS["densenet_mini"], blocks=(2, 3, 4), growth=4, width=8
    ),
    "SqueezeNet": row(
        "arXiv 1602.07360",
        m.squeezenet,
        (((6, 28), (6, 28)), ((14, 56), (14, 56))),
        options=NORM | {"stem": (1, 1), "width": 24},
    ),
    "MobileNet v1": row("arXiv 1704.04861", m.mobilenet, MOB["mobilenet_v1_mini"], multiplier=1.75),
    "MobileNet v2": row("arXiv 1801.04381", m.mobilenet, MOB["mobilenet_v2_mini"], stages=MOBILE),
    "CSPNet": row("arXiv 1911.11929", m.cspnet, m.CSP_LAYOUTS["csp_mini"], widths=(10, 20, 40), width=8),
    "VoVNet": row(
        "arXiv 1904.09730", m.vovnet, m.VOV_LAYOUTS["vovnet_mini"], stem=(4, 6, 8), inner=(5, 8), widths=(16, 24)
    ),
    "RepVGG": row("arXiv 2101.03697", m.repvgg, m.REP_LAYOUTS["repvgg_mini"], widths=(10, 16, 22), width=8),
    "airbench": row("arXiv 2404.00498", m.airbench, (14, 26, 26)),
}
SMALL = partial(Preset, model="plain_small", seeds_on="devices")
PRESETS = {
    "quick": SMALL("fashion_mini", minutes=4, epochs=4, batch=16, lr=0.05),
    "full": SMALL("cifar10", seeds=10, epochs=30, batch=64, lr=0.1),
}

if __name__ == "__main__":
    main("architectures", t.modern, LADDER, PRESETS, title="Architectures", mode="add-one", after=pareto.show)
