"""A point in each image: what the true one gives is no error, and every form says it in pixels."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import data, models, tasks
from jaxtricks.tricks import pointing as p

POINT = jnp.array([[10.0, 37.0], [62.5, 1.0]])  # x and y: cells (2, 9) and (15, 0)
BODY = partial(models.resnet, models.LAYOUTS["resnet_mini"])


def maps():
    """A map that is sure of the cells, with the right offsets there and wrong ones elsewhere."""
    out = np.full((2, p.CELLS, p.CELLS, 3), 7.0, np.float32)
    out[..., 0] = -30.0
    out[0, 9, 2] = 30.0, 0.5, 0.25
    out[1, 0, 15] = 30.0, 0.625, 0.25
    return jnp.asarray(out)


def recipe():
    return p.baseline(task=tasks.classification(5), augmented=None, model=BODY, lr=0.1, batch=4, epochs=1.0)


def test_points_are_the_centres_of_the_items():
    digits = data.load("digits").subset(40)
    found = p.centers(digits)
    assert set(found.train.columns) == {"image", "point"}
    for image, (x, y) in zip(found.train["image"][:20, ..., 0], found.train["point"], strict=False):
        rows, columns = np.nonzero(image > 40)  # the noise of the background ends there
        np.testing.assert_allclose([x, y], [columns.mean(), rows.mean()], atol=4)


def test_each_form_says_the_place_in_pixels():
    np.testing.assert_allclose(p.peak(maps()), POINT)
    np.testing.assert_allclose(p.peak(maps(), offset=False), [[10, 38], [62, 2]])  # the centres of the cells
    np.testing.assert_allclose(p.expected(maps()), [[10, 38], [62, 2]], atol=1e-4)
    np.testing.assert_allclose(p.regressed(jnp.array([[-0.5, 0.0], [0.5, 0.25]])), [[0, 32], [64, 48]])
    far = p.distance((maps(), {}), {"point": POINT + jnp.array([[3.0, 4.0]])}, decode=p.peak)
    np.testing.assert_allclose(far, [5, 5])


def test_the_losses_are_least_at_the_point():
    batch = {"point": POINT}
    np.testing.assert_allclose(p.heat_loss(None, (maps(), {}), batch), 0, atol=1e-6)
    moved = {"point": POINT.at[0, 0].add(1.0)}  # a quarter of a cell, in the same one
    np.testing.assert_allclose(p.heat_loss(None, (maps(), {}), moved), [0.25, 0], atol=1e-6)
    assert (p.heat_loss(None, (jnp.roll(maps(), 4, axis=1), {}), batch) > 10).all()
    half = p.place_loss(None, (jnp.zeros((2, 2)), {}), batch, decode=p.regressed, loss=optax.l2_loss)
    np.testing.assert_allclose(half, ((POINT / 64 - 0.5) ** 2).sum(-1) / 2, rtol=1e-6)
    slope = jax.grad(lambda out: p.place_loss(None, (out, {}), batch, decode=p.expected, loss=optax.l2_loss).sum())
    assert (np.abs(slope(jnp.zeros((2, p.CELLS, p.CELLS, 3)))[..., 0]) > 0).any((1, 2)).all()


def test_what_a_form_would_drop_is_an_error():
    assert p.pooled(recipe()).model.keywords["tap"] is None
    with pytest.raises(ValueError, match=r"^recipe\.model is .*; allowed: of `baseline`"):
        p.soft(p.peaked(recipe()))
    with pytest.raises(ValueError, match=r"^recipe\.loss is .*; allowed: of a point"):
        p.with_loss(p.peaked(recipe()), loss=optax.l2_loss)
    flat = recipe().model(classes=2, channels=1)
    shapes = jax.eval_shape(flat.init, jax.random.key(0))
    image = jax.ShapeDtypeStruct((3, 64, 64, 1), jnp.float32)
    (out, taps), _ = jax.eval_shape(partial(flat.apply, train=False), *shapes, image)
    assert out.shape == (3, 2)
    assert shapes[0]["head"]["kernel"].shape == (taps["stage3"].size // 3, 2)
