"""NMS against torchvision and mmcv, ties included, and a slow reference; soft-NMS against mmcv's published values."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import detection
from tests.golden import make_detection as golden

GOLDEN = np.load(Path(golden.__file__).with_name("detection.npz"))
MMCV = np.array([[6, 3, 8, 7], [3, 6, 9, 11], [3, 7, 10, 12], [1, 4, 13, 7]], np.float32)
MMCV_SCORES = np.array([0.6, 0.9, 0.7, 0.2], np.float32)


@jax.jit
def nms(boxes, scores, threshold, labels=None, valid=None):
    return detection.nms(boxes, scores, iou_threshold=threshold, max_output=200, labels=labels, valid=valid)


def kept(result):
    """The indices that stay; what is padded is zero."""
    assert not result.valid[result.valid.sum() :].any()
    assert not result.index[~result.valid].any()
    assert not result.score[~result.valid].any()
    return np.asarray(result.index[result.valid])


@pytest.mark.parametrize("threshold", golden.THRESHOLDS)
def test_it_is_torchvision_s(threshold):
    for seed in range(3):
        found = nms(golden.boxes(seed, 200), golden.scores(seed, 200), threshold)
        np.testing.assert_array_equal(kept(found), GOLDEN[f"nms {threshold} {seed}"])
        np.testing.assert_array_equal(found.score[found.valid], golden.scores(seed, 200)[kept(found)])
    found = nms(golden.boxes(5, 200), golden.scores(5, 200, levels=5), threshold)
    np.testing.assert_array_equal(kept(found), GOLDEN[f"nms ties {threshold}"])
    boxes, scores = golden.touching(threshold)
    padded = np.concatenate([boxes, np.zeros((100, 4), np.float32)]), np.concatenate([scores, np.ones(100, np.float32)])
    found = nms(*padded, threshold, valid=np.arange(200) < 100)
    np.testing.assert_array_equal(kept(found), GOLDEN[f"nms touching {threshold}"])
    assert 99 not in kept(found)


@pytest.mark.parametrize("threshold", golden.THRESHOLDS)
def test_boxes_of_other_classes_are_left_alone(threshold):
    boxes, scores, labels = golden.boxes(0, 200), golden.scores(0, 200), golden.labels(0, 200)
    found = kept(nms(boxes, scores, threshold, labels))
    assert set(found) == set(GOLDEN[f"batched nms {threshold}"])  # by shifted boxes, each class by itself
    assert (np.diff(scores[found]) <= 0).all()
    first = labels == 0
    alone = kept(detection.nms(boxes[first], scores[first], iou_threshold=threshold, max_output=200))
    assert set(np.flatnonzero(first)[alone]) == {i for i in found if labels[i] == 0}


def slow_nms(boxes, scores, threshold, measure):
    """The definition: a box stays unless one that stays, of a higher score, overlaps it by more."""
    out = []
    for i in np.argsort(-scores, kind="stable"):
        if all(measure(boxes[i], boxes[j]) <= threshold for j in out):
            out.append(i)
    return out


def slow_diou(a, b):
    w = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    rho = ((a[0] + a[2] - b[0] - b[2]) ** 2 + (a[1] + a[3] - b[1] - b[3]) ** 2) / 4
    around = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    return w * h / area - rho / around


def test_diou_nms_is_the_definition_and_keeps_more():
    boxes, scores = golden.boxes(3, 60), golden.scores(3, 60)
    run = partial(detection.nms, iou_threshold=0.3, max_output=60)
    found = kept(run(boxes, scores, measure=detection.diou))
    assert found.tolist() == slow_nms(boxes.astype(np.float64), scores, 0.3, slow_diou)
    assert len(found) > len(kept(run(boxes, scores)))


def test_it_stops_at_the_number_asked_for():
    boxes, scores = golden.boxes(0, 200), golden.scores(0, 200)
    for count in (1, 7):
        found = detection.nms(boxes, scores, max_output=count)
        np.testing.assert_array_equal(found.index, GOLDEN["nms 0.5 0"][:count])
        assert found.valid.all()


def test_a_batch_is_its_images():
    boxes, scores = (np.stack([f(seed, 200) for seed in range(3)]) for f in (golden.boxes, golden.scores))
    found = jax.jit(jax.vmap(partial(nms, threshold=0.5)))(boxes, scores)
    for seed in range(3):
        np.testing.assert_array_equal(
            kept(jax.tree.map(lambda x, seed=seed: x[seed], found)), GOLDEN[f"nms 0.5 {seed}"]
        )


def test_mmcv_s_published_values():
    assert kept(detection.nms(MMCV, MMCV_SCORES, iou_threshold=0.3)).tolist() == [1, 0, 3]
    soft = partial(detection.soft_nms, MMCV, MMCV_SCORES, iou_threshold=0.3, max_output=6)
    linear, gaussian = soft(), soft(method="gaussian", sigma=0.5)
    assert kept(linear).tolist() == kept(gaussian).tolist() == [1, 0, 2, 3]
    np.testing.assert_allclose(linear.score[:4], [0.9, 0.6, 0.29024392, 0.2], rtol=1e-6)
    np.testing.assert_allclose(gaussian.score[:4], [0.9, 0.59630775, 0.35275510, 0.18650459], rtol=1e-6)


def slow_soft(boxes, scores, method, threshold, sigma, min_score):
    remaining, out = list(map(float, scores)), []
    while remaining and max(remaining) >= min_score:
        best = int(np.argmax(remaining))
        out.append((best, remaining[best]))
        for i in range(len(boxes)):
            a, b = boxes[best], boxes[i]
            w, h = max(min(a[2], b[2]) - max(a[0], b[0]), 0), max(min(a[3], b[3]) - max(a[1], b[1]), 0)
            o = w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)
            remaining[i] *= np.exp(-(o**2) / sigma) if method == "gaussian" else (1 - o if o >= threshold else 1)
        remaining[best] = -1.0
    return out


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_soft_nms_is_the_definition(method):
    boxes, scores = golden.boxes(4, 40), golden.scores(4, 40)
    run = partial(detection.soft_nms, method=method, iou_threshold=0.3, min_score=0.2, max_output=50)
    found = jax.jit(run)(boxes, scores)
    index, values = zip(*slow_soft(boxes.astype(np.float64), scores, method, 0.3, 0.5, 0.2), strict=True)
    assert 5 < len(index) < 40
    np.testing.assert_array_equal(kept(found), index)
    np.testing.assert_allclose(found.score[found.valid], values, rtol=1e-4)


def test_soft_nms_of_other_classes_is_left_alone_and_of_boxes_apart_nothing_changes():
    twice, scores = np.repeat(MMCV[:1], 2, 0), np.array([0.5, 0.4], np.float32)
    apart = detection.soft_nms(twice, scores, labels=np.array([0, 1]), max_output=2)
    np.testing.assert_allclose(apart.score, scores)
    one = detection.soft_nms(twice, scores, labels=np.array([1, 1]), max_output=2)
    assert one.valid.tolist() == [True, False]


RUNS = {"nms": detection.nms, "soft": detection.soft_nms}


@pytest.mark.parametrize("name", RUNS)
def test_bad_input_is_as_documented(name):
    run = partial(RUNS[name], max_output=5)
    assert not run(jnp.zeros((0, 4)), jnp.zeros(0)).valid.any()  # no boxes
    assert not run(MMCV, MMCV_SCORES, valid=np.zeros(4, bool)).valid.any()
    equal = run(MMCV, np.full(4, 0.5, np.float32))  # by index
    assert equal.index[0] == 0
    hostile = MMCV.copy()
    hostile[1, 0] = np.nan
    hostile[2, 3] = np.inf
    found = run(hostile, MMCV_SCORES)
    assert set(kept(found)) == {0, 3}
    scores = np.array([np.nan, 0.9, -np.inf, 0.2], np.float32)
    assert set(kept(run(MMCV, scores))) == {1, 3}
    flat = np.array([[2, 2, 2, 2], [5, 5, 1, 1], [2, 2, 2, 2]], np.float32)  # a point twice, and inverted: no area
    assert set(kept(run(flat, MMCV_SCORES[:3]))) == {0, 1, 2}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize(
    ("boxes", "scores", "options", "words"),
    [
        (MMCV[:, :3], MMCV_SCORES, {}, "boxes has shape"),
        (MMCV[None], MMCV_SCORES, {}, "boxes has shape"),
        (MMCV, MMCV_SCORES[:3], {}, "scores has shape"),
        (MMCV.astype(int), MMCV_SCORES, {}, "boxes has dtype"),
        (MMCV, MMCV_SCORES, {"labels": np.zeros(4)}, "labels has dtype"),
        (MMCV, MMCV_SCORES, {"labels": np.zeros(3, int)}, "labels has shape"),
        (MMCV, MMCV_SCORES, {"valid": np.ones(4)}, "valid has dtype"),
        (MMCV, MMCV_SCORES, {"iou_threshold": 1.5}, "iou_threshold is 1.5"),
        (MMCV, MMCV_SCORES, {"max_output": 0}, "max_output is 0"),
    ],
)
def test_wrong_arguments_of_nms(name, boxes, scores, options, words):
    with pytest.raises(ValueError, match=words):
        RUNS[name](boxes, scores, **options)


FROM_BOXES = {
    "nms": lambda boxes, scores: detection.nms(boxes, scores, max_output=3),
    "soft_nms": lambda boxes, scores: detection.soft_nms(boxes, scores, max_output=3),
    "weighted_fusion": lambda boxes, scores: detection.weighted_fusion(boxes, scores, models=2, max_output=3),
}


@pytest.mark.parametrize("name", FROM_BOXES)
def test_each_device_its_own_images(name):
    """Under shard_map, as an evaluation of ``seeds_on="devices"`` is, what a loop carries varies from the start."""
    axes, rows = (jax.sharding.AxisType.Auto,), jax.sharding.PartitionSpec("data")
    mesh = jax.make_mesh((2,), ("data",), axis_types=axes, devices=jax.devices()[:2])
    shapes = jax.ShapeDtypeStruct((2, 6, 4), jnp.float32), jax.ShapeDtypeStruct((2, 6), jnp.float32)
    spread = jax.shard_map(jax.vmap(FROM_BOXES[name]), mesh=mesh, in_specs=(rows, rows), out_specs=rows)
    assert all(leaf.shape[:2] == (2, 3) for leaf in jax.tree.leaves(jax.eval_shape(spread, *shapes)))
