"""What the functions of boxes do with hostile arguments, for their contract, their edges and their fuzzing."""

from functools import partial

import numpy as np

from jaxtricks import detection
from tests.cases.case import Array, Case, Says
from tests.cases.common import boxes, within


def uniform(rng, shape):
    return rng.random(shape)


def inside(rng, shape):
    """Points among the boxes."""
    return rng.random(shape) * 10


def ranges(rng, shape):
    return np.stack([np.zeros(shape[0]), 1 + 9 * rng.random(shape[0])], -1)


BOXES = Array(("M", 4), boxes, boxes=True)
PAIRS = Array(("B", 4), boxes, lead=True, boxes=True)
MANY = Array(("N", 4), boxes, boxes=True)
SCORES = Array(("N",), uniform, edges=("zeros", "ones", "equal", "tiny"))
LABELS = Array(("N",), dtypes="iu", classes="C")
MAP = Array(("H", "W", "K"), uniform, edges=("zeros", "ones", "equal"))
LEFT_OUT = Says("its four numbers are finite")
MATCHED = Says("not valid, not finite or without an area is matched to nothing")
INFINITE = Says("finite for all boxes of finite area")
Measure = partial(Case, {"a": PAIRS, "b": PAIRS}, rows=True, empty="B", gradient=INFINITE)
Suppress = partial(
    Case,
    {"boxes": MANY, "scores": SCORES},
    {"max_output": 8},
    nan=LEFT_OUT,
    inf=LEFT_OUT,
    empty="N",
    gradient=False,
    holds=lambda index, score, valid: (np.diff(valid.astype(int)) <= 0).all() and not index[~valid].any(),
)
Rule = partial(
    Case,
    nan=MATCHED,
    inf=MATCHED,
    gradient=False,
    holds=lambda index, positive, negative: not (positive & negative).any() and not index[~positive].any(),
)
ANCHORS = Array(("B", 4), boxes, still=True)
CUT = {"features": MAP, "boxes": BOXES}
NOT_FINITE = Says("NaN for a box that is not finite")
NOT_A_FEATURE = Says("a feature that is not finite makes the cuts of all boxes, or their gradients,\nnot a number")

