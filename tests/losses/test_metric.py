import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify
from jax.test_util import check_grads

from jaxtricks import losses

RNG = np.random.default_rng(5)
FEATURES = RNG.normal(size=(8, 3)).astype(np.float32)
LABELS = np.array([0, 1, 1, 2, 0, 1, 4, 2], np.int32)  # class 3 is absent, class 4 alone
CENTERS = RNG.normal(size=(5, 3)).astype(np.float32)


def test_center_by_hand():
    centers = jnp.array([[0.0, 0.0], [1.0, -1.0]])
    found = losses.center(jnp.array([[3.0, 4.0], [3.0, 4.0]]), jnp.array([0, 1]), centers)
    np.testing.assert_allclose(found, [12.5, 14.5])


def test_center_is_zero_at_the_centre_and_moves_with_the_space():
    np.testing.assert_array_equal(losses.center(CENTERS, np.arange(5), CENTERS), 0.0)
    np.testing.assert_allclose(
        losses.center(FEATURES + 2, LABELS, CENTERS + 2), losses.center(FEATURES, LABELS, CENTERS), rtol=1e-4
    )


def test_center_pulls_features_and_leaves_centres():
    by_feature, by_center = jax.grad(lambda x, c: losses.center(x, LABELS, c).sum(), (0, 1))(FEATURES, CENTERS)
    np.testing.assert_allclose(by_feature, FEATURES - CENTERS[LABELS], rtol=1e-6)
    np.testing.assert_array_equal(by_center, 0.0)


def test_update_centers_by_hand():
    # two of class 0: (2 * 0 - (2 + 4)) / 3 = -2; one of class 1: (10 - 4) / 2 = 3; none of class 2
    found = losses.update_centers(
        jnp.array([[0.0], [10.0], [5.0]]), jnp.array([[2.0], [4.0], [4.0]]), jnp.array([0, 0, 1]), rate=0.5
    )
    np.testing.assert_allclose(found, [[1.0], [8.5], [5.0]])


def test_update_centers_against_loops():
    expected = CENTERS.astype(np.float64)
    for j in range(5):
        own = FEATURES[LABELS == j]
        expected[j] -= 0.3 * (CENTERS[j] - own).sum(0) / (1 + len(own))
    for update in (losses.update_centers, jax.jit(losses.update_centers, static_argnames="rate")):
        np.testing.assert_allclose(update(CENTERS, FEATURES, LABELS, rate=0.3), expected, rtol=1e-5)
    in_two = losses.update_centers(CENTERS, FEATURES.reshape(2, 4, 3), LABELS.reshape(2, 4), rate=0.3)
    np.testing.assert_allclose(in_two, expected, rtol=1e-5)


def test_update_centers_vmaps_over_replicas():
    centers, features = np.stack([CENTERS, CENTERS + 1]), np.stack([FEATURES, 2 * FEATURES])
    found = jax.vmap(losses.update_centers, (0, 0, None))(centers, features, LABELS)
    np.testing.assert_allclose(found[1], losses.update_centers(centers[1], features[1], LABELS), rtol=1e-5)


def test_update_centers_leaves_out_labels_out_of_range_and_empty_batches():
    labels = np.array([-1, 5, 17, -5, 0, 1, 4, 2], np.int32)
    np.testing.assert_allclose(
        losses.update_centers(CENTERS, FEATURES, labels),
        losses.update_centers(CENTERS, FEATURES[4:], labels[4:]),
        rtol=1e-6,
    )
    np.testing.assert_array_equal(losses.update_centers(CENTERS, FEATURES[:0], LABELS[:0]), CENTERS)
    error, _ = checkify.checkify(losses.update_centers)(CENTERS, FEATURES, labels)
    with pytest.raises(checkify.JaxRuntimeError, match="labels lie outside 0 to 4"):
        error.throw()


def test_update_centers_keeps_the_dtype_of_the_state_and_settles():
    half = jnp.asarray(CENTERS, jnp.bfloat16)
    assert losses.update_centers(half, FEATURES, LABELS).dtype == jnp.bfloat16
    centers = jax.lax.fori_loop(0, 200, lambda _, c: losses.update_centers(c, FEATURES, LABELS), jnp.asarray(CENTERS))
    np.testing.assert_allclose(centers[1], FEATURES[LABELS == 1].mean(0), rtol=1e-4)


