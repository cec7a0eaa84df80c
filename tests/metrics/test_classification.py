"""Accuracy against scikit-learn and by hand, ties and labels out of range included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score

from jaxtricks import metrics, tasks


@pytest.mark.parametrize("k", [1, 2, 5])
def test_correct_is_scikit_learn_s(k):
    rng = np.random.default_rng(k)
    logits, labels = rng.normal(size=(200, 7)).astype(np.float32), rng.integers(0, 7, 200)
    found = jax.jit(metrics.correct, static_argnames="k")(jnp.asarray(logits), jnp.asarray(labels), k=k)
    assert found.dtype == bool
    assert float(found.mean()) == pytest.approx(top_k_accuracy_score(labels, logits, k=k, labels=range(7)))
    if k == 1:
        assert float(found.mean()) == pytest.approx(accuracy_score(labels, logits.argmax(1)))


def test_of_equal_logits_the_lower_class_ranks_first():
    constant = jnp.zeros((4, 3))
    assert metrics.correct(constant, jnp.array([0, 1, 2, 2])).tolist() == [True, False, False, False]
    assert metrics.correct(constant, jnp.array([0, 1, 2, 2]), k=2).tolist() == [True, True, False, False]


def test_labels_out_of_range_and_not_a_number_are_never_correct():
    logits = jnp.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, jnp.nan]])
    assert metrics.correct(logits, jnp.array([-1, 2, 1, 1])).tolist() == [False, False, True, False]
    assert metrics.correct(logits, jnp.array([-1, 2, 1, 0]), k=2).tolist() == [False, False, True, False]


def test_classification_by_hand():
    logits = jnp.log(jnp.array([[0.25, 0.75], [0.5, 0.5]]))
    batch = {"label": jnp.array([1, 1]), "row_valid": jnp.ones(2, bool)}
    figures = {}
    for name, metric in tasks.classification(2).metrics.items():
        part = jax.tree.map(np.asarray, metric.part((logits, {}), batch))
        figures[name] = metric.compute(metric.update(metric.init(), part))
    assert figures["loss"] == pytest.approx((-np.log(0.75) - np.log(0.5)) / 2, rel=1e-6)
    assert figures["loss"] == pytest.approx(log_loss([1, 1], np.exp(logits), labels=[0, 1]))
    assert figures["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("logits", "labels", "k", "words"),
    [
        (jnp.zeros(3), jnp.zeros(3, int), 1, "logits has shape"),
        (jnp.zeros((2, 3)), jnp.zeros(3, int), 1, "labels has shape"),
        (jnp.zeros((2, 3)), jnp.zeros(2), 1, "labels has dtype"),
        (jnp.zeros((2, 3)), jnp.zeros(2, int), 4, "k is 4"),
        (jnp.zeros((2, 3)), jnp.zeros(2, int), 1.5, "k is 1.5; allowed: an integer of 1 or more"),
        (jnp.zeros((2, 3)), jnp.zeros(2, int), True, "k is True"),
    ],
)
def test_wrong_arguments(logits, labels, k, words):
    with pytest.raises(ValueError, match=words):
        metrics.correct(logits, labels, k=k)
