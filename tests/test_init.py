"""Initialisers, and changes to the initial parameters."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from jaxtricks import init

KEY = jax.random.key(7)


@pytest.mark.parametrize(
    ("initializer", "shape", "std"),
    [
        (init.xavier_normal(), (300, 200), math.sqrt(2 / 500)),
        (init.xavier_normal(), (3, 3, 40, 80), math.sqrt(2 / (9 * 120))),
        (init.he_normal(), (300, 200), math.sqrt(2 / 300)),
        (init.he_normal(), (3, 3, 40, 80), math.sqrt(2 / (9 * 40))),
        (init.he_normal(mode="fan_out"), (3, 3, 40, 80), math.sqrt(2 / (9 * 80))),
    ],
)
def test_weights_are_normal_and_not_cut(initializer, shape, std):
    weights = np.asarray(initializer(KEY, shape, jnp.float32))
    np.testing.assert_allclose(weights.std(), std, rtol=0.02)
    assert np.abs(weights).max() > 3 * std
    assert stats.kstest(weights.ravel() / std, "norm").pvalue > 1e-3
    np.testing.assert_allclose(jax.jit(initializer, static_argnums=1)(KEY, shape), weights, rtol=1e-5)
    assert initializer(KEY, (4, 4), jnp.bfloat16).dtype == jnp.bfloat16


def test_he_normal_keeps_the_second_moment_through_layers_with_relu():
    x = jax.random.normal(KEY, (256, 512))
    for key in jax.random.split(KEY, 10):
        x = jax.nn.relu(x @ init.he_normal()(key, (512, 512)))
    assert 0.6 < float((x**2).mean()) < 1.6


@pytest.mark.parametrize(
    ("size", "shape"), [(3, (3, 3, 5, 5)), (3, (3, 3, 5, 8)), (5, (5, 5, 6, 4)), (1, (1, 1, 3, 3))]
)
def test_dirac_copies_the_input(size, shape):
    x = jax.random.normal(KEY, (2, 7, 6, shape[2]))
    y = nnx.Conv(
        *shape[2:], (size, size), padding=size // 2, use_bias=False, kernel_init=init.dirac(), rngs=nnx.Rngs(0)
    )(x)
    copied = min(shape[2:])
    np.testing.assert_allclose(y[..., :copied], x[..., :copied], rtol=1e-6)
    np.testing.assert_array_equal(y[..., copied:], 0)


def test_dirac_of_groups_of_a_matrix_and_with_a_rest():
    x = jax.random.normal(KEY, (2, 5, 5, 6))
    conv = partial(nnx.Conv, 6, kernel_size=(3, 3), padding=1, use_bias=False, rngs=nnx.Rngs(0))
    depthwise = conv(out_features=6, feature_group_count=6, kernel_init=init.dirac(groups=6))
    np.testing.assert_allclose(depthwise(x), x, rtol=1e-6)
    paired = conv(out_features=9, feature_group_count=3, kernel_init=init.dirac(groups=3))(x)
    for group in range(3):
        np.testing.assert_allclose(paired[..., 3 * group : 3 * group + 2], x[..., 2 * group : 2 * group + 2], rtol=1e-6)
        np.testing.assert_array_equal(paired[..., 3 * group + 2], 0)
    np.testing.assert_array_equal(init.dirac()(KEY, (3, 3)), np.eye(3))
    rest = init.he_normal()
    kernel = init.dirac(rest=rest)(KEY, (3, 3, 2, 5))
    np.testing.assert_array_equal(kernel[..., 2:], rest(KEY, (3, 3, 2, 5))[..., 2:])
    np.testing.assert_array_equal(kernel.sum((0, 1))[:, :2], np.eye(2))
    np.testing.assert_array_equal(jax.jit(init.dirac(), static_argnums=1)(KEY, (3, 2, 2)).sum(0), np.eye(2))


def test_patch_whitening_multiplies_in_full_precision():
    """Accelerators would halve the digits of float32 matrices, and with them those of the small variances."""
    program = jax.make_jaxpr(partial(init.patch_whitening, window=2, eps=0.1))(jnp.ones((1, 4, 4, 1)))
    products = [equation for equation in program.eqns if equation.primitive.name == "dot_general"]
    assert [equation.params["precision"] for equation in products] == [(jax.lax.Precision.HIGHEST,) * 2]


def test_patch_whitening_makes_responses_white():
    images = jax.random.uniform(KEY, (200, 7, 6, 2))
    images = images + jnp.roll(images, 1, axis=2) * 0.7  # neighbours are correlated
    kernel = init.patch_whitening(images, window=2, eps=1e-9)
    assert kernel.shape == (2, 2, 2, 16)
    responses = jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    responses = np.asarray(responses).reshape(-1, 16)
    covariance = np.cov(responses[:, :8].T)
    np.testing.assert_allclose(covariance, np.eye(8), atol=5e-3)
    np.testing.assert_allclose(responses[:, 8:], -responses[:, :8], rtol=1e-6)
    # Largest variance first: the norm of a filter is 1 / its standard deviation.
    norms = np.linalg.norm(np.asarray(kernel).reshape(8, 16)[:, :8], axis=0)
    assert (np.diff(norms) > 0).all()
    np.testing.assert_allclose(jax.jit(partial(init.patch_whitening, window=2, eps=1e-9))(images), kernel, atol=0.02)
    flat = init.patch_whitening(jnp.ones((3, 4, 4, 1)), window=2, eps=0.25)
    np.testing.assert_allclose(np.linalg.norm(flat.reshape(4, 8), axis=0), 2, rtol=1e-5)


def block(scale):
    return {"conv": {"kernel": jnp.ones((1, 1, 2, 2))}, "last_bn": {"scale": scale, "bias": jnp.ones(2)}}


PARAMS = {
    "stem": {"bn": {"scale": jnp.ones(2)}},
    "stage1": {"0": block(jnp.ones(2)), "1": block(jnp.full(2, 3.0))},
    "head": {"kernel": jnp.ones((2, 4)), "bias": jnp.ones(4)},
}


def test_zero_gamma_changes_the_last_normalisation_of_every_block_and_nothing_else():
    changed = init.zero_gamma(PARAMS)
    for index in "01":
        np.testing.assert_array_equal(changed["stage1"][index]["last_bn"]["scale"], 0)
        np.testing.assert_array_equal(changed["stage1"][index]["last_bn"]["bias"], 1)
    ours = {("stage1", "0", "last_bn", "scale"), ("stage1", "1", "last_bn", "scale")}
    for path, leaf in jax.tree.leaves_with_path(PARAMS):
        names = tuple(part.key for part in path)
        if names not in ours:
            after = changed
            for name in names:
                after = after[name]
            assert after is leaf
    assert float(PARAMS["stage1"]["1"]["last_bn"]["scale"][0]) == 3
    assert jax.tree.structure(jax.jit(init.zero_gamma)(PARAMS)) == jax.tree.structure(PARAMS)
    np.testing.assert_array_equal(init.zero_gamma(PARAMS, pattern="stem/bn/scale")["stem"]["bn"]["scale"], 0)


def test_zero_last_gives_equal_logits():
    changed = init.zero_last(PARAMS, "^head/")
    np.testing.assert_array_equal(jnp.ones((3, 2)) @ changed["head"]["kernel"], np.zeros((3, 4)))
    np.testing.assert_array_equal(changed["head"]["bias"], 0)
    assert changed["stem"] == PARAMS["stem"]


@pytest.mark.parametrize("cell", [nnx.LSTMCell, nnx.OptimizedLSTMCell])
def test_forget_bias_of_flax_cells_keeps_the_memory(cell):
    module = cell(3, 5, rngs=nnx.Rngs(0))
    graph, state = nnx.split(module, nnx.Param)
    params = init.forget_bias(nnx.to_pure_dict(state), value=50.0)
    nnx.replace_by_pure_dict(state, params)
    carry = (jnp.arange(10.0).reshape(2, 5), jnp.zeros((2, 5)))
    zero = jax.tree.map(lambda kernel: kernel * 0 if kernel.ndim == 2 else kernel, state)
    (memory, _), _ = nnx.merge(graph, zero)(carry, jnp.ones((2, 3)))
    np.testing.assert_allclose(memory, carry[0], rtol=1e-6)  # forget gate 1; input times tanh(0) is 0
    untouched = [leaf for path, leaf in jax.tree.leaves_with_path(params) if leaf.ndim == 1]
    assert float(sum(leaf.sum() for leaf in untouched)) == 5 * 50


def test_fixup_scales_the_branches():
    params = {"block": {"a": {"kernel": jnp.ones(4)}, "b": {"kernel": jnp.ones(4)}, "c": {"kernel": jnp.ones(4)}}}
    changed = init.fixup(params, inner=r"block/[abc]", last=r"c/kernel", branches=16, depth=3)
    np.testing.assert_allclose([changed["block"][n]["kernel"][0] for n in "abc"], [0.5, 0.5, 0])  # 16 ** (-1 / 4)
    np.testing.assert_allclose(
        init.fixup(params, inner="a", last="c/", branches=9, depth=2)["block"]["a"]["kernel"], 1 / 3, rtol=1e-6
    )


def network(params, path, x):
    """The pre-activation of the layer whose kernel is at path."""
    for name in ("one", "two", "three"):
        x = x @ params[name]["kernel"] + params[name]["bias"]
        if path == f"{name}/kernel":
            return x
        x = jax.nn.relu(x)
    raise AssertionError(path)


@pytest.mark.parametrize(("bias", "steps", "tolerance"), [(0.0, 1, 1e-4), (0.4, 3, 1e-3)])
def test_lsuv_gives_every_layer_unit_variance(bias, steps, tolerance):
    keys = jax.random.split(KEY, 4)
    orthogonal = jax.nn.initializers.orthogonal(0.1)
    params = {
        name: {"kernel": orthogonal(key, (32, 32)), "bias": jnp.full((1, 32), bias)}
        for name, key in zip(("one", "two", "three"), keys, strict=False)
    }
    x = jax.random.normal(keys[3], (500, 32))
    paths = [f"{name}/kernel" for name in ("one", "two", "three")]
    output = partial(network, x=x)
    scaled = init.lsuv(params, paths, output, steps=steps)
    for path in paths:
        assert float(output(params, path).var()) < 0.2
        np.testing.assert_allclose(output(scaled, path).var(), 1, rtol=tolerance)
    jitted = jax.jit(lambda params: init.lsuv(params, paths, output, steps=steps))(params)
    np.testing.assert_allclose(jitted["three"]["kernel"], scaled["three"]["kernel"], rtol=1e-3, atol=1e-5)
    zeros = jax.tree.map(jnp.zeros_like, params)
    np.testing.assert_array_equal(init.lsuv(zeros, paths, output)["two"]["kernel"], 0)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: init.he_normal(mode="fan_avg"), "mode"),
        (lambda: init.dirac(groups=0), "groups"),
        (lambda: init.dirac(groups=2)(KEY, (3, 3, 2, 5)), "shape"),
        (lambda: init.dirac()(KEY, (3,)), "shape"),
        (lambda: init.patch_whitening(jnp.ones((4, 4, 1)), window=2, eps=0.1), "images"),
        (lambda: init.patch_whitening(jnp.ones((1, 4, 4, 1), int), window=2, eps=0.1), "images"),
        (lambda: init.patch_whitening(jnp.ones((0, 4, 4, 1)), window=2, eps=0.1), "images"),
        (lambda: init.patch_whitening(jnp.ones((1, 4, 4, 1)), window=5, eps=0.1), "window"),
        (lambda: init.patch_whitening(jnp.ones((1, 4, 4, 1)), window=1.5, eps=0.1), "window"),
        (lambda: init.patch_whitening(jnp.ones((1, 4, 4, 1)), window=2, eps=0.0), "eps"),
        (lambda: init.zero_gamma({"bn": {"scale": jnp.ones(2)}}), "pattern"),
        (lambda: init.zero_last(PARAMS, "classifier"), "pattern"),
        (lambda: init.forget_bias(PARAMS), "pattern"),
        (lambda: init.fixup(PARAMS, inner="conv", last="nowhere", branches=2, depth=2), "pattern"),
        (lambda: init.fixup(PARAMS, inner="nowhere", last="conv", branches=2, depth=2), "pattern"),
        (lambda: init.fixup(PARAMS, inner="conv", last="conv", branches=2, depth=1), "depth"),
        (lambda: init.fixup(PARAMS, inner="conv", last="conv", branches=0, depth=2), "branches"),
        (lambda: init.lsuv(PARAMS, [], lambda params, path: jnp.ones(3)), "layers"),
        (lambda: init.lsuv(PARAMS, "head/kernel", lambda params, path: jnp.ones(3)), "layers"),
        (lambda: init.lsuv(PARAMS, ["kernel"], lambda params, path: jnp.ones(3)), "pattern"),
        (lambda: init.lsuv(PARAMS, ["head/kernel"], lambda params, path: jnp.ones(3), steps=0), "steps"),
    ],
)
def test_bad_input(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()


def test_the_initialisers_of_jax_that_the_index_names():
    """LeCun's normal has variance 1 / n, N(0, s) is s wide, and a cut one ends at two deviations."""
    key, shape = jax.random.key(0), (400, 100)
    for kernel, deviation in (
        (jax.nn.initializers.normal(0.01), 0.01),
        (jax.nn.initializers.truncated_normal(0.01), 0.01 * 0.8796),  # of N(0, 1) cut at 2
        (jax.nn.initializers.lecun_normal(), 400**-0.5),
        (jax.nn.initializers.constant(0.1), 0.0),
    ):
        np.testing.assert_allclose(np.std(kernel(key, shape, jnp.float32)), deviation, rtol=0.02, atol=1e-8)
    assert np.abs(jax.nn.initializers.truncated_normal(0.01)(key, shape, jnp.float32)).max() <= 0.02
