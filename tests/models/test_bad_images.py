"""What every family says of an image or a number of classes that it cannot take, before anything compiles."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import pytest

from jaxtricks import models
from jaxtricks.models import NETWORKS

CHEAP = jax.nn.initializers.zeros
GREY = {"lenet5"}
# The smallest image by hand: each 2x2 pool or window needs twice and more of what is behind it; 1 where all is padded.
# alexnet_mini: three pools of 3x3, stride 2, need 3, 7, 15. nin_mini: two such pools with hanging windows. vovnet_mini:
# one. airbench_mini: 3 x 3 behind three pools are 24, and the first layer of 2x2 takes one more.
SMALLEST = {
    **{"lenet5": 28, "alexnet_mini": 15, "vgg_mini": 8, "vgg_mini_bn": 8, "nin_mini": 6, "inception_mini": 4},
    **{"inception_v3_mini": 7, "highway_mini": 4, "densenet_mini": 4, "squeezenet_mini": 6, "vovnet_mini": 3},
    **{"airbench_mini": 25, "plain_mini": 4, "xnor_mini": 4},
    **dict.fromkeys(("mobilenet_v1_mini", "mobilenet_v2_mini", "csp_mini", "repvgg_mini"), 1),
    **dict.fromkeys(("preact_mini", "wrn_10_1", "resnext_mini", "resnet_mini"), 1),
}


@cache
def built(name):
    """A network of one class, its shapes, and its channels."""
    options = {} if name in ("plain_mini", "resnet_mini", "xnor_mini") else {"kernel_init": CHEAP}
    model = NETWORKS[name](classes=1, **options)
    return model, jax.eval_shape(model.init, jax.random.key(0)), 1 if name in GREY else 3


def logits(name, shape, dtype=jnp.float32):
    """The shape of the logits; nothing is compiled."""
    model, variables, _ = built(name)
    return jax.eval_shape(partial(model.apply, train=False), *variables, jax.ShapeDtypeStruct(shape, dtype))[0][0].shape


@pytest.mark.parametrize("name", SMALLEST)
def test_images_that_do_not_fit_are_named_with_what_does(name):
    channels, smallest = built(name)[2], SMALLEST[name]
    grey = 3 if channels == 1 else 1
    allowed = rf"; allowed: \(any, any, any, {channels}\)\."
    with pytest.raises(ValueError, match=rf"^image has shape \(2, 32, 32, {grey}\)" + allowed):
        logits(name, (2, 32, 32, grey))
    with pytest.raises(ValueError, match=rf"^image has shape \(32, 32, {channels}\)" + allowed):
        logits(name, (32, 32, channels))
    with pytest.raises(ValueError, match=r"^image has dtype int32; allowed: a floating-point dtype\."):
        logits(name, (2, 32, 32, channels), jnp.int32)
    if smallest > 1:
        words = rf"^image has shape \(2, {smallest - 1}, {smallest}, {channels}\); "
        with pytest.raises(ValueError, match=words + rf"allowed: {smallest} x {smallest} pixels or more\."):
            logits(name, (2, smallest - 1, smallest, channels))


def test_no_images_have_no_logits():
    """Where a map is flattened; elsewhere a batch of none is one of any size."""
    assert logits("alexnet_mini", (0, 15, 15, 3)) == (0, 1)


@pytest.mark.parametrize("name", SMALLEST)
def test_numbers_of_classes_and_channels_are_checked(name):
    for wrong in (0, -1, 2.5, True, None):
        for argument in ("classes", "channels"):
            options = {"classes": 2, argument: wrong}
            with pytest.raises(ValueError, match=rf"^{argument} is {wrong!r}; allowed: "):
                NETWORKS[name](**options)


def test_every_family_is_here():
    families = {getattr(build, "func", build) for build in NETWORKS.values()}
    assert {getattr(NETWORKS[name], "func", NETWORKS[name]) for name in SMALLEST} >= families - {models.perceptron}
