"""LeNet: Caffe's parameters, and the layers by NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import models

CAFFE = models.LENET_LAYOUTS["lenet_caffe"]


def test_the_parameters_are_caffes():
    params, stats = jax.eval_shape(models.lenet(CAFFE, classes=10).init, jax.random.key(0))
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in params["convs"].items()}
    assert sizes == {"0": 520, "1": 25_050, "2": 400_500}
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 431_080  # 1,720 kB in float32
    assert stats == {}


@pytest.mark.parametrize("pool", ["max", "average"])
def test_the_logits_by_numpy(pool):
    """The last convolution is a dense layer on the flattened map."""
    layout = models.LeNetLayout(((2, 5), (3, 5), (4, 2)), (3,), 2, pool, jax.nn.relu)
    model = models.lenet(layout, classes=5)
    params, stats = model.init(jax.random.key(0))
    image = jax.random.normal(jax.random.key(1), (2, 16, 16, 1))
    (logits, taps), _ = jax.jit(lambda image: model.apply(params, stats, image, train=False))(image)
    x = np.pad(np.asarray(image), ((0, 0), (2, 2), (2, 2), (0, 0)))
    for n in "01":
        layer = params["convs"][n]["conv"]
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(1, 2))
        x = np.maximum(np.einsum("bhwcij,ijcd->bhwd", windows, layer["kernel"]) + np.asarray(layer["bias"]), 0)
        np.testing.assert_allclose(taps[f"stage{int(n) + 1}"], x, atol=1e-4)
        b, h, w, d = x.shape
        pooled = x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, d)
        x = pooled.max((2, 4)) if pool == "max" else pooled.mean((2, 4))
    dense = params["convs"]["2"]["conv"]
    x = np.maximum(x.reshape(2, -1) @ np.asarray(dense["kernel"]).reshape(-1, 4) + np.asarray(dense["bias"]), 0)
    for layer in (params["hidden"]["0"], params["head"]):
        x = x @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])
        if layer is not params["head"]:
            x = np.maximum(x, 0)
    np.testing.assert_allclose(logits, x, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"convs": ((20, 5), (0, 5))}, {}, "layout.convs is"),
        ({"hidden": (0,)}, {}, "layout.hidden is"),
        ({"pool": "mean"}, {}, "layout.pool is 'mean'"),
        ({"padding": -1}, {}, "layout.padding is -1"),
        ({}, {"classes": 0}, "classes is 0"),
    ],
)
def test_wrong_arguments(changes, options, words):
    with pytest.raises(ValueError, match=words):
        models.lenet(CAFFE._replace(**changes), **({"classes": 10} | options))


def test_an_image_that_is_too_small():
    model = models.lenet(CAFFE, classes=3)
    params, stats = jax.eval_shape(model.init, jax.random.key(0))
    with pytest.raises(ValueError, match="28 x 28 pixels or more"):
        jax.eval_shape(lambda p: model.apply(p, stats, jnp.ones((1, 24, 24, 1)), train=False), params)
