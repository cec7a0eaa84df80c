"""Predictions balanced by a prior: marginals, Bayes' rule, the published search, and the harm of a wrong prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxtricks import ensembles

RNG = np.random.default_rng(1)
C, N = 4, 400
TRAINED = np.array([0.7, 0.2, 0.07, 0.03])


def drawn(prior):
    """Exact posteriors under the training shares, of images whose classes have these shares."""
    labels = RNG.choice(C, N, p=prior)
    x = RNG.normal(size=(N, C)) + 1.5 * np.eye(C)[labels]
    return labels, softmax(1.5 * x + np.log(TRAINED), -1).astype(np.float32)


def accuracy(probabilities, labels):
    return float(np.mean(np.asarray(probabilities).argmax(-1) == labels))


EVEN = np.full(C, 0.25)
LABELS, P = drawn(EVEN)


def test_sinkhorn_has_the_marginals_and_is_a_scaling():
    for prior in (None, np.array([1, 2, 3, 4])):
        q = np.asarray(jax.jit(ensembles.sinkhorn)(P, prior=prior))
        shares = EVEN if prior is None else prior / prior.sum()
        np.testing.assert_allclose(q.mean(0), shares, atol=1e-4)
        np.testing.assert_allclose(q.sum(1), 1, rtol=1e-5)
        cross = q / P  # of a scaling of rows and columns every 2 x 2 determinant is 0
        np.testing.assert_allclose(cross[0, 0] * cross[7, 2] / (cross[0, 2] * cross[7, 0]), 1, rtol=1e-3)


def test_prior_correction_is_bayes_rule():
    q = np.asarray(ensembles.prior_correction(P, prior=jnp.asarray(EVEN), trained=jnp.asarray(1000 * TRAINED)))
    rest = P / TRAINED
    np.testing.assert_allclose(q, rest / rest.sum(-1, keepdims=True), rtol=1e-4)
    back = ensembles.prior_correction(jnp.asarray(q), prior=jnp.asarray(TRAINED), trained=jnp.ones(C))
    np.testing.assert_allclose(back, P, rtol=1e-3, atol=1e-6)
    assert accuracy(q, LABELS) > accuracy(P, LABELS) + 0.1


def searched(p, prior, step, smallest, iterations):
    """The search in plain Python, as published but for the prior and the floor of 0."""

    def shares(k):
        return np.bincount((p * k).argmax(-1), minlength=len(k)) / np.float32(len(p))

    def score(share):
        return np.minimum(share, prior).sum(dtype=np.float32)

    best = np.ones(len(prior), np.float32)
    reached = score(shares(best))
    while step >= smallest:
        k, before = best.copy(), reached
        for _ in range(iterations):
            c = np.argmax(shares(k).astype(np.float32) - prior)
            k[c] = max(k[c] - np.float32(step), np.float32(0))
            if score(shares(k)) > reached:
                best, reached = k.copy(), score(shares(k))
        step = step if reached > before else step / 2
    return best


@pytest.mark.parametrize("prior", [None, np.array([0.4, 0.3, 0.2, 0.1], np.float32)])
def test_balanced_predictions_are_those_of_the_search(prior):
    k = np.asarray(ensembles.balance_predictions(P, prior=prior, step=0.05, smallest=0.02, iterations=60))
    wanted = np.full(C, 0.25, np.float32) if prior is None else prior
    np.testing.assert_allclose(k, searched(P, wanted, 0.05, 0.02, 60), atol=1e-5)


def test_balanced_predictions_have_the_shares_of_the_prior():
    k = ensembles.balance_predictions(P, iterations=300)
    predicted = np.asarray(P * np.asarray(k)).argmax(-1)
    np.testing.assert_allclose(np.bincount(predicted, minlength=C) / N, EVEN, atol=0.01)
    assert (predicted == LABELS).mean() > accuracy(P, LABELS) + 0.1
    assert float(k.max()) <= 1


def test_a_wrong_prior_does_harm():
    """Images whose classes are as in training, taken for even: each of the three loses what it gains above."""
    labels, p = drawn(TRAINED)
    k = np.asarray(ensembles.balance_predictions(p, iterations=300))
    balanced = {
        "coefficients": p * k,
        "sinkhorn": ensembles.sinkhorn(p),
        "Bayes": ensembles.prior_correction(p, prior=jnp.asarray(EVEN), trained=jnp.asarray(TRAINED)),
    }
    for name, q in balanced.items():
        assert accuracy(q, labels) < accuracy(p, labels) - 0.05, name
    right = ensembles.sinkhorn(p, prior=jnp.asarray(np.bincount(labels, minlength=C)))
    assert accuracy(right, labels) > accuracy(p, labels) - 0.01
