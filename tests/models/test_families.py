"""Families of networks: published sizes and costs; names, shapes and logits of torchvision and timm."""

import json
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import make_family_logits as golden
from golden import make_small_networks as small_golden

from docs import networks
from jaxtricks import analysis, init, layers, models
from jaxtricks.init._pretrained import TO_TORCH
from jaxtricks.models import NETWORKS

STORED = json.loads(golden.STORED.read_text(encoding="utf-8"))["models"]
CHEAP = jax.nn.initializers.zeros  # shapes are the same, and an eighth faster to find
SLOW = pytest.mark.slow

PUBLISHED = {entry.name: entry for entry in networks.NETWORKS}
SMALL_ONES = json.loads(small_golden.STORED.read_text(encoding="utf-8"))
FAST = {"alexnet", "vgg11", "squeezenet", "lenet5", "nin", "airbench94", "mobilenet_v1", "wrn_16_4", "alexnet_2012"}
UNITS = {"": 1, "M": 1e6, "G": 1e9}


def shapes(model):
    return jax.eval_shape(model.init, jax.random.key(0))


def network(name, **options):
    return NETWORKS[name](**{"kernel_init": CHEAP} | options)


def image(name, rows, columns=None, batch=1):
    channels = 1 if name == "lenet5" else 3
    return jax.ShapeDtypeStruct((batch, rows, columns or rows, channels), jnp.float32)


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=SLOW) for n in PUBLISHED])
def test_sizes_and_costs_are_those_of_the_table(name):
    entry = PUBLISHED[name]
    model = network(name, classes=entry.classes)
    variables = shapes(model)
    assert analysis.count_parameters(variables[0]) == entry.parameters
    if name.startswith(("resnext", "wide")):
        model = network(name, classes=entry.classes, b=True)  # as torchvision's, whose cost is the published one
    assert analysis.count_macs(partial(model.apply, train=False), *variables, image(name, entry.size)) == entry.macs


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_table_agrees_with_what_is_published_and_with_torch(name):
    """To the last digit that is published; a count of torch to the last one."""
    entry = PUBLISHED[name]
    if name in SMALL_ONES["costs"]:
        assert SMALL_ONES["costs"][name] == {"parameters": entry.parameters, "macs": entry.macs}
    # LeCun: 1,516 parameters in the third layer, not 2,416; 12 and 32 in averages; none of 850 trained in the last
    apart = {"inception_v3": 3_326_696, "lenet5": 1516 - 2416 + 12 + 32 - 850}.get(name, 0)
    counts = (entry.parameters + apart, entry.macs + 1e6 * entry.besides)
    for count, text in zip(counts, entry.published, strict=True):
        if text:
            number, _, unit = text.replace(",", "").partition(" ")
            last = UNITS[unit] / 10 ** len(number.partition(".")[2]) if unit else 0
            assert count == pytest.approx(float(number) * UNITS[unit], rel=0, abs=last)


@pytest.mark.parametrize("name", SMALL_ONES["logits"])
def test_logits_are_those_of_the_papers_definition_in_torch(name):
    model = {
        "lenet": partial(models.lenet, models.LeNetLayout(((4, 5), (6, 5), (12, 5)), (8,), 2, "average", jnp.tanh)),
        "nin": partial(models.nin, ((5, (8, 7, 6)), (5, (8, 9, 8)), (3, (9, 8)))),
        "wide": partial(models.preact, models.PreactLayout((1, 1, 1), (8, 16, 32), False, 4, (3, 1), False)),
        "highway": partial(models.highway, ((6, 2), (8, 1))),
        "airbench": partial(models.airbench, (8, 12, 10)),
    }[name](classes=10, kernel_init=CHEAP)
    leaves = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var", "bias": "bias"}

    def weights(path, leaf):
        *modules, last = init._pretrained._path(path[1:]).split("/")
        shape = tuple(leaf.shape[axis] for axis in TO_TORCH.get(len(leaf.shape), range(len(leaf.shape))))
        tensor = golden.tensor(".".join([*modules, leaves[last]]), shape)
        return jnp.asarray(tensor.transpose({4: (2, 3, 1, 0), 2: (1, 0)}.get(tensor.ndim, range(tensor.ndim))))

    variables = jax.tree.map_with_path(weights, tuple(shapes(model)))
    logits = run(model, variables, small_golden.images(name))[0]
    np.testing.assert_allclose(logits, SMALL_ONES["logits"][name], rtol=1e-4, atol=1e-5)


