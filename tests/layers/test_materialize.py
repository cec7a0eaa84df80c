"""An array that XLA's CPU compiler writes to memory once: the numbers stay, in every derivative, and less is moved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtricks import layers
from jaxtricks.layers._conv_gradient import NHWC
from jaxtricks.layers._materialize import materialized, materialized_gradient

RANDOM = np.random.default_rng(0)
EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1.5]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_the_numbers_stay(dtype):
    x = jnp.asarray(EDGES, dtype)
    y = jax.jit(materialized)(x)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(y, np.float32), np.asarray(x, np.float32))
    there = ~np.isnan(EDGES)
    np.testing.assert_array_equal(*(np.signbit(np.asarray(a, np.float32)[there]) for a in (x, y)))


def test_the_derivative_is_the_identity_in_both_modes():
    x, along = jnp.asarray(EDGES), jnp.arange(7.0)
    np.testing.assert_array_equal(jax.jvp(materialized, (x,), (along,))[1], along)
    np.testing.assert_array_equal(jax.vjp(materialized, x)[1](along)[0], along)
    second = jax.grad(lambda a: jax.grad(lambda x: (materialized(x) ** 3).sum())(a).sum())(along)
    np.testing.assert_array_equal(second, 6 * along)


def test_a_gradient_is_no_number_where_the_array_is_none():
    y, t = jnp.asarray(EDGES), jnp.arange(1.0, 8.0)
    passed, back = jax.vjp(lambda t: materialized_gradient(y, t), t)
    expected = np.where(np.isnan(EDGES), np.nan, t)
    np.testing.assert_array_equal(passed, expected)
    np.testing.assert_array_equal(back(t)[0], expected)
    np.testing.assert_array_equal(jax.grad(lambda y: materialized_gradient(y, t).sum())(y), 0)


@pytest.mark.parametrize("outputs", [2, 32])
@pytest.mark.parametrize("where", ["kernel", "image"])
def test_no_nan_is_lost_on_the_way_back(where, outputs):
    """Not even where the loss hides it: gradients of kernel and image have as many as without any of it."""
    x, kernel = jnp.ones((2, 4, 4, 3)), jnp.ones((3, 3, 3, outputs))
    if where == "image":
        x = x.at[1, 2, 2, 1].set(jnp.nan)
    else:
        kernel = kernel.at[1, 1, 1].set(jnp.nan)

    def normed(x):
        return materialized(layers.BatchNorm(outputs, rngs=nnx.Rngs(0))(x, train=True))

    def plainly_normed(x):
        return nnx.BatchNorm(outputs, use_fast_variance=False, rngs=nnx.Rngs(0))(x, use_running_average=False)

    def missing(network):
        gradients = jax.grad(lambda x, k: (jnp.nan_to_num(network(x, k)) ** 2).sum(), (0, 1))(x, kernel)
        return [int(jnp.isnan(g).sum()) for g in gradients]

    by_xla = lambda x, k: jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=NHWC)  # noqa: E731
    ours = lambda x, k: layers.conv(x, k, (1, 1), "SAME")  # noqa: E731
    assert missing(ours) == missing(by_xla)
    behind = missing(lambda x, k: normed(ours(x, k)))
    assert behind == missing(lambda x, k: plainly_normed(by_xla(x, k)))
    assert behind[1]


def test_for_each_seed_and_on_a_mesh_with_explicit_axes():
    x = RANDOM.normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_array_equal(jax.vmap(jax.grad(lambda row: (materialized(row) ** 2).sum()))(x), 2 * x)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    y = jax.jit(materialized)(jax.device_put(x, NamedSharding(mesh, P("data"))))
    np.testing.assert_array_equal(y, x)


def moved(keep):
    """Bytes that the compiled gradient of four sums with ReLU moves, each of which a convolution reads."""

    def loss(kernel, x, others):
        total = 0
        for other in others:
            x = keep(jax.nn.relu(x + other))
            total += jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=NHWC)
        return (total**2).sum()

    x = jnp.ones((8, 16, 16, 8))
    return jax.jit(jax.grad(loss)).lower(jnp.ones((3, 3, 8, 8)), x, [x] * 4).compile().cost_analysis()["bytes accessed"]


def test_a_cpu_moves_less():
    assert jax.default_backend() == "cpu"
    assert moved(materialized) < 0.85 * moved(lambda x: x)


def test_looking_for_nans_finds_none():
    with jax.debug_nans(True):
        with jax.disable_jit():
            np.testing.assert_array_equal(materialized(jnp.arange(3.0)), jnp.arange(3.0))
        np.testing.assert_array_equal(jax.jit(jax.grad(lambda x: materialized(x).sum()))(jnp.arange(3.0)), 1)
        x, norm = jnp.ones((2, 3)).at[0].set(0.0), layers.BatchNorm(3, rngs=nnx.Rngs(0))
        np.testing.assert_allclose(norm(x, train=True, relu=True), x, atol=1e-3)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_other_devices_see_nothing_of_it(platform):
    def loss(y):
        return (materialized_gradient(jnp.sin(y), materialized(y)) ** 2).sum()

    text = jax.jit(jax.grad(loss)).trace(jnp.ones(3)).lower(lowering_platforms=(platform,)).as_text()
    assert "select" not in text
