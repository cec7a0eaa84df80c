"""Boxes: overlap, formats, anchors, matching, suppression, fusion, heat maps and cuts, at fixed shapes with masks.

Functions take one image; ``jax.vmap`` makes them functions of a batch. Boxes are xyxy in pixels, floating point.
"""

from jaxtricks._signatures import name_defaults
from jaxtricks.detection._anchors import anchors, decode, encode, fpn_level
from jaxtricks.detection._formats import area, check_format, clip, convert
from jaxtricks.detection._fusion import Fused, vote, weighted_fusion
from jaxtricks.detection._heatmap import (
    HeatmapTargets,
    gaussian_radius,
    heatmap_focal,
    heatmap_targets,
)
from jaxtricks.detection._match import Match, match_atss, match_centers, match_iou, match_ratio
from jaxtricks.detection._nms import Kept, nms, soft_nms
from jaxtricks.detection._overlap import ciou, diou, giou, iou, pairwise
from jaxtricks.detection._peaks import Peaks, peaks, soft_argmax
from jaxtricks.detection._points import centerness, decode_distances, encode_distances, points
from jaxtricks.detection._roi import multilevel_roi, roi_align, roi_pool

__all__ = [
    "Fused",
    "HeatmapTargets",
    "Kept",
    "Match",
    "Peaks",
    "anchors",
    "area",
    "centerness",
    "check_format",
    "ciou",
    "clip",
    "convert",
    "decode",
    "decode_distances",
    "diou",
    "encode",
    "encode_distances",
    "fpn_level",
    "gaussian_radius",
    "giou",
    "heatmap_focal",
    "heatmap_targets",
    "iou",
    "match_atss",
    "match_centers",
    "match_iou",
    "match_ratio",
    "multilevel_roi",
    "nms",
    "pairwise",
    "peaks",
    "points",
    "roi_align",
    "roi_pool",
    "soft_argmax",
    "soft_nms",
    "vote",
    "weighted_fusion",
]
name_defaults(globals())


def __dir__() -> list[str]:
    return __all__
