import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import brentq
from scipy.stats import median_abs_deviation

from jaxtricks import losses

RNG = np.random.default_rng(2)
LOGITS = (2 * RNG.normal(size=(6, 4))).astype(np.float32)
HARD = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 1, 2]]
SOFT = RNG.dirichlet(np.ones(4), size=6).astype(np.float32)


@pytest.mark.parametrize(("residual", "expected"), [(0.0, 0.0), (1.0, 37 / 96), (-2.0, 4 / 6), (5.0, 4 / 6)])
def test_tukey_by_hand(residual, expected):
    # c = 2: 4/6 (1 - (3/4)^3) = 4/6 * 37/64 = 37/96 at 1
    np.testing.assert_allclose(losses.tukey_biweight(jnp.float32(residual), c=2.0), expected, rtol=1e-6)


def test_tukey_against_its_definition():
    r = np.linspace(-8, 8, 101)
    expected = [c2 / 6 * (1 - (1 - x**2 / c2) ** 3) if x**2 <= c2 else c2 / 6 for x in r for c2 in [4.6851**2]]
    np.testing.assert_allclose(losses.tukey_biweight(r.astype(np.float32)), expected, rtol=1e-5)


def test_tukey_with_a_large_c_is_half_the_square():
    r = RNG.normal(size=50).astype(np.float32)
    for c in (1e5, 1e30, np.inf):
        value, slope = jax.vmap(jax.value_and_grad(lambda r, c=c: losses.tukey_biweight(r, c=c)))(r)
        np.testing.assert_allclose(value, 0.5 * r**2, rtol=1e-6)
        np.testing.assert_allclose(slope, r, rtol=1e-6)


def test_tukey_is_even_and_flat_for_outliers():
    r = jnp.array([5.0, 1e4, 1e30, jnp.inf])
    value, grad = jax.value_and_grad(lambda r: losses.tukey_biweight(r).sum())(r)
    np.testing.assert_allclose(value, 4 * 4.6851**2 / 6, rtol=1e-6)
    np.testing.assert_array_equal(grad, 0.0)
    np.testing.assert_array_equal(losses.tukey_biweight(-r), losses.tukey_biweight(r))


def test_mad_scale_is_scipys_and_per_output():
    r = RNG.normal(size=(51, 3)).astype(np.float32)
    scale = losses.mad_scale(r)
    assert scale.shape == (1, 3)
    np.testing.assert_allclose(scale[0], median_abs_deviation(r, axis=0, scale="normal"), rtol=1e-5)
    np.testing.assert_allclose(losses.mad_scale(10 * r + 3), 10 * scale, rtol=1e-5)
    np.testing.assert_allclose(losses.mad_scale(jnp.array([1.0, 2.0, 4.0, 8.0])), [1.4826022 * 1.5], rtol=1e-6)


def test_mad_scale_of_equal_residuals_is_the_floor():
    r = jnp.array([0.0, 0.0, 0.0, 5.0])
    np.testing.assert_allclose(losses.mad_scale(r), [1e-6])
    assert np.isfinite(jax.grad(lambda r: losses.tukey_biweight(r / losses.mad_scale(r)).sum())(r)).all()


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
def test_generalized_cross_entropy_lies_between_its_limits(targets):
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
    linear = losses.generalized_cross_entropy(LOGITS, targets, q=1.0)
    np.testing.assert_allclose(linear, 1 - (p * targets).sum(-1), rtol=1e-4, atol=1e-6)
    nearly = losses.generalized_cross_entropy(LOGITS, targets, q=1e-4)
    np.testing.assert_allclose(nearly, optax.softmax_cross_entropy(LOGITS, targets), rtol=2e-3)
    half = losses.generalized_cross_entropy(LOGITS, targets, q=0.5)
    np.testing.assert_allclose(half, (targets * (1 - np.sqrt(p)) / 0.5).sum(-1), rtol=1e-4)


def test_generalized_cross_entropy_is_bounded():
    far = jnp.array([-1e4, 1e4])
    np.testing.assert_allclose(losses.generalized_cross_entropy(far, jnp.array([1.0, 0.0]), q=0.8), 1 / 0.8)


def log_t(x, t):
    return np.log(x) if t == 1 else (x ** (1 - t) - 1) / (1 - t)


def exp_t(x, t):
    return np.exp(x) if t == 1 else max(0.0, 1 + (1 - t) * x) ** (1 / (1 - t))


