"""Attention cropping: the crop is where the network's own map is high, and evaluation knows nothing of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import models, tasks
from jaxtricks.tricks import bag, looking


def corner(*, classes, channels, **_):
    """A network that reads the image itself: its map is the image, its class the brighter channel."""

    def init(key):
        return {"head": {"kernel": jnp.eye(2)}}, {"seen": jnp.zeros(())}

    def apply(params, stats, image, *, train, key=None):
        logits = image.mean((1, 2)) @ params["head"]["kernel"]
        return (logits, {"map": image}), {"seen": stats["seen"] + 1}

    return models.Model(init, apply)


def test_the_crop_is_the_box_of_the_map():
    """Of two images with one bright square each the crop is that square, whatever the other channel holds."""
    image = np.zeros((2, 8, 8, 2), np.float32)
    image[0, 0:2, 4:8, 0] = 1.0
    image[0, 6, 0, 1] = 0.9  # of the other class
    image[1, 4:8, 0:4, 1] = 0.5
    model = looking.closer(corner, tap="map", threshold=(0.4, 0.6), classes=2, channels=2)
    params, stats = model.init(jax.random.key(0))
    run = jax.jit(partial(model.apply, train=True))
    (logits, taps), after = run(params, stats, image, key=jax.random.key(1))
    np.testing.assert_allclose(logits, image.mean((1, 2)))
    np.testing.assert_allclose(taps["closer"].max(-1), [1.0, 0.5], rtol=1e-5)  # margins of less than half a pixel
    np.testing.assert_array_equal(taps["closer"].argmax(-1), [0, 1])
    assert taps["closer"][0, 1] < 0.01
    assert after["seen"] == 2
    (plain, taps), after = model.apply(params, stats, image, train=False)
    np.testing.assert_allclose(plain, logits)
    assert set(taps) == {"map"}
    with pytest.raises(ValueError, match=r"^key is None; allowed: a key"):
        model.apply(params, stats, image, train=True)


def test_the_loss_is_the_mean_of_both():
    given = {"task": tasks.classification(2), "augmented": None, "model": corner, "lr": 0.1, "batch": 2, "epochs": 1}
    base = bag.bare(**given)
    changed = looking.look_closer(base, tap="map")
    batch = {"target": jnp.eye(2)}
    logits, second = jnp.array([[1.0, 2], [3, 4]]), jnp.array([[0.0, 5], [1, 1]])
    both = (base.loss(None, (logits, {}), batch) + base.loss(None, (second, {}), batch)) / 2
    np.testing.assert_allclose(changed.loss(None, (logits, {"closer": second}), batch), both)
    np.testing.assert_allclose(changed.loss(None, (logits, {}), batch), base.loss(None, (logits, {}), batch))
