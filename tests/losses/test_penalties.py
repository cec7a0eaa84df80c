from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from sklearn.linear_model import enet_path

from jaxtricks import losses

RNG = np.random.default_rng(7)
PARAMS = {
    "block": {"conv": {"kernel": jnp.asarray(RNG.normal(size=(3, 3, 2, 4)), jnp.float32)}},
    "head": [jnp.array([[3.0, 0.0], [4.0, 2.0]]), jnp.array([1.0, -2.0])],
}
HEAD = {"block": {"conv": {"kernel": False}}, "head": [True, True]}
KERNELS = jax.tree.map(lambda leaf: leaf.ndim > 1, PARAMS)
every = pytest.mark.parametrize(
    "penalty",
    [losses.l1_penalty, losses.l2_penalty, partial(losses.elastic_net, l1=0.3, l2=0.7), losses.group_sparsity],
    ids=["l1", "l2", "elastic", "group"],
)


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (losses.l1_penalty, 3 + 4 + 2 + 1 + 2),
        (losses.l2_penalty, (9 + 16 + 4 + 1 + 4) / 2),
        (partial(losses.elastic_net, l1=10.0, l2=2.0), 10 * 12 + 34),
        (losses.group_sparsity, 5 + 2 + 1 + 2),  # columns (3, 4) and (0, 2), then two entries of a vector
    ],
    ids=["l1", "l2", "elastic", "group"],
)
def test_by_hand(penalty, expected):
    np.testing.assert_allclose(penalty(PARAMS, mask=HEAD), expected, rtol=1e-6)


def test_groups_are_filters_against_loops():
    kernel = np.asarray(PARAMS["block"]["conv"]["kernel"])
    expected = sum(np.linalg.norm(kernel[..., o].ravel()) for o in range(4))
    np.testing.assert_allclose(losses.group_sparsity({"kernel": kernel}), expected, rtol=1e-6)
    np.testing.assert_allclose(losses.group_sparsity({"kernel": kernel[..., ::-1]}), expected, rtol=1e-6)


def test_elastic_net_is_scikit_learns_objective():
    """At the coefficients that scikit-learn finds, the gradient of loss and penalty is 0, or bounded by l1 at 0."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    y = x @ np.array([2.0, -1.0, 0.0, 0.0, 0.5, 0.0]) + 0.1 * rng.normal(size=40)
    alpha, ratio = 0.2, 0.6
    w = enet_path(x, y, l1_ratio=ratio, alphas=[alpha], tol=1e-10, max_iter=10_000)[1][:, 0]
    gradient = x.T @ (x @ w - y) / 40 + jax.grad(losses.elastic_net)(w, l1=alpha * ratio, l2=alpha * (1 - ratio))
    assert (w == 0).any()
    np.testing.assert_allclose(gradient[w != 0], 0.0, atol=1e-4)
    assert np.all(np.abs(gradient[w == 0]) <= alpha * ratio)


@every
def test_masks_by_tree_and_by_path_agree(penalty):
    by_path = penalty(PARAMS, mask=lambda path: path in ("block/conv/kernel", "head/0"))
    np.testing.assert_allclose(penalty(PARAMS, mask=KERNELS), by_path, rtol=1e-6)
    rest = penalty(PARAMS, mask=lambda path: path == "head/1")
    np.testing.assert_allclose(by_path + rest, penalty(PARAMS), rtol=1e-6)


@every
def test_masked_leaves_have_no_gradient_and_may_be_integers(penalty):
    grad = jax.grad(lambda params: penalty(params, mask=HEAD))(PARAMS)
    np.testing.assert_array_equal(grad["block"]["conv"]["kernel"], 0.0)
    with_step = {"params": PARAMS, "step": jnp.array(3)}
    found = penalty(with_step, mask=lambda path: path.startswith("params"))
    np.testing.assert_allclose(found, penalty(PARAMS), rtol=1e-6)


@every
def test_eager_jit_vmap_and_finite_differences(penalty):
    found = penalty(PARAMS)
    assert found.shape == ()
    np.testing.assert_allclose(jax.jit(penalty)(PARAMS), found, rtol=1e-6)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), PARAMS)
    twice = penalty(jax.tree.map(lambda leaf: 2 * leaf, PARAMS))
    np.testing.assert_allclose(jax.vmap(penalty)(stacked), [found, twice], rtol=1e-6)
    with jax.enable_x64(True):
        away = {"a": np.abs(RNG.normal(size=(3, 2))) + 0.1, "b": np.array([2.0, -1.0])}
        check_grads(penalty, (away,), order=1, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6)


@every
def test_zero_huge_half_and_empty_parameters(penalty):
    for leaf in (jnp.zeros((3, 2)), jnp.full((3, 2), 1e4), jnp.zeros((0, 2)), jnp.zeros((3, 0)), jnp.float32(0.0)):
        value, grad = jax.value_and_grad(penalty)({"w": leaf})
        assert np.isfinite(value)
        assert np.isfinite(grad["w"]).all()
        if not leaf.any():
            assert value == 0
            np.testing.assert_array_equal(grad["w"], 0.0)
    for dtype in (jnp.bfloat16, jnp.float16):
        half = {"w": jnp.asarray(RNG.normal(size=(30, 30)), dtype)}
        assert penalty(half).dtype == jnp.float32
        wide = {"w": half["w"].astype(jnp.float32)}
        np.testing.assert_allclose(penalty(half), penalty(wide), rtol=1e-6)


def test_the_gradient_of_l2_is_the_weight():
    grad = jax.grad(losses.l2_penalty)(PARAMS)
    jax.tree.map(np.testing.assert_array_equal, grad, PARAMS)


@every
@pytest.mark.parametrize(
    ("params", "mask", "message"),
    [
        (PARAMS, {"head": True}, "mask has structure"),
        (PARAMS, lambda path: False, "mask leaves nothing"),
        (PARAMS, lambda path: None, "mask gives"),
        ({}, None, "mask leaves nothing"),
        ({"a": {"step": jnp.array(3)}}, None, r"params\['a/step'\] has dtype int32"),
    ],
)
def test_wrong_trees_raise(penalty, params, mask, message):
    with pytest.raises(ValueError, match=message):
        penalty(params, mask=mask)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_negative_strengths_raise(name):
    with pytest.raises(ValueError, match=f"{name} is -1.0"):
        losses.elastic_net(PARAMS, **{"l1": 1.0, "l2": 1.0, name: -1.0})
