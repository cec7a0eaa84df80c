"""The plain network and the perceptron: numbers by NumPy, sizes, parts that learn or draw, what they refuse."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.signal import correlate

from jaxtricks import layers, models
from jaxtricks.analysis._cost import count_parameters
from jaxtricks.models import drawn, fixed, learned, perceptron, plain, stateless_norm

IMAGE = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
KEYS = jax.random.split(jax.random.key(1), 4)


def made(model, *, train=False, key=None):
    params, stats = model.init(jax.random.key(0))
    return jax.tree.map(np.asarray, params), stats, *model.apply(params, stats, IMAGE, train=train, key=key)


def convolved(x, kernel):
    """3x3 correlation with a border of zeros, by SciPy, one image."""
    out = [
        sum(correlate(x[..., i], kernel[..., i, o], "same") for i in range(x.shape[-1]))
        for o in range(kernel.shape[-1])
    ]
    return np.stack(out, -1)


def test_the_plain_network_by_scipy():
    params, _, (logits, taps), _ = made(plain((4, 6), classes=5, norm=None))
    first, second = (params["stages"][i]["conv"] for i in "01")
    x = np.maximum(convolved(IMAGE[0], first["kernel"]) + first["bias"], 0)
    np.testing.assert_allclose(taps["stage1"][0], x, atol=1e-5)
    x = x.reshape(4, 2, 4, 2, 4).max((1, 3))
    x = np.maximum(convolved(x, second["kernel"]) + second["bias"], 0)
    features = x.mean((0, 1))
    np.testing.assert_allclose(taps["features"][0], features, atol=1e-5)
    np.testing.assert_allclose(logits[0], features @ params["head"]["kernel"] + params["head"]["bias"], atol=1e-5)


def test_batch_norm_of_the_plain_network_keeps_statistics():
    _, before, (_, taps), after = made(plain((4,), classes=2, activation=fixed(lambda x: x)), train=True)
    np.testing.assert_allclose(taps["stage1"].mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(taps["stage1"].var((0, 1, 2)), 1, atol=1e-3)
    changed = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), before, after)
    assert min(jax.tree.leaves(changed)) > 1e-3


@pytest.mark.parametrize(
    ("parts", "size"),
    [
        # kernels 3*3*3*4 and 3*3*4*6, batch norm 2*4 + 2*6, head 6*2 + 2
        ({}, 108 + 216 + 20 + 14),
        ({"norm": None}, 108 + 216 + 10 + 14),
        ({"activation": learned(layers.PReLU)}, 108 + 216 + 20 + 14 + 4 + 6),
        ({"norm": partial(stateless_norm, module=nnx.GroupNorm, num_groups=2)}, 108 + 216 + 20 + 14),
        ({"readout": learned(layers.GeM)}, 108 + 216 + 20 + 14 + 6),
        ({"readout": fixed(partial(layers.spatial_pyramid_pool, levels=(1, 2)))}, 108 + 216 + 20 + 5 * 12 + 2),
    ],
)
def test_sizes(parts, size):
    assert count_parameters(jax.eval_shape(plain((4, 6), classes=2, **parts).init, jax.random.key(0))[0]) == size


def test_a_drawn_layer_draws_in_training_only_and_for_each_example_by_itself():
    model = plain((4,), classes=2, activation=drawn(layers.rrelu, layers.rrelu_mean), norm=None)
    logits = [made(model, train=True, key=key)[2][0] for key in (KEYS, KEYS, KEYS[::-1])]
    np.testing.assert_array_equal(logits[0], logits[1])
    assert (logits[0] != logits[2]).any()
    rest = [made(model, train=False, key=key)[2][0] for key in (None, KEYS)]
    np.testing.assert_array_equal(*rest)


def test_every_convolution_passes_its_kernel_through_the_function():
    usual, doubled = (plain((4,), classes=2, norm=None, kernel=k) for k in (None, lambda kernel: 2 * kernel))
    taps = [made(model)[2][1]["stage1"] for model in (usual, doubled)]
    np.testing.assert_allclose(2 * taps[0], taps[1], rtol=1e-5)  # biases are 0 at first


def test_ghost_groups_take_statistics_of_their_own():
    model = plain((4,), classes=2, norm=partial(models.batch_norm, groups=2), activation=fixed(lambda x: x))
    taps = made(model, train=True)[2][1]["stage1"]
    for part in (taps[:2], taps[2:]):
        np.testing.assert_allclose(part.mean((0, 1, 2)), 0, atol=1e-5)


def test_the_perceptron_by_numpy():
    model = perceptron((7,), size=64, channels=3, classes=5, activation=jnp.tanh)
    params, _, (logits, taps), _ = made(model)
    x = IMAGE.reshape(4, -1)
    hidden = np.tanh(x @ params["hidden"]["0"]["kernel"] + params["hidden"]["0"]["bias"])
    np.testing.assert_allclose(taps["hidden1"], hidden, atol=1e-5)
    np.testing.assert_allclose(logits, hidden @ params["head"]["kernel"] + params["head"]["bias"], atol=1e-5)


def test_without_a_hidden_layer_it_is_logistic_regression():
    params, _, (logits, _), _ = made(perceptron((), size=64, channels=3, classes=5))
    assert set(params) == {"head"}
    np.testing.assert_allclose(logits, IMAGE.reshape(4, -1) @ params["head"]["kernel"], atol=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: plain((), classes=2), "widths is"),
        (lambda: plain((4, 0), classes=2), "widths is"),
        (lambda: plain((4,), classes=0), "classes is 0"),
        (lambda: perceptron((0,), size=4, classes=2), "widths is"),
        (lambda: perceptron((), size=0, classes=2), "size is 0"),
    ],
)
def test_what_they_refuse(make, words):
    with pytest.raises(ValueError, match=words):
        make()
