"""Average precision against scikit-learn and by hand; ties and classes without positives included."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from jaxtricks import metrics

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("levels", [2, 5, 1000], ids=lambda n: f"{n} scores")
@pytest.mark.parametrize("seed", range(5))
def test_one_class_is_scikit_learn_s_with_and_without_ties(levels, seed):
    rng = np.random.default_rng(seed)
    scores, positives = rng.integers(0, levels, 200) / levels, rng.random(200) < 0.3
    expected = average_precision_score(positives, scores)
    assert metrics.average_precision(scores, positives) == pytest.approx(expected, rel=1e-12)
    assert metrics.average_precision(jnp.asarray(scores), jnp.asarray(positives, jnp.float32)) == pytest.approx(
        expected
    )


def test_one_class_by_hand():
    """A positive at ranks 1, 3 and 4 of five: (1 + 2/3 + 3/4) / 3; of two that tie for rank 1, one: 1/2."""
    scores = np.array([0.1, 0.9, 0.5, 0.6, 0.7])
    assert metrics.average_precision(scores, np.array([0, 1, 1, 1, 0])) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert metrics.average_precision(np.zeros(2), np.array([1, 0])) == 0.5
    assert metrics.average_precision(np.array([2.0, 1]), np.array([True, True])) == 1.0


def test_only_the_order_of_the_scores_counts():
    scores, positives = RNG.normal(size=50), RNG.random(50) < 0.4
    first = metrics.average_precision(scores, positives)
    assert metrics.average_precision(np.exp(scores), positives) == first
    order = RNG.permutation(50)
    assert metrics.average_precision(scores[order], positives[order]) == pytest.approx(first, rel=1e-12)
    infinite = np.where(scores == scores.max(), np.inf, scores)
    assert metrics.average_precision(infinite, positives) == first


def test_the_mean_is_over_classes_with_positives():
    scores, targets = RNG.normal(size=(100, 4)), RNG.random((100, 4)) < 0.3
    assert metrics.mean_average_precision(scores, targets) == pytest.approx(average_precision_score(targets, scores))
    targets[:, 1] = False
    expected = average_precision_score(targets[:, [0, 2, 3]], scores[:, [0, 2, 3]])
    assert metrics.mean_average_precision(scores, targets.astype(np.int64)) == pytest.approx(expected)


def test_what_is_not_defined_is_not_a_number():
    assert np.isnan(metrics.average_precision(np.ones(3), np.zeros(3)))
    assert np.isnan(metrics.average_precision(np.array([1, np.nan]), np.array([1, 0])))
    assert np.isnan(metrics.mean_average_precision(np.ones((3, 2)), np.zeros((3, 2))))
    assert np.isnan(metrics.mean_average_precision(np.array([[1, np.nan], [0, 1]]), np.ones((2, 2))))


@pytest.mark.parametrize(
    ("function", "scores", "positives", "words"),
    [
        (metrics.average_precision, np.zeros((2, 2)), np.zeros((2, 2)), "scores has shape"),
        (metrics.average_precision, np.zeros(2), np.zeros(3), "positives has shape"),
        (metrics.average_precision, np.zeros(2), np.array([0, 2]), "positives holds 2; allowed: 0 and 1"),
        (metrics.average_precision, np.zeros(2), np.array([0, 0.5]), "positives holds 0.5"),
        (metrics.average_precision, np.zeros(2), np.array([0, np.nan]), "positives holds nan"),
        (metrics.average_precision, np.zeros(2, bool), np.zeros(2), "scores has dtype bool"),
        (metrics.average_precision, np.zeros(0), np.zeros(0), "scores has shape"),
        (metrics.mean_average_precision, np.zeros((3, 0)), np.zeros((3, 0)), "scores has shape"),
        (metrics.mean_average_precision, np.zeros(2), np.zeros(2), "scores has shape"),
        (metrics.mean_average_precision, np.zeros((2, 3)), np.zeros((2, 2)), "targets has shape"),
        (metrics.mean_average_precision, np.zeros((2, 3)), np.full((2, 3), -1), "targets holds -1"),
    ],
)
def test_wrong_arguments(function, scores, positives, words):
    with pytest.raises(ValueError, match=words):
        function(scores, positives)
