import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import expit, log_softmax, softmax

from jaxtricks import losses

RNG = np.random.default_rng(3)
LOGITS = (2 * RNG.normal(size=(6, 4))).astype(np.float32)
LABELS = np.array([0, 1, 2, 3, 1, 2], np.int32)
HARD = np.eye(4, dtype=np.float32)[LABELS]
SOFT = RNG.dirichlet(np.ones(4), size=6).astype(np.float32)
COUNTS = np.array([100, 10, 1, 40])


def test_balanced_cross_entropy_by_hand():
    logits = jnp.log(jnp.array([3.0, 3.0]))  # p = 3/4
    found = losses.balanced_cross_entropy(logits, jnp.array([1.0, 0.0]), alpha=0.2)
    np.testing.assert_allclose(found, [0.2 * np.log(4 / 3), 0.8 * np.log(4)], rtol=1e-6)


def test_balanced_cross_entropy_at_one_half_is_half_of_optax():
    found = losses.balanced_cross_entropy(LOGITS, SOFT, alpha=0.5)
    np.testing.assert_allclose(2 * found, optax.sigmoid_binary_cross_entropy(LOGITS, SOFT), rtol=1e-5)


def test_balanced_cross_entropy_swaps_with_its_sides():
    found = losses.balanced_cross_entropy(-LOGITS, 1 - SOFT, alpha=0.7)
    np.testing.assert_allclose(found, losses.balanced_cross_entropy(LOGITS, SOFT, alpha=0.3), rtol=1e-5)


@pytest.mark.parametrize("x", [-90.0, -20.0, -1.0, 0.0, 1e-30, 2.0, 20.0, 90.0])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_balanced_cross_entropy_and_its_derivatives_against_numpy(x, t):
    """Its derivative is written by hand; at 0 the parts that it is made of have none."""
    loss = lambda x, t: losses.balanced_cross_entropy(x, t, alpha=0.2)  # noqa: E731
    p = expit(x)
    weight = 0.2 * t + 0.8 * (1 - t)
    first = 0.8 * (1 - t) * p - 0.2 * t * expit(-x)
    by_target = 0.2 * np.logaddexp(0, -x) - 0.8 * np.logaddexp(0, x)
    both = jax.grad(loss, (0, 1))(jnp.float32(x), jnp.float32(t))
    np.testing.assert_allclose(both, [first, by_target], rtol=1e-5, atol=1e-30)
    second = jax.grad(jax.grad(loss))(jnp.float32(x), jnp.float32(t))
    np.testing.assert_allclose(second, weight * p * expit(-x), rtol=1e-5, atol=1e-8)
    _, forward = jax.jvp(loss, (jnp.float32(x), jnp.float32(t)), (jnp.float32(2.0), jnp.float32(0.5)))
    np.testing.assert_allclose(forward, 2 * first + 0.5 * by_target, rtol=1e-5, atol=1e-30)


def test_balanced_cross_entropy_of_certain_logits_has_finite_derivatives():
    sure = jnp.array([jnp.inf, -jnp.inf, jnp.inf, -jnp.inf])
    by_logits, by_targets = jax.grad(lambda *args: losses.balanced_cross_entropy(*args, alpha=0.2).sum(), (0, 1))(
        sure, jnp.array([1.0, 0.0, 0.0, 1.0])
    )
    np.testing.assert_allclose(by_logits, [0.0, 0.0, 0.8, -0.2], rtol=1e-6)
    assert np.isfinite(by_targets).all()


def test_balance_alpha_makes_both_sides_weigh_the_same():
    alpha = losses.balance_alpha(3, 12)
    np.testing.assert_allclose(alpha, 0.8)
    np.testing.assert_allclose(alpha / (1 - alpha), 12 / 3, rtol=1e-6)
    targets = jnp.array([1.0] * 3 + [0.0] * 12)
    loss = losses.balanced_cross_entropy(jnp.zeros(15), targets, alpha=alpha)
    np.testing.assert_allclose(loss[:3].sum(), loss[3:].sum(), rtol=1e-6)
    found = jax.jit(jax.vmap(losses.balance_alpha))(jnp.array([0, 5, 0]), jnp.array([7, 0, 0]))
    np.testing.assert_array_equal(found, [1.0, 0.0, 0.5])


