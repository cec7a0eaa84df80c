"""Networks as pure functions that return ``(logits, taps)``."""

from jaxtricks.models.functional import Model, functional
from jaxtricks.models.resnet import LAYOUTS, Layout, resnet

__all__ = ["LAYOUTS", "Layout", "Model", "functional", "resnet"]
