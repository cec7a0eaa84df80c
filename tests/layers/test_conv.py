"""Convolutions as matrix products, dense layers as convolutions, convolutions in two parts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads
from scipy import signal

from jaxtricks import layers

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 7, 6, 4)).astype(np.float32)
KERNEL = RANDOM.normal(size=(3, 2, 4, 5)).astype(np.float32)


def lax_conv(x, kernel, *, strides=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        strides,
        [(p, p) for p in padding],
        rhs_dilation=dilation,
        feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (2, 1)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
def test_conv2d_im2col_equals_lax(strides, padding, dilation):
    options = {"strides": strides, "padding": padding, "dilation": dilation}
    y = layers.conv2d_im2col(X, KERNEL, **options)
    np.testing.assert_allclose(y, lax_conv(X, KERNEL, **options), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jax.jit(partial(layers.conv2d_im2col, **options))(X, KERNEL), y, rtol=1e-5, atol=1e-5)


def test_im2col_lays_out_windows():
    x = jnp.arange(12).reshape(1, 3, 4, 1)
    y = layers.im2col(x, window=2)
    assert y.shape == (1, 2, 3, 4)
    np.testing.assert_array_equal(y[0, 0, 0], [0, 1, 4, 5])
    np.testing.assert_array_equal(y[0, 1, 2], [6, 7, 10, 11])
    np.testing.assert_array_equal(layers.im2col(x, window=2, padding=1)[0, 0, 0], [0, 0, 0, 0])
    np.testing.assert_array_equal(
        layers.im2col(x, window=(3, 2), strides=2, dilation=(1, 2))[0, 0, 0], [0, 2, 4, 6, 8, 10]
    )
    np.testing.assert_array_equal(layers.im2col(X, window=1), X)
    np.testing.assert_array_equal(
        jax.vmap(partial(layers.im2col, window=2))(X[:, None])[:, 0], layers.im2col(X, window=2)
    )


def test_numpy_s_whole_numbers_are_whole():
    three = np.int64(3)
    np.testing.assert_array_equal(layers.im2col(X, window=three, strides=three), layers.im2col(X, window=3, strides=3))


def test_conv2d_im2col_gradient():
    check_grads(
        partial(layers.conv2d_im2col, strides=2, padding=1), (X, KERNEL), 1, modes=["rev"], rtol=2e-2, atol=2e-2
    )


def test_a_dense_layer_slides_over_a_larger_input():
    dense = RANDOM.normal(size=(3 * 2 * 4, 5)).astype(np.float32)
    kernel = layers.dense_to_conv(dense, (3, 2))
    y = np.asarray(lax_conv(X, kernel))
    assert y.shape == (2, 5, 5, 5)
    for i, j in np.ndindex(5, 5):
        np.testing.assert_allclose(y[:, i, j], X[:, i : i + 3, j : j + 2].reshape(2, -1) @ dense, rtol=1e-4, atol=1e-4)


def test_space_to_depth():
    x = jnp.arange(16).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(layers.space_to_depth(x, block=2)[0, 0, 1], [2, 3, 6, 7])
    np.testing.assert_array_equal(layers.space_to_depth(x, block=1), x)
    # A convolution whose stride is its size is a product with the blocks.
    square = RANDOM.normal(size=(2, 2, 4, 5)).astype(np.float32)
    blocks = layers.space_to_depth(X[:, :6], block=2)
    np.testing.assert_allclose(
        blocks @ square.reshape(16, 5), lax_conv(X[:, :6], square, strides=(2, 2)), rtol=1e-4, atol=1e-5
    )
    each = jax.jit(jax.vmap(partial(layers.space_to_depth, block=2)))(X[:, None, :6])
    np.testing.assert_array_equal(each[:, 0], blocks)


@pytest.mark.parametrize(("stride", "dilation", "kernel"), [(1, 1, 3), (2, 1, 5), (1, 2, 3)])
def test_depthwise_separable_is_one_convolution_of_an_outer_product(stride, dilation, kernel):
    layer = layers.DepthwiseSeparable(4, 5, kernel=kernel, stride=stride, dilation=dilation, rngs=nnx.Rngs(0))
    each, mix = layer.depthwise.kernel[...], layer.pointwise.kernel[...]
    assert each.shape == (kernel, kernel, 1, 4)
    assert mix.shape == (1, 1, 4, 5)
    whole = jnp.moveaxis(each, 2, 3) * mix  # [k, k, C, 1] * [1, 1, C, D]
    half = dilation * (kernel // 2)
    expected = lax_conv(X, whole, strides=(stride,) * 2, padding=(half,) * 2, dilation=(dilation,) * 2)
    np.testing.assert_allclose(layer(X), expected, rtol=1e-3, atol=1e-4)
    if stride == 1:
        assert layer(X).shape == (2, 7, 6, 5)


@pytest.mark.parametrize("stride", [1, 2])
def test_asymmetric_is_one_convolution_of_a_product(stride):
    layer = layers.Asymmetric(4, 5, kernel=3, stride=stride, rngs=nnx.Rngs(0))
    vertical, horizontal = layer.vertical.kernel[...], layer.horizontal.kernel[...]
    assert vertical.shape == (3, 1, 4, 5)
    assert horizontal.shape == (1, 3, 5, 5)
    whole = jnp.einsum("hcd,wde->hwce", vertical[:, 0], horizontal[0])
    expected = lax_conv(X, whole, strides=(stride,) * 2, padding=(1, 1))
    np.testing.assert_allclose(layer(X), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("make", [layers.DepthwiseSeparable, layers.Asymmetric])
def test_options_of_modules(make):
    plain = make(4, 5, rngs=nnx.Rngs(0))
    assert not any("bias" in path for path, _ in nnx.to_flat_state(nnx.state(plain, nnx.Param)))
    zero = make(4, 5, use_bias=True, kernel_init=jax.nn.initializers.zeros, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    y = zero(X)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y.astype(jnp.float32), 0)
    assert sum("bias" in path for path, _ in nnx.to_flat_state(nnx.state(zero, nnx.Param))) == 2
    graph, params = nnx.split(plain, nnx.Param)
    jitted = jax.jit(lambda params, x: nnx.merge(graph, params)(x))
    np.testing.assert_allclose(jitted(params, X), plain(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: layers.im2col(X[0], window=2), "x"),
        (lambda: layers.im2col(X, window=8), "window"),
        (lambda: layers.im2col(X, window=3, dilation=4), "window"),
        (lambda: layers.im2col(X, window=0), "window"),
        (lambda: layers.im2col(X, window=2, strides=1.5), "strides"),
        (lambda: layers.im2col(X, window=2, padding=-1), "padding"),
        (lambda: layers.im2col(X, window=2, padding="SAME"), "padding"),
        (lambda: layers.im2col(X, window=2, dilation=(1, 0)), "dilation"),
        (lambda: layers.conv2d_im2col(X[0], KERNEL), "x"),
        (lambda: layers.conv2d_im2col(X, KERNEL[:, :, :3]), "kernel"),
        (lambda: layers.dense_to_conv(KERNEL, (3, 2)), "kernel"),
        (lambda: layers.dense_to_conv(jnp.ones((10, 2)), (3, 2)), "kernel"),
        (lambda: layers.dense_to_conv(jnp.ones((10, 2)), (0, 2)), "spatial"),
        (lambda: layers.space_to_depth(X[0], block=2), "x"),
        (lambda: layers.space_to_depth(X, block=2), "block"),
        (lambda: layers.space_to_depth(X, block=0), "block"),
        (lambda: layers.space_to_depth(X, block=1.0), "block"),
        (lambda: layers.im2col(X, window=True), "window"),
        (lambda: layers.DepthwiseSeparable(4, 5, kernel=3.0, rngs=nnx.Rngs(0)), "kernel"),
        (lambda: layers.DepthwiseSeparable(4, 5, stride=2.0, rngs=nnx.Rngs(0)), "stride"),
        (lambda: layers.DepthwiseSeparable(4, 5, dilation=0, rngs=nnx.Rngs(0)), "dilation"),
        (lambda: layers.Asymmetric(4, 5, kernel=2.5, rngs=nnx.Rngs(0)), "kernel"),
        (lambda: layers.Asymmetric(4, 5, stride=0, rngs=nnx.Rngs(0)), "stride"),
        (lambda: layers.DepthwiseSeparable(4, 5, kernel=2, rngs=nnx.Rngs(0)), "kernel"),
        (lambda: layers.DepthwiseSeparable(4, 5, rngs=nnx.Rngs(0))(X[0]), "x"),
        (lambda: layers.Asymmetric(4, 5, kernel=4, rngs=nnx.Rngs(0)), "kernel"),
        (lambda: layers.Asymmetric(4, 5, rngs=nnx.Rngs(0))(X[0]), "x"),
    ],
)
def test_bad_input(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()


def test_networks_correlate_and_signal_processing_convolves():
    """SciPy's two names: the kernel of a convolution is that of a correlation turned by 180 degrees."""
    rng = np.random.default_rng(5)
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in ((1, 6, 7, 1), (3, 3, 1, 1)))
    correlated = layers.conv2d_im2col(jnp.asarray(x), jnp.asarray(kernel))
    convolved = layers.conv2d_im2col(jnp.asarray(x), jnp.asarray(kernel[::-1, ::-1]))
    for out, by in ((correlated, signal.correlate2d), (convolved, signal.convolve2d)):
        np.testing.assert_allclose(out[0, ..., 0], by(x[0, ..., 0], kernel[..., 0, 0], mode="valid"), atol=1e-5)


