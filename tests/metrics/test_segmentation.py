"""Intersections and unions of pixels against scikit-learn and by hand; pixels to ignore and empty classes included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from jaxtricks import metrics

RNG = np.random.default_rng(0)
B, H, W, C = 3, 5, 7, 4
PREDICTED, TARGET = RNG.integers(0, C, (B, H, W)), RNG.integers(0, C, (B, H, W))
IGNORED = np.where(RNG.random((B, H, W)) < 0.2, 255, TARGET)


def test_by_hand():
    predicted = jnp.array([[[0, 0, 1, 1]], [[1, 1, 1, 1]]])
    target = jnp.array([[[0, 1, 1, 255]], [[0, 1, 1, 1]]])
    intersections, unions = metrics.intersections_and_unions(predicted, target, classes=3)
    assert intersections.tolist() == [[1, 1, 0], [0, 3, 0]]
    assert unions.tolist() == [[2, 2, 0], [1, 4, 0]]
    assert intersections.dtype == unions.dtype == jnp.int32
    assert metrics.mean_iou(intersections, unions) == pytest.approx((1 / 3 + 4 / 6) / 2)


@pytest.mark.parametrize("target", [TARGET, IGNORED], ids=["all", "ignored"])
def test_counts_are_those_of_scikit_learn_s_confusion_matrix(target):
    counts = jax.jit(metrics.intersections_and_unions, static_argnames="classes")
    intersections, unions = counts(PREDICTED, target, classes=C)
    for b in range(B):
        keep = target[b] != 255
        confusion = confusion_matrix(target[b][keep], PREDICTED[b][keep], labels=range(C))
        np.testing.assert_array_equal(intersections[b], confusion.diagonal())
        np.testing.assert_array_equal(unions[b], confusion.sum(0) + confusion.sum(1) - confusion.diagonal())
    keep = target != 255
    expected = jaccard_score(target[keep], PREDICTED[keep], average="macro")
    assert metrics.mean_iou(intersections, unions) == pytest.approx(expected)
    total = np.asarray(intersections, np.int64).sum(0), np.asarray(unions, np.int64).sum(0)
    assert metrics.mean_iou(*total) == metrics.mean_iou(intersections, unions)


def test_a_perfect_prediction_is_one_and_permuted_pixels_change_nothing():
    assert metrics.mean_iou(*metrics.intersections_and_unions(TARGET, TARGET, classes=C)) == 1.0
    order = RNG.permutation(H * W)
    moved = [a.reshape(B, -1)[:, order].reshape(B, H, W) for a in (PREDICTED, IGNORED)]
    for a, b in zip(
        metrics.intersections_and_unions(PREDICTED, IGNORED, classes=C),
        metrics.intersections_and_unions(*moved, classes=C),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("ignore", [255, -1, 0])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32])
def test_any_integer_is_ignored_in_any_dtype(ignore, dtype):
    if not np.iinfo(dtype).min <= ignore <= np.iinfo(dtype).max:
        out = metrics.intersections_and_unions(PREDICTED, TARGET.astype(dtype), classes=C, ignore=ignore)
        expected = metrics.intersections_and_unions(PREDICTED, TARGET, classes=C, ignore=99)
    else:
        target = np.where(IGNORED == 255, ignore, IGNORED)
        out = metrics.intersections_and_unions(PREDICTED, target.astype(dtype), classes=C, ignore=ignore)
        target = np.where(target == ignore, 77, target)
        expected = metrics.intersections_and_unions(PREDICTED, target, classes=C, ignore=77)
    for a, b in zip(out, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_no_class_is_wrong_unless_it_is_ignored():
    predicted, target = jnp.array([[[0, -1, 9, 0]]]), jnp.array([[[9, 0, 0, 255]]])
    intersections, unions = metrics.intersections_and_unions(predicted, target, classes=1)
    assert (intersections.tolist(), unions.tolist()) == ([[0]], [[3]])


def test_the_mean_is_over_classes_that_are_there_and_exact_for_large_counts():
    assert metrics.mean_iou(np.array([1, 0]), np.array([2, 0])) == 0.5
    assert np.isnan(metrics.mean_iou(np.zeros(3, int), np.zeros(3, int)))
    assert metrics.mean_iou(np.array([2**40]), np.array([2**41])) == 0.5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.intersections_and_unions(TARGET[0], TARGET[0], classes=C), "predicted has shape"),
        (lambda: metrics.intersections_and_unions(TARGET, TARGET[:2], classes=C), "target has shape"),
        (lambda: metrics.intersections_and_unions(TARGET / 2, TARGET, classes=C), "predicted has dtype"),
        (lambda: metrics.intersections_and_unions(TARGET, TARGET > 1, classes=C), "target has dtype"),
        (lambda: metrics.intersections_and_unions(TARGET, TARGET, classes=0), "classes is 0"),
        (lambda: metrics.intersections_and_unions(TARGET, TARGET, classes=C, ignore=1.5), "ignore has dtype"),
        (lambda: metrics.mean_iou(np.array(1), np.array(1)), "intersections has shape"),
        (lambda: metrics.mean_iou(np.ones((2, 0)), np.ones((2, 0))), "intersections has shape"),
        (lambda: metrics.mean_iou(np.ones(2), np.ones(3)), "unions has shape"),
        (lambda: metrics.mean_iou(np.array([3]), np.array([2])), "intersections hold 3 of a union of 2"),
        (lambda: metrics.mean_iou(np.array([-1]), np.array([2])), "intersections hold -1"),
        (lambda: metrics.mean_iou(np.array([1.0]), np.array([np.nan])), "intersections hold 1 of a union of nan"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_dice_is_the_f1_of_pixels():
    counts = metrics.intersections_and_unions(PREDICTED, TARGET, classes=C)
    expected = f1_score(TARGET.ravel(), PREDICTED.ravel(), average="macro")
    assert metrics.mean_dice(*counts) == pytest.approx(expected)
    assert metrics.mean_dice(np.array([0, 2]), np.array([0, 4])) == pytest.approx(2 / 3)
    assert np.isnan(metrics.mean_dice(np.zeros(2), np.zeros(2)))


@pytest.mark.parametrize("width", [1, 2])
def test_borders_are_the_mask_less_its_erosion(width):
    shapes = np.zeros((2, 12, 14), np.int32)
    shapes[0, 2:9, 3:12], shapes[1, :6, 4:] = 1, 2
    moved = np.roll(shapes, 1, axis=2)
    ignored = np.where(RNG.random(shapes.shape) < 0.1, 255, shapes)
    found = metrics.boundary_intersections_and_unions(moved, ignored, classes=3, width=width)
    for b in range(2):
        for c in range(3):
            borders = []
            for mask in (moved[b] == c, ignored[b] == c):
                eroded = binary_erosion(mask, np.ones((3, 3)), iterations=width)
                borders.append(mask & ~eroded & (ignored[b] != 255))
            assert found[0][b, c] == (borders[0] & borders[1]).sum()
            assert found[1][b, c] == (borders[0] | borders[1]).sum()
    every = metrics.intersections_and_unions(moved, shapes, classes=3)
    near = metrics.boundary_intersections_and_unions(moved, shapes, classes=3, width=1)
    assert metrics.mean_iou(*near) < metrics.mean_iou(*every)
    with pytest.raises(ValueError, match="width is 0"):
        metrics.boundary_intersections_and_unions(moved, shapes, classes=3, width=0)
