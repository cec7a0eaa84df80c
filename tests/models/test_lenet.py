"""LeNet: Caffe's parameters, and the layers by lax and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import models


def test_the_parameters_are_caffes():
    params, stats = jax.eval_shape(models.lenet((20, 50, 500), classes=10).init, jax.random.key(0))
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in params["convs"].items()}
    assert sizes == {"0": 520, "1": 25_050}
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 431_080  # 1,720 kB in float32
    assert stats == {}


def test_the_logits_by_loops():
    model = models.lenet((2, 3, 4), classes=5, size=16)
    params, stats = model.init(jax.random.key(0))
    image = jax.random.normal(jax.random.key(1), (2, 16, 16, 1))
    (logits, taps), _ = jax.jit(lambda image: model.apply(params, stats, image, train=False))(image)
    x = np.asarray(image)
    for n, layer in sorted(params["convs"].items()):
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(1, 2))
        x = np.maximum(np.einsum("bhwcij,ijcd->bhwd", windows, layer["kernel"]) + np.asarray(layer["bias"]), 0)
        np.testing.assert_allclose(taps[f"conv{int(n) + 1}"], x, atol=1e-4)
        b, h, w, d = x.shape
        x = x.reshape(b, h // 2, 2, w // 2, 2, d).max((2, 4))
    dense = params["hidden"]["0"]
    x = np.maximum(x.reshape(2, -1) @ dense["kernel"] + dense["bias"][None], 0)
    wanted = x @ params["head"]["kernel"] + params["head"]["bias"][None]
    np.testing.assert_allclose(logits, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("widths", "options", "words"),
    [
        ((20, 50), {}, "three integers"),
        ((20, 0, 9), {}, "a width is 0"),
        ((2, 2, 2), {"classes": 0}, "classes is 0"),
        ((2, 2, 2), {"size": 18}, "size is 18"),
    ],
)
def test_wrong_arguments(widths, options, words):
    with pytest.raises(ValueError, match=words):
        models.lenet(widths, **({"classes": 10} | options))


def test_an_image_of_another_size():
    model = models.lenet((2, 2, 2), classes=3)
    params, stats = jax.eval_shape(model.init, jax.random.key(0))
    with pytest.raises(ValueError, match="28 x 28"):
        jax.eval_shape(lambda p: model.apply(p, stats, jnp.ones((1, 24, 24, 1)), train=False), params)
