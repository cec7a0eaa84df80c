"""Costs by layer: by formula, beside XLA's own count; receptive fields beside published ones and beside gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import analysis, layers, models
from jaxtricks.analysis import ReceptiveField
from jaxtricks.analysis._walk import walk


def image(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def shapes(model):
    return jax.eval_shape(model.init, jax.random.key(0))


def test_layers_by_formula():
    model = models.resnet(models.LAYOUTS["resnet_mini"], classes=10)
    cost = analysis.count(model.apply, *shapes(model), image(1, 28, 28, 3))
    layers = {layer.name: layer for layer in cost.layers}
    expected = {
        "stem/0/conv": analysis.conv_cost(3, 8, kernel=(7, 7), size=(14, 14)),
        "stem/0/bn": analysis.norm_cost(8, size=(14, 14)),
        "stage1/0/inner/1/conv": analysis.conv_cost(8, 8, kernel=(3, 3), size=(14, 14)),
        "stage3/0/shortcut/conv": analysis.conv_cost(64, 128, kernel=(1, 1), size=(4, 4)),
        "head": analysis.dense_cost(128, 10),
    }
    for name, formula in expected.items():
        assert (layers[name].parameters, layers[name].macs, layers[name].flops) == formula, name
    assert layers["stem/0/conv"].kind == "conv 7x7"
    assert layers["stem/0/conv"].output == (1, 14, 14, 8)
    assert layers["stem/0/conv"].bytes == 4 * 14 * 14 * 8
    assert next(iter(layers)) == "stem/0/conv"
    assert cost.parameters == analysis.count_parameters(shapes(model)[0])
    assert cost.macs == analysis.count_macs(partial(model.apply, train=False), *shapes(model), image(1, 28, 28, 3))
    # ReLU on the stem and behind the three blocks, twice inside each, the three sums, and the average of 4 x 4
    relus = 8 * 14 * 14 * (1 + 2) + 16 * 7 * 7 * 2 + 32 * 4 * 4 * 2 + (32 * 14 * 14 + 64 * 7 * 7 + 128 * 4 * 4)
    sums = 32 * 14 * 14 + 64 * 7 * 7 + 128 * 4 * 4 + 128 * 15 + 128
    assert layers["(no parameters)"].flops == relus + sums


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (analysis.conv_cost(4, 6, kernel=(3, 3), size=(5, 7)), (216, 216 * 35, 71 * 6 * 35)),
        (analysis.conv_cost(4, 6, kernel=(3, 3), size=(5, 7), bias=True), (222, 216 * 35, 72 * 6 * 35)),
        (analysis.conv_cost(4, 4, kernel=(3, 3), size=(5, 7), groups=4), (36, 36 * 35, 17 * 4 * 35)),
        (analysis.dense_cost(8, 3, bias=False), (24, 24, 45)),
    ],
)
def test_formulas_by_hand(formula, expected):
    assert formula == expected


def test_operations_are_those_that_xla_counts():
    """XLA counts 2 n for a product of n terms, and leaves positions in the padding out; here there are none."""
    model = models.perceptron((7, 5), size=24, classes=3, activation=jnp.tanh)
    arguments = (*shapes(model), image(2, 4, 6, 1))
    cost = analysis.count(model.apply, *arguments)
    theirs = jax.jit(partial(model.apply, train=False)).lower(*arguments).cost_analysis()
    products = 2 * (7 + 5 + 3)
    assert cost.flops + products == theirs["flops"] + theirs["transcendentals"]
    assert theirs["transcendentals"] == 2 * (7 + 5)


def test_the_table_has_a_line_for_each_layer_and_the_sum():
    model = models.perceptron((7,), size=24, classes=3)
    cost = analysis.count(model.apply, *shapes(model), image(1, 4, 6, 1))
    lines = cost.table().splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "parameters", "MACs", "FLOPs", "bytes"]
    assert lines[1].split() == ["hidden/0", "dense", "1x7", "175", "168", "336", "28"]
    assert lines[-2].split() == ["sum", "199", "189", f"{336 + 42 + 7}", "40"]
    assert lines[-1] == f"peak {cost.peak_bytes:,} bytes"


def test_the_peak_by_hand():
    """Two inputs of 400 bytes and 4; then x + x (400), its product (400) while the sum is held; then the mean."""

    def apply(params, stats, x, *, train):
        y = (x + x) * params["a"]
        return (y.sum(), {}), stats

    cost = analysis.count(apply, {"a": jnp.ones(())}, {}, image(100))
    assert cost.peak_bytes == 400 + 4 + 800


def test_calls_are_looked_into_and_loops_are_multiplied():
    @jax.custom_jvp
    def twice(x):
        return 2 * x

    twice.defjvp(lambda primals, tangents: (2 * primals[0], 2 * tangents[0]))

    def apply(params, stats, x, *, train):
        x = jax.jit(twice)(x @ params["a"]["kernel"])
        x, _ = jax.lax.scan(lambda x, k: (x @ k, None), x, params["b"]["kernel"])
        return (x, {}), stats

    params = {"a": {"kernel": image(3, 3)}, "b": {"kernel": image(4, 3, 3)}}
    cost = analysis.count(apply, params, {}, image(1, 3))
    assert {layer.name: layer.macs for layer in cost.layers} == {"a": 9, "b": 36, "(no parameters)": 0}
    assert cost.layers[-1].flops == 3
    names = [step.equation.primitive.name for step in walk(lambda x: jax.jit(twice)(x), image(3)).steps]
    assert names == ["mul"]


def test_a_convolution_that_depends_on_the_platform_is_one():
    """Of 1 x 1, with strides: a product on CPU, where the default is a convolution."""

    def apply(params, stats, x, *, train):
        y = layers.conv(x, params["a"]["kernel"], (2, 3), "VALID")
        return (y.sum(), {"tap": y}), stats

    arguments = ({"a": {"kernel": image(1, 1, 16, 32)}}, {}, image(2, 8, 12, 16))
    layer = analysis.count(apply, *arguments).layers[0]
    assert (layer.name, layer.kind, layer.output) == ("a", "conv 1x1", (2, 4, 4, 32))
    _, macs, flops = analysis.conv_cost(16, 32, kernel=(1, 1), size=(4, 4))
    assert (layer.macs, layer.flops) == (2 * macs, 2 * flops)
    gradient = jax.grad(lambda params, x: apply(params, {}, x, train=True)[0][0], (0, 1))
    assert analysis.count_macs(gradient, arguments[0], arguments[2]) == 3 * layer.macs
    fields = analysis.receptive_fields(apply, *arguments)
    assert fields["tap"] == (ReceptiveField(1, 2, 0), ReceptiveField(1, 3, 0))


@pytest.mark.parametrize(
    ("name", "size", "half"), [("resnet50", 483, 241), pytest.param("resnet101", 1027, 513, marks=pytest.mark.slow)]
)
def test_receptive_fields_are_the_published_ones(name, size, half):
    """Araujo et al., Distill 2019, table of sizes; our padding is symmetric, so that fields are centred."""
    model = models.resnet(models.LAYOUTS[name], classes=10)
    fields = analysis.receptive_fields(model.apply, *shapes(model), image(1, 64, 64, 3))
    assert fields["stage4"] == (ReceptiveField(size, 32, -half),) * 2


def test_a_field_is_where_the_gradient_is():
    """Kernel, strides and padding of rows and columns differ, and two branches meet."""

    def apply(params, stats, x, *, train):
        def conv(x, kernel, **options):
            return jax.lax.conv_general_dilated(x, kernel, dimension_numbers=("NHWC", "HWIO", "NHWC"), **options)

        a = conv(x, jnp.ones((3, 2, 1, 1)), window_strides=(2, 1), padding=((1, 0), (0, 1)), rhs_dilation=(1, 2))
        b = jnp.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :-1:2, :-1]
        b = jax.lax.reduce_window(b, 0.0, jax.lax.add, (1, 1, 3, 1), (1, 1, 1, 1), ((0, 0), (0, 0), (1, 1), (0, 0)))
        return (x, {"tap": a[:, :8, :18] + b[:, :8, :18]}), stats

    fields = analysis.receptive_fields(apply, {}, {}, image(1, 20, 20, 1))["tap"]
    out = (5, 9)
    gradient = jax.grad(lambda x: apply({}, {}, x, train=False)[0][1]["tap"][0, *out, 0])(jnp.ones((1, 20, 20, 1)))
    for axis, field in enumerate(fields):
        seen = np.flatnonzero(np.abs(gradient[0, :, :, 0]).sum(1 - axis))
        start = field.first + out[axis] * field.stride
        assert (seen[0], seen[-1]) == (start, start + field.size - 1)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("reshape", lambda x: x.reshape(1, 4, 16, 1)),
        ("cond", lambda x: jax.lax.cond(x.sum() > 0, lambda x: x[:, ::2], lambda x: x[:, :4], x)),
    ],
)
def test_pixels_that_change_their_order_have_no_field(name, change):
    def apply(params, stats, x, *, train):
        return (x, {"tap": change(x)}), stats

    with pytest.raises(ValueError, match=f"{name} of pixels"):
        analysis.receptive_fields(apply, {}, {}, image(1, 8, 8, 1))
