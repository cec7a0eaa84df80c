"""Initial weights: initialisers of a kernel, changes to an entire tree of parameters, and weights from a file."""

from jaxtricks.init import names
from jaxtricks.init._changes import fixup, forget_bias, grown, lsuv, zero_gamma, zero_last
from jaxtricks.init._kernels import dirac, he_normal, patch_whitening, xavier_normal
from jaxtricks.init._pretrained import PretrainedMismatchError, from_pretrained, load_pretrained, save_pretrained

__all__ = [
    "PretrainedMismatchError",
    "dirac",
    "fixup",
    "forget_bias",
    "from_pretrained",
    "grown",
    "he_normal",
    "load_pretrained",
    "lsuv",
    "names",
    "patch_whitening",
    "save_pretrained",
    "xavier_normal",
    "zero_gamma",
    "zero_last",
]


def __dir__() -> list[str]:
    return __all__
