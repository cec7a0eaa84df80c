"""Residual networks: published sizes, the switches, the identity at step 0, and the bridge from Flax."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxtricks import init
from jaxtricks.analysis._cost import count_macs, count_parameters
from jaxtricks.models import LAYOUTS, Layout, functional, resnet

# torchvision's and timm's published numbers of parameters, 1,000 classes
PUBLISHED = {
    ("resnet18", ""): 11_689_512,
    ("resnet34", ""): 21_797_672,
    ("resnet50", ""): 25_557_032,
    ("resnet50", "b"): 25_557_032,
    ("resnet50", "bcd"): 25_576_264,
    ("resnet101", ""): 44_549_160,
    ("resnet152", ""): 60_192_808,
}
MINI = LAYOUTS["resnet_mini"]


def shapes(model):
    return jax.eval_shape(model.init, jax.random.key(0))


@pytest.mark.parametrize(
    ("name", "switches"),
    [pytest.param(*key, marks=pytest.mark.slow if key[0] == "resnet152" else ()) for key in PUBLISHED],
)
def test_published_sizes(name, switches):
    model = resnet(LAYOUTS[name], classes=1000, **dict.fromkeys(switches, True))
    assert count_parameters(shapes(model)[0]) == PUBLISHED[name, switches]


def test_cifar_sizes():
    # He et al., arXiv 1512.03385, table 6: 0.27 M, 0.46 M and 0.85 M (there without projections)
    for name, millions in (("resnet20", 0.27), ("resnet32", 0.46), ("resnet56", 0.85)):
        count = count_parameters(shapes(resnet(LAYOUTS[name], classes=10))[0])
        assert round(count / 1e6, 2) == pytest.approx(millions, abs=0.011)


def test_macs_of_resnet50_by_the_layer():
    def conv(size, kernel, inputs, outputs):
        return size * size * kernel * kernel * inputs * outputs

    total = conv(112, 7, 3, 64) + 2048 * 1000
    inputs, size = 64, 56
    for stage, (blocks, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True)):
        out = size if stage == 0 else size // 2
        for i in range(blocks):
            total += conv(out, 1, inputs, width) + conv(out, 3, width, width) + conv(out, 1, width, 4 * width)
            total += conv(out, 1, inputs, 4 * width) if i == 0 else 0
            inputs = 4 * width
        size = out
    model = resnet(LAYOUTS["resnet50"], classes=1000)
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    assert count_macs(partial(model.apply, train=False), *shapes(model), image) == total


@pytest.mark.parametrize("size", [(28, 28), (27, 31), (8, 8)])
@pytest.mark.parametrize("switches", ["", "b", "c", "d", "bcd"])
def test_output_and_taps(size, switches):
    model = resnet(MINI, classes=5, channels=2, **dict.fromkeys(switches, True))
    params, stats = shapes(model)
    image = jax.ShapeDtypeStruct((3, *size, 2), jnp.float32)
    (logits, taps), new = jax.eval_shape(partial(model.apply, train=True), params, stats, image)
    assert logits.shape == (3, 5)
    assert set(taps) == {"stem", "stage1", "stage2", "stage3", "features"}
    halves = [-(-n // 2) for n in size]
    assert taps["stage1"].shape == (3, *halves, 32)
    assert taps["stage3"].shape == (3, *[-(-n // 4) for n in halves], 128)
    assert jax.tree.map(jnp.shape, new) == jax.tree.map(jnp.shape, stats)


@pytest.mark.parametrize(
    ("layout", "switch", "words"),
    [
        (LAYOUTS["resnet18"], "b", "b is True"),
        (LAYOUTS["resnet20"], "b", "b is True"),
        (LAYOUTS["resnet20"], "c", "c is True"),
        (MINI._replace(blocks=(1,), widths=(8,)), "d", "d is True"),
        (MINI._replace(blocks=(1,), widths=(8,)), "b", "b is True"),
    ],
)
def test_a_switch_that_would_do_nothing_is_refused(layout, switch, words):
    with pytest.raises(ValueError, match=words):
        resnet(layout, classes=10, **{switch: True})


@pytest.mark.parametrize("switch", ["b", "c", "d"])
def test_every_switch_changes_the_output(switch):
    image = jax.random.normal(jax.random.key(1), (4, 16, 16, 1))
    outs = []
    for switches in ({}, {switch: True}):
        model = resnet(MINI, classes=3, channels=1, **switches)
        params, stats = model.init(jax.random.key(0))
        outs.append(model.apply(params, stats, image, train=True)[0][0])
    assert np.abs(outs[0] - outs[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": 0}, "classes is 0"),
        ({"layout": Layout((1, 0), (8, 8), True, (3, 1), False)}, "blocks"),
        ({"layout": Layout((1,), (8, 8), True, (3, 1), False)}, "widths has 2 stages; allowed: 1"),
        ({"dropout_rate": 1.5}, "dropout_rate"),
    ],
)
def test_wrong_layouts(change, words):
    with pytest.raises(ValueError, match=words):
        resnet(**({"layout": MINI, "classes": 10} | change))


def test_zero_gamma_makes_blocks_the_identity():
    layout = Layout((3,), (4,), True, (3, 1), False)
    model = resnet(layout, classes=3, channels=1)
    params, stats = model.init(jax.random.key(0))
    image = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))
    blocks = {k: v for k, v in params["stage1"].items() if k != "0"}
    (_, taps), _ = model.apply(init.zero_gamma(params), stats, image, train=False)
    one = resnet(layout._replace(blocks=(1,)), classes=3, channels=1)
    first = {**init.zero_gamma(params), "stage1": {"0": init.zero_gamma(params)["stage1"]["0"]}}
    (_, shorter), _ = one.apply(first, {**stats, "stage1": {"0": stats["stage1"]["0"]}}, image, train=False)
    assert len(blocks) == 2
    np.testing.assert_array_equal(taps["stage1"], shorter["stage1"])
    (_, full), _ = model.apply(params, stats, image, train=False)
    assert np.abs(full["stage1"] - shorter["stage1"]).max() > 0.1


def test_low_precision_computes_in_it_and_keeps_the_rest_in_float32():
    model = resnet(MINI, classes=3, channels=1, dtype=jnp.bfloat16)
    params, stats = model.init(jax.random.key(0))
    image = jax.random.normal(jax.random.key(1), (8, 16, 16, 1))
    (logits, taps), new = model.apply(params, stats, image, train=True)
    assert {x.dtype for x in jax.tree.leaves((params, new, logits))} == {jnp.dtype("float32")}
    assert taps["stage1"].dtype == jnp.bfloat16
    (exact, _), _ = resnet(MINI, classes=3, channels=1).apply(params, stats, image, train=True)
    assert 1e-4 < np.abs(logits - exact).max() < 0.2


def test_dropout_wants_keys_and_an_image_s_draw_is_its_own():
    model = resnet(MINI, classes=3, channels=1, dropout_rate=0.5)
    params, stats = model.init(jax.random.key(0))
    image = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))
    with pytest.raises(ValueError, match="key is None"):
        model.apply(params, stats, image, train=True)
    keys = jax.random.split(jax.random.key(2), 4)
    changed = keys.at[3].set(jax.random.key(9))
    a, b = (model.apply(params, stats, image, train=True, key=k)[0][0] for k in (keys, changed))
    np.testing.assert_array_equal(a[:3], b[:3])
    assert (a[3] != b[3]).any()


class Counter(nnx.Module):
    def __init__(self, rngs):
        self.count = nnx.Variable(jnp.int32(0))


def test_functional_refuses_what_it_would_lose():
    with pytest.raises(TypeError, match=r"\['Variable'\]; allowed: Param and BatchStat"):
        functional(Counter)
    model = resnet(MINI, classes=3, channels=1)
    params, stats = model.init(jax.random.key(0))
    broken = {k: v for k, v in params.items() if k != "head"}
    with pytest.raises(ValueError, match="no leaf head/bias"):
        model.apply(broken, stats, jnp.zeros((1, 8, 8, 1)), train=False)


def test_paths_have_no_trailing_value_and_only_text_keys():
    params, stats = shapes(resnet(LAYOUTS["resnet_digits"], classes=3))
    paths = ["/".join(k.key for k in path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    assert "stage2/0/last_bn/scale" in paths
    assert "head/kernel" in paths
    assert not any(p.endswith("value") for p in paths)
    assert set(stats["stem"]["0"]["bn"]) == {"mean", "var"}


def test_frozen_statistics_are_those_of_evaluation_and_gamma_is_trained():
    frozen, plain = (resnet(MINI, classes=3, channels=1, frozen_bn=still) for still in (True, False))
    params, stats = plain.init(jax.random.key(0))
    stats = jax.tree.map(lambda s: 0.5 * s + 0.02, stats)
    image = jax.random.uniform(jax.random.key(1), (4, 16, 16, 1))

    @jax.jit
    def loss(params):
        (logits, _), after = frozen.apply(params, stats, image, train=True)
        return (logits**2).sum(), (logits, after)

    gradients, (logits, after) = jax.grad(loss, has_aux=True)(params)
    jax.tree.map(np.testing.assert_array_equal, after, stats)
    expected = plain.apply(params, stats, image, train=False)[0][0]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(gradients["stage1"]["0"]["last_bn"]["scale"]).max() > 0
    # the network that is not frozen differs from both
    other, moved = plain.apply(params, stats, image, train=True)
    assert np.abs(other[0] - logits).max() > 1e-2
    assert np.abs(moved["stem"]["0"]["bn"]["mean"] - stats["stem"]["0"]["bn"]["mean"]).max() > 1e-3


def test_the_keys_of_a_network_are_those_of_flax():
    class Two(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(3, 4, rngs=rngs)
            self.second = nnx.Linear(4, 2, rngs=rngs.fork())
            self.third = nnx.Param(jax.random.normal(rngs.params(), (3,)))

        def __call__(self, image, *, train, key):
            return self.second(self.first(image)), {}

    params, _ = jax.jit(functional(Two).init)(jax.random.key(5))
    expected = nnx.to_pure_dict(nnx.state(Two(nnx.Rngs(jax.random.key(5))), nnx.Param))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), params, expected))
    assert (params["first"]["kernel"][:2, :2] != params["second"]["kernel"][:2]).all()