def test_balance_alpha_does_not_swallow_nan_nor_what_is_negative():
    found = losses.balance_alpha(jnp.array([jnp.nan, 3.0, 0.0, -3.0, 4.0]), jnp.array([1.0, jnp.nan, jnp.nan, 1.0, -1]))
    np.testing.assert_array_equal(found, np.nan)
    assert np.isnan(losses.balance_alpha(float("nan"), 1.0))
    assert np.isnan(jax.jit(losses.balance_alpha)(-3, 1))


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5])
def test_softmax_focal_against_numpy(targets, gamma):
    weights = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    p, log_p = softmax(LOGITS.astype(np.float64), axis=-1), log_softmax(LOGITS.astype(np.float64), axis=-1)
    expected = -(targets * (1 - p) ** gamma * log_p)
    np.testing.assert_allclose(losses.softmax_focal(LOGITS, targets, gamma=gamma), expected.sum(-1), rtol=1e-4)
    found = losses.softmax_focal(LOGITS, targets, gamma=gamma, alpha=weights)
    np.testing.assert_allclose(found, (weights * expected).sum(-1), rtol=1e-4)
    found = losses.softmax_focal(LOGITS, targets, gamma=gamma, alpha=0.25)
    np.testing.assert_allclose(found, 0.25 * expected.sum(-1), rtol=1e-4)


def test_softmax_focal_at_gamma_zero_is_cross_entropy_and_of_two_classes_the_sigmoid_one():
    np.testing.assert_allclose(
        losses.softmax_focal(LOGITS, SOFT, gamma=0.0), optax.softmax_cross_entropy(LOGITS, SOFT), rtol=1e-5
    )
    two = np.stack([LOGITS[:, 0], np.zeros(6, np.float32)], axis=1)
    found = losses.softmax_focal(two, np.tile(np.array([[1.0, 0.0]], np.float32), (6, 1)), gamma=3.0)
    np.testing.assert_allclose(found, optax.sigmoid_focal_loss(LOGITS[:, 0], np.ones(6), gamma=3.0), rtol=1e-4)


