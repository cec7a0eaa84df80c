"""What a GPU computes in another form: the same numbers in every derivative, seen on a CPU."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtricks import layers, models
from jaxtricks.layers import _pool_gradient
from jaxtricks.layers._conv_gradient import NHWC

RANDOM = np.random.default_rng(0)
MESH = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
PADDED = ((1, 1), (1, 1))
NONE = ((0, 0), (0, 0))


@pytest.fixture
def gpu(monkeypatch):
    """Branches of ``platform_dependent`` are those of CUDA."""
    jax.clear_caches()
    seen = []

    def choose(*arrays, default, **branches):
        seen.append("cuda" in branches)
        return branches.get("cuda", default)(*arrays)

    monkeypatch.setattr(jax.lax, "platform_dependent", choose)
    yield seen
    jax.clear_caches()
    assert any(seen)


def draw(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def derivatives(function, *arrays):
    """First and second derivatives, in forward and in reverse mode."""
    total = lambda *arrays: jnp.sum(jnp.sin(function(*arrays)))  # noqa: E731
    gradient = jax.grad(total, tuple(range(len(arrays))))
    along = tuple(0.5 * a[::-1] for a in arrays)
    return jax.jit(
        lambda *arrays: {
            "value": function(*arrays),
            "gradient": gradient(*arrays),
            "forward": jax.jvp(total, arrays, along)[1],
            "forward over reverse": jax.jvp(gradient, arrays, along)[1],
            "reverse over reverse": jax.grad(lambda *a: sum(jnp.sum(g**2) for g in gradient(*a)), 0)(*arrays),
        }
    )(*arrays)


def assert_same(ours, theirs, *, tolerance=2e-5):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(np.abs(b).max(), 1))


KERNELS = {  # x, kernel, strides, padding
    "3x3 of three channels": ((2, 8, 6, 3), (3, 3, 3, 32), (2, 2), PADDED),
    "3x2, askew": ((2, 5, 7, 2), (3, 2, 2, 40), (2, 1), ((1, 0), (2, 1))),
    "cropped": ((2, 6, 6, 1), (3, 3, 1, 32), (1, 1), ((-1, 0), (0, -1))),
    "1x1": ((2, 5, 4, 8), (1, 1, 8, 32), (1, 1), NONE),
    "1x1 with strides": ((2, 5, 4, 8), (1, 1, 8, 32), (2, 3), NONE),
}


@pytest.mark.parametrize("name", KERNELS)
def test_convolutions(name, gpu):
    x, kernel, strides, padding = KERNELS[name]
    x, kernel = draw(*x), draw(*kernel)
    xla = partial(jax.lax.conv_general_dilated, window_strides=strides, padding=padding, dimension_numbers=NHWC)
    ours = derivatives(partial(layers.conv, strides=strides, padding=padding), x, kernel)
    assert_same(ours, derivatives(xla, x, kernel))


@pytest.mark.parametrize("kernel", [(3, 3, 3, 32), (1, 1, 8, 32)])
def test_a_convolution_of_nothing_is_xla_s(kernel):
    for shape in ((2, 2, 2, kernel[2]), (0, 4, 4, kernel[2]), (2, 0, 4, kernel[2])):
        x, ones = jnp.ones(shape), jnp.ones(kernel)
        xla = jax.lax.conv_general_dilated(x, ones, (2, 2), "VALID", dimension_numbers=NHWC)
        value, back = jax.vjp(lambda *a: layers.conv(*a, (2, 2), "VALID"), x, ones)
        assert value.shape == xla.shape
        assert [g.shape for g in back(value)] == [shape, kernel]


@pytest.mark.parametrize(
    ("kernel", "products"), [((3, 3, 3, 32), 2), ((1, 1, 8, 32), 3), ((3, 3, 4, 32), 0), ((3, 3, 8, 32), 0)]
)
def test_which_kernels_become_products_on_a_gpu(kernel, products):
    x, kernel = jnp.ones((2, 8, 8, kernel[2])), jnp.ones(kernel)
    gradient = jax.jit(jax.grad(lambda k: layers.conv(x, k, (1, 1), "SAME").sum() ** 2))
    both = jax.jit(jax.grad(lambda x, k: jnp.sum(layers.conv(x, k, (1, 1), "SAME") ** 2), (0, 1)))
    for function, arrays in ((gradient, (kernel,)), (both, (x, kernel))):
        text = function.trace(*arrays).lower(lowering_platforms=("cuda",)).as_text()
        assert ("stablehlo.dot_general" in text) is bool(products)
        assert ("stablehlo.convolution" in text) is not bool(products)


def by_definition(x, scale, bias, groups=1):
    parts = x.reshape(groups, -1, x.shape[-1])
    unit = (parts - parts.mean(1, keepdims=True)) / jnp.sqrt(parts.var(1, keepdims=True) + 1e-5)
    scale, bias = (jnp.broadcast_to(v, (1, 1, x.shape[-1])) for v in (scale, bias))
    return (unit * scale + bias).reshape(x.shape)


def normalised(x, scale, bias, *, relu, train=True, **options):
    module = layers.BatchNorm(x.shape[-1], rngs=nnx.Rngs(0), **options)
    module.scale.set_value(scale)
    module.bias.set_value(bias)
    return module(x, train=train, relu=relu)


@pytest.mark.parametrize("groups", [None, 2])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("on", ["cpu", "gpu"])
def test_normalisation_with_relu(on, relu, groups, request):
    arrays = draw(8, 3, 4, 5), draw(5), draw(5)
    expected = lambda *a: by_definition(*a, groups=groups or 1)  # noqa: E731
    theirs = derivatives((lambda *a: jax.nn.relu(expected(*a))) if relu else expected, *arrays)
    if on == "gpu":
        request.getfixturevalue("gpu")
    assert_same(derivatives(partial(normalised, relu=relu, groups=groups), *arrays), theirs, tolerance=2e-4)


@pytest.mark.parametrize("options", [{}, {"groups": 2}, {"frozen": True}, {"unbiased": True}])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_relu_of_the_normalisation_is_relu_after_it(options, train, dtype):
    x, scale, bias = jnp.asarray(draw(8, 3, 4, 5), dtype), draw(5), draw(5)
    ours = normalised(x, scale, bias, relu=True, train=train, **options)
    theirs = jax.nn.relu(normalised(x, scale, bias, relu=False, train=train, **options))
    np.testing.assert_array_equal(ours.astype(jnp.float32), theirs.astype(jnp.float32))


def test_a_channel_of_gamma_0_and_one_that_is_constant_have_no_gradient_through_relu(gpu):
    x = draw(8, 3, 4, 2)
    x[..., 1] = 7.0
    scale, bias = np.float32([0, 1]), np.float32([0, 0])
    gradient = jax.grad(lambda *a: normalised(*a, relu=True).sum(), (0, 1, 2))(x, scale, bias)
    for leaf in gradient:
        np.testing.assert_array_equal(leaf, 0)


@pytest.mark.parametrize("shape", [(8, 6, 4, 5), (40, 5), (2, 1, 1, 5)])
@pytest.mark.parametrize("outlier", [None, 0, -1])
def test_one_pass_around_a_value_keeps_a_variance_beside_a_large_mean(shape, outlier, gpu):
    module = layers.BatchNorm(5, momentum=0.0, rngs=nnx.Rngs(0))
    x = draw(*shape) + 3e4
    if outlier is not None:
        x.reshape(-1, 5)[outlier] = 0
    module(x, train=True)
    wide = x.reshape(-1, 5).astype(np.float64)
    np.testing.assert_allclose(module.mean[...], wide.mean(0), rtol=1e-6)
    np.testing.assert_allclose(module.var[...], wide.var(0), rtol=1e-3)


def test_statistics_over_all_replicas(gpu):
    x = draw(8, 3, 4, 5)

    @partial(jax.shard_map, mesh=MESH, in_specs=P("data"), out_specs=(P("data"), P()))
    def apply(x):
        module = layers.BatchNorm(5, axis_name="data", momentum=0.0, rngs=nnx.Rngs(0))
        return module(x, train=True), module.var[...]

    y, var = jax.jit(apply)(x)
    np.testing.assert_allclose(y, by_definition(x, 1, 0), atol=1e-5)
    np.testing.assert_allclose(var, x.var((0, 1, 2)), rtol=1e-5)


WINDOWS = {  # size, stride, padding, x
    "3 by 2, padded": (3, 2, PADDED, (2, 8, 12, 3)),
    "2 by 2": (2, 2, NONE, (2, 6, 8, 3)),
    "3 by 3": (3, 3, NONE, (2, 9, 6, 3)),
    "3 by 2, padded behind": (3, 2, ((0, 1), (0, 1)), (2, 8, 6, 3)),
    "3 by 1": (3, 1, PADDED, (2, 4, 5, 3)),
    "odd": (3, 2, PADDED, (2, 7, 8, 3)),
    "2 by 2, a rest": (2, 2, NONE, (2, 7, 6, 3)),
    "3 by 3, a rest": (3, 3, NONE, (2, 8, 7, 3)),
    "3 by 2, fewer": (3, 2, NONE, (2, 8, 9, 3)),
    "2 by 3, gaps": (2, 3, ((1, 0), (0, 1)), (2, 8, 7, 3)),
    "5 by 1, fewer": (5, 1, NONE, (2, 6, 5, 3)),
}


@pytest.mark.parametrize("on", ["cpu", "gpu"])
@pytest.mark.parametrize("name", WINDOWS)
def test_max_pool(name, on, request):
    size, stride, around, shape = WINDOWS[name]
    x = np.round(2 * draw(*shape)) / 2  # equal numbers in nearly every window
    theirs = derivatives(partial(_pool_gradient._by_xla, size, stride, around), x)
    if on == "gpu":
        request.getfixturevalue("gpu")
    ours = derivatives(lambda x: _pool_gradient.max_pool(x, size, stride, around), x)
    assert_same(ours, theirs)


@pytest.mark.parametrize("on", ["cpu", "gpu"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_max_pool_keeps_what_is_not_a_number_and_infinities(dtype, on, request):
    if on == "gpu":
        request.getfixturevalue("gpu")
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 0, 1], x[0, 0, 2], x[0, 2, 0], x[0, 3, 1] = np.nan, -np.inf, np.inf, 5
    x[0, :2, 2:] = -np.inf
    pool = lambda x: _pool_gradient.max_pool(x, 2, 2, NONE)  # noqa: E731
    y, back = jax.vjp(pool, jnp.asarray(x, dtype))
    np.testing.assert_array_equal(y[0, :, :, 0].astype(jnp.float32), [[np.nan, -np.inf], [np.inf, 0]])
    gradient = back(jnp.ones_like(y))[0][0, :, :, 0]
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(gradient, [[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])


def test_max_pool_keeps_one_number_a_window_for_its_gradient_and_promotes_no_type_by_itself():
    x = jnp.asarray(draw(2, 8, 8, 3), jnp.bfloat16)
    pool = partial(_pool_gradient.max_pool, size=3, stride=1, around=PADDED)
    with jax.numpy_dtype_promotion("strict"):
        y, back = jax.vjp(pool, x)
        assert _pool_gradient.average_pool(x, 2, 2, NONE, count_padding=True).dtype == x.dtype
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(back)) <= y.size  # bytes
    assert back(y)[0].dtype == x.dtype


@pytest.mark.parametrize("on", ["cpu", "gpu"])
@pytest.mark.parametrize("name", ["2 by 2", "3 by 3", "2 by 2, a rest", "3 by 3, a rest"])
def test_average_pool(name, on, request):
    size, stride, around, shape = WINDOWS[name]
    x = draw(*shape)
    theirs = derivatives(lambda x: nnx.avg_pool(x, (size, size), strides=(stride, stride)), x)
    if on == "gpu":
        request.getfixturevalue("gpu")
    ours = derivatives(lambda x: _pool_gradient.average_pool(x, size, stride, around, count_padding=False), x)
    assert_same(ours, theirs)


@pytest.mark.parametrize("size", [2, 4])
def test_average_pool_in_a_narrow_type_is_rounded_once(size):
    x = jnp.asarray(draw(2, 8, 8, 3), jnp.bfloat16)
    exact = np.asarray(x, np.float64).reshape(2, 8 // size, size, 8 // size, size, 3).mean((2, 4))
    for count_padding in (True, False):
        y = _pool_gradient.average_pool(x, size, size, NONE, count_padding=count_padding)
        assert y.dtype == jnp.bfloat16
        np.testing.assert_array_equal(y, jnp.asarray(exact, jnp.bfloat16))


def test_pools_of_nothing_are_xla_s():
    for shape in ((0, 4, 4, 2), (2, 1, 4, 2)):
        assert _pool_gradient.average_pool(jnp.ones(shape), 2, 2, NONE, count_padding=True).shape[1] == shape[1] // 2
        y, back = jax.vjp(lambda x: _pool_gradient.max_pool(x, 2, 2, NONE), jnp.ones(shape))
        assert y.shape == (shape[0], shape[1] // 2, 2, 2)
        assert not back(jnp.ones_like(y))[0].any()


@pytest.mark.parametrize("on", ["cpu", "gpu"])
def test_a_network_is_the_same_in_all_forms(on, request):
    layout = models.Layout((1, 1), (8, 16), True, (7, 2), True)
    x, options = draw(4, 16, 16, 3), {"classes": 3, "b": True, "c": True, "d": True}
    params, stats = models.resnet(layout, **options).init(jax.random.key(0))

    def loss(act, params):
        (logits, _), after = models.resnet(layout, act=act, **options).apply(params, stats, x, train=True)
        return jax.nn.log_softmax(logits)[:, 0].mean(), after

    plainly = lambda x: jnp.where(x > 0, x, 0)  # noqa: E731
    theirs = jax.jit(jax.value_and_grad(partial(loss, plainly), has_aux=True))(params)
    if on == "gpu":
        request.getfixturevalue("gpu")
    ours = jax.jit(jax.value_and_grad(partial(loss, jax.nn.relu), has_aux=True))(params)
    assert_same(ours, theirs, tolerance=1e-4)


EXPLICIT = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Explicit,))


@pytest.mark.parametrize("name", ["few channels", "3x3", "1x1", "normalisation", "max pool", "average pool"])
def test_on_explicit_axes_all_forms_are_xla_s(name):
    x = draw(8, 4, 4, 32)
    function = {
        "few channels": lambda x: layers.conv(x[..., :3], jnp.ones((3, 3, 3, 32)), (2, 2), "SAME"),
        "3x3": lambda x: layers.conv(x, jnp.ones((3, 3, 32, 8)), (1, 1), "SAME"),
        "1x1": lambda x: layers.conv(x, jnp.ones((1, 1, 32, 8)), (1, 1), "SAME"),
        "normalisation": partial(normalised, scale=jnp.ones(32), bias=jnp.zeros(32), relu=True),
        "max pool": lambda x: _pool_gradient.max_pool(x, 3, 2, PADDED),
        "average pool": lambda x: _pool_gradient.average_pool(x, 2, 2, NONE, count_padding=True),
    }[name]
    both = jax.jit(jax.value_and_grad(lambda x: jnp.sum(function(x) ** 2)))
    expected = both(x)
    with jax.set_mesh(EXPLICIT):
        assert_same(both(jax.device_put(x, NamedSharding(EXPLICIT, P("data")))), expected)


def test_only_elsewhere_is_a_pool_s_gradient_a_scatter_or_over_windows():
    for pool, slow in (
        (lambda x: _pool_gradient.max_pool(x, 3, 2, PADDED), "select_and_scatter"),
        (lambda x: _pool_gradient.average_pool(x, 2, 2, NONE, count_padding=True), "reduce_window"),
    ):
        gradient = jax.jit(jax.grad(lambda x, pool=pool: (pool(x) ** 2).sum())).trace(jnp.ones((2, 8, 8, 3)))
        lowered = {p: gradient.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "cuda", "tpu")}
        assert {p for p, text in lowered.items() if slow in text} == {"tpu"}
