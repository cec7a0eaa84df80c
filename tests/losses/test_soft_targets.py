import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import norm

from jaxtricks import losses

RNG = np.random.default_rng(6)
HARD = np.eye(4, dtype=np.float32)
SOFT = RNG.dirichlet(np.ones(4), size=6).astype(np.float32)
BINS = np.arange(10, 30, dtype=np.float32)


def test_exclusive_smoothing_by_hand():
    found = losses.smooth_labels_exclusive(HARD[:1], 0.3)
    np.testing.assert_allclose(found, [[0.7, 0.1, 0.1, 0.1]], rtol=1e-6)


def test_exclusive_smoothing_differs_from_optax_by_its_share_of_the_true_class():
    exclusive = losses.smooth_labels_exclusive(SOFT, 0.3)
    np.testing.assert_allclose(exclusive, optax.smooth_labels(SOFT, 0.3 * 4 / 3), rtol=1e-5)
    np.testing.assert_allclose(exclusive.sum(-1), 1.0, rtol=1e-6)


def test_exclusive_smoothing_at_its_limits():
    np.testing.assert_array_equal(losses.smooth_labels_exclusive(SOFT, 0.0), SOFT)
    np.testing.assert_allclose(losses.smooth_labels_exclusive(HARD, 0.75), 0.25)
    np.testing.assert_allclose(losses.smooth_labels_exclusive(HARD, 1.0), (1 - HARD) / 3, rtol=1e-6)


