"""Families of networks: published sizes and costs; names, shapes and logits of torchvision and timm."""

import json
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import make_family_logits as golden

from jaxtricks import analysis, init, layers, models
from jaxtricks.init._pretrained import TO_TORCH
from jaxtricks.models import NETWORKS

STORED = json.loads(golden.STORED.read_text(encoding="utf-8"))["models"]
CHEAP = jax.nn.initializers.zeros  # shapes are the same, and an eighth faster to find
SLOW = pytest.mark.slow

# name: (parameters, multiply-accumulates, size of the image, classes), and where they are published
PUBLISHED = {
    # torchvision's documentation of its models: num_params, GFLOPS (multiply-accumulates)
    "alexnet": (61_100_840, 0.714e9, 224, 1000),
    "vgg11": (132_863_336, 7.609e9, 224, 1000),
    "vgg16_bn": (138_365_992, 15.470e9, 224, 1000),
    "googlenet_torchvision": (13_004_888, None, 224, 1000),
    "inception_v3": (27_161_264 - 3_326_696, 5.713e9, 299, 1000),  # without the auxiliary classifier
    "squeezenet": (1_235_496, 0.349e9, 224, 1000),
    "mobilenet_v2": (3_504_872, 0.301e9, 224, 1000),
    "densenet121": (7_978_856, 2.834e9, 224, 1000),
    "densenet169": (14_149_480, 3.360e9, 224, 1000),
    "densenet201": (20_013_928, 4.291e9, 224, 1000),
    "resnext50": (25_028_904, 4.230e9, 224, 1000),
    "resnext101": (88_791_336, 16.414e9, 224, 1000),
    "wide_resnet50": (68_883_240, 11.398e9, 224, 1000),
    # Howard et al., table 4: 569 million, 4.2 million; timm counts the latter
    "mobilenet_v1": (4_231_976, 0.569e9, 224, 1000),
    # timm's networks
    "cspresnet50": (21_616_168, None, 224, 1000),
    "vovnet39": (22_600_296, None, 224, 1000),
    "ese_vovnet39": (24_568_936, None, 224, 1000),
    "repvgg_a0": (9_108_968, None, 224, 1000),
    "preact50": (25_549_352, None, 224, 1000),
    # LeCun et al. with a full third layer; Krizhevsky et al. 2012: 60 million; BVLC's GoogLeNet; Lin et al. on CIFAR-10
    "lenet5": (61_706, None, 28, 10),
    "alexnet_2012": (60_965_224, 0.724e9, 224, 1000),
    "nin": (966_986, None, 32, 10),
    # Zagoruyko and Komodakis, table 4: 36.5 and 2.7 million; Huang et al., table 2: 0.8 million; Jordan: 1.97 million
    "wrn_28_10": (36_479_194, 5.2e9, 32, 10),
    "wrn_16_4": (2_748_890, None, 32, 10),
    "densenet_bc100": (769_162, None, 32, 10),
    "airbench94": (1_972_792, None, 32, 10),
}
FAST = {"alexnet", "vgg11", "squeezenet", "lenet5", "nin", "airbench94", "mobilenet_v1", "wrn_16_4", "alexnet_2012"}


def shapes(model):
    return jax.eval_shape(model.init, jax.random.key(0))


def network(name, **options):
    return NETWORKS[name](**{"kernel_init": CHEAP} | options)


def image(name, rows, columns=None, batch=1):
    channels = 1 if name == "lenet5" else 3
    return jax.ShapeDtypeStruct((batch, rows, columns or rows, channels), jnp.float32)


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=SLOW) for n in PUBLISHED])
def test_published_sizes_and_costs(name):
    parameters, macs, size, classes = PUBLISHED[name]
    model = network(name, classes=classes)
    variables = shapes(model)
    assert analysis.count_parameters(variables[0]) == parameters
    if macs is not None:
        count = analysis.count_macs(partial(model.apply, train=False), *variables, image(name, size))
        assert float(f"{count / 1e9:.3f}") == pytest.approx(macs / 1e9, abs=0.0011 if macs < 5.2e9 else 0.05)


# What each network of the golden file is here, and its names.
NARROW = {
    "vgg_bn narrow": (
        partial(
            models.stacked,
            models.ConvLayout(((4,), (8, 8)), (3, 3), ((1,), (1, 1)), (1, 1), (2, 2), (16, 12), 7),
            norm=models.batch_norm,
        ),
        init.names.vgg,
    ),
    "densenet narrow": (
        partial(models.densenet, models.DenseLayout((2, 3), growth=4, width=8)),
        init.names.densenet,
    ),
    "mobilenet_v2 narrow": (
        partial(
            models.mobilenet,
            models.MobileLayout(((32, 1, 1, 1), (32, 2, 2, 6), (64, 2, 2, 6)), last=1280, multiplier=0.25),
        ),
        init.names.mobilenet_v2,
    ),
    "mobilenet_v1 narrow": (
        partial(models.mobilenet, models.MobileLayout(((64, 1, 1, 0), (128, 2, 2, 0)), multiplier=0.25)),
        init.names.mobilenet_v1,
    ),
    "csp narrow": (partial(models.cspnet, models.CspLayout((1, 2), (8, 16), width=8)), init.names.cspnet),
    "vovnet narrow": (
        partial(
            models.vovnet,
            models.VovLayout((1, 2, 1, 1), (6, 8, 8, 8), (16, 20, 20, 24), 2, (8, 8, 12), effective=True),
        ),
        init.names.vovnet,
    ),
    "repvgg narrow": (
        partial(models.repvgg, models.RepLayout((2, 2), (8, 16), 8, strides=(2, 2))),
        init.names.repvgg,
    ),
    "preact narrow": (
        partial(models.preact, models.PreactLayout((1, 2), (8, 16), True, 8, (7, 2), True)),
        init.names.preact,
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
    "alexnet": (NETWORKS["alexnet"], init.names.alexnet),
    "vgg11": (NETWORKS["vgg11"], init.names.vgg),
    "vgg11_bn": (NETWORKS["vgg11_bn"], init.names.vgg),
    "squeezenet1_1": (NETWORKS["squeezenet"], init.names.squeezenet),
    "mobilenet_v2": (NETWORKS["mobilenet_v2"], init.names.mobilenet_v2),
    "resnext50_32x4d": (partial(NETWORKS["resnext50"], b=True), None),
    "densenet121": (NETWORKS["densenet121"], init.names.densenet),
    "densenet169": (NETWORKS["densenet169"], init.names.densenet),
    "wide_resnet50_2": (partial(NETWORKS["wide_resnet50"], b=True), None),
    "googlenet": (NETWORKS["googlenet_torchvision"], init.names.googlenet),
    "inception_v3": (NETWORKS["inception_v3_torchvision"], init.names.inception_v3),
    "mobilenetv1_100": (NETWORKS["mobilenet_v1"], init.names.mobilenet_v1),
    "cspresnet50": (NETWORKS["cspresnet50"], init.names.cspnet),
    "vovnet39a": (NETWORKS["vovnet39"], init.names.vovnet),
    "ese_vovnet39b": (NETWORKS["ese_vovnet39"], init.names.vovnet),
    "repvgg_a0": (NETWORKS["repvgg_a0"], init.names.repvgg),
    "resnetv2_50": (NETWORKS["preact50"], init.names.preact),
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
    return model, variables, torch_shapes(variables, names, pooled=name.endswith("d")), names


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
    assert np.abs(expected[0] - expected[1]).max() > 1e-2 * np.abs(expected).max()  # the images matter
