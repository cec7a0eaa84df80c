"""Bits: packed products against simulated ones, gradients that go straight through, int8 against qwix."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import compress

RNG = np.random.default_rng(0)
GOLDEN = Path(__file__).parents[1] / "golden" / "int8.json"


@pytest.mark.parametrize("channels", [3, 32, 45])
def test_the_packed_dense_layer_is_the_simulated_one_to_the_bit(channels):
    x = RNG.normal(size=(4, channels)).astype(np.float32)
    x[0, 0] = 0  # whose sign is 1
    kernel = RNG.normal(size=(channels, 5)).astype(np.float32)
    words = compress.pack_signs(kernel, axis=0)
    assert words.shape == (-(-channels // 32), 5)
    packed = jax.jit(compress.packed_dense)(x, words, compress.filter_scales(kernel))
    np.testing.assert_array_equal(packed, jax.jit(compress.xnor_dense)(x, kernel))


@pytest.mark.parametrize(("channels", "strides", "padding"), [(3, 1, 1), (40, 2, 1), (3, 2, 0)])
def test_the_packed_convolution_is_the_simulated_one_and_the_loop(channels, strides, padding):
    x = RNG.normal(size=(2, 6, 5, channels)).astype(np.float32)
    kernel = RNG.normal(size=(3, 3, channels, 4)).astype(np.float32)
    options = {"strides": strides, "padding": padding}
    words, scales = compress.pack_signs(kernel, axis=2), compress.filter_scales(kernel)
    simulated = np.asarray(compress.xnor_conv(x, kernel, **options))
    np.testing.assert_array_equal(compress.packed_conv(x, words, scales, **options), simulated)
    padded = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    for _, i, j, d in np.argwhere(np.ones(simulated.shape))[::7]:
        window = padded[:, i * strides : i * strides + 3, j * strides : j * strides + 3]
        agree = np.where((window >= 0) == (kernel[..., d] >= 0), 1, -1).sum((1, 2, 3))
        wanted = agree * np.abs(window).mean((1, 2, 3)) * np.abs(kernel[..., d]).mean()
        np.testing.assert_allclose(simulated[:, i, j, d], wanted, rtol=1e-5, atol=1e-6)


def test_gradients_go_straight_through():
    x = jnp.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    through = lambda f: jax.grad(lambda x: (f(x) * jnp.arange(1.0, 6)).sum())(x).tolist()  # noqa: E731
    assert through(compress.straight_through(compress.sign)) == [1, 2, 3, 4, 5]
    assert through(compress.straight_through(compress.sign, limit=1.0)) == [0, 2, 3, 4, 0]
    assert through(compress.binary_connect) == [1, 2, 3, 4, 5]
    for f in (compress.sign, jnp.round, jnp.sin):
        np.testing.assert_array_equal(compress.straight_through(f)(x), f(x))


def test_the_gradient_of_a_binary_weight_network_by_hand():
    """A = (0.5 + 2) / 2; dL/dw = g sign(w) / n summed over the filter, times each sign, and a g within 1."""
    kernel, g = np.float32([[0.5], [-2.0]]), np.float32([[3.0], [1.0]])
    gradient = jax.grad(lambda w: (compress.binary_weights(w) * g).sum())(kernel)
    mean = (3.0 * 1 + 1.0 * -1) / 2
    np.testing.assert_allclose(gradient, [[mean + 1.25 * 3.0], [-mean]], rtol=1e-6)


def test_signs_are_drawn_with_the_clipped_weight_as_their_mean():
    kernel = np.float32([-2, -1, -0.5, 0, 0.5, 1, 2])
    draw = jax.vmap(compress.binary_connect_stochastic, (0, None))
    drawn = draw(jax.random.split(jax.random.key(0), 4000), kernel)
    assert set(np.unique(drawn)) == {-1, 1}
    np.testing.assert_allclose(drawn.mean(0), np.clip(kernel, -1, 1), atol=5 / np.sqrt(4000))
    ones = jax.grad(lambda w: compress.binary_connect_stochastic(jax.random.key(0), w).sum())(kernel)
    np.testing.assert_array_equal(ones, np.ones(7))
    small = compress.binary_connect_stochastic(jax.random.key(0), kernel / 8, scale=1 / 8)
    np.testing.assert_array_equal(small, compress.binary_connect_stochastic(jax.random.key(0), kernel))
    with pytest.raises(ValueError, match="scale is 0"):
        compress.binary_connect_stochastic(jax.random.key(0), kernel, scale=0.0)


def test_binary_weights_are_the_nearest_of_their_kind():
    """Brute force over all signs: the best scale of each is w.s / n."""
    w = RNG.normal(size=6).astype(np.float32)
    signs = 1 - 2 * ((np.arange(64)[:, None] >> np.arange(6)) & 1)
    errors = [((w - s * (w @ s) / 6) ** 2).sum() for s in signs]
    found = np.asarray(compress.binary_weights(w[:, None]))[:, 0]
    np.testing.assert_allclose(((w - found) ** 2).sum(), min(errors), rtol=1e-5)


def test_int8_of_a_layer_is_qwix():
    """Scales by output and by example; tests/golden/make_int8.py made the numbers."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    x, kernel = np.float32(golden["x"]), np.float32(golden["kernel"])
    theirs = np.float32(golden["scale"])
    scale = compress.int8_scale(kernel, axes=(0,))
    np.testing.assert_allclose(scale * 127, theirs * 127.5, rtol=1e-6)  # qwix spreads the largest over 127.5 steps
    quantized = compress.to_int8(kernel, theirs)
    np.testing.assert_array_equal(quantized, golden["quantized"])
    of_rows = np.float32(golden["of_rows"])
    of_x = np.int32(golden["x_quantized"])
    np.testing.assert_array_equal(compress.to_int8(x, of_rows), np.maximum(of_x, -127))  # it has -128 too
    sums = of_x @ np.int32(quantized)
    np.testing.assert_allclose(sums * of_rows * theirs, golden["out"], rtol=1e-6)
    np.testing.assert_allclose(compress.int8_dense(x, quantized, theirs), golden["out"], atol=0.03)
    np.testing.assert_allclose(compress.int8_dense(x, compress.to_int8(kernel, scale), scale), x @ kernel, atol=0.05)
    assert np.abs(np.float32(golden["out"]) - x @ kernel).max() > 0.01  # theirs is no nearer than this