@pytest.mark.parametrize("kernels", [((3, 3), (3, 3)), ((1, 7), (7, 1)), ((5, 5),)])
def test_small_convolutions_see_what_a_large_one_sees(kernels):
    """The weights by the formula; one input moves the outputs of a window of the large one's size, and no other."""
    module = layers.Convolutions(4, inputs=2, kernels=kernels, use_bias=False, rngs=nnx.Rngs(0))
    weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
    sizes = [height * width for height, width in kernels]
    assert weights == 2 * 4 * sizes[0] + 4 * 4 * sum(sizes[1:])
    linear = lambda x: module.layers[-1](module.layers[0](x)) if len(kernels) > 1 else module(x)  # noqa: E731
    x = jnp.zeros((1, 11, 11, 2))
    moved = np.abs(linear(x.at[0, 5, 5].set(1.0)) - linear(x)).max((0, 3)) > 1e-7
    side = 1 + sum(max(height, 1) - 1 for height, _ in kernels)
    assert moved.sum() == side**2
    assert module(x[:, ::2, ::2]).shape == (1, 6, 6, 4)
    strided = layers.Convolutions(2, kernels=((3, 3),), stride=2, last=True, rngs=nnx.Rngs(0))
    assert strided(x + 1.0).shape == (1, 6, 6, 2)
    assert float(strided(x - 1.0).min()) >= 0
    for wrong in ((), ((2, 3),)):
        with pytest.raises(ValueError, match=r"^kernels is"):
            layers.Convolutions(2, kernels=wrong, rngs=nnx.Rngs(0))
