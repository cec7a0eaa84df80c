"""Rows of the index that name a loss of optax: the behaviour that the index writes down."""

from functools import partial

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


# name: (loss, targets, whether a wrong class at -inf leaves a finite loss, else NaN; None: no classes)
AT_EDGES = {
    "softmax_cross_entropy": (optax.softmax_cross_entropy, HARD, False),
    "safe_softmax_cross_entropy": (optax.safe_softmax_cross_entropy, HARD, True),
    "..._with_integer_labels": (optax.softmax_cross_entropy_with_integer_labels, LABELS, True),
    "kl_divergence": (lambda x, t: optax.losses.kl_divergence(jax.nn.log_softmax(x), t), HARD, False),
    "poly_loss_cross_entropy": (optax.losses.poly_loss_cross_entropy, HARD, False),
    "multiclass_hinge_loss": (optax.losses.multiclass_hinge_loss, LABELS, False),
    "sigmoid_binary_cross_entropy": (optax.sigmoid_binary_cross_entropy, HARD, None),
    "sigmoid_focal_loss": (optax.sigmoid_focal_loss, HARD, None),
    "sigmoid_focal_loss 0.5": (lambda x, t: optax.sigmoid_focal_loss(x, t, gamma=0.5), HARD, None),
    "squared_error": (optax.squared_error, HARD, None),
    "huber_loss": (optax.huber_loss, HARD, None),
}


@pytest.mark.parametrize("name", AT_EDGES)
def test_optax_is_finite_at_the_edges(name):
    loss, targets, _ = AT_EDGES[name]
    first = (np.arange(4) == 0) + np.zeros((6, 1))
    edges = np.stack([0 * first, 0 * first + 1e4, 0 * first - 1e4, 1e4 * np.sign(LOGITS), 1e4 * first, -1e4 * first])

    def one(x):
        return jax.value_and_grad(lambda x: (jnp.sum(y := loss(x, targets[: len(x)])), y), has_aux=True)(x)

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def run(edges):
        found = {kind: jax.vmap(one)(edges.astype(kind)) for kind in ("float16", "bfloat16", "float32")}
        return found | {"empty": one(jnp.zeros((0, 4)))}

    for kind, ((_, values), slope) in run(edges).items():
        assert np.isfinite(values).all(), kind
        assert np.isfinite(slope).all(), kind
        assert (values.size == 0) is (kind == "empty")


@pytest.mark.parametrize("name", [name for name, case in AT_EDGES.items() if case[2] is not None])
def test_optax_of_classes_at_minus_infinity_and_of_one_class(name):
    """For logits of -inf take the safe or the integer form, or our losses: see test_extreme_losses."""
    loss, targets, finite = AT_EDGES[name]
    values = loss(jnp.where(HARD == 1, 1.0, -jnp.inf), targets)
    np.testing.assert_array_equal(np.isfinite(values), finite)
    np.testing.assert_array_equal(np.isnan(values), not finite)
    only = np.zeros(6, np.int32) if targets is LABELS else np.ones((6, 1), np.float32)
    np.testing.assert_allclose(loss(LOGITS[:, :1], only), 0.0, atol=1e-6)


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
