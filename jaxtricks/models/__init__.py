"""Networks as pure functions that return ``(logits, taps)``."""

from jaxtricks.models._detector import detector
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._fusion import fuse_taps, hyper_columns
from jaxtricks.models._lenet import lenet
from jaxtricks.models._perceptron import perceptron
from jaxtricks.models._plain import WIDTHS, batch_norm, drawn, fixed, learned, plain, stateless_norm
from jaxtricks.models._resnet import LAYOUTS, Layout, resnet

__all__ = [
    "LAYOUTS",
    "WIDTHS",
    "Layout",
    "Model",
    "batch_norm",
    "detector",
    "drawn",
    "fixed",
    "functional",
    "fuse_taps",
    "hyper_columns",
    "learned",
    "lenet",
    "perceptron",
    "plain",
    "resnet",
    "stateless_norm",
]


def __dir__() -> list[str]:
    return __all__
