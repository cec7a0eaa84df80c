"""Heat maps: the radius against a search, the targets against a slow drawing, the loss by hand, peaks by definition."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.experimental import checkify

from jaxtricks import detection

RNG = np.random.default_rng(0)
SIDES = RNG.uniform(2, 40, (6, 2))
BOXES = np.array([[2, 2, 14, 10], [6, 2, 10, 9], [20, 8, 30, 24], [0, 0, 0, 0]], np.float32)
LABELS = np.array([0, 0, 1, 0], np.int32)
TARGETS = partial(detection.heatmap_targets, shape=(8, 10), stride=4, classes=2)


def least_overlap(w, h, r):
    """Of a box with the three that are moved by r: both corners one way, outwards, inwards."""
    shift = max(w - r, 0) * max(h - r, 0)
    return min(
        shift / (2 * w * h - shift),
        w * h / ((w + 2 * r) * (h + 2 * r)),
        max(w - 2 * r, 0) * max(h - 2 * r, 0) / (w * h),
    )


@pytest.mark.parametrize("overlap", [0.3, 0.7])
def test_within_the_radius_a_box_overlaps_enough(overlap):
    boxes = np.concatenate([np.ones_like(SIDES), 1 + SIDES], -1).astype(np.float32)
    for (w, h), r in zip(SIDES, np.asarray(detection.gaussian_radius(boxes, overlap=overlap)), strict=True):
        assert least_overlap(w, h, r) == pytest.approx(overlap, abs=1e-4)
        assert least_overlap(w, h, 0.99 * r) > overlap > least_overlap(w, h, 1.01 * r)


def slow_targets(boxes, labels, shape, stride, classes):
    heat = np.zeros((*shape, classes))
    for (x0, y0, x1, y1), label in zip(boxes / stride, labels, strict=True):
        x, y = int((x0 + x1) / 2), int((y0 + y1) / 2)
        r = int(detection.gaussian_radius(np.array([x0, y0, x1, y1])))
        for i in range(shape[0]):
            for j in range(shape[1]):
                if abs(i - y) <= r and abs(j - x) <= r:
                    value = np.exp(-((i - y) ** 2 + (j - x) ** 2) / (2 * ((2 * r + 1) / 6) ** 2))
                    heat[i, j, label] = max(heat[i, j, label], value)
    return heat


def test_targets_are_the_drawing():
    large = np.array([[0, 4, 60, 60], [50, 10, 90, 64], [2, 2, 9, 9]], np.float32)
    found = jax.jit(partial(detection.heatmap_targets, shape=(16, 24), stride=4, classes=2))(large, LABELS[1:])
    assert (detection.gaussian_radius(large / 4) >= 1).any()
    np.testing.assert_allclose(found.heat, slow_targets(large, LABELS[1:], (16, 24), 4, 2), atol=1e-6)
    assert found.center.sum() == 3
    np.testing.assert_allclose(found.size[8, 7], [60, 56])
    np.testing.assert_allclose(found.offset[8, 7], [0.5, 0])


def test_two_objects_of_one_cell_and_what_is_no_object():
    found = TARGETS(BOXES, LABELS)
    assert found.center.sum() == 2  # the first two share cell (1, 2); the last has no area
    np.testing.assert_allclose(found.size[1, 2], [4, 7])  # of the smaller
    np.testing.assert_allclose(found.offset[1, 2], [0, 0.375])
    hostile = BOXES.copy()
    hostile[0, 0], hostile[1], hostile[2] = np.nan, [90, 90, 99, 99], [30, 8, 20, 24]  # not finite, outside, inverted
    assert not TARGETS(hostile, LABELS).center.any()
    assert not TARGETS(BOXES, np.array([-1, 2, 7, 0])).heat.any()
    assert not TARGETS(BOXES, LABELS, valid=np.zeros(4, bool)).heat.any()
    nothing = TARGETS(BOXES[:0], LABELS[:0])
    assert not nothing.heat.any()
    assert nothing.size.shape == (8, 10, 2)
    error, _ = checkify.checkify(TARGETS)(BOXES, np.array([-1, 2, 7, 0]))
    with pytest.raises(checkify.JaxRuntimeError, match="labels lie outside 0 to 1"):
        error.throw()


def test_focal_by_hand_and_where_it_is_binary_focal():
    """Of heat 0 and 1 it is the focal loss without alpha."""
    logits = jnp.array([-1.0, 0.5, 3.0, -40.0, 40.0])
    for heat in (jnp.zeros(5), jnp.ones(5)):
        found = detection.heatmap_focal(logits, heat)
        np.testing.assert_allclose(found, optax.sigmoid_focal_loss(logits, heat, gamma=2.0), rtol=1e-5)
    p, y = 0.3, 0.8
    found = detection.heatmap_focal(jnp.log(p / (1 - p)), jnp.float32(y))
    np.testing.assert_allclose(found, -((1 - y) ** 4) * p**2 * np.log(1 - p), rtol=1e-5)


def slow_peaks(heat, low):
    padded = np.pad(heat, [(1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
    out = []
    for i, j, c in np.ndindex(heat.shape):
        if heat[i, j, c] >= padded[i : i + 3, j : j + 3, c].max() and heat[i, j, c] > low:
            out.append((heat[i, j, c], i, j, c))
    return sorted(out, key=lambda p: -p[0])


def test_peaks_are_the_definition():
    heat = RNG.random((6, 7, 2)).astype(np.float32)
    expected = slow_peaks(heat, 0.6)
    found = jax.jit(partial(detection.peaks, min_score=0.6))(heat)
    assert found.valid.sum() == len(expected)
    for n, (score, row, column, label) in enumerate(expected):
        assert (found.row[n], found.column[n], found.label[n]) == (row, column, label)
        assert found.score[n] == score
    assert not found.score[len(expected) :].any()
    assert detection.peaks(jnp.full((2, 2, 1), 0.5), max_output=9).valid.sum() == 4  # all equal
    assert not detection.peaks(jnp.zeros((2, 2, 1))).valid.any()
    nan = detection.peaks(jnp.array([[[jnp.nan], [0.4], [0.3], [0.6]]]))
    assert nan.column[nan.valid].tolist() == [3]


def test_peaks_find_what_targets_draw():
    targets = TARGETS(BOXES[1:3], LABELS[1:3])
    found = detection.peaks(targets.heat, max_output=5, min_score=0.99)
    assert found.valid.sum() == 2
    cells = np.stack([found.column, found.row], -1)[:2] + targets.offset[found.row, found.column][:2]
    size = targets.size[found.row, found.column][:2]
    boxes = np.concatenate([4 * cells - size / 2, 4 * cells + size / 2], -1)
    np.testing.assert_allclose(sorted(boxes.tolist()), sorted(BOXES[1:3].tolist()), atol=1e-5)


def test_soft_argmax_by_hand_and_its_limit():
    logits = jnp.log(jnp.array([[[0.1, 0.2], [0.3, 0.4]]]))
    np.testing.assert_allclose(detection.soft_argmax(logits), [[0.6, 0.7]], rtol=1e-5)
    np.testing.assert_allclose(detection.soft_argmax(logits, temperature=1e-3), [[1, 1]], rtol=1e-5)
    np.testing.assert_allclose(detection.soft_argmax(logits + 5), detection.soft_argmax(logits), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: detection.gaussian_radius(BOXES, overlap=1.0), "overlap is 1.0; allowed: less than 1"),
        (lambda: TARGETS(BOXES, LABELS[:2]), "labels has shape"),
        (lambda: TARGETS(BOXES, LABELS, stride=0), "stride is 0"),
        (lambda: detection.heatmap_focal(jnp.zeros(3), jnp.zeros(2)), "heat has shape"),
        (lambda: detection.peaks(jnp.zeros((2, 2, 1)), window=2), "window is 2; allowed: an odd"),
        (lambda: detection.peaks(jnp.zeros((2, 2))), "heat has shape"),
        (lambda: detection.soft_argmax(jnp.zeros((0, 2))), "logits has shape"),
    ],
)
def test_wrong_arguments_of_heat_maps(call, words):
    with pytest.raises(ValueError, match=words):
        call()
