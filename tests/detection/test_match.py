"""Matching against torchvision's Matcher, and against the rules of YOLOv5, ATSS and FCOS written as loops."""

import math
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import detection
from tests.golden import make_detection as golden

GOLDEN = np.load(Path(golden.__file__).with_name("detection.npz"))
BOXES = np.array([[3, 5, 21, 19], [30, 30, 60, 62], [5, 6, 18, 17], [50, 4, 58, 10]], np.float32)
LEVELS = ((8, 8, 8.0), (4, 4, 16.0))  # rows, columns, stride of a 64 x 64 image
GRID = [detection.anchors((h, w), stride=s, scales=(2 * s,), ratios=(1.0,)) for h, w, s in LEVELS]
ANCHORS = jnp.concatenate(GRID)
STRIDES = jnp.concatenate([jnp.full(h * w, s) for h, w, s in LEVELS])
POINTS = jnp.concatenate([detection.points((h, w), stride=s) for h, w, s in LEVELS])
RANGES = jnp.concatenate(
    [jnp.tile(jnp.array([[low, high]]), (n, 1)) for low, high, n in ((0.0, 12.0, 64), (12.0, jnp.inf, 16))]
)
RULES = {
    "iou": partial(detection.match_iou, ANCHORS),
    "ratio": lambda boxes, **options: detection.match_ratio(ANCHORS, boxes, STRIDES, **options),
    "atss": partial(detection.match_atss, ANCHORS, sizes=(64, 16)),
    "centers": lambda boxes, **options: detection.match_centers(POINTS, boxes, RANGES, **options),
}
every = pytest.mark.parametrize("rule", RULES)


def indices(match):
    """As torchvision: the box, -1 for background, -2 for what is left out."""
    return np.where(match.positive, match.index, np.where(match.negative, -1, -2))


@pytest.mark.parametrize("force", [False, True])
def test_thresholds_are_torchvision_s(force):
    found = jax.jit(partial(detection.match_iou, force=force))(golden.boxes(9, 60), golden.boxes(8, 5))
    np.testing.assert_array_equal(indices(found), GOLDEN[f"match {force}"])
    assert not (found.positive & found.negative).any()


def test_a_forced_anchor_and_a_box_that_overlaps_nothing():
    """Torchvision would make every anchor positive for a box that overlaps none."""
    far = np.array([[900, 900, 910, 910]], np.float32)
    assert not detection.match_iou(ANCHORS, far).positive.any()
    small = np.array([[1, 1, 5, 5]], np.float32)
    assert detection.match_iou(ANCHORS, small).positive.sum() == 1
    assert not detection.match_iou(ANCHORS, small, force=False).positive.any()


def slow_ratio(boxes, limit=4.0):
    """YOLOv5's build_targets: the cell of the centre and its two nearest within the map, as a set of claims."""
    claims, start = {}, 0
    for rows, columns, stride in LEVELS:
        side = 2 * stride
        for n, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
            worst = max((x1 - x0) / side, side / (x1 - x0), (y1 - y0) / side, side / (y1 - y0))
            if worst >= limit:
                continue
            x, y = (x0 + x1) / 2 / stride, (y0 + y1) / 2 / stride
            j, i = math.floor(x), math.floor(y)
            cells = [(i, j)]
            cells += [(i, j - 1)] if x % 1 < 0.5 else [(i, j + 1)] if x % 1 > 0.5 else []
            cells += [(i - 1, j)] if y % 1 < 0.5 else [(i + 1, j)] if y % 1 > 0.5 else []
            for row, column in cells:
                if 0 <= row < rows and 0 <= column < columns:
                    place = start + row * columns + column
                    claims.setdefault(place, []).append((worst, n))
        start += rows * columns
    return {place: min(found)[1] for place, found in claims.items()}


def as_dict(match):
    return {int(a): int(match.index[a]) for a in np.flatnonzero(match.positive)}


def test_the_ratio_rule_is_yolov5_s():
    assert as_dict(RULES["ratio"](BOXES)) == slow_ratio(BOXES)
    one = RULES["ratio"](BOXES[1:2])
    assert one.positive[:64].sum() == one.positive[64:].sum() == 3  # three cells of both levels
    three = detection.anchors((8, 8), stride=8, scales=(14, 16, 18), ratios=(1.0,))
    match = detection.match_ratio(three, BOXES[:1] + 1.5, jnp.full(192, 8.0))
    assert match.positive.sum() == 9


