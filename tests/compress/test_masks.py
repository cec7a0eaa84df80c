"""Masks: counted by hand, held against momentum and decay, and grown by the cubic schedule."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import compress

RNG = np.random.default_rng(0)
PARAMS = {
    "a": {"kernel": np.float32([[1, -3], [0.5, 2]]), "bias": np.float32([0.1, 0.2])},
    "b": {"kernel": np.float32([[10, 20, -30, 0.7]])},
}


def test_a_threshold_keeps_what_reaches_it_and_leaves_biases_alone():
    masks = compress.threshold_masks(PARAMS, threshold=2.0)
    assert masks["a"]["kernel"].tolist() == [[False, True], [False, True]]
    assert masks["b"]["kernel"].tolist() == [[True, True, True, False]]
    assert masks["a"]["bias"].all()


def test_a_share_of_every_layer_or_of_all_of_them():
    by_layer = compress.share_masks(PARAMS, share=0.5)
    assert by_layer["a"]["kernel"].tolist() == [[False, True], [False, True]]
    assert by_layer["b"]["kernel"].tolist() == [[False, True, True, False]]
    together = compress.share_masks(PARAMS, share=0.5, scope="global")
    assert not together["a"]["kernel"][0, 0]
    assert together["a"]["kernel"].tolist() == [[False, True], [False, False]]
    assert together["b"]["kernel"].tolist() == [[True, True, True, False]]
    assert together["a"]["bias"].all()
    assert all(mask.all() for mask in jax.tree.leaves(compress.share_masks(PARAMS, share=0.0)))


@pytest.mark.parametrize("share", [0.1, 0.33, 0.9])
def test_the_share_is_exact_and_what_stays_is_larger(share):
    """Also where many weights are equal, and where the share is traced."""
    params = {"kernel": np.float32(RNG.normal(size=(7, 9))), "other": {"kernel": np.ones((5, 8), np.float32)}}
    for share_of in (share, jnp.float32(share)):
        masks = compress.share_masks(params, share=share_of)
        for leaf, mask in zip(jax.tree.leaves(params), jax.tree.leaves(masks), strict=True):
            assert int((~mask).sum()) == int(share * leaf.size + 0.5)
            assert np.abs(leaf)[mask].min() >= np.abs(leaf)[~mask].max()
    pruned = compress.apply_masks(params, masks)
    assert compress.density(pruned) == sum(int(m.sum()) for m in jax.tree.leaves(masks)) / 103


def test_other_scores_prune_other_weights():
    scores = jax.tree.map(lambda leaf: -jnp.abs(leaf), PARAMS)
    masks = compress.share_masks(PARAMS, share=0.5, scores=scores, patterns=("^a/kernel",))
    assert masks["a"]["kernel"].tolist() == [[True, False], [True, False]]
    assert masks["b"]["kernel"].all()


def test_two_of_four():
    kernel = np.float32(RNG.normal(size=(8, 3)))
    mask = np.asarray(compress.n_of_m_mask(kernel, n=2, m=4))
    for start in (0, 4):
        for d in range(3):
            largest = np.argsort(np.abs(kernel[start : start + 4, d]))[2:]
            assert set(np.flatnonzero(mask[start : start + 4, d])) == set(largest)
    assert compress.n_of_m_mask(np.ones((2, 1), np.float32), n=1, m=2).tolist() == [[False], [True]]
    np.testing.assert_array_equal(compress.n_of_m_mask(kernel.T, n=2, m=4, axis=1), mask.T)


def test_a_mask_sets_a_nan_to_0_too():
    out = compress.apply_masks({"w": jnp.array([jnp.nan, 2.0])}, {"w": jnp.array([False, True])})
    assert out["w"].tolist() == [0.0, 2.0]


@pytest.mark.parametrize("tx", [optax.adamw(0.1, weight_decay=0.1), optax.sgd(0.1, momentum=0.9)], ids=["adamw", "sgd"])
def test_pruned_weights_stay_at_0_and_the_others_train_as_without_them(tx):
    masks = compress.share_masks(PARAMS, share=0.5)
    held = compress.keep_masks(tx, masks)
    params, state = PARAMS, held.init(PARAMS)  # the first update moves what is pruned to 0
    alone, of_alone = compress.apply_masks(PARAMS, masks), tx.init(PARAMS)
    step = jax.jit(held.update)
    for n in range(3):
        gradient = jax.tree.map(lambda leaf, n=n: jnp.cos(leaf + n), params)
        updates, state = step(gradient, state, params)
        params = optax.apply_updates(params, updates)
        updates, of_alone = tx.update(compress.apply_masks(gradient, masks), of_alone, alone)
        alone = compress.apply_masks(optax.apply_updates(alone, updates), masks)
        for leaf, mask in zip(jax.tree.leaves(params), jax.tree.leaves(masks), strict=True):
            assert not leaf[~mask].any()
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), params, alone)


def test_the_cubic_schedule_by_hand():
    shares = [float(compress.cubic(step, begin=10, end=30, final=0.8, initial=0.2)) for step in (0, 10, 20, 25, 30, 99)]
    # 0.8 - 0.6 (1 - x)^3 at x = 0, 0, 1/2, 3/4, 1, 1
    np.testing.assert_allclose(shares, [0.2, 0.2, 0.725, 0.790625, 0.8, 0.8], rtol=1e-6)


def test_pruning_follows_the_schedule_and_what_is_gone_stays_gone():
    params = {"kernel": jnp.asarray(RNG.normal(size=(8, 10)), jnp.float32), "bias": jnp.ones(10)}
    share = partial(compress.cubic, begin=0, end=6, final=0.75)
    tx = compress.prune_gradually(optax.sgd(0.01, momentum=0.9), share=share, every=2)
    state, step, gone = tx.init(params), jax.jit(tx.update), np.zeros((8, 10), bool)
    for n in range(9):
        updates, state = step(jax.tree.map(jnp.sin, params), state, params)
        params = optax.apply_updates(params, updates)
        wanted = 0.75 * (1 - (1 - min(n - n % 2, 6) / 6) ** 3)
        zero = np.asarray(params["kernel"] == 0)
        assert zero.sum() == int(wanted * 80 + 0.5), n
        assert zero[gone].all()
        gone = zero
    assert params["bias"].all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compress.share_masks(PARAMS, share=1.0), "share is 1.0; allowed: 0 or more and less than 1"),
        (lambda: compress.share_masks(PARAMS, share=-0.1), "share is -0.1"),
        (lambda: compress.share_masks(PARAMS, share=0.5, scope="all"), "scope is 'all'"),
        (lambda: compress.share_masks(PARAMS, share=0.5, patterns=("gamma$",)), "gamma"),
        (lambda: compress.share_masks(PARAMS, share=0.5, patterns="kernel"), "a sequence of patterns"),
        (lambda: compress.share_masks(PARAMS, share=0.5, scores={}), "a tree like params"),
        (
            lambda: compress.share_masks(PARAMS, share=0.5, scores=jax.tree.map(lambda w: w[:1], PARAMS)),
            "scores has shape",
        ),
        (lambda: compress.share_masks({"kernel": np.arange(4)}, share=0.5), "floating"),
        (lambda: compress.threshold_masks(PARAMS, threshold=-1.0), "threshold is -1.0"),
        (lambda: compress.n_of_m_mask(np.ones((6, 2), np.float32), n=2, m=4), "a multiple of m, 4"),
        (lambda: compress.n_of_m_mask(np.ones((8, 2), np.float32), n=4, m=4), "n is 4; allowed: 1 to 3"),
        (lambda: compress.apply_masks(PARAMS, {}), "masks is"),
        (lambda: compress.apply_masks({"w": jnp.ones(2)}, {"w": jnp.ones(3, bool)}), "a mask has shape"),
        (lambda: compress.cubic(1, begin=5, end=5, final=0.5), "end is 5"),
        (lambda: compress.cubic(1, begin=0, end=5, final=1.0), "final is 1.0"),
        (lambda: compress.prune_gradually(optax.sgd(1.0), share=abs, every=0), "every is 0"),
        (lambda: compress.keep_masks(optax.sgd(1.0), PARAMS).update(PARAMS, (), None), "params is None"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_share_that_is_no_function():
    with pytest.raises(TypeError, match="a function of the step"):
        compress.prune_gradually(optax.sgd(1.0), share=0.5, every=1)
