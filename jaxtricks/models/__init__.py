"""Networks as pure functions that return ``(logits, taps)``."""

from jaxtricks._signatures import name_defaults
from jaxtricks.models._airbench import AIRBENCH94, airbench
from jaxtricks.models._classics import CONV_LAYOUTS, ConvLayout, stacked
from jaxtricks.models._cspnet import CSP_LAYOUTS, CspLayout, cspnet
from jaxtricks.models._densenet import DENSE_LAYOUTS, DenseLayout, densenet
from jaxtricks.models._detector import detector
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._fusion import fuse_taps, hyper_columns
from jaxtricks.models._highway import HIGHWAY_MINI, highway
from jaxtricks.models._inception import INCEPTION_LAYOUTS, InceptionLayout, googlenet
from jaxtricks.models._inception_v3 import INCEPTION_V3_LAYOUTS, InceptionV3Layout, inception_v3
from jaxtricks.models._lenet import LENET_LAYOUTS, LeNetLayout, lenet
from jaxtricks.models._mobilenet import MOBILE_LAYOUTS, MobileLayout, mobilenet
from jaxtricks.models._networks import NETWORKS
from jaxtricks.models._nin import NIN_CIFAR, NIN_MINI, nin
from jaxtricks.models._perceptron import perceptron
from jaxtricks.models._plain import WIDTHS, batch_norm, drawn, fixed, learned, plain, stateless_norm
from jaxtricks.models._preact import PREACT_LAYOUTS, PreactLayout, preact
from jaxtricks.models._repvgg import REP_LAYOUTS, RepLayout, merge_branches, repvgg
from jaxtricks.models._resnet import LAYOUTS, Layout, resnet
from jaxtricks.models._segmenter import segmenter, unet
from jaxtricks.models._squeezenet import SQUEEZENET, SQUEEZENET_MINI, squeezenet
from jaxtricks.models._vovnet import VOV_LAYOUTS, VovLayout, vovnet
from jaxtricks.models._xnor import xnor

__all__ = [
    "AIRBENCH94",
    "CONV_LAYOUTS",
    "CSP_LAYOUTS",
    "DENSE_LAYOUTS",
    "HIGHWAY_MINI",
    "INCEPTION_LAYOUTS",
    "INCEPTION_V3_LAYOUTS",
    "LAYOUTS",
    "LENET_LAYOUTS",
    "MOBILE_LAYOUTS",
    "NETWORKS",
    "NIN_CIFAR",
    "NIN_MINI",
    "PREACT_LAYOUTS",
    "REP_LAYOUTS",
    "SQUEEZENET",
    "SQUEEZENET_MINI",
    "VOV_LAYOUTS",
    "WIDTHS",
    "ConvLayout",
    "CspLayout",
    "DenseLayout",
    "InceptionLayout",
    "InceptionV3Layout",
    "Layout",
    "LeNetLayout",
    "MobileLayout",
    "Model",
    "PreactLayout",
    "RepLayout",
    "VovLayout",
    "airbench",
    "batch_norm",
    "cspnet",
    "densenet",
    "detector",
    "drawn",
    "fixed",
    "functional",
    "fuse_taps",
    "googlenet",
    "highway",
    "hyper_columns",
    "inception_v3",
    "learned",
    "lenet",
    "merge_branches",
    "mobilenet",
    "nin",
    "perceptron",
    "plain",
    "preact",
    "repvgg",
    "resnet",
    "segmenter",
    "squeezenet",
    "stacked",
    "stateless_norm",
    "unet",
    "vovnet",
    "xnor",
]
name_defaults(globals())


def __dir__() -> list[str]:
    return __all__
