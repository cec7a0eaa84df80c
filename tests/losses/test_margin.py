import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import losses

RNG = np.random.default_rng(1)
LOGITS = RNG.normal(size=(7, 5)).astype(np.float32)
LABELS = RNG.integers(5, size=7).astype(np.int32)
FEATURES = RNG.normal(size=(7, 3)).astype(np.float32)
KERNEL = RNG.normal(size=(3, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # labels 0; the wrong classes lie 1 and -2 above the true one
        (losses.weston_watkins, 2.0 + 0.0),
        (lambda x, y: losses.weston_watkins(x, y, margin=4.0), 5.0 + 2.0),
        (losses.ramp, 2.0 + 0.0),
        (lambda x, y: losses.ramp(x, y, s=0.5), 0.5 + 0.0),
        (lambda x, y: losses.ramp(x, y, s=0.0), 1.0 + 0.0),
    ],
)
def test_hinges_by_hand(loss, expected):
    np.testing.assert_allclose(loss(jnp.array([0.5, 1.5, -1.5]), jnp.array(0)), expected)


def test_hinges_against_loops():
    for x, y, ww, ramp in zip(
        LOGITS, LABELS, losses.weston_watkins(LOGITS, LABELS), losses.ramp(LOGITS, LABELS, s=-0.5), strict=True
    ):
        wrong = [float(x[j] - x[y]) for j in range(5) if j != y]
        np.testing.assert_allclose(ww, sum(max(0, 1 + gap) for gap in wrong), rtol=1e-6)
        np.testing.assert_allclose(ramp, sum(max(0, 1 + gap) - max(0, -0.5 + gap) for gap in wrong), rtol=1e-6)


def test_the_largest_term_of_weston_watkins_is_crammer_singers():
    two = LOGITS[:, :2]
    np.testing.assert_allclose(
        losses.weston_watkins(two, LABELS % 2), optax.losses.multiclass_hinge_loss(two, LABELS % 2), rtol=1e-6
    )
    assert np.all(losses.weston_watkins(LOGITS, LABELS) >= optax.losses.multiclass_hinge_loss(LOGITS, LABELS) - 1e-6)


def test_ramp_without_a_cut_is_weston_watkins():
    np.testing.assert_allclose(losses.ramp(LOGITS, LABELS, s=-np.inf), losses.weston_watkins(LOGITS, LABELS), rtol=1e-6)
    np.testing.assert_allclose(losses.ramp(LOGITS, LABELS, s=-1e3), losses.weston_watkins(LOGITS, LABELS), rtol=1e-6)


@pytest.mark.parametrize("s", [-2.0, -1.0, 0.0, 0.9])
def test_ramp_is_bounded_by_one_minus_s_a_class_and_flat_there(s):
    far = jnp.array([-1e4, 0.0, 1e4, 1e4])
    value, grad = jax.value_and_grad(lambda x: losses.ramp(x, jnp.array(0), s=s))(far)
    np.testing.assert_allclose(value, 3 * (1 - s), rtol=1e-6)
    np.testing.assert_array_equal(grad, 0.0)


def psi(theta, m):
    k = min(int(theta * m / np.pi), m - 1)
    return (-1) ** k * np.cos(m * theta) - 2 * k


@pytest.mark.parametrize("margin", [1, 2, 3, 4])
@pytest.mark.parametrize("blend", [0.0, 5.0])
def test_large_margin_logits_against_angles(margin, blend):
    expected = FEATURES.astype(np.float64) @ KERNEL
    for row, (x, y) in enumerate(zip(FEATURES.astype(np.float64), LABELS, strict=True)):
        size = np.linalg.norm(x) * np.linalg.norm(KERNEL[:, y])
        cosine = expected[row, y] / size
        expected[row, y] = size * (blend * cosine + psi(np.arccos(cosine), margin)) / (1 + blend)
    found = losses.large_margin_logits(FEATURES, KERNEL, LABELS, margin=margin, blend=blend)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("margin", [2, 3, 4])
def test_large_margin_falls_with_the_angle_and_has_no_jump(margin):
    theta = np.linspace(0, np.pi, 1001)
    x = np.stack([np.cos(theta), np.sin(theta)], axis=1).astype(np.float32)
    logits = losses.large_margin_logits(x, jnp.array([[1.0], [0.0]]), np.zeros(1001, np.int32), margin=margin)[:, 0]
    np.testing.assert_allclose(logits[jnp.array([0, -1])], [1.0, psi(np.pi, margin)], atol=1e-5)
    steps = np.diff(logits)
    assert np.all(steps < 2e-5)
    assert np.all(steps > -margin * np.pi / 1000 - 1e-4)