def test_gaussian_distribution_is_scipys_density_normalised():
    values = np.array([15.2, 20.0, 26.9], np.float32)
    expected = norm.pdf(BINS, loc=values[:, None], scale=1.5)
    found = losses.gaussian_label_distribution(values, bins=BINS, sigma=1.5)
    np.testing.assert_allclose(found, expected / expected.sum(-1, keepdims=True), rtol=1e-4, atol=1e-7)
    for row, value, sigma in zip(
        losses.gaussian_label_distribution(values, bins=BINS, sigma=jnp.array([1.0, 2.0, 3.0])),
        values, [1.0, 2.0, 3.0], strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(
            row, losses.gaussian_label_distribution(value, bins=BINS, sigma=sigma), rtol=1e-4, atol=1e-7
        )


def test_gaussian_distribution_sums_to_one_even_far_outside_and_when_narrow():
    values = jnp.array([-1e4, 0.0, 9.6, 1e4])
    for sigma in (0.01, 1.0, 1e4):
        found = losses.gaussian_label_distribution(values, bins=BINS, sigma=sigma)
        np.testing.assert_allclose(found.sum(-1), 1.0, rtol=1e-5)
    narrow = losses.gaussian_label_distribution(values, bins=BINS, sigma=0.01)
    np.testing.assert_array_equal(narrow.argmax(-1), [0, 0, 0, 19])
    np.testing.assert_allclose(narrow.max(-1), 1.0)


def test_expected_value_reads_the_number_back():
    values = np.array([[15.2, 20.0], [24.9, 17.5]], np.float32)
    distribution = losses.gaussian_label_distribution(values, bins=BINS, sigma=1.0)
    np.testing.assert_allclose(losses.expected_value(distribution, bins=BINS), values, rtol=1e-4)
    np.testing.assert_allclose(losses.expected_value(jnp.array([0.25, 0.75]), bins=jnp.array([2, 10])), 8.0)
    moved = losses.expected_value(distribution, bins=3 * BINS - 1)
    np.testing.assert_allclose(moved, 3 * values - 1, rtol=1e-4)


def test_label_distributions_train_with_kl_divergence():
    target = losses.gaussian_label_distribution(jnp.float32(18.3), bins=BINS, sigma=1.0)
    loss = lambda x: optax.losses.kl_divergence(jax.nn.log_softmax(x), target)  # noqa: E731
    np.testing.assert_allclose(loss(jnp.log(jnp.maximum(target, 1e-37))), 0.0, atol=1e-6)
    np.testing.assert_allclose(jax.grad(loss)(jnp.zeros(20)), 1 / 20 - target, atol=1e-6)


def test_bce_targets_by_hand():
    mixed = jnp.array([[0.7, 0.3, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(losses.bce_targets(mixed), [[1, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(losses.bce_targets(mixed, threshold=0.3), [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(losses.bce_targets(HARD), HARD)


def test_bce_targets_do_not_swallow_nan():
    found = losses.bce_targets(jnp.array([0.7, jnp.nan, 0.0]))
    np.testing.assert_array_equal(found, [1.0, np.nan, 0.0])
    assert np.isnan(losses.bce_targets(HARD, threshold=jnp.float32(jnp.nan))).all()


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("far", [1e5, 1e9, 1e19, 1e30, 3e38, np.inf])
@pytest.mark.parametrize("sigma", [0.01, 1.0, 30.0])
def test_gaussian_distribution_of_a_value_however_far_is_the_nearest_bin(side, far, sigma):
    make = lambda v, s: losses.gaussian_label_distribution(v, bins=BINS[::-1], sigma=s)  # noqa: E731
    found = make(jnp.float32(side * far), sigma)
    np.testing.assert_array_equal(found, np.eye(20)[0 if side > 0 else 19])
    np.testing.assert_array_equal(jax.jacobian(make, (0, 1))(jnp.float32(side * far), jnp.float32(sigma)), 0.0)


def test_gaussian_distribution_is_exact_where_the_squares_are_large():
    # -3e5 is d = 3e5 from bin 0: bin k has exp(-((d + k)^2 - d^2) / (2 sigma^2)) = exp(-k (d + k / 2) / sigma^2) of it
    bins = jnp.array([0.0, 1.0, 2.0])
    found = losses.gaussian_label_distribution(jnp.float32(-3e5), bins=bins, sigma=1000.0)
    raw = np.exp([-k * (3e5 + k / 2) / 1e6 for k in range(3)])
    np.testing.assert_allclose(found, raw / raw.sum(), rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda t: losses.smooth_labels_exclusive(t, 0.1),
        lambda t: losses.gaussian_label_distribution(t, bins=BINS, sigma=2.0),
        lambda t: losses.expected_value(t, bins=jnp.arange(4)),
        losses.bce_targets,
    ],
    ids=["smooth", "gaussian", "expected", "bce"],
)
def test_eager_jit_vmap_half_precision_and_empty(make):
    eager = make(SOFT)
    np.testing.assert_allclose(jax.jit(make)(SOFT), eager, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(make)(SOFT), eager, rtol=1e-5)
    half = jnp.asarray(SOFT, jnp.bfloat16)
    assert make(half).dtype == jnp.float32
    np.testing.assert_allclose(make(half), make(half.astype(jnp.float32)), rtol=1e-6)
    assert make(SOFT[:0]).shape == (0, *eager.shape[1:])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.smooth_labels_exclusive(SOFT, 1.1), "alpha is 1.1"),
        (lambda: losses.smooth_labels_exclusive(SOFT[:, :1], 0.1), "targets has shape"),
        (lambda: losses.smooth_labels_exclusive(SOFT > 0.5, 0.1), "targets has dtype"),
        (lambda: losses.gaussian_label_distribution(SOFT, bins=BINS, sigma=0.0), "sigma is 0.0"),
        (lambda: losses.gaussian_label_distribution(SOFT, bins=BINS, sigma=jnp.ones(4)), "sigma has shape"),
        (lambda: losses.gaussian_label_distribution(SOFT, bins=BINS[None], sigma=1.0), "bins has shape"),
        (lambda: losses.gaussian_label_distribution(SOFT, bins=BINS[:0], sigma=1.0), "bins has shape"),
        (lambda: losses.gaussian_label_distribution(jnp.array([20]), bins=BINS, sigma=1.0), "values has dtype"),
        (lambda: losses.expected_value(SOFT, bins=BINS), "bins has shape"),
        (lambda: losses.bce_targets(SOFT, threshold=-0.1), "threshold is -0.1"),
    ],
)
def test_wrong_arguments_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()