# What each network of the golden file is here, and its names.
NARROW = {
    "vgg_bn narrow": (
        partial(
            models.stacked,
            models.ConvLayout(((4,), (8, 8)), (3, 3), ((1,), (1, 1)), (1, 1), (2, 2), (16, 12), 7),
            norm=models.batch_norm,
        ),
        init.vgg_names,
    ),
    "densenet narrow": (
        partial(models.densenet, models.DenseLayout((2, 3), growth=4, width=8)),
        init.densenet_names,
    ),
    "mobilenet_v2 narrow": (
        partial(
            models.mobilenet,
            models.MobileLayout(((32, 1, 1, 1), (32, 2, 2, 6), (64, 2, 2, 6)), last=1280, multiplier=0.25),
        ),
        init.mobilenet_v2_names,
    ),
    "mobilenet_v1 narrow": (
        partial(models.mobilenet, models.MobileLayout(((64, 1, 1, 0), (128, 2, 2, 0)), multiplier=0.25)),
        init.mobilenet_v1_names,
    ),
    "csp narrow": (partial(models.cspnet, models.CspLayout((1, 2), (8, 16), width=8)), init.cspnet_names),
    "vovnet narrow": (
        partial(
            models.vovnet,
            models.VovLayout((1, 2, 1, 1), (6, 8, 8, 8), (16, 20, 20, 24), 2, (8, 8, 12), effective=True),
        ),
        init.vovnet_names,
    ),
    "repvgg narrow": (
        partial(models.repvgg, models.RepLayout((2, 2), (8, 16), 8, strides=(2, 2))),
        init.repvgg_names,
    ),
    "preact narrow": (
        partial(models.preact, models.PreactLayout((1, 2), (8, 16), True, 8, (7, 2), True)),
        init.preact_names,
    ),
    "resnext, squeeze-excite, blur narrow": (
        partial(
            models.resnet,
            models.Layout((1, 1, 1, 1), (64, 32, 32, 32), True, (7, 2), True, groups=4, base=16),
            b=True,
            blur=True,
            attention=layers.SqueezeExcite,
        ),
        None,
    ),
    "resnet, eca, dilated narrow": (
        partial(
            models.resnet,
            models.Layout((1, 1, 2, 2), (64, 16, 16, 32), True, (7, 2), True),
            b=True,
            dilated=2,
            attention=layers.EfficientChannelAttention,
        ),
        None,
    ),
}
FULL = {
    "alexnet": (NETWORKS["alexnet"], init.alexnet_names),
    "vgg11": (NETWORKS["vgg11"], init.vgg_names),
    "vgg11_bn": (NETWORKS["vgg11_bn"], init.vgg_names),
    "squeezenet1_1": (NETWORKS["squeezenet"], init.squeezenet_names),
    "mobilenet_v2": (NETWORKS["mobilenet_v2"], init.mobilenet_v2_names),
    "resnext50_32x4d": (partial(NETWORKS["resnext50"], b=True), None),
    "densenet121": (NETWORKS["densenet121"], init.densenet_names),
    "densenet169": (NETWORKS["densenet169"], init.densenet_names),
    "wide_resnet50_2": (partial(NETWORKS["wide_resnet50"], b=True), None),
    "googlenet": (NETWORKS["googlenet_torchvision"], init.googlenet_names),
    "inception_v3": (NETWORKS["inception_v3_torchvision"], init.inception_v3_names),
    "mobilenetv1_100": (NETWORKS["mobilenet_v1"], init.mobilenet_v1_names),
    "cspresnet50": (NETWORKS["cspresnet50"], init.cspnet_names),
    "vovnet39a": (NETWORKS["vovnet39"], init.vovnet_names),
    "ese_vovnet39b": (NETWORKS["ese_vovnet39"], init.vovnet_names),
    "repvgg_a0": (NETWORKS["repvgg_a0"], init.repvgg_names),
    "resnetv2_50": (NETWORKS["preact50"], init.preact_names),
    "seresnet50": (partial(NETWORKS["resnet50"], b=True, attention=layers.SqueezeExcite), None),
    "ecaresnet50d": (
        partial(NETWORKS["resnet50"], b=True, c=True, d=True, attention=layers.EfficientChannelAttention),
        None,
    ),
    "resnetblur50": (partial(NETWORKS["resnet50"], b=True, blur=True), None),
}


