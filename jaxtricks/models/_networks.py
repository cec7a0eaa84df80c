"""The names under which the command line has the networks; those with "mini" or "small" suit images of 28x28."""

from functools import partial
from typing import Any

from jaxtricks._signatures import Table
from jaxtricks.models._airbench import AIRBENCH94, airbench
from jaxtricks.models._classics import CONV_LAYOUTS, stacked
from jaxtricks.models._cspnet import CSP_LAYOUTS, cspnet
from jaxtricks.models._densenet import DENSE_LAYOUTS, densenet
from jaxtricks.models._highway import HIGHWAY_MINI, highway
from jaxtricks.models._inception import INCEPTION_LAYOUTS, googlenet
from jaxtricks.models._inception_v3 import INCEPTION_V3_LAYOUTS, inception_v3
from jaxtricks.models._lenet import LENET_LAYOUTS, lenet
from jaxtricks.models._mobilenet import MOBILE_LAYOUTS, mobilenet
from jaxtricks.models._nin import NIN_CIFAR, NIN_MINI, nin
from jaxtricks.models._perceptron import perceptron
from jaxtricks.models._plain import WIDTHS, batch_norm, plain
from jaxtricks.models._preact import PREACT_LAYOUTS, preact
from jaxtricks.models._repvgg import REP_LAYOUTS, repvgg
from jaxtricks.models._resnet import LAYOUTS, resnet
from jaxtricks.models._squeezenet import SQUEEZENET, SQUEEZENET_MINI, squeezenet
from jaxtricks.models._vovnet import VOV_LAYOUTS, vovnet
from jaxtricks.models._xnor import xnor

NETWORKS: dict[str, partial[Any]] = Table()
for _family, _layouts in (
    (resnet, LAYOUTS),
    (plain, WIDTHS),
    (stacked, CONV_LAYOUTS),
    (googlenet, INCEPTION_LAYOUTS),
    (inception_v3, INCEPTION_V3_LAYOUTS),
    (densenet, DENSE_LAYOUTS),
    (lenet, LENET_LAYOUTS),
    (mobilenet, MOBILE_LAYOUTS),
    (cspnet, CSP_LAYOUTS),
    (vovnet, VOV_LAYOUTS),
    (repvgg, REP_LAYOUTS),
    (preact, PREACT_LAYOUTS),
):
    NETWORKS |= {name: partial(_family, layout) for name, layout in _layouts.items()}
NETWORKS |= {f"{name}_bn": partial(NETWORKS[name], norm=batch_norm) for name in CONV_LAYOUTS if name.startswith("vgg")}
NETWORKS |= {
    "perceptron": partial(perceptron, (256,)),
    "logistic": partial(perceptron, ()),
    "xnor_mini": partial(xnor, WIDTHS["plain_mini"]),
    "nin": partial(nin, NIN_CIFAR),
    "nin_mini": partial(nin, NIN_MINI),
    "highway_mini": partial(highway, HIGHWAY_MINI),
    "squeezenet": partial(squeezenet, SQUEEZENET),
    "squeezenet_mini": partial(squeezenet, SQUEEZENET_MINI, stem=(1, 1), width=16),
    "airbench94": partial(airbench, AIRBENCH94),
    "airbench_tenth": partial(airbench, tuple(width // 10 for width in AIRBENCH94)),
    "airbench_mini": partial(airbench, (16, 32, 32)),
}
