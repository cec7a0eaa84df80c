"""Means, votes, temperatures and diversity: by brute force, by SciPy and scikit-learn, and at their limits."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import matthews_corrcoef

from jaxtricks import ensembles

PLURALITY, AVERAGE, GEOMETRIC, COVERAGE, BORDA, TEMPERATURE = map(
    jax.jit,
    (
        ensembles.plurality,
        ensembles.average,
        ensembles.geometric,
        ensembles.coverage,
        ensembles.borda,
        ensembles.temperature,
    ),
)
MAJORITY = jax.jit(ensembles.majority, static_argnames="share")
WEIGHTS = jax.jit(ensembles.fit_weights, static_argnames="steps")
DIVERSITY = tuple(map(jax.jit, (ensembles.disagreement, ensembles.q_statistic, ensembles.error_correlation)))
RNG = np.random.default_rng(0)
M, N, C = 5, 60, 4
LABELS = RNG.integers(0, C, N)
LOGITS = (RNG.normal(size=(M, N, C)) + 1.5 * np.eye(C)[LABELS]).astype(np.float32)
MEMBERS = softmax(LOGITS, -1)


def test_votes_are_those_of_a_count_by_hand():
    """Brute force: ballots counted one by one, ties by the mean probability."""
    sparse = (softmax(3 * RNG.normal(size=(6, N, C)), -1)).astype(np.float32)
    plural, strict = (np.asarray(f(sparse)) for f in (PLURALITY, MAJORITY))
    ties = 0
    for n in range(N):
        ballots = [int(np.argmax(sparse[m, n])) for m in range(6)]
        votes = [ballots.count(c) for c in range(C)]
        best = [c for c in range(C) if votes[c] == max(votes)]
        ties += len(best) > 1
        assert plural[n] == max(best, key=lambda c: sparse[:, n, c].sum())
        assert strict[n] == next((c for c in range(C) if votes[c] > 3), -1)  # three of six is no majority
    assert ties > 5
    assert (strict == -1).any()
    assert ((strict == plural) | (strict == -1)).all()


def test_a_share_is_to_be_exceeded():
    """Seven of ten members say 1; in floating point 0.7 * 10 is no more than 7, and no less."""
    members = jnp.where(jnp.arange(10)[:, None] < 7, jnp.array([[0.0, 1.0]]), jnp.array([[1.0, 0.0]]))
    assert [int(MAJORITY(members, share=s)) for s in (0.5, 0.69, 0.7, 0.9)] == [1, 1, -1, -1]
    for share in (0.4, 1.0):
        with pytest.raises(ValueError, match="share is"):
            MAJORITY(members, share=share)


def test_a_member_with_a_nan_does_not_vote():
    members = jnp.array([[jnp.nan, 1.0], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert int(PLURALITY(members)) == 0
    assert int(MAJORITY(members)) == -1  # two of four
    assert int(PLURALITY(members[:1])) == -1
    np.testing.assert_allclose(COVERAGE(jnp.array([-1, -1]), jnp.array([0, 1])), [0, np.nan])


def test_rejection_pays_in_accuracy_and_costs_coverage():
    predicted = MAJORITY(MEMBERS)
    covered, accuracy = COVERAGE(predicted, LABELS)
    decided = np.asarray(predicted) >= 0
    assert 0.3 < float(covered) < 1
    assert float(covered) == pytest.approx(decided.mean())
    assert float(accuracy) == pytest.approx((np.asarray(predicted) == LABELS)[decided].mean())
    assert float(accuracy) > float((PLURALITY(MEMBERS) == LABELS).mean())


def test_weights_have_the_smallest_log_loss():
    """SciPy's sequential programming on the same simplex, which may leave members out."""
    members = np.concatenate([MEMBERS, np.full((1, N, C), 0.25), softmax(-LOGITS[:1], -1)]).astype(np.float32)

    def loss(w):
        return -np.log((w[:, None] * members[:, np.arange(N), LABELS]).sum(0)).mean()

    start = np.full(len(members), 1 / len(members))
    sums_to_1 = {"type": "eq", "fun": lambda w: w.sum() - 1}
    wanted = minimize(loss, start, method="SLSQP", bounds=[(0, 1)] * len(members), constraints=[sums_to_1])
    weights = np.asarray(WEIGHTS(members, LABELS))
    assert loss(weights) == pytest.approx(wanted.fun, abs=1e-4)
    np.testing.assert_allclose(weights, wanted.x, atol=0.02)
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    losses = [loss(np.asarray(WEIGHTS(members, LABELS, steps=n))) for n in (1, 10)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < loss(start)
    some = np.where(np.arange(N) < 40, LABELS, -1)
    same = WEIGHTS(members[:, :40], LABELS[:40])
    np.testing.assert_allclose(WEIGHTS(members, some), same, atol=1e-5)


@pytest.mark.parametrize("sharpness", [0.2, 1.0, 5.0])
def test_the_temperature_has_the_smallest_log_loss(sharpness):
    logits = (sharpness * LOGITS[0]).astype(np.float32)

    def loss(log_t):
        return -log_softmax(logits * np.exp(-log_t), -1)[np.arange(N), LABELS].mean()

    wanted = np.exp(minimize_scalar(loss, bounds=(-6, 6), method="bounded", options={"xatol": 1e-8}).x)
    found = float(TEMPERATURE(logits, LABELS))
    assert found == pytest.approx(wanted, rel=1e-3)
    assert found == pytest.approx(sharpness * float(TEMPERATURE(LOGITS[0], LABELS)), rel=1e-3)
    calibrated = jax.nn.softmax(logits / found)
    assert (calibrated.argmax(-1) == logits.argmax(-1)).all()


def test_temperatures_at_the_ends():
    right = 5 * np.eye(C, dtype=np.float32)
    assert float(TEMPERATURE(right, np.arange(C))) == pytest.approx(1e-3, rel=0.01)
    assert float(TEMPERATURE(right, (np.arange(C) + 1) % C)) == pytest.approx(1e3, rel=0.01)
    assert np.isnan(TEMPERATURE(right, np.full(C, -1)))


def test_diversity_by_counting_pairs():
    predicted = LOGITS.argmax(-1)
    correct = predicted == LABELS
    found = [np.asarray(f(x)) for f, x in zip(DIVERSITY, (predicted, correct), strict=False)]
    rho = np.asarray(DIVERSITY[2](correct))
    for a, b in combinations(range(M), 2):
        table = [int(np.sum((correct[a] == i) & (correct[b] == j))) for i in (1, 0) for j in (1, 0)]
        alike, unlike = table[0] * table[3], table[1] * table[2]
        assert found[0][a, b] == pytest.approx(np.mean(predicted[a] != predicted[b]))
        assert found[1][a, b] == found[1][b, a] == pytest.approx((alike - unlike) / (alike + unlike), abs=1e-5)
        assert rho[a, b] == pytest.approx(matthews_corrcoef(correct[a], correct[b]), abs=1e-5)
    np.testing.assert_allclose(np.diag(rho), 1, atol=1e-5)
    same = DIVERSITY[1](np.array([[1, 1, 0], [1, 1, 1]], bool))
    np.testing.assert_array_equal(same, [[1, np.nan], [np.nan, np.nan]])


def test_an_average_of_calibrated_members_is_a_combination_that_scores_better_than_each():
    """A product of independent experts is right here; the mean of log-probabilities is that, up to the temperature."""
    combined = {"mean": AVERAGE(MEMBERS), "logs": GEOMETRIC(MEMBERS)}
    alone = np.mean([(member.argmax(-1) == LABELS).mean() for member in MEMBERS])
    for probabilities in combined.values():
        np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
        assert float((probabilities.argmax(-1) == LABELS).mean()) > alone + 0.1
    excluded = jnp.array([[0.0, 0.5, 0.5], [0.8, 0.1, 0.1]])
    np.testing.assert_allclose(GEOMETRIC(excluded), [0, 0.5, 0.5], atol=1e-6)


def test_more_axes_are_more_predictions():
    deep = MEMBERS.reshape(M, 6, 10, C)
    for function in (AVERAGE, BORDA, PLURALITY, MAJORITY):
        flat = function(jnp.asarray(MEMBERS))
        np.testing.assert_allclose(function(jnp.asarray(deep)), flat.reshape(6, 10, *flat.shape[1:]), rtol=1e-5)
