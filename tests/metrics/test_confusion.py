"""Figures of a confusion matrix, calibration and Brier score against scikit-learn and by hand."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    precision_recall_fscore_support,
)

from jaxtricks import metrics

RNG = np.random.default_rng(0)
LABELS, PREDICTED = RNG.integers(0, 4, 200), RNG.integers(0, 4, 200)
PREDICTED = np.where(RNG.random(200) < 0.5, LABELS, PREDICTED)
PROBABILITIES = RNG.dirichlet(np.full(4, 0.5), 200).astype(np.float32)


def test_counts_over_padded_batches_are_scikit_learn_s():
    add = jax.jit(lambda p, y, v: metrics.confusion_matrix(p, y, classes=4, valid=v))
    rows = [np.concatenate([x, np.zeros(56, int)]).reshape(4, 64) for x in (PREDICTED, LABELS)]
    valid = (np.arange(256) < 200).reshape(4, 64)
    total = sum(np.asarray(add(*batch)) for batch in zip(*rows, valid, strict=True))
    np.testing.assert_array_equal(total, confusion_matrix(LABELS, PREDICTED))
    odd = metrics.confusion_matrix(jnp.array([0, 4, -1, 1]), jnp.array([4, 0, 0, 1]), classes=4)
    assert odd.sum() == odd[1, 1] == 1


@pytest.mark.parametrize("average", [None, "macro", "weighted", "micro"])
def test_precision_recall_and_f1_are_scikit_learn_s(average):
    found = metrics.precision_recall_f1(confusion_matrix(LABELS, PREDICTED), average=average)
    expected = precision_recall_fscore_support(LABELS, PREDICTED, average=average)[:3]
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-12)
    if average == "micro":
        assert found.f1 == pytest.approx(accuracy_score(LABELS, PREDICTED))


def test_f1_by_another_formula_and_the_two_macro_forms():
    matrix = confusion_matrix(LABELS, PREDICTED)
    total = matrix.sum()
    for c, f1 in enumerate(metrics.precision_recall_f1(matrix).f1):
        true = matrix[c, c]
        true_negative = np.delete(np.delete(matrix, c, 0), c, 1).sum()
        assert f1 == pytest.approx(2 * true / (total + true - true_negative))
    uneven = np.array([[90, 10], [9, 1]])
    of_means, mean_of = (metrics.precision_recall_f1(uneven, average=a) for a in ("macro of means", "macro"))
    assert of_means.f1 == pytest.approx(
        2 * of_means.precision * of_means.recall / (of_means.precision + of_means.recall)
    )
    assert of_means.precision == mean_of.precision
    assert of_means.f1 > mean_of.f1


def test_a_class_that_is_not_there():
    missing = np.array([[2, 0, 1], [0, 0, 0], [0, 0, 3]])
    figures = metrics.precision_recall_f1(missing)
    assert (figures.recall[1], figures.precision[1], figures.f1[1]) == (0, 0, 0)
    assert metrics.precision_recall_f1(missing, average="macro").recall == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.balanced_accuracy(missing) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.balanced_accuracy(confusion_matrix(LABELS, PREDICTED)) == pytest.approx(
        balanced_accuracy_score(LABELS, PREDICTED)
    )
    assert np.isnan(metrics.balanced_accuracy(np.zeros((2, 2))))


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_the_calibration_error_is_its_definition(bins):
    sure, right = PROBABILITIES.max(1), PROBABILITIES.argmax(1) == LABELS
    error, edges = 0.0, np.linspace(0, 1, bins + 1)
    for low, high in pairwise(edges):
        here = (sure > low) & (sure <= high)
        if here.any():
            error += here.mean() * abs(right[here].mean() - sure[here].mean())
    add = jax.jit(lambda p, y, v: metrics.calibration_bins(p, y, bins=bins, valid=v))
    parts = [
        add(np.roll(PROBABILITIES, -100 * i, 0)[:128], np.roll(LABELS, -100 * i)[:128], np.arange(128) < 100)
        for i in range(2)
    ]
    stacked = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    assert metrics.calibration_error(**stacked) == pytest.approx(error, rel=1e-5)
    assert stacked["count"].sum() == 200


def test_calibration_of_what_is_sure_and_of_nothing():
    sure = metrics.calibration_bins(jnp.eye(3), jnp.array([0, 1, 0]))
    assert metrics.calibration_error(**sure) == pytest.approx(1 / 3)
    nothing = metrics.calibration_bins(jnp.eye(3), jnp.arange(3), valid=jnp.zeros(3, bool))
    assert np.isnan(metrics.calibration_error(**nothing))
    nan = metrics.calibration_bins(jnp.full((1, 2), jnp.nan), jnp.array([0]))
    assert np.isnan(metrics.calibration_error(**nan))


def test_the_brier_score_is_the_sum_of_scikit_learn_s_of_each_class():
    expected = sum(brier_score_loss(LABELS == c, PROBABILITIES[:, c]) for c in range(4))
    assert float(metrics.brier(PROBABILITIES, LABELS).mean()) == pytest.approx(expected, rel=1e-5)
    assert metrics.brier(jnp.array([[1.0, 0], [0, 1]]), jnp.array([0, 0])).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.confusion_matrix(PREDICTED, LABELS[:3], classes=4), "labels has shape"),
        (lambda: metrics.confusion_matrix(PREDICTED, LABELS, classes=0), "classes is 0"),
        (lambda: metrics.precision_recall_f1(np.ones((2, 3))), "confusion has shape"),
        (lambda: metrics.precision_recall_f1(-np.ones((2, 2))), "confusion holds -1"),
        (lambda: metrics.precision_recall_f1(np.ones((2, 2)), average="mean"), "average is 'mean'"),
        (lambda: metrics.calibration_bins(PROBABILITIES, LABELS, bins=0), "bins is 0"),
        (lambda: metrics.calibration_error(np.ones(2), 2 * np.ones(2), np.ones(2)), "correct holds 2 of 1"),
        (lambda: metrics.calibration_error(np.ones(2), np.ones(2), -np.ones(2)), "confidence holds a negative"),
        (lambda: metrics.brier(PROBABILITIES, LABELS[:3]), "labels has shape"),
    ],
)
def test_wrong_arguments_of_counts(call, words):
    with pytest.raises(ValueError, match=words):
        call()