def test_center_pull_by_hand():
    # B = 3: two of class 0 weigh 3 / 3, one of class 1 3 / 2
    centers, features = jnp.array([[0.0], [10.0], [5.0]]), jnp.array([[2.0], [4.0], [4.0]])
    pull = lambda c, x: losses.center_pull(x, jnp.array([0, 0, 1]), c)  # noqa: E731
    np.testing.assert_allclose(pull(centers, features), [2.0, 8.0, 27.0])
    by_center, by_feature = jax.grad(lambda *args: pull(*args).mean(), (0, 1))(centers, features)
    np.testing.assert_allclose(by_center, [[-2.0], [3.0], [0.0]], rtol=1e-6)  # as in test_update_centers_by_hand
    np.testing.assert_array_equal(by_feature, 0.0)


def test_sgd_on_center_pull_is_the_update_of_the_centres():
    @jax.jit
    def descend(centers, features):
        return centers - 0.3 * jax.grad(lambda c: losses.center_pull(features, LABELS, c).mean())(centers)

    moved = updated = CENTERS
    for step in range(4):
        features = FEATURES + step
        moved, updated = descend(moved, features), losses.update_centers(updated, features, LABELS, rate=0.3)
        np.testing.assert_allclose(moved, updated, rtol=1e-5)
    np.testing.assert_array_equal(moved[3], CENTERS[3])  # absent
    in_two = jax.grad(lambda c: losses.center_pull(FEATURES.reshape(2, 4, 3), LABELS.reshape(2, 4), c).mean())(CENTERS)
    whole = losses.update_centers(CENTERS, FEATURES, LABELS, rate=1.0)
    np.testing.assert_allclose(CENTERS - in_two, whole, rtol=1e-5)


def test_center_pull_of_parts_moves_by_the_mean_of_their_updates():
    parts = FEATURES.reshape(2, 4, 3), LABELS.reshape(2, 4)
    slope = jax.vmap(jax.grad(lambda c, x, y: losses.center_pull(x, y, c).mean()), (None, 0, 0))(CENTERS, *parts)
    each = [losses.update_centers(CENTERS, x, y, rate=1.0) for x, y in zip(*parts, strict=True)]
    np.testing.assert_allclose(CENTERS - slope.mean(0), np.mean(each, axis=0), rtol=1e-5)
    whole = losses.update_centers(CENTERS, FEATURES, LABELS, rate=1.0)
    assert np.abs(whole - np.mean(each, axis=0)).max() > 0.1  # so the counts of a part are its own


def test_center_pull_at_the_edges():
    labels = np.array([-1, 5, 17, -5, 0, 1, 4, 2], np.int32)
    total = lambda c: jnp.nansum(losses.center_pull(FEATURES, labels, c))  # noqa: E731
    values = losses.center_pull(FEATURES, labels, CENTERS)
    np.testing.assert_array_equal(np.isnan(values), (labels < 0) | (labels > 4))
    np.testing.assert_allclose(
        CENTERS - jax.grad(total)(CENTERS) / 8, losses.update_centers(CENTERS, FEATURES, labels, rate=1.0), rtol=1e-5
    )
    empty, slope = jax.value_and_grad(lambda c: losses.center_pull(FEATURES[:0], LABELS[:0], c).sum())(CENTERS)
    np.testing.assert_array_equal(empty, 0.0)
    np.testing.assert_array_equal(slope, 0.0)
    for dtype in (jnp.bfloat16, jnp.float16):
        half = [jnp.asarray(a, dtype) for a in (100 * FEATURES, CENTERS)]
        found = losses.center_pull(half[0], LABELS, half[1])
        assert found.dtype == jnp.float32
        wide = [a.astype(jnp.float32) for a in half]
        np.testing.assert_allclose(found, losses.center_pull(wide[0], LABELS, wide[1]), rtol=1e-6)
    error, _ = checkify.checkify(losses.center_pull)(FEATURES, labels, CENTERS)
    with pytest.raises(checkify.JaxRuntimeError, match="labels lie outside 0 to 4"):
        error.throw()