def torch_shapes(variables, names, pooled):
    """Names and shapes as torch has them, of the trees of a network of ours."""
    leaves = {
        init._pretrained._path(keys): leaf.shape for tree in variables for keys, leaf in jax.tree.leaves_with_path(tree)
    }
    called = init._pretrained.torch_names(leaves, pooled=pooled) if names is None else names(leaves)
    return {
        called[path]: tuple(shape[axis] for axis in TO_TORCH.get(len(shape), range(len(shape))))
        for path, shape in leaves.items()
    }


@cache
def built(name):
    build, names = NARROW.get(name) or FULL[name]
    model = build(classes=golden.CLASSES, kernel_init=CHEAP)
    variables = shapes(model)
    return model, variables, torch_shapes(variables, names, pooled=name == "ecaresnet50d"), names


def test_every_network_of_the_golden_file_is_compared():
    assert set(STORED) == set(NARROW) | set(FULL)


QUICK = {"squeezenet1_1", "alexnet", "vgg11_bn", "mobilenetv1_100"}


@pytest.mark.parametrize("name", [n if n in NARROW or n in QUICK else pytest.param(n, marks=SLOW) for n in STORED])
def test_names_and_shapes_are_theirs(name):
    _, variables, theirs, _ = built(name)
    assert analysis.count_parameters(variables[0]) == STORED[name]["parameters"]
    assert golden.digest({key: golden.bare(shape) for key, shape in theirs.items()}) == STORED[name]["shapes"]


@pytest.mark.parametrize("name", [n if n in NARROW else pytest.param(n, marks=SLOW) for n in STORED])
def test_logits_are_theirs(name, tmp_path):
    model, variables, theirs, names = built(name)
    path = tmp_path / "weights.npz"
    tensors = {key: golden.tensor(key, shape) for key, shape in theirs.items()}
    np.savez(path, **tensors)
    params, stats = init.load_pretrained(variables, path, names=names)
    logits = jax.jit(lambda x: model.apply(params, stats, x, train=False)[0][0])(golden.photographs(name))
    expected = np.array(STORED[name]["logits"])
    assert np.abs(logits - expected).max() <= golden.NEAR * np.abs(expected).max()
    assert np.abs(expected[0] - expected[1]).max() > 2 * golden.NEAR * np.abs(expected).max()  # the images matter


SMALL = {  # name: size of the image, of classes; every family, as the command line has it
    **{"lenet5": 28, "alexnet_mini": 28, "vgg_mini": 28, "vgg_mini_bn": 28, "nin_mini": 32, "inception_mini": 28},
    **{"inception_v3_mini": 28, "highway_mini": 28, "densenet_mini": 28, "squeezenet_mini": 28},
    **{"mobilenet_v1_mini": 28, "mobilenet_v2_mini": 28, "csp_mini": 28, "vovnet_mini": 28, "repvgg_mini": 28},
    **{"preact_mini": 28, "wrn_10_1": 32, "airbench_mini": 32, "resnext_mini": 28},
}


@pytest.mark.parametrize("name", SMALL)
def test_every_family_trains_on_small_images(name):
    """Logits are float32, whatever the dtype; the statistics of a step have the shapes of before."""
    model = network(name, classes=5, dtype=jnp.bfloat16)
    variables = shapes(model)
    call = partial(model.apply, train=True)
    keys = jax.random.split(jax.random.key(0), 2)
    (logits, taps), stats = jax.eval_shape(call, *variables, image(name, SMALL[name], batch=2), key=keys)
    assert logits.shape == (2, 5)
    assert logits.dtype == jnp.float32
    assert taps["features"].shape[0] == 2
    assert {tap for tap in taps if tap.startswith("stage")}
    assert jax.tree.map(jnp.shape, stats) == jax.tree.map(jnp.shape, variables[1])
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))


