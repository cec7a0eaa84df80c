import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import losses

RNG = np.random.default_rng(8)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (0.0, [0, 1, 0, 0, 0, 0]),
        (1.0, [0, 1, 0, 0, 1, 0]),
        (2.9, [0, 1, 0, 1, 1, 0]),
        (3.0, [1, 1, 0, 1, 1, 0]),
        (99.0, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_hard_negatives_by_hand(ratio, expected):
    values = jnp.array([0.3, 9.0, 0.1, 0.4, 0.8, 0.2])
    positives = jnp.array([False, True, False, False, False, False])
    np.testing.assert_array_equal(losses.hard_negative_weights(values, positives, ratio=ratio), expected)


def hard_negatives(values, positives, ratio):
    weights = positives.astype(float)
    negatives = sorted((i for i in range(len(values)) if not positives[i]), key=lambda i: -values[i])
    weights[negatives[: int(ratio * positives.sum())]] = 1
    return weights


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_hard_negatives_against_loops_with_ties(ratio):
    values = RNG.integers(4, size=(20, 15)).astype(np.float32)  # many equal ones
    positives = RNG.random((20, 15)) < 0.2
    expected = [hard_negatives(v, p, ratio) for v, p in zip(values, positives, strict=True)]
    weigh = lambda v, p: losses.hard_negative_weights(v, p, ratio=ratio)  # noqa: E731
    for found in (weigh(values, positives), jax.jit(weigh)(values, positives), jax.vmap(weigh)(values, positives)):
        np.testing.assert_array_equal(found, expected)


def test_a_row_without_positives_is_left_out_and_minus_infinity_never_kept():
    values, none = jnp.array([3.0, -jnp.inf, 1.0, -jnp.inf]), jnp.zeros(4, bool)
    np.testing.assert_array_equal(losses.hard_negative_weights(values, none), 0.0)
    np.testing.assert_array_equal(losses.hard_negative_weights(values, none.at[0].set(True)), [1, 0, 1, 0])
    np.testing.assert_array_equal(losses.hard_negative_weights(values, none.at[1].set(True)), [1, 1, 1, 0])


def test_ohem_by_hand_and_in_order_of_the_row_if_equal():
    values = jnp.array([0.3, 9.0, 0.1, 0.4])
    np.testing.assert_array_equal(losses.ohem_weights(values, keep=2), [0, 1, 0, 1])
    np.testing.assert_array_equal(losses.ohem_weights(values, keep=np.int64(2)), [0, 1, 0, 1])
    np.testing.assert_array_equal(losses.ohem_weights(jnp.ones(4), keep=3), [1, 1, 1, 0])
    np.testing.assert_array_equal(losses.ohem_weights(jnp.array([1.0, jnp.nan, 2.0]), keep=2), [1, 0, 1])


@pytest.mark.parametrize("keep", [1, 4, 15])
def test_ohem_keeps_the_largest_of_numpys_sort(keep):
    values = RNG.normal(size=(6, 15)).astype(np.float32)
    expected = values >= np.sort(values, axis=-1)[:, -keep, None]
    weigh = lambda v: losses.ohem_weights(v, keep=keep)  # noqa: E731
    for found in (weigh(values), jax.jit(weigh)(values), jax.vmap(weigh)(values)):
        np.testing.assert_array_equal(found, expected)


def largest(values, keep):
    """A stable sort of Python: NaN last, equal values in the order of the row."""
    order = sorted(range(len(values)), key=lambda i: (np.isnan(values[i]), -values[i] if values[i] == values[i] else 0))
    return np.isin(np.arange(len(values)), order[:keep])


@pytest.mark.parametrize("wide", [False, True])
def test_ohem_is_a_stable_sort_of_any_numbers(wide):
    some = [0.0, -0.0, 1.0, -1.0, 1e-37, -1e-37, 3e38, -3e38, np.inf, -np.inf, np.nan, 1.0000001]
    with jax.enable_x64(wide):
        dtype = np.float64 if wide else np.float32
        values = RNG.choice(np.array([*some, 1 + 1e-12] if wide else some), (40, 17)).astype(dtype)
        for keep in (1, 5, 16, 17):
            found = losses.ohem_weights(values, keep=keep)
            np.testing.assert_array_equal(found, [largest(row, keep) for row in values])


def test_hard_negatives_of_any_ratio_are_a_stable_sort():
    values = np.round(RNG.normal(size=(30, 12)), 1).astype(np.float32)  # many equal ones
    positives = RNG.random((30, 12)) < 0.15
    for ratio in (0.0, 0.5, 2.0, 100.0, np.inf):
        found = losses.hard_negative_weights(values, positives, ratio=ratio)
        for row, positive, weights in zip(values, positives, found, strict=True):
            count = int(min(np.floor(ratio * positive.sum()) if positive.any() else 0, 12))
            hard = largest(np.where(positive, -np.inf, row), count) & ~positive
            np.testing.assert_array_equal(weights, positive | hard)


def test_weights_go_with_their_examples():
    values = RNG.normal(size=15).astype(np.float32)
    positives, order = RNG.random(15) < 0.2, RNG.permutation(15)
    np.testing.assert_array_equal(
        losses.hard_negative_weights(values[order], positives[order]),
        losses.hard_negative_weights(values, positives)[order],
    )
    np.testing.assert_array_equal(
        losses.ohem_weights(values[order], keep=4), losses.ohem_weights(values, keep=4)[order]
    )


def test_the_gradient_is_that_of_the_chosen_examples():
    values = jnp.array([0.3, 9.0, 0.1, 0.4])
    grad = jax.grad(lambda v: jnp.sum(losses.ohem_weights(v, keep=2) * v))(values)
    np.testing.assert_array_equal(grad, [0, 1, 0, 1])
    positives = jnp.array([False, True, False, False])
    grad = jax.grad(lambda v: jnp.sum(losses.hard_negative_weights(v, positives, ratio=1.0) * v))(values)
    np.testing.assert_array_equal(grad, [0, 1, 0, 1])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_empty_batches_and_huge_losses(dtype):
    values = jnp.array([[1e4, -1e4, 0.0]], dtype)
    found = losses.ohem_weights(values, keep=1)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, [[1, 0, 0]])
    np.testing.assert_array_equal(losses.hard_negative_weights(values, values < 0, ratio=1.0), [[1, 1, 0]])
    assert losses.ohem_weights(values[:0], keep=1).shape == (0, 3)
    assert losses.hard_negative_weights(values[:0], values[:0] < 0).shape == (0, 3)
    assert losses.hard_negative_weights(values[:, :0], values[:, :0] < 0).shape == (1, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: losses.hard_negative_weights(x, x > 0, ratio=-1.0), "ratio is -1.0"),
        (lambda x: losses.hard_negative_weights(x, x), "positives.dtype is"),
        (lambda x: losses.hard_negative_weights(x, x[:2] > 0), "positives has shape"),
        (lambda x: losses.hard_negative_weights(x[0], x[0] > 0), "losses has shape"),
        (lambda x: losses.ohem_weights(x, keep=0), "keep is 0"),
        (lambda x: losses.ohem_weights(x, keep=4), "keep is 4; allowed: 1 to 3"),
        (lambda x: losses.ohem_weights(x, keep=0.5), "keep is 0.5; allowed: an integer of 1 or more"),
        (lambda x: losses.ohem_weights(x, keep=True), "keep is True"),
        (lambda x: losses.ohem_weights(x[:0], keep=1), "keep is 1"),
        (lambda x: losses.ohem_weights(x.astype(int), keep=1), "losses has dtype"),
    ],
)
def test_wrong_arguments_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.array([1.0, 2.0, 3.0]))
