"""Initial weights: initialisers of a kernel, changes to an entire tree of parameters, and weights from a file."""

from jaxtricks._signatures import name_defaults
from jaxtricks.init._changes import fixup, forget_bias, grown, lsuv, zero_gamma, zero_last
from jaxtricks.init._kernels import dirac, he_normal, patch_whitening, xavier_normal
from jaxtricks.init._names import (
    alexnet_names,
    cspnet_names,
    densenet_names,
    googlenet_names,
    inception_v3_names,
    mobilenet_v1_names,
    mobilenet_v2_names,
    preact_names,
    repvgg_names,
    squeezenet_names,
    vgg_names,
    vovnet_names,
)
from jaxtricks.init._pretrained import PretrainedMismatchError, from_pretrained, load_pretrained, save_pretrained
from jaxtricks.init._torch_file import read_torch

__all__ = [
    "PretrainedMismatchError",
    "alexnet_names",
    "cspnet_names",
    "densenet_names",
    "dirac",
    "fixup",
    "forget_bias",
    "from_pretrained",
    "googlenet_names",
    "grown",
    "he_normal",
    "inception_v3_names",
    "load_pretrained",
    "lsuv",
    "mobilenet_v1_names",
    "mobilenet_v2_names",
    "patch_whitening",
    "preact_names",
    "read_torch",
    "repvgg_names",
    "save_pretrained",
    "squeezenet_names",
    "vgg_names",
    "vovnet_names",
    "xavier_normal",
    "zero_gamma",
    "zero_last",
]
name_defaults(globals())


def __dir__() -> list[str]:
    return __all__