def slow_atss(boxes, k=9):
    anchors, claims = np.asarray(ANCHORS, np.float64), {}
    center = (anchors[:, :2] + anchors[:, 2:]) / 2
    overlap = np.asarray(detection.pairwise(detection.iou)(boxes, ANCHORS), np.float64)
    for n, box in enumerate(boxes.astype(np.float64)):
        distance = np.linalg.norm(center - (box[:2] + box[2:]) / 2, axis=1)
        chosen = [np.argsort(distance[a:b], kind="stable")[:k] + a for a, b in ((0, 64), (64, 80))]
        chosen = np.concatenate(chosen)
        threshold = overlap[n, chosen].mean() + overlap[n, chosen].std(ddof=1)
        for a in chosen:
            if overlap[n, a] >= threshold and (box[:2] < center[a]).all() and (center[a] < box[2:]).all():
                claims.setdefault(int(a), []).append((-overlap[n, a], n))
    return {a: min(found)[1] for a, found in claims.items()}


def test_atss_is_the_definition():
    assert as_dict(RULES["atss"](BOXES)) == slow_atss(BOXES)
    assert len(slow_atss(BOXES)) >= 4
    assert as_dict(RULES["atss"](BOXES, k=99)) == slow_atss(BOXES, 99)


def slow_centers(boxes, radius=np.inf):
    out = {}
    for p, ((x, y), (low, high)) in enumerate(zip(np.asarray(POINTS), np.asarray(RANGES), strict=True)):
        inside = []
        for n, (x0, y0, x1, y1) in enumerate(boxes):
            sides = (x - x0, y - y0, x1 - x, y1 - y)
            near = max(abs(x - (x0 + x1) / 2), abs(y - (y0 + y1) / 2)) < radius
            if min(sides) > 0 and low <= max(sides) <= high and near:
                inside.append(((x1 - x0) * (y1 - y0), n))
        if inside:
            out[p] = min(inside)[1]
    return out


def test_centers_are_fcos_s():
    assert as_dict(RULES["centers"](BOXES)) == slow_centers(BOXES)
    near = RULES["centers"](BOXES, radius=jnp.full(80, 6.0))
    assert as_dict(near) == slow_centers(BOXES, 6.0)
    assert 0 < near.positive.sum() < RULES["centers"](BOXES).positive.sum()


@every
def test_the_order_of_boxes_and_padding_change_nothing(rule):
    run = jax.jit(RULES[rule])
    expected = run(BOXES)
    order = np.array([2, 0, 3, 1])
    moved = run(BOXES[order])
    np.testing.assert_array_equal(moved.positive, expected.positive)
    np.testing.assert_array_equal(np.where(moved.positive, order[moved.index], 0), expected.index)
    padding = np.array([[0, 0, 64, 64], [5, 5, 5, 5], [20, 20, 9, 9], [0, 0, np.nan, 8]], np.float32)
    padded = run(np.concatenate([BOXES, padding]), valid=np.arange(8) != 4)  # not there, flat, inverted, not a number
    for one, other in zip(padded, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@every
def test_an_image_without_an_object_is_background(rule):
    for match in (RULES[rule](BOXES[:0]), RULES[rule](BOXES, valid=np.zeros(4, bool))):
        assert match.negative.all()
        assert not match.positive.any()
        assert not match.index.any()


@every
def test_a_batch_of_matches_is_its_images(rule):
    batch = jnp.stack([BOXES, BOXES[::-1]])
    found = jax.vmap(RULES[rule])(batch)
    np.testing.assert_array_equal(found.positive[1], RULES[rule](batch[1]).positive)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: detection.match_iou(ANCHORS, BOXES, positive=0.3, negative=0.4),
            "negative is 0.4; allowed: 0.0 to 0.3",
        ),
        (lambda: detection.match_iou(ANCHORS, BOXES[0]), "boxes has shape"),
        (lambda: RULES["iou"](BOXES, valid=np.ones(3, bool)), "valid has shape"),
        (lambda: RULES["ratio"](BOXES, ratio=1.0), "ratio is 1.0"),
        (lambda: detection.match_ratio(ANCHORS, BOXES, STRIDES[:3]), "strides has shape"),
        (lambda: detection.match_atss(ANCHORS, BOXES, sizes=(64,)), r"sizes is \(64,\), of sum 64; allowed: .* 80"),
        (lambda: detection.match_atss(ANCHORS, BOXES, sizes=80), "sizes is 80"),
        (lambda: detection.match_centers(POINTS, BOXES, RANGES[:4]), "ranges has shape"),
        (lambda: RULES["centers"](BOXES, radius=jnp.ones(3)), "radius has shape"),
    ],
)
def test_wrong_arguments_of_matching(call, words):
    with pytest.raises(ValueError, match=words):
        call()