def test_asymmetric_against_numpy():
    p = expit(LOGITS.astype(np.float64))
    q = np.maximum(p - 0.1, 0)
    expected = -HARD * (1 - p) ** 1.5 * np.log(p) - (1 - HARD) * q**3 * np.log(1 - q)
    found = losses.asymmetric(LOGITS, HARD, gamma_positive=1.5, gamma_negative=3.0, shift=0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_asymmetric_has_the_second_derivative_of_its_parts_at_zero():
    # t = 1: log(1 + e^-x) has 1/4; t = 0, shift 0, gamma 0: so has log(1 + e^x)
    second = jax.vmap(jax.grad(jax.grad(lambda x, t: losses.asymmetric(x, t, gamma_negative=0.0, shift=0.0))))
    np.testing.assert_allclose(second(jnp.zeros(2), jnp.array([1.0, 0.0])), 0.25, rtol=1e-6)


@pytest.mark.parametrize("shift", [1e-9, 1e-3, 1.0])
def test_asymmetric_of_any_shift_is_finite_and_bounded_for_negatives(shift):
    x = jnp.array([-1e4, -10.0, 0.0, 10.0, 1e4, jnp.inf])
    value, slope = jax.vmap(jax.value_and_grad(lambda x: losses.asymmetric(x, jnp.float32(0), shift=shift)))(x)
    q = np.maximum(expit(np.asarray(x, np.float64)) - shift, 0)
    np.testing.assert_allclose(value, -(q**4) * np.log1p(-q), rtol=1e-4, atol=1e-6)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_asymmetric_without_asymmetry_is_focal(gamma):
    found = losses.asymmetric(LOGITS, HARD, gamma_positive=gamma, gamma_negative=gamma, shift=0.0)
    np.testing.assert_allclose(found, optax.sigmoid_focal_loss(LOGITS, HARD, gamma=gamma), rtol=1e-4, atol=1e-7)


def test_asymmetric_forgets_easy_negatives():
    value, grad = jax.value_and_grad(losses.asymmetric)(jnp.float32(-3.0), jnp.float32(0.0))  # p = 0.047 < 0.05
    assert (value, grad) == (0.0, 0.0)
    assert losses.asymmetric(jnp.float32(-2.9), jnp.float32(0.0)) > 0  # p = 0.052


def test_ldam_by_hand():
    # counts 16 and 81: margins 0.6 * (1/2, 1/3) / (1/2) = 0.6, 0.4
    logits, labels = jnp.zeros((2, 2)), jnp.array([0, 1])
    found = losses.ldam(logits, labels, jnp.array([16, 81]), max_margin=0.6, scale=2.0)
    np.testing.assert_allclose(found, [np.log(1 + np.exp(1.2)), np.log(1 + np.exp(0.8))], rtol=1e-6)


def test_ldam_without_margin_is_cross_entropy_and_with_it_more():
    plain = optax.softmax_cross_entropy(3 * LOGITS, HARD)
    np.testing.assert_allclose(losses.ldam(LOGITS, LABELS, COUNTS, max_margin=0.0, scale=3.0), plain, rtol=1e-4)
    assert np.all(losses.ldam(LOGITS, LABELS, COUNTS, scale=3.0) > plain)


def test_ldam_of_a_class_without_examples_has_no_margin():
    found = losses.ldam(jnp.zeros((2, 3)), jnp.array([1, 2]), jnp.array([16, 0, 1]), max_margin=0.5)
    np.testing.assert_allclose(found, [np.log(3), np.log(1 + 2 * np.exp(0.5))], rtol=1e-6)


def test_logit_adjusted_by_hand():
    # the prior alone: softmax(log pi) = pi
    prior = jnp.array([0.7, 0.2, 0.1])
    found = losses.logit_adjusted(jnp.zeros((3, 3)), jnp.eye(3), prior)
    np.testing.assert_allclose(found, -np.log(prior), rtol=1e-6)
    found = losses.logit_adjusted(jnp.zeros(3), jnp.array([0.0, 0.0, 1.0]), prior, tau=2.0)
    np.testing.assert_allclose(found, np.log(0.49 + 0.04 + 0.01) - np.log(0.01), rtol=1e-6)


def test_logit_adjusted_needs_ratios_only_and_is_cross_entropy_without_them():
    plain = optax.softmax_cross_entropy(LOGITS, SOFT)
    np.testing.assert_allclose(losses.logit_adjusted(LOGITS, SOFT, COUNTS, tau=0.0), plain, rtol=1e-5)
    np.testing.assert_allclose(losses.logit_adjusted(LOGITS, SOFT, np.full(4, 25)), plain, rtol=1e-5)
    np.testing.assert_allclose(
        losses.logit_adjusted(LOGITS, SOFT, COUNTS),
        losses.logit_adjusted(LOGITS, SOFT, COUNTS / COUNTS.sum()),
        rtol=1e-4,
    )


def test_logit_adjusted_leaves_out_a_class_of_prior_zero():
    found = losses.logit_adjusted(LOGITS[:2], HARD[:2], jnp.array([1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(found, optax.softmax_cross_entropy(LOGITS[:2, :3], HARD[:2, :3]), rtol=1e-5)
    np.testing.assert_array_equal(losses.logit_adjusted(LOGITS[3:4], HARD[3:4], jnp.array([1.0, 1, 1, 0])), np.inf)


def test_classes_may_be_renumbered():
    order = np.array([2, 0, 3, 1])
    place = np.argsort(order).astype(np.int32)
    for loss in (
        lambda x, t, y, n: losses.softmax_focal(x, t, alpha=n / 100),
        lambda x, t, y, n: losses.logit_adjusted(x, t, n),
        lambda x, t, y, n: losses.ldam(x, y, n),
    ):
        np.testing.assert_allclose(
            loss(LOGITS[:, order], SOFT[:, order], place[LABELS], COUNTS[order]),
            loss(LOGITS, SOFT, LABELS, COUNTS),
            rtol=1e-4,
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.balanced_cross_entropy(LOGITS, SOFT, alpha=1.5), "alpha is 1.5"),
        (lambda: losses.balanced_cross_entropy(LOGITS, SOFT, alpha=jnp.ones(4)), "alpha has shape"),
        (lambda: losses.balanced_cross_entropy(LOGITS, SOFT > 0.5, alpha=0.5), "targets has dtype bool"),
        (lambda: losses.balance_alpha(jnp.ones(2), 3), "negatives has shape"),
        (lambda: losses.balance_alpha(-3, 1), "positives is -3; allowed: 0 or more"),
        (lambda: losses.balance_alpha(np.ones(2), np.array([1.0, -1.0])), "negatives is array"),
        (lambda: losses.softmax_focal(LOGITS, SOFT, gamma=-1.0), "gamma is -1.0"),
        (lambda: losses.softmax_focal(LOGITS, SOFT, alpha=jnp.ones(3)), "alpha has shape"),
        (lambda: losses.softmax_focal(LOGITS, SOFT, alpha=jnp.ones((6, 4))), "alpha has shape"),
        (lambda: losses.asymmetric(LOGITS, SOFT, gamma_positive=-1.0), "gamma_positive is -1.0"),
        (lambda: losses.asymmetric(LOGITS, SOFT, gamma_negative=-1.0), "gamma_negative is -1.0"),
        (lambda: losses.asymmetric(LOGITS, SOFT, shift=2.0), "shift is 2.0"),
        (lambda: losses.ldam(LOGITS, LABELS, COUNTS[:3]), "counts has shape"),
        (lambda: losses.ldam(LOGITS, LABELS, COUNTS, max_margin=-1.0), "max_margin is -1.0"),
        (lambda: losses.ldam(LOGITS, LABELS, COUNTS, scale=0.0), "scale is 0.0"),
        (lambda: losses.logit_adjusted(LOGITS, SOFT, COUNTS[:3]), "prior has shape"),
        (lambda: losses.logit_adjusted(LOGITS, SOFT, COUNTS, tau=-1.0), "tau is -1.0"),
    ],
)
def test_wrong_arguments_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()
