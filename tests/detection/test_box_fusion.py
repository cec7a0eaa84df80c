"""Voting by hand and against a slow reference; weighted fusion against the authors' ensemble-boxes."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import detection
from tests.golden import make_detection as golden

GOLDEN = np.load(Path(golden.__file__).with_name("detection.npz"))
BOXES = np.array([[0, 0, 4, 4], [0, 0, 4, 3], [20, 20, 24, 24]], np.float32)
SCORES = np.array([0.6, 0.2, 0.4], np.float32)


def test_votes_by_hand():
    found = detection.vote(BOXES[:1], BOXES, SCORES)  # IoU 3/4 and 0
    np.testing.assert_allclose(found, [[0, 0, 4, 3.75]], rtol=1e-6)
    np.testing.assert_array_equal(detection.vote(BOXES[:1], BOXES, SCORES, iou_threshold=0.8), BOXES[:1])
    other = detection.vote(BOXES[:1], BOXES, SCORES, kept_labels=np.array([0]), labels=np.array([0, 1, 0]))
    np.testing.assert_array_equal(other, BOXES[:1])


def test_votes_are_the_definition():
    boxes, scores = golden.boxes(6, 60), golden.scores(6, 60)
    overlap = detection.pairwise(detection.iou)(boxes[:9], boxes)
    for row, found in zip(
        np.asarray(overlap), detection.vote(boxes[:9], boxes, scores, iou_threshold=0.3), strict=True
    ):
        voting = row >= 0.3
        np.testing.assert_allclose(found, np.average(boxes[voting], axis=0, weights=scores[voting]), rtol=1e-5)


def test_what_does_not_vote():
    hostile = BOXES.copy()
    hostile[1, 2] = np.nan
    np.testing.assert_array_equal(detection.vote(BOXES[:1], hostile, SCORES), BOXES[:1])
    for score in (np.nan, np.inf, 0.0, -1.0):
        values = np.array([0.6, score, 0.4], np.float32)
        np.testing.assert_array_equal(detection.vote(BOXES[:1], BOXES, values), BOXES[:1])
    np.testing.assert_array_equal(detection.vote(BOXES[:1], BOXES[:0], SCORES[:0]), BOXES[:1])
    alone = detection.vote(BOXES[:1], BOXES, SCORES, valid=np.array([False, False, True]))
    np.testing.assert_array_equal(alone, BOXES[:1])


@pytest.mark.parametrize("name", ["fusion", "fusion of classes"])
def test_fusion_is_the_authors(name):
    boxes, scores = golden.boxes(6, 60), golden.scores(6, 60)
    labels = golden.labels(1, 60) if "classes" in name else None
    fused = jax.jit(
        lambda boxes, scores: detection.weighted_fusion(
            boxes, scores, models=3, iou_threshold=0.3, max_output=64, labels=labels
        )
    )(boxes, scores)
    expected = GOLDEN[name]
    count = int(fused.valid.sum())
    assert count == len(expected)
    assert not np.asarray(fused.box[count:]).any()
    np.testing.assert_allclose(fused.score[:count], expected[:, 4], rtol=1e-5)
    np.testing.assert_allclose(fused.box[:count], expected[:, :4], rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(fused.label[:count], expected[:, 5])


def test_fusion_by_hand():
    fused = detection.weighted_fusion(BOXES, SCORES, models=2, max_output=2)
    np.testing.assert_allclose(fused.box, [[0, 0, 4, 3.75], BOXES[2]], rtol=1e-6)
    np.testing.assert_allclose(fused.score, [0.4, 0.2], rtol=1e-6)  # means 0.4 of two, 0.4 of one of two models
    assert not detection.weighted_fusion(BOXES[:0], SCORES[:0], models=1).valid.any()
    assert not detection.weighted_fusion(BOXES * np.nan, SCORES, models=1).valid.any()
    np.testing.assert_allclose(detection.weighted_fusion(BOXES, SCORES, models=2, max_output=1).score, [0.4])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: detection.vote(BOXES, BOXES, SCORES, labels=np.zeros(3, int)), "kept_labels is None"),
        (lambda: detection.vote(BOXES, BOXES, SCORES[:2]), "scores has shape"),
        (lambda: detection.weighted_fusion(BOXES, SCORES, models=0), "models is 0"),
        (lambda: detection.weighted_fusion(BOXES, SCORES, models=1, max_output=2.5), "max_output is 2.5"),
        (lambda: detection.weighted_fusion(BOXES[0], SCORES, models=1), "boxes has shape"),
    ],
)
def test_wrong_arguments_of_fusion(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_batch_of_fusions_is_its_images():
    boxes, scores = jnp.stack([BOXES, BOXES + 1]), jnp.stack([SCORES, SCORES])
    found = jax.vmap(lambda b, s: detection.weighted_fusion(b, s, models=2, max_output=2))(boxes, scores)
    one = detection.weighted_fusion(boxes[1], SCORES, models=2, max_output=2)
    np.testing.assert_allclose(found.box[1], one.box, rtol=1e-6)
