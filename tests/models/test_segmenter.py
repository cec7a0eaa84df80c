"""FCN, PSPNet and U-Net: published sizes, any image size, resizing and pyramid against NumPy, dilation, gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtricks import models
from jaxtricks.analysis._cost import count_parameters

SMALL = models.Layout((1, 1, 1), (4, 6, 8), bottleneck=False, stem=(3, 2), pool=False)
IMAGE = jax.random.uniform(jax.random.key(1), (2, 13, 18, 2))


def body(**options):
    return models.resnet(SMALL, classes=1, channels=2, **options)


def segmenter(backbone=None, taps=("stage3",), **options):
    return models.segmenter(body() if backbone is None else backbone, taps=taps, classes=3, channels=2, **options)


def drawn(model):
    """Parameters and statistics of NumPy's, so that nothing is compiled."""
    draws = np.random.default_rng(0)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.float32(draws.uniform(0.1, 1.0, leaf.shape) - 0.3 * (leaf.ndim > 1)), shapes)


def evaluated(model, variables, image=IMAGE):
    return jax.jit(partial(model.apply, train=False))(*variables, image)[0]


def traced(model, image, *, train=False):
    """The shapes of parameters and output."""
    params, stats = jax.eval_shape(model.init, jax.random.key(0))
    image = jax.ShapeDtypeStruct(image, jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    return params, *jax.eval_shape(partial(model.apply, train=train), params, stats, image, key=key)


def stretched(x, size):
    """Linear between the centres of pixels, constant beyond the outer ones; ``[h, w]`` by NumPy."""

    def line(values, length):
        places = (np.arange(length) + 0.5) * len(values) / length - 0.5
        return np.interp(places, np.arange(len(values)), values)

    rows = np.stack([line(row, size[1]) for row in x])
    return np.stack([line(column, size[0]) for column in rows.T]).T


@pytest.mark.slow
def test_published_size_of_fcn():
    """That of torchvision's fcn_resnet50 with its auxiliary head, whose backbone has no classifier."""
    zeros = jax.nn.initializers.zeros
    backbone = models.resnet(models.LAYOUTS["resnet50"], classes=1, dilated=2, kernel_init=zeros)
    fcn = models.segmenter(backbone, taps=("stage4",), classes=21, auxiliary="stage3", kernel_init=zeros)
    params = jax.eval_shape(fcn.init, jax.random.key(0))[0]
    del params["backbone"]["head"]
    assert count_parameters(params) == 35_322_218


def test_published_size_of_unet():
    """That of the paper's network with one channel, one class and padding, as many print it."""
    zeros = jax.nn.initializers.zeros
    paper = models.unet((64, 128, 256, 512, 1024), classes=1, channels=1, norm=None, kernel_init=zeros)
    assert count_parameters(jax.eval_shape(paper.init, jax.random.key(0))[0]) == 31_030_593


def test_the_size_of_a_pyramid_is_that_of_its_parts():
    params = traced(segmenter(bins=(1, 2, 3, 6), auxiliary="stage2", width=5), (1, 16, 16, 2))[0]["head"]
    assert count_parameters(params["pyramid"]) == 4 * (8 * 2 + 2 * 2)  # each of 8 / 4 channels, with its normalisation
    assert count_parameters(params["main"]) == 9 * (8 + 4 * 2) * 5 + 2 * 5 + 5 * 3 + 3
    assert count_parameters(params["auxiliary"]) == 9 * 6 * 1 + 2 * 1 + 1 * 3 + 3


def test_every_pixel_gets_a_class_whatever_the_size():
    three, zoomed = ("stage1", "stage2", "stage3"), ("stage3",)
    for size, bins, taps in (((13, 18), (), three), ((5, 3), (1, 2, 3, 6), zoomed)):
        image = (2, *size, 2)
        _, (logits, seen), _ = traced(segmenter(taps=taps, bins=bins, auxiliary="stage2"), image, train=True)
        assert logits.shape == seen["auxiliary"].shape == (2, *size, 3)
        assert {"stem", "stage1", "stage2", "stage3", "features", "pixels", "auxiliary"} == set(seen)
        _, (logits, seen), _ = traced(models.unet((4, 6, 8), classes=3, channels=2), image)
        assert logits.shape == (2, *size, 3)
        assert seen["down3"].shape == (2, *[-(-n // 4) for n in size], 8)
        assert seen["up1"].shape == seen["down1"].shape == (2, *size, 4)


def test_dilated_stages_keep_the_stride():
    """Stride 32 of an ImageNet network becomes 8, as in the papers, and the parameters stay."""
    layout = models.Layout((1, 1, 1, 1), (2, 4, 8, 16), bottleneck=True, stem=(7, 2), pool=True)
    counts = set()
    for dilated, stride in ((0, 32), (2, 8)):
        params, (_, taps), _ = traced(models.resnet(layout, classes=1, dilated=dilated), (1, 64, 96, 3))
        assert taps["stage4"].shape[1:3] == (64 // stride, 96 // stride)
        counts.add(count_parameters(params))
    assert len(counts) == 1


def test_logits_are_resized_between_the_centres_of_pixels_and_finer_scores_are_added():
    network = segmenter(taps=("stage1", "stage3"))
    params, stats = drawn(network)
    logits, taps = evaluated(network, (params, stats))
    head = jax.tree.map(np.asarray, params["head"])

    def scores(x, layer):
        return np.asarray(x) @ layer["kernel"][0, 0] + layer["bias"]

    coarse, fine = scores(taps["pixels"], head["main"]["score"]), scores(taps["stage1"], head["finer"]["0"])
    for image, label in ((0, 1), (1, 2)):
        both = stretched(coarse[image, ..., label], fine.shape[1:3]) + fine[image, ..., label]
        np.testing.assert_allclose(logits[image, ..., label], stretched(both, IMAGE.shape[1:3]), rtol=1e-4, atol=1e-5)


def test_the_pyramid_is_averages_over_parts_of_the_map():
    """With an identity where convolutions stand, the head sees the map and the means of its parts."""
    network = segmenter(bins=(1, 2), norm=None, act=lambda x: x, width=16)
    params, stats = drawn(network)
    pick = np.eye(8)[:, :4]  # of 8 channels the first four, which is the depth of each of two branches
    pyramid = {name: {"conv": {"kernel": pick[None, None], "bias": np.zeros(4)}} for name in ("0", "1")}
    kernel = np.zeros((3, 3, 16, 16))
    kernel[1, 1] = np.eye(16)
    main = params["head"]["main"] | {"conv": {"conv": {"kernel": kernel, "bias": np.zeros(16)}}}
    head = jax.tree.map(jnp.float32, params["head"] | {"pyramid": pyramid, "main": main})
    _, taps = evaluated(network, (params | {"head": head}, stats), IMAGE[:, :12, :16])
    x, pixels = (np.asarray(taps[name]) for name in ("stage3", "pixels"))
    assert x.shape[1:3] == (2, 2)
    np.testing.assert_allclose(pixels[..., :8], x, rtol=1e-5, atol=1e-6)
    mean = np.broadcast_to(x[..., :4].mean((1, 2), keepdims=True), (2, 2, 2, 4))
    np.testing.assert_allclose(pixels[..., 8:12], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pixels[..., 12:], x[..., :4], rtol=1e-5, atol=1e-6)  # 2 x 2 parts of 2 x 2 cells


def test_the_way_up_is_a_transposed_convolution():
    """One level: its 1x1 kernel, put in order, is that of lax.conv_transpose of 2x2 and stride 2."""
    network = models.unet((3, 5), classes=2, channels=2, norm=None, act=lambda x: x)
    params, stats = drawn(network)
    logits, taps = evaluated(network, (params, stats))
    kernel = params["grow1"]["conv"]["kernel"][0, 0].reshape(5, 2, 2, 3).transpose(1, 2, 0, 3)
    # lax slides the kernel mirrored
    names = ("NHWC", "HWIO", "NHWC")
    grown = lax.conv_transpose(taps["down2"], kernel[::-1, ::-1], (2, 2), "VALID", dimension_numbers=names)

    def twice(x, layers):
        for name in ("0", "1"):
            part = layers[name]["conv"]
            x = lax.conv_general_dilated(x, part["kernel"], (1, 1), "SAME", dimension_numbers=names)
            x = x + part["bias"][None, None, None]
        return x

    grown = grown[:, :13, :18] + params["grow1"]["bias"][None, None, None]
    up = twice(jnp.concatenate([taps["down1"], grown], -1), params["up1"])
    np.testing.assert_allclose(taps["up1"], up, rtol=1e-4, atol=1e-4)
    # the way down: maxima of 2 x 2, of the last row alone where the height is odd
    fine = np.asarray(taps["down1"])
    pooled = np.concatenate([fine, fine[:, -1:]], 1).reshape(2, 7, 2, 9, 2, 3).max((2, 4))
    np.testing.assert_allclose(taps["down2"], twice(jnp.asarray(pooled), params["down2"]), rtol=1e-4, atol=1e-4)
    head = jax.tree.map(np.asarray, params["head"])
    wanted = np.asarray(taps["up1"]) @ head["kernel"][0, 0] + head["bias"]
    np.testing.assert_allclose(logits, wanted, rtol=1e-4, atol=1e-4)


def test_the_auxiliary_head_reads_its_own_map_and_changes_nothing_else():
    network = segmenter(bins=(1, 2), auxiliary="stage2", dropout_rate=0.5)
    params, stats = drawn(network)
    run = jax.jit(partial(network.apply, train=False))

    def outputs(*parts):
        """Logits and auxiliary logits where some parts of the parameters are other ones."""
        changed = jax.tree.map(lambda leaf: leaf, params)
        for owner, name in parts:
            changed[owner][name] = jax.tree.map(lambda leaf: leaf * 1.5, changed[owner][name])
        (logits, taps), _ = run(changed, stats, IMAGE)
        return np.stack([logits, taps["auxiliary"]])

    before = outputs()
    moved = {  # what changes: the logits, those of the auxiliary head
        (("backbone", "stage2"),): (True, True),
        (("backbone", "stage3"),): (True, False),
        (("backbone", "head"),): (False, False),
        (("head", "main"), ("head", "pyramid")): (True, False),
        (("head", "auxiliary"),): (False, True),
    }
    for parts, wanted in moved.items():
        assert tuple((outputs(*parts) != before).any((1, 2, 3, 4))) == wanted, parts
    with pytest.raises(ValueError, match="key is None"):
        network.apply(params, stats, IMAGE, train=True)


def test_low_precision_leaves_the_logits_in_float32():
    half = {"dtype": jnp.bfloat16}
    for network in (segmenter(body(**half), **half), models.unet((4, 6), classes=3, channels=2, **half)):
        params, (logits, taps), _ = traced(network, (1, 16, 16, 2))
        assert {taps[name].dtype for name in ("pixels", "up1") if name in taps} == {jnp.dtype("bfloat16")}
        assert {leaf.dtype for leaf in jax.tree.leaves((params, logits))} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"taps": ()}, "taps is (); allowed: one name or more, each once."),
        ({"taps": ("stage1", "stage1")}, "each once"),
        ({"taps": ("stage9",)}, "taps is ('stage9',); allowed: 'stage1', 'stage2', 'stage3', 'stem'."),
        ({"taps": ("features",)}, "taps is ('features',); allowed: 'stage1'"),
        ({"auxiliary": "stage9"}, "auxiliary is 'stage9'; allowed: 'stage1', 'stage2', 'stage3', 'stem', or None."),
        ({"bins": (2, 2)}, "bins is (2, 2); allowed: different integers"),
        ({"bins": (0,)}, "bins is 0; allowed: an integer of 1 or more"),
        ({"bins": tuple(range(1, 10))}, "allowed: at most 8, the channels of 'stage3'"),
        ({"width": 0}, "width is 0"),
        ({"dropout_rate": 1.5}, "dropout_rate is 1.5"),
    ],
)
def test_wrong_options_of_a_segmenter(options, words):
    with pytest.raises(ValueError) as error:
        segmenter(**options)
    assert words in str(error.value)


@pytest.mark.parametrize(("widths", "words"), [((), "widths"), ((4,), "two or more"), ((4, 0), "integers of 1")])
def test_wrong_widths_of_a_unet(widths, words):
    with pytest.raises(ValueError, match=words):
        models.unet(widths, classes=3)
    with pytest.raises(ValueError, match="classes is 0"):
        models.unet((4, 8), classes=0)