def test_int8_errors_are_within_half_a_step():
    x = RNG.normal(size=(5, 7)).astype(np.float32)
    scale = compress.int8_scale(x, axes=(0,))
    rounded = compress.fake_int8(x, axes=(0,))
    assert (np.abs(rounded - x) <= 0.5001 * np.asarray(scale)).all()
    np.testing.assert_array_equal(jax.grad(lambda x: (compress.fake_int8(x) * 3).sum())(x), np.full(x.shape, 3))
    kernel = RNG.normal(size=(7, 4)).astype(np.float32)
    scale = compress.int8_scale(kernel, axes=(0,))
    out = compress.int8_dense(x, compress.to_int8(kernel, scale), scale)
    by_hand = np.asarray(compress.fake_int8(x, axes=(1,))) @ np.asarray(compress.fake_int8(kernel, axes=(0,)))
    np.testing.assert_allclose(out, by_hand, rtol=1e-5, atol=1e-5)
    assert compress.int8_scale(np.zeros((2, 2), np.float32)).tolist() == [[1.0]]


X, W = np.ones((2, 40), np.float32), np.ones((40, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compress.packed_dense(X, compress.pack_signs(W), jnp.ones((1, 3))), "allowed: uint32, 2 words"),
        (lambda: compress.packed_dense(X, W, jnp.ones((1, 3))), "float32 of shape"),
        (lambda: compress.packed_dense(X, compress.pack_signs(W, axis=0), jnp.ones((1, 4))), "scales"),
        (lambda: compress.xnor_dense(X, W[1:]), "x has shape"),
        (lambda: compress.xnor_conv(np.ones((1, 2, 2, 3), "f4"), np.ones((3, 3, 3, 2), "f4")), "fits into"),
        (lambda: compress.pack_signs(X, axis=2), "axis is 2"),
        (lambda: compress.straight_through(jnp.sign, limit=0.0), "limit is 0.0"),
        (lambda: compress.ternary(W, ratio=-1.0), "ratio is -1.0"),
        (lambda: compress.int8_dense(X, W, jnp.ones((1, 3))), "allowed: int8"),
        (lambda: compress.int8_scale(X[:0]), "empty"),
        (lambda: compress.int8_scale(X, axes=0), "axes is 0; allowed: axes of an array of rank 2"),
        (lambda: compress.fake_int8(X, axes=(2,)), r"axes is \(2,\); allowed: axes of an array of rank 2"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_what_is_no_function():
    with pytest.raises(TypeError, match="a function"):
        compress.straight_through(3)
