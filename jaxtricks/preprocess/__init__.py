"""Preprocessing: ``x_fit(images) -> stats`` on the training set, on the host; ``x(stats, image) -> image`` anywhere.

``fit`` takes ``[N, H, W, C]``, uint8 (as 255ths) or floating point, or batches of these read once one after another,
and computes in float64. ``apply`` takes one image in [0, 1]; vmap it over a batch with ``in_axes=(None, 0)``.
"""

from jaxtricks.preprocess._resize import resize_center_crop
from jaxtricks.preprocess._scale import (
    Affine,
    center_fit,
    mean_image_fit,
    min_max_fit,
    per_image,
    per_image_fit,
    standardize,
    standardize_fit,
    standardize_inverse,
)
from jaxtricks.preprocess._whiten import Whitening, pca, pca_fit, pca_inverse, zca, zca_fit, zca_inverse

__all__ = [
    "Affine",
    "Whitening",
    "center_fit",
    "mean_image_fit",
    "min_max_fit",
    "pca",
    "pca_fit",
    "pca_inverse",
    "per_image",
    "per_image_fit",
    "resize_center_crop",
    "standardize",
    "standardize_fit",
    "standardize_inverse",
    "zca",
    "zca_fit",
    "zca_inverse",
]


def __dir__() -> list[str]:
    return __all__