CASES = {
    "detection.anchors": Case({}, {"shape": (2, 3), "stride": 8.0, "scales": (4.0, 8.0)}, gradient=False),
    "detection.area": Case({"boxes": PAIRS}, rows=True, empty="B", holds=within(0, np.inf)),
    "detection.centerness": Case({"distances": PAIRS}, rows=True, empty="B", holds=within(0, 1)),
    "detection.check_format": Case(
        {"boxes": Array(("B", 4), boxes, dtypes="fiu", lead=True)}, {"format": "xyxy"}, host=True, empty="B"
    ),
    "detection.ciou": Measure(holds=within(-np.inf, 1)),
    "detection.clip": Case({"boxes": PAIRS}, {"size": (6, 8)}, rows=True, empty="B", holds=within(0, 8)),
    "detection.convert": Case(
        {"boxes": PAIRS},
        {"source": "xyxy", "target": "rel_cxcywh", "size": (6, 8)},
        rows=True,
        empty="B",
        by_hand=(({"boxes": [1.0, 2.0, 3.0, 6.0], "target": "xywh"}, [1, 2, 2, 4]),),
        limit=({"target": "xyxy"}, lambda boxes: boxes),
        reference=lambda boxes: (
            np.concatenate([boxes[..., :2] + boxes[..., 2:], 2 * (boxes[..., 2:] - boxes[..., :2])], -1)
            / (2 * np.array([8, 6, 8, 6]))
        ),
    ),
    "detection.decode": Case({"offsets": Array(("B", 4), lead=True), "anchors": PAIRS}, rows=True, empty="B"),
    "detection.decode_distances": Case({"distances": PAIRS, "points": Array(("B", 2), inside)}, rows=True, empty="B"),
    "detection.diou": Measure(holds=within(-1, 1)),
    "detection.encode": Case(
        {"boxes": PAIRS, "anchors": PAIRS},
        rows=True,
        empty="B",
        inf=Says("finite for all boxes of finite size"),
        gradient=Says("finite for all boxes of finite size"),
    ),
    "detection.encode_distances": Case({"boxes": PAIRS, "points": Array(("B", 2), inside)}, rows=True, empty="B"),
    "detection.fpn_level": Case(
        {"boxes": PAIRS}, empty="B", nan=Says("or that is not a number"), gradient=False, holds=within(2, 5)
    ),
    "detection.gaussian_radius": Case({"boxes": PAIRS}, rows=True, empty="B", holds=within(0, np.inf)),
    "detection.giou": Measure(holds=within(-1, 1)),
    "detection.heatmap_focal": Case(
        {
            "logits": Array(("B", "C"), edges=("zeros", "high", "low", "apart"), lead=True),
            "heat": Array(("B", "C"), uniform, edges=("zeros", "ones")),
        },
        rows=True,
        empty="BC",
        holds=within(0, np.inf),
    ),
    "detection.heatmap_targets": Case(
        {"boxes": MANY, "labels": LABELS},
        {"shape": (4, 5), "stride": 2.0, "classes": 5},
        nan=Says("not valid, not finite or without an area"),
        inf=Says("not valid, not finite or without an area"),
        labels=Says("whose label is no class"),
        empty="N",
        gradient=False,
    ),
    "detection.iou": Measure(holds=within(0, 1)),
    "detection.match_atss": Rule({"anchors": ANCHORS, "boxes": BOXES}, {"sizes": (3, 1)}, empty="M"),
    "detection.match_centers": Rule(
        {"points": Array(("B", 2), inside), "boxes": BOXES, "ranges": Array(("B", 2), ranges)},
        empty="BM",
        inf=Says("inf is allowed"),
    ),
    "detection.match_iou": Rule({"anchors": ANCHORS, "boxes": BOXES}, empty="BM"),
    "detection.match_ratio": Rule(
        {"anchors": ANCHORS, "boxes": BOXES, "strides": Array(("B",), lambda rng, shape: rng.random(shape) + 0.5)},
        empty="BM",
    ),
    "detection.multilevel_roi": Case(
        {"features": [MAP, Array(("h", "w", "K"), uniform)], "boxes": BOXES},
        {"size": (2, 2), "canonical": 4.0, "canonical_level": 2},
        nan=NOT_FINITE,
        inf=NOT_FINITE,
        gradient=NOT_A_FEATURE,
        empty="MK",
        deep=True,
    ),
    "detection.nms": Suppress(),
    "detection.pairwise": Case(
        {"a": Array(("B", 4), boxes), "b": Array(("M", 4), boxes)},
        call=lambda a, b: detection.pairwise(detection.iou)(a, b),
        empty="BM",
        gradient=INFINITE,
        holds=within(0, 1),
    ),
    "detection.peaks": Case(
        {"heat": MAP},
        {"max_output": 8},
        nan=Says("A\ncell that is not a number is no peak"),
        inf=Says("cells that nothing around them exceeds"),
        empty="",
        gradient=False,
    ),
    "detection.points": Case({}, {"shape": (2, 3), "stride": 8.0}, gradient=False),
    "detection.roi_align": Case(
        CUT, {"size": (2, 2), "scale": 0.5}, gradient=NOT_A_FEATURE, nan=NOT_FINITE, inf=NOT_FINITE, empty="MK"
    ),
    "detection.roi_pool": Case(CUT, {"size": (2, 2), "scale": 0.5}, nan=NOT_FINITE, inf=NOT_FINITE, empty="MK"),
    "detection.soft_argmax": Case(
        {"logits": Array(("B", "H", "W"), edges=("zeros", "high", "apart"), lead=True)}, rows=True, empty="B"
    ),
    "detection.soft_nms": Suppress(),
    "detection.vote": Case(
        {"kept": BOXES, "boxes": MANY, "scores": SCORES},
        nan=LEFT_OUT,
        inf=LEFT_OUT,
        empty="MN",
    ),
    "detection.weighted_fusion": Case(
        {"boxes": MANY, "scores": SCORES},
        {"models": 2, "max_output": 8},
        nan=LEFT_OUT,
        inf=LEFT_OUT,
        empty="N",
    ),
}
