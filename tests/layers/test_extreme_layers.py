"""What holds for every layer: half precision is kept, and inputs at the edge give finite values and gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxtricks import layers
from tests.cases import family, subject

SHAPE = (2, 6, 6, 4)
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=SHAPE)
FIRST = np.zeros(SHAPE)
FIRST[0, 0, 0, 0] = 1e4
EDGES = np.stack([NOISE, 0 * NOISE, 0 * NOISE + 3, 0 * NOISE + 1e4, 0 * NOISE - 1e4, 1e4 * np.sign(NOISE), FIRST])
KERNEL = RNG.normal(size=(3, 3, 4, 2)) / 6
OFFSETS = RNG.normal(size=(1, 6, 6, 18))
KEY = jax.random.key(0)
RNGS = nnx.Rngs(0)
WINDOW = {"window": 2, "strides": 2}


def norm(*, train=True, **options):
    return lambda dtype: lambda x: layers.BatchNorm(4, rngs=nnx.Rngs(0), **options)(x, train=train)


def deform(dtype):
    def f(x):
        offsets = np.broadcast_to(OFFSETS[:, : x.shape[1], : x.shape[2]], (*x.shape[:3], 18))
        return layers.deform_conv2d(x, jnp.asarray(offsets, dtype), jnp.asarray(KERNEL, dtype), padding=1)

    return f


# name: dtype -> function of x, float16 or bfloat16 [B, H, W, 4]
CASES = {
    "Asymmetric": lambda dtype: layers.Asymmetric(4, 3, dtype=dtype, rngs=RNGS),
    "BatchNorm train": norm(),
    "BatchNorm groups": norm(groups=2),
    "BatchNorm frozen": norm(frozen=True),
    "BatchNorm": norm(train=False),
    "Convolutions": lambda dtype: layers.Convolutions(3, inputs=4, dtype=dtype, rngs=RNGS),
    "DepthwiseSeparable": lambda dtype: layers.DepthwiseSeparable(4, 3, dtype=dtype, rngs=RNGS),
    "EfficientChannelAttention": lambda dtype: layers.EfficientChannelAttention(4, rngs=RNGS),
    "FeatureNorm": lambda dtype: layers.FeatureNorm(4, epsilon=1e-6),
    "GeM": lambda dtype: layers.GeM(features=4),
    "PReLU": lambda dtype: layers.PReLU(features=4),
    "SqueezeExcite": lambda dtype: layers.SqueezeExcite(4, ratio=2, rngs=RNGS),
    "Swish": lambda dtype: layers.Swish(features=4),
    "blur_pool": lambda dtype: layers.blur_pool,
    "classifier_noise": lambda dtype: partial(layers.classifier_noise, KEY, std=1.0),
    "conv": lambda dtype: lambda x: layers.conv(x, jnp.asarray(KERNEL, dtype), (1, 1), "SAME"),
    "conv2d_im2col": lambda dtype: partial(layers.conv2d_im2col, kernel=jnp.asarray(KERNEL, dtype)),
    "deform_conv2d": deform,
    "dense_to_conv": lambda dtype: lambda x: layers.dense_to_conv(x.reshape(-1, 4), x.shape[1:3]),
    "drop_block": lambda dtype: partial(layers.drop_block, KEY, rate=0.3, block=3),
    "dropout": lambda dtype: partial(layers.dropout, KEY, rate=0.5),
    "dropout_plain": lambda dtype: partial(layers.dropout_plain, KEY, rate=0.5),
    "dropout_plain_mean": lambda dtype: partial(layers.dropout_plain_mean, rate=0.5),
    "global_average_pool": lambda dtype: layers.global_average_pool,
    "im2col": lambda dtype: partial(layers.im2col, window=2),
    "l2_normalize": lambda dtype: partial(layers.l2_normalize, epsilon=1e-8),
    "local_response_norm": lambda dtype: layers.local_response_norm,
    "lp_pool 1": lambda dtype: partial(layers.lp_pool, p=1.0, **WINDOW),
    "lp_pool 3": lambda dtype: partial(layers.lp_pool, p=3.0, **WINDOW),
    "lp_pool inf": lambda dtype: partial(layers.lp_pool, p=float("inf"), **WINDOW),
    "rrelu": lambda dtype: partial(layers.rrelu, KEY),
    "rrelu_mean": lambda dtype: layers.rrelu_mean,
    "space_to_depth": lambda dtype: partial(layers.space_to_depth, block=2),
    "spatial_pyramid_pool": lambda dtype: layers.spatial_pyramid_pool,
    "standardize_weight": lambda dtype: layers.standardize_weight,
    "stochastic_depth": lambda dtype: partial(layers.stochastic_depth, KEY, rate=0.5),
    "stochastic_pool": lambda dtype: partial(layers.stochastic_pool, KEY, **WINDOW),
    "stochastic_pool_mean": lambda dtype: partial(layers.stochastic_pool_mean, **WINDOW),
}


def from_the_table(name):
    """Dtype -> function of x, of a layer that has no call of its own above: as its case calls it."""
    case = subject(f"layers.{name}")
    argument = "logits" if "logits" in case.arrays else "x" if "x" in case.arrays else next(iter(case.arrays))

    def build(dtype):
        def f(x):
            given = case.named(case.make(0, D=SHAPE[-1])) | {argument: x}
            return case.call(**given, **case.options)

        return f

    return build


OWN = {name.split()[0] for name in CASES} | {"recalibrate"}  # of statistics, not of x
CASES |= {name: from_the_table(name) for name in family("layers") if name not in OWN}
TOO_SMALL = {  # what names the argument that does not fit on an image of one pixel
    "blur_pool": "size is 3",
    "conv2d_im2col": "window is",
    "drop_block": "block is 3",
    "im2col": "window is 2",
    "lp_pool 1": "window is 2",
    "lp_pool 3": "window is 2",
    "lp_pool inf": "window is 2",
    "space_to_depth": "block is 2",
    "stochastic_pool": "window is 2",
    "stochastic_pool_mean": "window is 2",
}
IN_TRAINING = ("BatchNorm train", "BatchNorm groups", "BatchNorm frozen")
every = pytest.mark.parametrize("name", CASES)


def takes_a_pixel(f):
    try:
        jax.eval_shape(f, jnp.zeros((2, 1, 1, 4), jnp.float16))
    except ValueError:
        return False
    return True


BEYOND_HALF = {("XnorConv", "edges")}  # its signs add up what lies near the largest number of float16


@every
def test_edges_empty_batches_and_single_pixels(name):
    f = CASES[name](jnp.float16)

    def total(x):
        y = f(x)
        return jnp.sum(y, dtype=jnp.float32), y

    one = jax.value_and_grad(total, has_aux=True)
    inputs = {"edges": jnp.asarray(EDGES, jnp.float16)}
    if name not in IN_TRAINING:
        inputs["empty"] = inputs["edges"][0, :0]
    if name not in TOO_SMALL and (name in OWN or takes_a_pixel(f)):
        inputs["pixel"] = inputs["edges"][0, :, :1, :1]

    def run(inputs):
        return {kind: (jax.vmap(one) if kind == "edges" else one)(x) for kind, x in inputs.items()}

    found = jax.jit(run, compiler_options={"xla_backend_optimization_level": 0})(inputs)
    for kind, ((_, y), slope) in found.items():
        assert y.dtype == slope.dtype == jnp.float16
        assert slope.shape == inputs[kind].shape
        for array in () if (name, kind) in BEYOND_HALF else (y, slope):
            assert np.isfinite(array).all(), (kind, np.argwhere(~np.isfinite(np.asarray(array)))[0])
        assert y.size == 0 if kind == "empty" else y.size > 0
    assert jax.eval_shape(CASES[name](jnp.bfloat16), jnp.zeros(SHAPE, jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize("name", TOO_SMALL)
def test_a_pixel_that_is_too_small_raises(name):
    with pytest.raises(ValueError, match=TOO_SMALL[name]):
        CASES[name](jnp.float32)(jnp.ones((2, 1, 1, 4)))


@pytest.mark.parametrize("name", IN_TRAINING)
def test_training_with_an_empty_batch_raises(name):
    with pytest.raises(ValueError, match="allowed in training: one element or more"):
        CASES[name](jnp.float32)(jnp.ones((0, 6, 6, 4)))


@every
def test_integers_raise(name):
    if name in ("im2col", "space_to_depth", "dense_to_conv"):  # they move elements of any dtype
        assert CASES[name](jnp.float32)(jnp.ones(SHAPE, int)).dtype == jnp.asarray(1).dtype
        return
    with pytest.raises(ValueError, match=r"dtype int32; allowed: a floating-point dtype"):
        CASES[name](jnp.float32)(jnp.ones(SHAPE, jnp.int32))


LEARNED = {
    "BatchNorm": lambda: layers.BatchNorm(4, rngs=RNGS),
    "EfficientChannelAttention": lambda: layers.EfficientChannelAttention(4, rngs=RNGS),
    "FeatureNorm": lambda: layers.FeatureNorm(4),
    "GeM": lambda: layers.GeM(features=4),
    "PReLU": lambda: layers.PReLU(),
    "SqueezeExcite": lambda: layers.SqueezeExcite(4, ratio=2, rngs=RNGS),
    "Swish": lambda: layers.Swish(),
}


@pytest.mark.parametrize("name", LEARNED)
def test_gradients_of_parameters_are_summed_in_float32(name):
    """In bfloat16, where 256 + 1 is 256, a sum over 4,096 positions would stop early; in float16 it would overflow."""
    x = np.random.default_rng(1).choice([-2, -1, -0.5, 0.5, 1, 2], (4, 32, 32, 4), p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.2])
    graph, params, rest = nnx.split(LEARNED[name](), nnx.Param, ...)
    options = {"train": True} if name == "BatchNorm" else {}

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def slopes(params, x):
        def total(params):
            module = nnx.merge(graph, params, jax.tree.map(jnp.copy, rest))
            return jnp.sum((module(x, **options).astype(jnp.float32) + 1) ** 2)

        return jax.grad(total)(params)

    expected = slopes(params, x.astype(np.float32))
    for dtype in (jnp.bfloat16, jnp.float16):
        found = slopes(params, x.astype(dtype))
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert a.dtype == b.dtype == jnp.float32
            np.testing.assert_allclose(a, b, rtol=0.02, atol=0.02 * np.abs(b).max())
