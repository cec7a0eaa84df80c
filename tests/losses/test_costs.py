import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import softmax
from sklearn.metrics import confusion_matrix
from sklearn.utils.class_weight import compute_class_weight

from jaxtricks import losses

RNG = np.random.default_rng(4)
LOGITS = RNG.normal(size=(6, 3)).astype(np.float32)
LABELS = np.array([0, 1, 2, 2, 1, 0], np.int32)


def test_inverse_weights_are_scikit_learns_balanced_ones():
    labels = RNG.choice(3, p=[0.6, 0.3, 0.1], size=500)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(losses.class_weights(np.bincount(labels)), expected, rtol=1e-6)


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.999999])
def test_effective_weights_are_one_over_the_sum_of_a_geometric_series(beta):
    counts = np.array([500, 20, 1])
    raw = np.array([1 / np.sum(beta ** np.arange(n)) for n in counts])
    expected = raw * counts.sum() / (raw * counts).sum()
    np.testing.assert_allclose(losses.class_weights(counts, scheme="effective", beta=beta), expected, rtol=1e-5)


def test_beta_is_0_999_unless_given():
    counts = jnp.array([500.0, 20.0, 1.0])
    expected = losses.class_weights(counts, scheme="effective", beta=0.999)
    np.testing.assert_array_equal(losses.class_weights(counts, scheme="effective"), expected)


def test_effective_weights_run_from_equal_to_inverse():
    counts = jnp.array([500.0, 20.0, 1.0])
    np.testing.assert_allclose(losses.class_weights(counts, scheme="effective", beta=0.0), 1.0, rtol=1e-6)
    nearly = losses.class_weights(counts, scheme="effective", beta=1 - 1e-9)
    np.testing.assert_allclose(nearly, losses.class_weights(counts), rtol=1e-5)


@pytest.mark.parametrize("scheme", ["inverse", "effective"])
def test_weights_average_to_one_over_the_examples_and_skip_empty_classes(scheme):
    counts = jnp.array([30, 0, 6])
    weights = jax.jit(lambda n: losses.class_weights(n, scheme=scheme))(counts)
    assert weights.dtype == jnp.float32
    assert weights[1] == 0
    assert weights[2] > weights[0] > 0
    np.testing.assert_allclose((counts * weights).sum(), 36, rtol=1e-6)
    np.testing.assert_array_equal(losses.class_weights(jnp.zeros(3), scheme=scheme), 0.0)


def test_costs_from_counts_by_hand():
    expected = [[0, 2 / 3, 1 / 3], [3 / 2, 0, 1 / 2], [3, 2, 0]]
    np.testing.assert_allclose(losses.costs_from_counts(jnp.array([3, 2, 1])), expected, rtol=1e-6)
    np.testing.assert_allclose(losses.costs_from_counts(jnp.array([0, 4])), [[0, 0], [0, 0]])


def test_costs_from_confusion_are_the_error_rates_of_scikit_learn():
    true, predicted = RNG.integers(3, size=100), RNG.integers(3, size=100)
    rates = confusion_matrix(true, predicted, normalize="true")
    np.fill_diagonal(rates, 0)
    found = losses.costs_from_confusion(confusion_matrix(true, predicted))
    np.testing.assert_allclose(found, rates, rtol=1e-6)
    np.testing.assert_allclose(losses.costs_from_confusion(jnp.array([[0, 0], [1, 3]])), [[0, 0], [0.25, 0]])


def test_expected_cost_by_hand():
    logits = jnp.log(jnp.array([0.5, 0.3, 0.2]))
    costs = jnp.array([[0.0, 1.0, 2.0], [3.0, 0.0, 4.0], [5.0, 6.0, 0.0]])
    found = [losses.expected_cost(logits, jnp.array(y), costs) for y in range(3)]
    np.testing.assert_allclose(found, [0.3 + 0.4, 1.5 + 0.8, 2.5 + 1.8], rtol=1e-6)


def test_expected_cost_against_loops():
    costs = RNG.uniform(size=(3, 3)).astype(np.float32)
    p = softmax(LOGITS.astype(np.float64), axis=-1)
    expected = [sum(costs[y, j] * p[b, j] for j in range(3)) for b, y in enumerate(LABELS)]
    np.testing.assert_allclose(losses.expected_cost(LOGITS, LABELS, costs), expected, rtol=1e-5)


def test_expected_cost_of_equal_prices_is_the_probability_of_an_error():
    equal = 1 - jnp.eye(3)
    right = jnp.exp(-optax.softmax_cross_entropy_with_integer_labels(LOGITS, LABELS))
    np.testing.assert_allclose(losses.expected_cost(LOGITS, LABELS, equal), 1 - right, rtol=1e-5)


def test_expected_cost_is_blind_to_a_shift_of_the_logits():
    costs = losses.costs_from_counts(jnp.array([5, 2, 1]))
    np.testing.assert_allclose(
        losses.expected_cost(LOGITS + 50, LABELS, costs), losses.expected_cost(LOGITS, LABELS, costs), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.class_weights(jnp.ones(3), scheme="log"), "scheme is 'log'; allowed: 'inverse', 'effective'"),
        (lambda: losses.class_weights(jnp.ones(3), scheme="effective", beta=1.0), "beta is 1.0; allowed: 0.0 to"),
        (lambda: losses.class_weights(jnp.ones(3), beta=0.9), 'beta is 0.9; allowed with the scheme "inverse": None'),
        (lambda: losses.class_weights(jnp.ones((3, 1))), "counts has shape"),
        (lambda: losses.class_weights(jnp.ones(0)), "counts has shape"),
        (lambda: losses.costs_from_counts(jnp.float32(3)), "counts has shape"),
        (lambda: losses.costs_from_confusion(jnp.ones((2, 3))), "confusion has shape"),
        (lambda: losses.costs_from_confusion(jnp.ones(3)), "confusion has shape"),
        (lambda: losses.expected_cost(LOGITS, LABELS, jnp.ones((2, 2))), "cost_matrix has shape"),
        (lambda: losses.expected_cost(LOGITS, LABELS, jnp.ones((3, 3), int)), "cost_matrix has dtype"),
    ],
)
def test_wrong_arguments_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_cost_vector_is_a_row_of_the_matrix_and_may_differ_from_example_to_example():
    """With the row of each label it is the expected cost; with 1 for all classes it is 1, whatever the logits."""
    rng = np.random.default_rng(3)
    logits, labels = jnp.asarray(rng.normal(size=(5, 3)), jnp.float32), jnp.array([0, 1, 2, 2, 0])
    matrix = jnp.asarray(rng.random((3, 3)) * (1 - np.eye(3)), jnp.float32)
    wanted = losses.expected_cost(logits, labels, matrix)
    np.testing.assert_allclose(losses.cost_vector(logits, matrix[labels]), wanted, rtol=1e-6)
    np.testing.assert_allclose(losses.cost_vector(logits, jnp.ones((5, 3))), np.ones(5), rtol=1e-6)
