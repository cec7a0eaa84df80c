"""Networks as pure functions that return ``(logits, taps)``."""

from jaxtricks.models.functional import Model, functional
from jaxtricks.models.perceptron import perceptron
from jaxtricks.models.plain import WIDTHS, batch_norm, drawn, fixed, learned, plain, stateless_norm
from jaxtricks.models.resnet import LAYOUTS, Layout, resnet

__all__ = [
    "LAYOUTS",
    "WIDTHS",
    "Layout",
    "Model",
    "batch_norm",
    "drawn",
    "fixed",
    "functional",
    "learned",
    "perceptron",
    "plain",
    "resnet",
    "stateless_norm",
]