@pytest.mark.parametrize(
    ("name", "size", "smallest"),
    # By hand: LeNet-5 with a border of 2 needs 5 + 2 x (5 - 1) + ... = 28; AlexNet's map of 3 x 3 before its last pool
    # needs 15 before the second and 31 + 11 x ... pixels before the first; a pool halves VGG-11's image five times.
    [("lenet5", 27, 28), ("vgg11_small", 31, 32), ("alexnet", 62, 63)],
)
def test_an_image_that_is_too_small_is_refused_with_the_smallest_that_is_not(name, size, smallest):
    model = network(name, classes=5)
    words = rf"image has shape \(1, {size}, {size}, \d\); allowed: {smallest} x {smallest} pixels or more"
    with pytest.raises(ValueError, match=words):
        jax.eval_shape(partial(model.apply, train=False), *shapes(model), image(name, size))
    jax.eval_shape(partial(model.apply, train=False), *shapes(model), image(name, smallest))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: network("vgg_mini", classes=0), "classes is 0"),
        (lambda: network("densenet_mini", classes=2, channels=0), "channels is 0"),
        (lambda: network("mobilenet_v2_mini", classes=2, act=None), "act is None"),
        (lambda: models.nin(((3, (8, 0)),), classes=2), "stages is"),
        (lambda: network("preact_mini", classes=2, depth_rate=2.0), "depth_rate is 2.0"),
        (lambda: network("resnet20", classes=2, dilated=3), "dilated is 3; allowed: 0 to 2"),
        (lambda: network("resnet20", classes=2, zero_gamma=True, norm=None), "zero_gamma is True"),
        (lambda: network("resnet20", classes=2, frozen_bn=True, norm=None), "frozen_bn is True"),
        (lambda: models.resnet(models.LAYOUTS["resnet20"]._replace(groups=2), classes=2), "layout.groups is 2"),
    ],
)
def test_what_they_refuse(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


def test_wrong_channels_are_refused():
    model = network("vgg_mini", classes=2)
    with pytest.raises(ValueError, match=r"image has shape \(1, 28, 28, 1\); allowed: \(any, any, any, 3\)"):
        jax.eval_shape(
            partial(model.apply, train=False), *shapes(model), jax.ShapeDtypeStruct((1, 28, 28, 1), "float32")
        )


def drawn(model, seed=0):
    """Weights and statistics that matter, by NumPy: to compile the initialisers would take longer than the rest."""
    rng = np.random.default_rng(seed)

    def leaf(path, shape):
        if shape.ndim > 1:
            return jnp.asarray(rng.normal(size=shape.shape) * np.sqrt(2 / np.prod(shape.shape[:-1])), jnp.float32)
        return jnp.asarray(rng.random(shape.shape) + (0.5 if path[-1].key in ("var", "scale") else -0.5), jnp.float32)

    return jax.tree.map_with_path(leaf, shapes(model))


def run(model, variables, x, **options):
    """Logits and taps."""
    return jax.jit(partial(model.apply, **{"train": False} | options))(*variables, x)[0]


def test_the_branches_of_repvgg_are_one_convolution():
    layout = models.RepLayout((2,), (6,), 6, stride=2, strides=(1,))
    trained, merged = (models.repvgg(layout, classes=3, merged=m, kernel_init=CHEAP) for m in (False, True))
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype(np.float32)
    variables = drawn(trained)
    plain = models.merge_branches(*variables)
    assert jax.tree.map(jnp.shape, plain) == jax.tree.map(jnp.shape, shapes(merged))
    np.testing.assert_allclose(run(merged, plain, x)[0], run(trained, variables, x)[0], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="no block with branches"):
        models.merge_branches({"head": {"kernel": jnp.ones((2, 2))}}, {})


def test_an_open_gate_is_a_plain_layer_and_a_closed_one_the_identity():
    model = models.highway(((4, 1),), classes=2, kernel_init=CHEAP)
    x = np.random.default_rng(1).normal(size=(2, 6, 6, 3)).astype(np.float32)
    params, stats = drawn(model)
    compute = jax.jit(partial(model.apply, train=False))

    def layer(x, tree):
        patches = layers.conv2d_im2col(jnp.asarray(x), tree["kernel"], padding=1)
        return np.maximum(patches + tree["bias"].reshape(1, 1, 1, -1), 0)

    first = layer(x, params["entries"]["0"]["conv"])
    gated = params["stage1"]["0"]
    for bias, expected in ((60.0, layer(first, gated["plain"]["conv"])), (-60.0, first)):
        gate = {"kernel": gated["gate"]["kernel"], "bias": jnp.full(4, bias)}
        taps = compute(params | {"stage1": {"0": gated | {"gate": gate}}}, stats, x)[0][1]
        np.testing.assert_allclose(taps["stage1"], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(taps["gates"], [float(bias > 0)], atol=1e-6)


def test_airbench_freezes_its_whitening_and_starts_as_the_identity():
    model = models.airbench((12,), classes=2, channels=1, kernel_init=jax.nn.initializers.ones)
    x = np.random.default_rng(1).normal(size=(2, 9, 9, 1)).astype(np.float32)
    params, stats = drawn(model)
    gradient = jax.jit(jax.grad(lambda p: (model.apply(p, stats, x, train=True)[0][0] ** 2).sum()))(params)
    assert not np.any(gradient["whiten"]["kernel"])
    assert np.any(gradient["whiten"]["bias"])
    kernel = model.init(jax.random.key(0))[0]["stage1"]["0"]["conv"]["kernel"]  # 8 channels to 12
    np.testing.assert_array_equal(kernel[1, 1, :, :8], np.eye(8))
    assert float(jnp.abs(kernel[..., :8]).sum()) == 8
    np.testing.assert_array_equal(kernel[..., 8:], 1)
    assert set(params["stage1"]["0"]["bn"]) == {"bias"}  # no gamma


def test_stochastic_depth_drops_blocks_in_training_only():
    layout = models.Layout((2,), (4,), False, (3, 1), False)
    model = models.resnet(layout, classes=2, depth_rate=1.0, kernel_init=CHEAP)
    x = np.random.default_rng(1).normal(size=(4, 6, 6, 3)).astype(np.float32)
    params, stats = drawn(model)
    keys = jax.random.split(jax.random.key(2), 4)
    _, taps = run(model, (params, stats), x, train=True, key=keys)
    # the first block is never dropped, the last always: without its branch nothing behind it is added
    one = models.resnet(layout._replace(blocks=(1,)), classes=2, kernel_init=CHEAP)
    first = [tree | {"stage1": {"0": tree["stage1"]["0"]}} for tree in (params, stats)]
    _, kept = run(one, first, x, train=True)
    np.testing.assert_allclose(taps["stage1"], kept["stage1"], rtol=1e-5, atol=1e-5)
    _, still = run(model, (params, stats), x, key=keys)
    assert np.abs(still["stage1"] - kept["stage1"]).max() > 1e-2
    with pytest.raises(ValueError, match="key is None"):
        jax.eval_shape(partial(model.apply, train=True), params, stats, image("", 6))


def test_zero_gamma_as_an_argument_is_the_change_of_parameters():
    layout = models.Layout((1,), (4,), True, (3, 1), False)
    a, b = (
        models.resnet(layout, classes=2, zero_gamma=zero, kernel_init=CHEAP).init(jax.random.key(0))[0]
        for zero in (True, False)
    )
    assert np.any(b["stage1"]["0"]["last_bn"]["scale"])
    jax.tree.map(np.testing.assert_array_equal, a, init.zero_gamma(b))


def test_a_dilated_network_keeps_the_resolution():
    fields = {}
    for dilated in (0, 2):
        model = network("resnet_small", classes=2, dilated=dilated)
        fields[dilated] = analysis.receptive_fields(model.apply, *shapes(model), image("", 32))["stage3"][0]
    assert (fields[0].stride, fields[2].stride) == (4, 1)
    # stem 5; two 3x3 a stage, of dilation 1, 1 | 1, 2 | 2, 4 where the others have strides
    assert fields[2].size == 5 + 2 * 2 + 2 * (1 + 2) + 2 * (2 + 4)


def test_a_deep_vgg_starts_from_a_shallow_one():
    def layout(count):
        return models.ConvLayout(((2,) * count, (3,)), (3, 3), ((1,) * count, (1,)), (1, 1), (2, 2), (), 1)

    shallow, deep = (models.stacked(layout(count), classes=2, kernel_init=CHEAP) for count in (1, 2))
    trained, fresh = drawn(shallow)[0], drawn(deep, seed=1)[0]
    params = init.grown(fresh, trained)
    new = params["stage1"].pop("1")
    jax.tree.map(np.testing.assert_array_equal, params, trained)
    np.testing.assert_array_equal(new["conv"]["kernel"], fresh["stage1"]["1"]["conv"]["kernel"])
    for wrong in (trained, {"other": jnp.ones(2)}):
        with pytest.raises(ValueError, match="leaves with params"):
            init.grown(trained, wrong)