def bi_tempered(x, y, t1, t2):
    x, y = x.astype(np.float64), y.astype(np.float64)
    shift = brentq(lambda u: sum(exp_t(a - u, t2) for a in x) - 1, max(x) - 1e-9, max(x) + 1e3, xtol=1e-12)
    p = [exp_t(a - shift, t2) for a in x]
    gain = sum(b * (log_t(b, t1) - log_t(q, t1)) for b, q in zip(y, p, strict=True) if b > 0)
    return gain - sum((b ** (2 - t1) - q ** (2 - t1)) / (2 - t1) for b, q in zip(y, p, strict=True))


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
@pytest.mark.parametrize(("t1", "t2"), [(1.0, 1.0), (0.8, 1.0), (1.0, 1.4), (0.7, 1.3), (0.2, 4.0), (0.0, 2.0)])
def test_bi_tempered_against_a_scalar_root_finder(t1, t2, targets):
    found = losses.bi_tempered(LOGITS, targets, t1=t1, t2=t2)
    expected = [bi_tempered(x, y, t1, t2) for x, y in zip(LOGITS, targets, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("t2", "classes"), [(10.0, 100_000), (100.0, 10), (1e6, 10)])
def test_bi_tempered_of_equal_logits_is_uniform_at_any_t2(t2, classes):
    # t1 = 0: log_0 x = x - 1, p = 1/C: (1 - 1/C) - (1 - 1/C) / 2
    logits, targets = jnp.zeros(classes), jnp.zeros(classes).at[0].set(1.0)
    value, grad = jax.value_and_grad(losses.bi_tempered)(logits, targets, t1=0.0, t2=t2)
    np.testing.assert_allclose(value, (1 - 1 / classes) / 2, rtol=1e-5)
    # dp_i / ds_j = p^t2 (1[i = j] - 1/C), and the slope of the loss in p_i is p_i - t_i
    expected = classes**-t2 * (1 / classes - np.asarray(targets)) if t2 * np.log10(classes) < 36 else 0.0
    np.testing.assert_allclose(grad, expected, rtol=1e-3, atol=1e-37)


def test_bi_tempered_of_far_logits_at_a_large_t2():
    # The largest p solves p + 9 (p^-a + a d)^(-1/a) = 1, here a = 3 and d = 1e12: the others are (3e12)^(-1/3).
    logits, targets = jnp.zeros(10).at[0].set(1e12), jnp.eye(10)[0]
    p = 1 - 9 * (3e12) ** (-1 / 3)
    others = (1 - p) / 9
    expected = (1 - p) - (1 - p**2 - 9 * others**2) / 2
    np.testing.assert_allclose(losses.bi_tempered(logits, targets, t1=0.0, t2=4.0), expected, atol=1e-7)
    thousand = jnp.zeros(1000).at[0].set(1e9 / 3)  # 999 others of 1e-3 each: the root is far from both ends
    found = losses.bi_tempered(thousand, jnp.eye(1, 1000)[0], t1=0.0, t2=4.0)
    p = brentq(lambda w: w + 999 * (w**-3 + 1e9) ** (-1 / 3) - 1, 1e-3, 1.0, xtol=1e-15)
    others = (1 - p) / 999
    np.testing.assert_allclose(found, (1 - p) - (1 - p**2 - 999 * others**2) / 2, rtol=1e-4)
    absent = losses.bi_tempered(jnp.array([0.0, 0.0, -jnp.inf]), jnp.array([1.0, 0.0, 0.0]), t1=0.0, t2=100.0)
    np.testing.assert_allclose(absent, 0.25, rtol=1e-6)


def test_bi_tempered_by_hand():
    # t2 = 2, equal logits of two classes: 1 / (1 + u) = 1/2 each; t1 = 0: log_0 x = x - 1
    # 1 (0 - (1/2 - 1)) - (1 - 1/4 - 1/4) / 2 = 1/4
    found = losses.bi_tempered(jnp.array([3.0, 3.0]), jnp.array([1.0, 0.0]), t1=0.0, t2=2.0)
    np.testing.assert_allclose(found, 0.25, rtol=1e-6)


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
def test_bi_tempered_at_one_is_cross_entropy_less_the_entropy(targets):
    entropy = -np.where(targets > 0, targets * np.log(np.maximum(targets, 1e-30)), 0).sum(-1)
    for t in (1.0, 1.0001):  # both branches
        found = losses.bi_tempered(LOGITS, targets, t1=2 - t, t2=t)
        expected = optax.softmax_cross_entropy(LOGITS, targets) - entropy
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)


def test_bi_tempered_is_blind_to_a_shift_and_bounded_below_t1_of_one():
    np.testing.assert_allclose(
        losses.bi_tempered(LOGITS + 100.0, HARD, t1=0.5, t2=2.0),
        losses.bi_tempered(LOGITS, HARD, t1=0.5, t2=2.0),
        rtol=1e-4,
    )
    worst = losses.bi_tempered(jnp.array([-1e30, 0.0]), jnp.array([1.0, 0.0]), t1=0.5, t2=1.0)
    np.testing.assert_allclose(worst, 1 / 0.5, rtol=1e-5)  # -log_t1(0) = 1 / (1 - t1), and the two powers cancel


def test_bi_tempered_has_a_second_derivative():
    with jax.enable_x64(True):
        x, y = jnp.asarray(LOGITS[0], jnp.float64), jnp.asarray(SOFT[0], jnp.float64)
        gradient = jax.jit(jax.grad(lambda x: losses.bi_tempered(x, y, t1=0.7, t2=1.5)))
        hessian, step = jax.jit(jax.jacobian(gradient))(x), 1e-5 * np.eye(4)
        differences = [(gradient(x + h) - gradient(x - h)) / 2e-5 for h in step]
        np.testing.assert_allclose(hessian, differences, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.tukey_biweight(LOGITS, c=0.0), "c is 0.0"),
        (lambda: losses.mad_scale(jnp.float32(1.0)), "residuals has shape"),
        (lambda: losses.mad_scale(LOGITS[:0]), "residuals has shape"),
        (lambda: losses.mad_scale(LOGITS, floor=0.0), "floor is 0.0"),
        (lambda: losses.mad_scale(LOGITS.astype(np.int32)), "residuals has dtype"),
        (lambda: losses.generalized_cross_entropy(LOGITS, HARD, q=0.0), "q is 0.0"),
        (lambda: losses.generalized_cross_entropy(LOGITS, HARD, q=1.1), "q is 1.1"),
        (lambda: losses.bi_tempered(LOGITS, HARD, t1=1.1, t2=1.0), "t1 is 1.1"),
        (lambda: losses.bi_tempered(LOGITS, HARD, t1=1.0, t2=0.9), "t2 is 0.9"),
        (lambda: losses.bi_tempered(LOGITS, HARD, t1=1.0, t2=np.inf), "t2 is inf; allowed: 1.0 to 1000000.0"),
    ],
)
def test_wrong_arguments_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()