def supervised_contrastive(x, labels, temperature):
    z = x / np.linalg.norm(x, axis=1, keepdims=True)
    found = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        total = sum(np.exp(z[i] @ z[a] / temperature) for a in others)
        alike = [p for p in others if labels[p] == labels[i]]
        found.append(-np.mean([np.log(np.exp(z[i] @ z[p] / temperature) / total) for p in alike]) if alike else 0.0)
    return found


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_supervised_contrastive_against_loops(temperature):
    expected = supervised_contrastive(FEATURES.astype(np.float64), LABELS, temperature)
    for loss in (losses.supervised_contrastive, jax.jit(losses.supervised_contrastive, static_argnames="temperature")):
        found = loss(FEATURES, LABELS, temperature=temperature)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    stacked = jax.vmap(lambda x, y: losses.supervised_contrastive(x, y, temperature=temperature))(
        np.stack([FEATURES, FEATURES[::-1]]), np.stack([LABELS, LABELS[::-1]])
    )
    np.testing.assert_allclose(stacked, [expected, expected[::-1]], rtol=1e-4, atol=1e-5)


def test_supervised_contrastive_of_equal_features_is_the_logarithm_of_the_others():
    found = losses.supervised_contrastive(jnp.ones((4, 2)), jnp.zeros(4, int))
    np.testing.assert_allclose(found, np.log(3), rtol=1e-6)


def test_supervised_contrastive_ignores_lengths_names_and_rotations():
    turn, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    lengths = RNG.uniform(1, 9, size=(8, 1))
    renamed = np.array([-1, 70, 3, 0, 5], np.int32)[LABELS]
    np.testing.assert_allclose(
        losses.supervised_contrastive((lengths * FEATURES @ turn).astype(np.float32), renamed),
        losses.supervised_contrastive(FEATURES, LABELS),
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_supervised_contrastive_gradient_is_that_of_finite_differences():
    with jax.enable_x64(True):
        check_grads(
            jax.jit(lambda x: losses.supervised_contrastive(x, LABELS)),
            (FEATURES.astype(np.float64),), order=1, modes=("fwd", "rev"), atol=1e-5, rtol=1e-5,
        )  # fmt: skip


@pytest.mark.parametrize(
    "features",
    [FEATURES[:0], FEATURES[:1], 0 * FEATURES, 1e4 * FEATURES, np.ones_like(FEATURES)],
    ids=["empty", "one", "zero", "1e4", "equal"],
)
def test_supervised_contrastive_is_finite_at_the_edge(features):
    labels = LABELS[: len(features)]
    value, grad = jax.value_and_grad(lambda x: losses.supervised_contrastive(x, labels, temperature=1e-3).sum())(
        features
    )
    assert np.isfinite(value)
    assert np.isfinite(grad).all()


def test_supervised_contrastive_computes_in_float32():
    half = jnp.asarray(FEATURES, jnp.bfloat16)
    found = losses.supervised_contrastive(half, LABELS)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, losses.supervised_contrastive(half.astype(jnp.float32), LABELS), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.center(FEATURES, LABELS, CENTERS[0]), "centers has shape"),
        (lambda: losses.center(FEATURES, LABELS, CENTERS[:, :2]), "centers has shape"),
        (lambda: losses.center(FEATURES, LABELS, CENTERS[:0]), "centers has shape"),
        (lambda: losses.update_centers(CENTERS, FEATURES, LABELS, rate=1.5), "rate is 1.5"),
        (lambda: losses.update_centers(CENTERS, FEATURES, LABELS[:3]), "labels has shape"),
        (lambda: losses.supervised_contrastive(FEATURES[0], LABELS), "features has shape"),
        (lambda: losses.supervised_contrastive(FEATURES, LABELS[:3]), "labels has shape"),
        (lambda: losses.supervised_contrastive(FEATURES, LABELS * 1.0), "labels has dtype"),
        (lambda: losses.supervised_contrastive(FEATURES, LABELS, temperature=0.0), "temperature is 0.0"),
    ],
)
def test_wrong_arguments_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()
