"""The convolution of the models: XLA's numbers in every derivative, in a form that a CPU computes fast."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtricks import layers
from jaxtricks.layers import _conv_gradient
from jaxtricks.layers._conv_gradient import NHWC, chunk_size

RANDOM = np.random.default_rng(0)
MESH = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
XLA = partial(jax.lax.conv_general_dilated, dimension_numbers=NHWC)
ASKEW = ((1, 0), (2, 1))
FORMS = {  # x, kernel, strides, padding
    "3x3 in two chunks": ((32, 5, 4, 3), (3, 3, 3, 2), (1, 1), ((1, 1), (1, 1))),
    "3x2, strides 2 and 1, padding askew": ((8, 6, 5, 2), (3, 2, 2, 3), (2, 1), ASKEW),
    "one chunk, cropped": ((3, 6, 6, 2), (3, 3, 2, 2), (1, 1), ((-1, 0), (0, -1))),
    "1x1": ((32, 3, 4, 3), (1, 1, 3, 2), (1, 1), ((0, 0), (0, 0))),
    "1x1, strides 2 and 3": ((8, 5, 7, 2), (1, 1, 2, 3), (2, 3), ((0, 0), (0, 0))),
    "1x1, padded": ((4, 3, 3, 2), (1, 1, 2, 3), (1, 1), ((1, 1), (1, 0))),
}


@pytest.fixture(autouse=True)
def no_kernel_is_narrow(monkeypatch):
    monkeypatch.setattr(_conv_gradient, "WIDE", (1, 1))
    monkeypatch.setattr(_conv_gradient, "WHOLE", 16)


def arrays(form):
    x, kernel, strides, padding = FORMS[form]
    draw = lambda shape: RANDOM.normal(size=shape).astype(np.float32)  # noqa: E731
    return (draw(x), draw(kernel)), {"strides": strides, "padding": padding}


def total(convolve, options):
    """A function of x and kernel whose second derivative is not zero."""
    return lambda x, kernel: jnp.sum(jnp.sin(convolve(x, kernel, *options.values())))


def derivatives(function, x, kernel):
    """First and second derivatives, in forward and in reverse mode."""
    gradient = jax.grad(function, (0, 1))
    along = (0.5 * x, kernel[::-1])
    squares = lambda x, kernel: sum(jnp.sum(g**2) for g in gradient(x, kernel))  # noqa: E731
    return {
        "gradient": gradient(x, kernel),
        "forward": jax.jvp(function, (x, kernel), along)[1],
        "forward over reverse": jax.jvp(gradient, (x, kernel), along)[1],
        "reverse over reverse": jax.grad(squares, (0, 1))(x, kernel),
    }


def assert_same(ours, theirs, *, tolerance=2e-5):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


@pytest.mark.parametrize("form", FORMS)
def test_every_derivative_is_xla_s(form):
    (x, kernel), options = arrays(form)
    np.testing.assert_allclose(layers.conv(x, kernel, **options), XLA(x, kernel, *options.values()), atol=1e-5)
    ours, theirs = (jax.jit(partial(derivatives, total(f, options)))(x, kernel) for f in (layers.conv, XLA))
    assert_same(ours, theirs)


def test_hand_computed():
    x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    gradients = jax.grad(lambda x, k: layers.conv(x, k, (1, 1), "VALID").sum(), (0, 1))(x, jnp.ones((2, 2, 1, 1)))
    np.testing.assert_array_equal(gradients[0][0, :, :, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    np.testing.assert_array_equal(gradients[1][:, :, 0, 0], [[8, 12], [20, 24]])
    doubled = jax.grad(lambda k: layers.conv(x, k, (2, 2), "SAME").sum())(jnp.ones((1, 1, 1, 2)))
    np.testing.assert_array_equal(doubled[0, 0], [[0 + 2 + 6 + 8] * 2])


@pytest.mark.parametrize("form", ["3x3 in two chunks", "1x1, strides 2 and 3"])
def test_a_kernel_for_each_seed(form):
    (x, kernel), options = arrays(form)
    x, kernel = jnp.stack([x, 1 - x]), jnp.stack([kernel, 2 * kernel])
    ours = jax.jit(jax.vmap(jax.grad(total(layers.conv, options), (0, 1))))(x, kernel)
    theirs = [jax.grad(total(XLA, options), (0, 1))(x[i], kernel[i]) for i in range(2)]
    assert_same(ours, jax.tree.map(lambda *leaves: jnp.stack(leaves), *theirs))


@pytest.mark.parametrize("form", ["3x3 in two chunks", "1x1"])
def test_half_precision(form):
    (x, kernel), options = arrays(form)
    low = jax.tree.map(lambda a: jnp.asarray(a, jnp.bfloat16), (x, kernel))
    ours = jax.jit(jax.grad(total(layers.conv, options), (0, 1)))(*low)
    assert {g.dtype for g in ours} == {jnp.dtype(jnp.bfloat16)}
    wide = jax.tree.map(lambda a: a.astype(jnp.float32), low)
    assert_same(ours, jax.grad(total(XLA, options), (0, 1))(*wide), tolerance=0.05)


@pytest.mark.parametrize("how", ["jit", "shard_map", "pmap"])
def test_a_batch_that_is_spread_over_devices(how):
    (x, kernel), options = arrays("3x3 in two chunks")
    expected = jax.grad(total(XLA, options), 1)(x, kernel)
    gradient = jax.grad(total(layers.conv, options), 1)
    if how == "jit":
        result = jax.jit(gradient)(jax.device_put(x, NamedSharding(MESH, P("data"))), kernel)
    elif how == "shard_map":

        @partial(jax.shard_map, mesh=MESH, in_specs=(P("data"), P()), out_specs=P())
        def step(x, kernel):
            kernel = jax.lax.pcast(kernel, "data", to="varying")
            return jax.lax.psum(gradient(x, kernel), "data")

        result = jax.jit(step)(x, kernel)
    else:
        parts = jax.pmap(gradient, in_axes=(0, None))(x.reshape(4, 8, *x.shape[1:]), kernel)
        result = np.asarray(parts).sum(0)
    assert_same(result, expected)


OTHERS = {
    "groups": ((2, 5, 5, 4), (3, 3, 2, 4), {"feature_group_count": 2}),
    "dilated kernel": ((2, 7, 7, 2), (3, 3, 2, 3), {"rhs_dilation": (2, 1)}),
    "dilated input": ((2, 4, 4, 2), (3, 3, 2, 3), {"lhs_dilation": (2, 2)}),
    "other axes": ((2, 3, 6, 6), (4, 3, 3, 3), {"dimension_numbers": ("NCHW", "OIHW", "NCHW")}),
    "one dimension": ((2, 6, 3), (3, 3, 4), {"dimension_numbers": ("NHC", "HIO", "NHC")}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_forms_are_xla_s(name):
    x, kernel, options = OTHERS[name]
    spatial = len(x) - 2
    options = {"window_strides": (1,) * spatial, "padding": ((1, 1),) * spatial, "dimension_numbers": NHWC} | options
    ours = {"strides": (1,) * spatial} | {key: value for key, value in options.items() if key != "window_strides"}
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in (x, kernel)]
    traced = [
        str(jax.make_jaxpr(f)(*shapes))
        for f in (partial(layers.conv, **ours), partial(jax.lax.conv_general_dilated, **options))
    ]
    assert traced[0] == traced[1]


def lowered(form, platform):
    (x, kernel), options = arrays(form)
    function = jax.jit(jax.grad(total(layers.conv, options), (0, 1)))
    return function.trace(x, kernel).lower(lowering_platforms=(platform,)).as_text()


def test_other_devices_get_xla_s_convolution():
    elsewhere, on_cpu = (lowered("3x3 in two chunks", platform) for platform in ("cuda", "cpu"))
    assert elsewhere.count("stablehlo.convolution") == 3  # forward, for the input, for the kernel
    assert "stablehlo.while" not in elsewhere
    assert "stablehlo.while" in on_cpu


@pytest.mark.parametrize(("platform", "products", "convolutions"), [("cpu", 3, 0), ("cuda", 3, 0), ("tpu", 0, 3)])
def test_a_kernel_of_1x1_is_a_product_on_cpu_and_gpu(platform, products, convolutions):
    text = lowered("1x1", platform)
    assert (text.count("stablehlo.dot_general"), text.count("stablehlo.convolution")) == (products, convolutions)


def test_on_a_cpu_every_convolution_of_the_gradient_is_of_the_fast_order():
    text = lowered("3x3 in two chunks", "cpu")
    orders = {line.split("dim_numbers = ")[1].split(", window")[0] for line in text.splitlines() if "dim_numb" in line}
    assert orders == {"[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"}


def test_chunks(monkeypatch):
    assert [chunk_size(n) for n in (0, 1, 3, 16, 17, 24, 32, 34, 100)] == [0, 1, 3, 16, 17, 12, 16, 34, 10]
    monkeypatch.undo()
    assert [chunk_size(n) for n in (0, 3, 64, 65, 96, 106, 128)] == [0, 3, 64, 13, 16, 106, 16]


def test_no_images_and_what_does_not_fit():
    kernel = jnp.ones((3, 3, 2, 3))
    empty = jnp.zeros((0, 4, 4, 2))
    assert layers.conv(empty, kernel, (1, 1), "SAME").shape == (0, 4, 4, 3)
    gradient = jax.grad(lambda k: layers.conv(empty, k, (1, 1), "SAME").sum())(kernel)
    np.testing.assert_array_equal(gradient, 0)
    with pytest.raises(ValueError, match=r"x has shape \(2, 4, 4, 3\); allowed: \(any, any, any, 2\)"):
        layers.conv(jnp.ones((2, 4, 4, 3)), kernel, (1, 1), "SAME")
    with pytest.raises(TypeError, match="same dtype"):
        layers.conv(jnp.ones((2, 4, 4, 2), jnp.bfloat16), kernel, (1, 1), "SAME")


def test_flax_calls_it():
    module = nnx.Conv(3, 4, (3, 3), strides=2, padding=1, conv_general_dilated=layers.conv, rngs=nnx.Rngs(0))
    plain = nnx.Conv(3, 4, (3, 3), strides=2, padding=1, rngs=nnx.Rngs(0))
    x = RANDOM.normal(size=(2, 7, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(module(x), plain(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("channels", "fast"), [((7, 64), False), ((8, 31), False), ((8, 32), True), ((64, 8), True)])
def test_narrow_kernels_are_left_to_xla(channels, fast, monkeypatch):
    monkeypatch.undo()
    x, kernel = jnp.ones((96, 4, 4, channels[0])), jnp.ones((3, 3, *channels))
    gradient = jax.jit(jax.grad(lambda kernel: layers.conv(x, kernel, (1, 1), "SAME").sum()))
    assert ("while" in gradient.lower(kernel).as_text()) is fast


def test_a_narrow_1x1_kernel_is_xla_s_on_a_cpu(monkeypatch):
    """As a product its sums over positions would be split over the threads."""
    monkeypatch.undo()
    x, kernel = jnp.ones((2, 4, 4, 3)), jnp.ones((1, 1, 3, 64))
    gradient = jax.jit(jax.grad(lambda k: (layers.conv(x, k, (1, 1), "VALID") ** 2).sum()))
    products = {
        p: "dot_general" in gradient.trace(kernel).lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "cuda")
    }
    assert products == {"cpu": False, "cuda": True}


FEW = {  # inputs, outputs: with how many a CPU computes, where each device is a core and where it is not
    (1, 8): ((1, 20), (1, 8)),
    (3, 16): ((4, 20), (3, 16)),
    (6, 16): ((8, 20), (6, 16)),
    (16, 8): ((16, 20), (16, 8)),
    (3, 32): ((4, 32), (4, 32)),
    (3, 48): ((3, 48), (3, 48)),
    (9, 24): ((12, 24), (12, 24)),
    (20, 3): ((20, 3), (20, 3)),
}


@pytest.mark.parametrize("cores", [True, False])
@pytest.mark.parametrize("channels", FEW)
def test_few_channels_get_company_on_a_cpu(channels, cores, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(jax, "device_count", lambda: 8 if cores else 1)
    draw = lambda *shape: RANDOM.normal(size=shape).astype(np.float32)  # noqa: E731
    x, kernel = draw(3, 6, 5, channels[0]), draw(3, 2, *channels)
    options = {"strides": (2, 1), "padding": ASKEW}
    text = jax.jit(partial(layers.conv, **options)).lower(x, kernel).as_text()
    wide = FEW[channels][not cores]
    assert f"tensor<3x2x{wide[0]}x{wide[1]}xf32>" in text
    ours, theirs = (jax.jit(partial(derivatives, total(f, options)))(x, kernel) for f in (layers.conv, XLA))
    assert_same(ours, theirs)
    both = jax.vmap(lambda x, k: layers.conv(x, k, **options))(jnp.stack([x, -x]), jnp.stack([kernel, 2 * kernel]))
    np.testing.assert_allclose(both[1], -2 * both[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", [(8, 16), (3, 32)])
def test_a_1x1_kernel_of_few_channels_gets_none(channels, monkeypatch):
    monkeypatch.undo()
    x, kernel = jnp.ones((2, 4, 4, channels[0])), jnp.ones((1, 1, *channels))
    assert (
        "stablehlo.pad" not in jax.jit(partial(layers.conv, strides=(1, 1), padding="VALID")).lower(x, kernel).as_text()
    )