def test_margin_one_or_an_infinite_blend_gives_plain_logits():
    plain = FEATURES @ KERNEL
    np.testing.assert_allclose(losses.large_margin_logits(FEATURES, KERNEL, LABELS, margin=1), plain, rtol=1e-5)
    blended = losses.large_margin_logits(FEATURES, KERNEL, LABELS, margin=4, blend=np.inf)
    np.testing.assert_allclose(blended, plain, rtol=1e-5)


@pytest.mark.parametrize("margin", [0.0, 0.3, 1.5])
def test_arcface_against_angles(margin):
    x, w = FEATURES.astype(np.float64), KERNEL.astype(np.float64)
    theta = np.arccos(x @ w / np.linalg.norm(x, axis=1, keepdims=True) / np.linalg.norm(w, axis=0))
    expected = np.cos(theta)
    for row, y in enumerate(LABELS):
        turned = theta[row, y] + margin
        beyond = np.cos(theta[row, y]) - margin * np.sin(margin)
        expected[row, y] = np.cos(turned) if turned <= np.pi else beyond
    found = losses.arcface_logits(FEATURES, KERNEL, LABELS, scale=10.0, margin=margin)
    np.testing.assert_allclose(found, 10 * expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("margin", [0.1, 0.5, np.pi / 2])
def test_arcface_falls_with_the_angle_to_the_end(margin):
    theta = np.linspace(1e-3, np.pi, 500)
    x = np.stack([np.cos(theta), np.sin(theta)], axis=1).astype(np.float32)
    logits = losses.arcface_logits(x, jnp.array([[1.0], [0.0]]), np.zeros(500, np.int32), scale=1.0, margin=margin)
    assert np.all(np.diff(logits[:, 0]) < 1e-6)


@pytest.mark.parametrize("head", [losses.large_margin_logits, losses.arcface_logits])
def test_heads_need_only_the_true_class_and_turn_with_the_space(head):
    turn, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    logits = head(FEATURES, KERNEL, LABELS)
    np.testing.assert_allclose(
        head((FEATURES @ turn).astype(np.float32), (turn.T @ KERNEL).astype(np.float32), LABELS),
        logits, rtol=1e-4, atol=1e-3,
    )  # fmt: skip
    other = head(FEATURES, KERNEL, (LABELS + 1) % 5)
    same = (np.arange(5) != LABELS[:, None]) & (np.arange(5) != (LABELS[:, None] + 1) % 5)
    np.testing.assert_array_equal(np.asarray(logits)[same], np.asarray(other)[same])
    own = np.take_along_axis(np.asarray(logits) - np.asarray(other), LABELS[:, None], 1)
    assert np.all(own < 0)


def test_arcface_ignores_lengths():
    scaled = losses.arcface_logits(3 * FEATURES, KERNEL * jnp.array([[1.0, 2, 3, 4, 5]]), LABELS)
    np.testing.assert_allclose(scaled, losses.arcface_logits(FEATURES, KERNEL, LABELS), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("head", [losses.large_margin_logits, losses.arcface_logits])
def test_heads_are_finite_at_zero_and_along_the_kernel(head):
    along = np.concatenate([np.zeros((1, 3)), KERNEL.T[:3], -KERNEL.T[:3]]).astype(np.float32)
    labels, kernel = np.array([0, 0, 1, 2, 0, 1, 2]), jnp.asarray(KERNEL).at[:, 4].set(0.0)
    for kernel_labels in (labels, np.full(7, 4)):
        loss, grads = jax.value_and_grad(lambda x, w, y=kernel_labels: head(x, w, y).sum(), (0, 1))(along, kernel)
        assert np.isfinite(loss)
        assert all(np.isfinite(grad).all() for grad in grads)
    np.testing.assert_array_equal(head(along, kernel, labels)[0, 1:], 0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.weston_watkins(LOGITS, LABELS, margin=0.0), "margin is 0.0"),
        (lambda: losses.ramp(LOGITS, LABELS, s=1.0), "s is 1.0"),
        (lambda: losses.weston_watkins(jnp.float32(1.0), LABELS), "logits has shape"),
        (lambda: losses.large_margin_logits(FEATURES, KERNEL, LABELS, margin=0), "margin is 0"),
        (lambda: losses.large_margin_logits(FEATURES, KERNEL, LABELS, margin=1.5), "margin is 1.5"),
        (lambda: losses.large_margin_logits(FEATURES, KERNEL, LABELS, blend=-1.0), "blend is -1.0"),
        (lambda: losses.large_margin_logits(FEATURES, KERNEL.T, LABELS), "kernel has shape"),
        (lambda: losses.arcface_logits(FEATURES, KERNEL[:, 0], LABELS), "kernel has shape"),
        (lambda: losses.arcface_logits(FEATURES, KERNEL, LABELS, scale=0.0), "scale is 0.0"),
        (lambda: losses.arcface_logits(FEATURES, KERNEL, LABELS, margin=2.0), "margin is 2.0"),
    ],
)
def test_wrong_arguments_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()
