"""Rows of the index that name a loss of optax: the behaviour that the index writes down."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import expit, log_softmax, rel_entr, softmax
from sklearn.metrics import hinge_loss, log_loss

RNG = np.random.default_rng(12)
LOGITS = (2 * RNG.normal(size=(6, 4))).astype(np.float32)
LABELS = np.array([0, 1, 2, 3, 1, 2], np.int32)
HARD = np.eye(4, dtype=np.float32)[LABELS]
SOFT = RNG.dirichlet(np.ones(4), size=6).astype(np.float32)


def test_a1_softmax_cross_entropy():
    expected = [
        log_loss([y], softmax(x.astype(np.float64))[None], labels=range(4)) for x, y in zip(LOGITS, LABELS, strict=True)
    ]
    np.testing.assert_allclose(optax.softmax_cross_entropy(LOGITS, HARD), expected, rtol=1e-5)
    soft = -(SOFT * log_softmax(LOGITS.astype(np.float64), axis=-1)).sum(-1)
    np.testing.assert_allclose(optax.softmax_cross_entropy(LOGITS, SOFT), soft, rtol=1e-5)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_a1_is_finite_at_logits_of_1e4(size):
    value, grad = jax.value_and_grad(optax.softmax_cross_entropy)(jnp.array([size, 0.0]), jnp.array([0.0, 1.0]))
    np.testing.assert_array_equal(value, max(size, 0.0))
    np.testing.assert_array_equal(grad, [1, -1] if size > 0 else [0, 0])


def test_a2_binary_cross_entropy():
    p = expit(LOGITS.astype(np.float64))
    expected = -SOFT * np.log(p) - (1 - SOFT) * np.log1p(-p)
    np.testing.assert_allclose(optax.sigmoid_binary_cross_entropy(LOGITS, SOFT), expected, rtol=1e-4)
    value, grad = jax.vmap(jax.value_and_grad(optax.sigmoid_binary_cross_entropy))(
        jnp.array([1e4, -1e4]), jnp.array([0.0, 1.0])
    )
    np.testing.assert_array_equal(value, 1e4)
    np.testing.assert_array_equal(grad, [1, -1])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a4_sigmoid_focal(gamma):
    p = expit(LOGITS.astype(np.float64))
    p_true, alpha_true = np.where(HARD == 1, p, 1 - p), np.where(HARD == 1, 0.25, 0.75)
    expected = -alpha_true * (1 - p_true) ** gamma * np.log(p_true)
    found = optax.sigmoid_focal_loss(LOGITS, HARD, gamma=gamma, alpha=0.25)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    if gamma == 0:
        plain = optax.sigmoid_binary_cross_entropy(LOGITS, HARD)
        np.testing.assert_allclose(optax.sigmoid_focal_loss(LOGITS, HARD, gamma=0.0), plain, rtol=1e-5)


def test_a5_smooth_labels():
    found = optax.smooth_labels(HARD[:1], 0.1)
    np.testing.assert_allclose(found, [[1 - 0.1 + 0.1 / 4, 0.1 / 4, 0.1 / 4, 0.1 / 4]], rtol=1e-6)


def test_a6_multiclass_hinge_is_crammer_singers():
    expected = [
        hinge_loss([y], x[None], labels=range(4)) for x, y in zip(LOGITS.astype(np.float64), LABELS, strict=True)
    ]
    np.testing.assert_allclose(optax.losses.multiclass_hinge_loss(LOGITS, LABELS), expected, rtol=1e-5, atol=1e-6)
    found = optax.losses.multiclass_hinge_loss(jnp.array([0.5, 1.5, -1.5]), jnp.array(0))
    np.testing.assert_allclose(found, 2.0)  # the largest of 2 and 0, not their sum


def test_a10_squared_error_and_huber():
    residuals = jnp.array([0.0, 0.5, 1.0, -3.0])
    np.testing.assert_array_equal(optax.squared_error(residuals), [0, 0.25, 1, 9])
    # delta 1 is smooth L1: r^2 / 2 within 1, |r| - 1/2 beyond
    np.testing.assert_allclose(optax.huber_loss(residuals, delta=1.0), [0, 0.125, 0.5, 2.5])
    np.testing.assert_allclose(optax.huber_loss(residuals), optax.huber_loss(residuals, delta=1.0))


def test_a12_kl_divergence():
    log_p = log_softmax(LOGITS, axis=-1)
    expected = rel_entr(SOFT.astype(np.float64), np.exp(log_p.astype(np.float64))).sum(-1)
    np.testing.assert_allclose(optax.losses.kl_divergence(log_p, SOFT), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(optax.losses.kl_divergence(log_p, np.exp(log_p)), 0.0, atol=1e-6)
    assert np.isfinite(optax.losses.kl_divergence(log_p, HARD)).all()


def test_a_plus_poly_loss():
    p = (softmax(LOGITS.astype(np.float64), axis=-1) * HARD).sum(-1)
    found = optax.losses.poly_loss_cross_entropy(LOGITS, HARD, epsilon=2.0)
    np.testing.assert_allclose(found, -np.log(p) + 2 * (1 - p), rtol=1e-4)
    plain = optax.losses.poly_loss_cross_entropy(LOGITS, HARD, epsilon=0.0)
    np.testing.assert_allclose(plain, optax.softmax_cross_entropy(LOGITS, HARD), rtol=1e-5)


def test_integer_labels_out_of_range_differ_between_optax_and_here():
    """A negative label of optax is counted from the last class; ours give NaN, see test_extreme_losses."""
    found = optax.softmax_cross_entropy_with_integer_labels(LOGITS[:1], jnp.array([-1]))
    np.testing.assert_allclose(found, optax.softmax_cross_entropy_with_integer_labels(LOGITS[:1], jnp.array([3])))
