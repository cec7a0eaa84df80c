"""Deformable convolution."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxtricks import layers

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 6, 5, 4)).astype(np.float32)


def bilinear(image, y, x):
    """One channel at one point; 0 outside."""
    total = 0.0
    for row in (int(np.floor(y)), int(np.floor(y)) + 1):
        for column in (int(np.floor(x)), int(np.floor(x)) + 1):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * float(image[row, column])
    return total


def loops(x, offsets, kernel, mask, strides, padding, dilation):
    """One output after another, one tap after another."""
    batch, out_height, out_width, _ = offsets.shape
    rows, columns, inputs, outputs = kernel.shape
    channels = x.shape[-1]
    parts = offsets.shape[-1] // (2 * rows * columns)
    groups = channels // inputs
    y = np.zeros((batch, out_height, out_width, outputs))
    for b, i, j, d in np.ndindex(*y.shape):
        group = d // (outputs // groups)
        for a, c, n in np.ndindex(rows, columns, inputs):
            channel = group * inputs + n
            part = channel // (channels // parts)
            tap = (part * rows + a) * columns + c
            down, right = offsets[b, i, j, 2 * tap], offsets[b, i, j, 2 * tap + 1]
            at_y = i * strides[0] - padding[0] + a * dilation[0] + down
            at_x = j * strides[1] - padding[1] + c * dilation[1] + right
            weight = kernel[a, c, n, d] * (1 if mask is None else mask[b, i, j, tap])
            y[b, i, j, d] += weight * bilinear(x[b, :, :, channel], at_y, at_x)
    return y


def case(*, size=(3, 2), groups=1, parts=1, strides=(1, 1), padding=(0, 0), dilation=(1, 1), scale=1.5, outputs=2):
    """Arguments and options with offsets of the right shape."""
    options = {"strides": strides, "padding": padding, "dilation": dilation}
    axes = zip(X.shape[1:3], size, strides, padding, dilation, strict=True)
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes]
    taps = size[0] * size[1] * parts
    offsets = RANDOM.normal(0, scale, (2, *out, 2 * taps)).astype(np.float32)
    kernel = RANDOM.normal(size=(*size, 4 // groups, outputs)).astype(np.float32)
    mask = RANDOM.uniform(size=(2, *out, taps)).astype(np.float32)
    return (X, offsets, kernel), mask, options


CASES = {
    "plain": {},
    "strided": {"strides": (2, 1), "padding": (2, 1), "dilation": (1, 2)},
    "groups": {"groups": 2, "padding": (1, 1)},
    "parts": {"parts": 2},
    "both": {"groups": 2, "parts": 4, "strides": (2, 2), "padding": (1, 0)},
    "far outside": {"scale": 6.0, "padding": (1, 1)},
    "one tap": {"size": (1, 1)},
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_equals_loops_eager_jit_and_vmap(name, masked):
    args, mask, options = case(**CASES[name])
    mask = mask if masked else None
    expected = loops(*args, mask, **options)
    f = partial(layers.deform_conv2d, **options)
    if name == "both":
        np.testing.assert_allclose(f(*args, mask=mask), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(jax.jit(f)(*args, mask=mask), expected, rtol=1e-4, atol=1e-4)
    one = jax.vmap(
        lambda x, offsets, mask: f(x[None], offsets[None], args[2], mask=None if mask is None else mask[None])
    )
    np.testing.assert_allclose(jax.jit(one)(*args[:2], mask)[:, 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_no_offset_is_a_convolution_and_whole_ones_shift_it(name):
    (x, offsets, kernel), mask, options = case(**CASES[name])
    conv = partial(
        jax.lax.conv_general_dilated,
        window_strides=options["strides"],
        padding=[(p, p) for p in options["padding"]],
        rhs_dilation=options["dilation"],
        feature_group_count=4 // kernel.shape[2],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    deform = jax.jit(partial(layers.deform_conv2d, **options))
    y = deform(x, offsets * 0, kernel, mask=mask * 0 + 1)
    np.testing.assert_allclose(y, conv(x, kernel), rtol=1e-4, atol=1e-5)
    down = np.tile(np.float32([1, 0]), offsets.shape[-1] // 2) + offsets * 0
    shifted = np.pad(x[:, 1:], ((0, 0), (0, 1), (0, 0), (0, 0)))
    if not options["padding"][0]:
        moved = deform(x, down, kernel)
        np.testing.assert_allclose(moved, conv(shifted, kernel), rtol=1e-4, atol=1e-5)


def test_gradients_and_extreme_offsets():
    args, mask, options = case(**CASES["both"])
    # Away from whole pixels, where the gradient jumps.
    fraction = args[1] - np.floor(args[1])
    offsets = (np.floor(args[1]) + 0.3 + 0.4 * fraction).astype(np.float32)
    f = jax.jit(partial(layers.deform_conv2d, **options))
    arguments = (args[0], offsets, args[2], mask)
    check_grads(lambda x, o, k, m: f(x, o, k, mask=m), arguments, 1, ["rev"], rtol=3e-2, atol=3e-2, eps=1e-3)
    for value in (1e9, -1e9, np.inf, np.nan):
        np.testing.assert_array_equal(f(args[0], jnp.full_like(offsets, value), args[2]), 0)
    assert jnp.isfinite(jax.grad(lambda o: f(args[0], o, args[2]).sum())(jnp.full_like(offsets, 1e9))).all()


def test_half_precision_keeps_the_coordinates():
    x = jnp.asarray(RANDOM.normal(size=(1, 1, 400, 1)), jnp.bfloat16)
    offsets = jnp.zeros((1, 1, 400, 2), jnp.bfloat16)
    y = jax.jit(layers.deform_conv2d)(x, offsets, jnp.ones((1, 1, 1, 1), jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y.astype(jnp.float32), x.astype(jnp.float32))


ARGS, MASK, _ = case()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"x": X[0]}, "x"),
        ({"x": X.astype(int)}, "x"),
        ({"x": X[:, :0]}, "x"),
        ({"offsets": ARGS[1][:, 1:]}, "offsets"),
        ({"offsets": ARGS[1][..., 1:]}, "offsets"),
        ({"offsets": ARGS[1][..., :0]}, "offsets"),
        ({"offsets": np.concatenate([ARGS[1]] * 3, -1)}, "offsets"),
        ({"offsets": ARGS[1].astype(int)}, "offsets"),
        ({"kernel": ARGS[2][0]}, "kernel"),
        ({"kernel": ARGS[2][:, :, :3]}, "kernel"),
        ({"kernel": ARGS[2][:, :, :0]}, "kernel"),
        ({"kernel": ARGS[2][:0]}, "kernel"),
        ({"kernel": ARGS[2][:, :, :2, :1]}, "kernel"),
        ({"mask": MASK[..., :1]}, "mask"),
        ({"strides": 0}, "strides"),
        ({"padding": -1}, "padding"),
        ({"dilation": (1, 2, 3)}, "dilation"),
    ],
)
def test_bad_input(change, name):
    arguments = {**dict(zip(("x", "offsets", "kernel"), ARGS, strict=True)), **change}
    with pytest.raises(ValueError, match=f"^{name} "):
        layers.deform_conv2d(**arguments)
