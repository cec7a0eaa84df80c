import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import optim

DRAWS = np.random.default_rng(0)
TREE = {
    "conv": jnp.asarray(DRAWS.normal(size=(3, 2, 4, 5)), jnp.float32),
    "dense": jnp.asarray(DRAWS.normal(size=(6, 3)), jnp.float32),
    "bias": jnp.asarray(DRAWS.normal(size=(3,)), jnp.float32),
    "scalar": jnp.float32(2.0),
}
STEP = jax.tree.map(lambda p: jnp.cos(5 * p), TREE)


def apply(tx, updates, params=None):
    return tx.update(updates, tx.init(TREE), params)[0]


def units(kernel):
    """The weights that enter each output unit, one at a time."""
    return [np.asarray(kernel)[..., c].ravel() for c in range(kernel.shape[-1])]


def test_centralize_by_hand():
    out = apply(optim.centralize(), {"w": jnp.array([[1.0, 2.0], [3.0, 8.0]]), "b": jnp.array([1.0, 2.0])})
    np.testing.assert_array_equal(out["w"], [[-1, -3], [1, 3]])
    np.testing.assert_array_equal(out["b"], [1, 2])


def test_centralize_leaves_units_without_a_mean():
    out = apply(optim.centralize(), STEP)
    for name in ("conv", "dense"):
        for before, after in zip(units(STEP[name]), units(out[name]), strict=True):
            np.testing.assert_allclose(after, before - before.sum() / before.size, rtol=1e-5, atol=1e-6)
    again = apply(optim.centralize(), out)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), out, again)


def test_centralize_is_optax_s_for_kernels_stored_output_first():
    peer = apply(optax.centralize(), {"w": jnp.moveaxis(STEP["conv"], -1, 0)})["w"]
    np.testing.assert_allclose(apply(optim.centralize(), STEP)["conv"], jnp.moveaxis(peer, 0, -1), rtol=1e-5, atol=1e-6)


def test_max_norm_by_hand():
    params = {"w": jnp.array([[3.0, 0.3], [0.0, 0.0]])}
    out = apply(optim.max_norm(1.0), {"w": jnp.array([[0.0, 0.0], [4.0, 0.4]])}, params)
    np.testing.assert_allclose(optax.apply_updates(params, out)["w"], [[0.6, 0.3], [0.8, 0.4]], rtol=1e-6)


@pytest.mark.parametrize("limit", [0.5, 2.0, 3.5, 1e6])
def test_max_norm_limits_each_unit_and_touches_no_other(limit):
    out = apply(optim.max_norm(limit), STEP, TREE)
    for name in ("conv", "dense"):
        kernel, step = units(TREE[name]), units(STEP[name])
        for old, was, now in zip(kernel, step, units(out[name]), strict=True):
            norm = np.sqrt(((old + was) ** 2).sum())
            np.testing.assert_allclose(old + now, (old + was) * min(1.0, limit / norm), rtol=1e-5, atol=1e-6)
            if norm < limit:
                np.testing.assert_array_equal(now, was)
    for name in ("bias", "scalar"):
        np.testing.assert_array_equal(out[name], STEP[name])


def test_max_norm_of_a_dead_unit_is_finite():
    zeros = {"w": jnp.zeros((3, 2))}
    with jax.debug_nans(True):
        np.testing.assert_array_equal(apply(optim.max_norm(1.0), zeros, zeros)["w"], zeros["w"])


def test_max_norm_keeps_the_dtype():
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), TREE)
    out = apply(optim.max_norm(0.5), half, half)
    assert {leaf.dtype for leaf in jax.tree.leaves(out)} == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize("tx", [optim.centralize(), optim.max_norm(2.0)], ids=["centralize", "max_norm"])
def test_eager_jit_and_vmap_agree(tx):
    def run(updates, params):
        return apply(tx, updates, params)

    stacked = jax.tree.map(lambda x: jnp.stack([x, 3 * x]), (STEP, TREE))
    many = jax.vmap(run)(*stacked)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), run(STEP, TREE), jax.jit(run)(STEP, TREE))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[0], atol=1e-6), run(STEP, TREE), many)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"^limit is"):
        optim.max_norm(0.0)
    with pytest.raises(ValueError, match=r"^params is None"):
        apply(optim.max_norm(1.0), STEP)
