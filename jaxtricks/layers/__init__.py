"""Layers that Flax and JAX do not have: modules where they hold parameters, functions elsewhere."""

from jaxtricks._signatures import name_defaults
from jaxtricks.layers._activations import PReLU, Swish, rrelu, rrelu_mean
from jaxtricks.layers._attention import EfficientChannelAttention, SqueezeExcite
from jaxtricks.layers._blocks import Convolutions
from jaxtricks.layers._conv import (
    Asymmetric,
    DepthwiseSeparable,
    conv2d_im2col,
    dense_to_conv,
    im2col,
    space_to_depth,
)
from jaxtricks.layers._conv_gradient import conv
from jaxtricks.layers._deform import deform_conv2d
from jaxtricks.layers._normalize import FeatureNorm, l2_normalize, local_response_norm, standardize_weight
from jaxtricks.layers._norms import BatchNorm
from jaxtricks.layers._pooling import (
    GeM,
    blur_pool,
    global_average_pool,
    lp_pool,
    spatial_pyramid_pool,
    stochastic_pool,
    stochastic_pool_mean,
)
from jaxtricks.layers._recalibrate import recalibrate
from jaxtricks.layers._stochastic import (
    classifier_noise,
    drop_block,
    dropout,
    dropout_plain,
    dropout_plain_mean,
    stochastic_depth,
)
from jaxtricks.layers._structured import Circulant, XnorConv

__all__ = [
    "Asymmetric",
    "BatchNorm",
    "Circulant",
    "Convolutions",
    "DepthwiseSeparable",
    "EfficientChannelAttention",
    "FeatureNorm",
    "GeM",
    "PReLU",
    "SqueezeExcite",
    "Swish",
    "XnorConv",
    "blur_pool",
    "classifier_noise",
    "conv",
    "conv2d_im2col",
    "deform_conv2d",
    "dense_to_conv",
    "drop_block",
    "dropout",
    "dropout_plain",
    "dropout_plain_mean",
    "global_average_pool",
    "im2col",
    "l2_normalize",
    "local_response_norm",
    "lp_pool",
    "recalibrate",
    "rrelu",
    "rrelu_mean",
    "space_to_depth",
    "spatial_pyramid_pool",
    "standardize_weight",
    "stochastic_depth",
    "stochastic_pool",
    "stochastic_pool_mean",
]
name_defaults(globals())


def __dir__() -> list[str]:
    return __all__
