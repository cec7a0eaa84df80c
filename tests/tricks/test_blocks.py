"""One more convolution on the last map: without offsets it is the plain one, and the offsets have a gradient."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import models, tasks
from jaxtricks.tricks import bag, blocks


def test_a_deformable_convolution_starts_as_the_plain_one_and_learns_to_move():
    build = partial(models.plain, (2, 3, 4))
    given = {"task": tasks.classification(3), "augmented": None, "lr": 0.1, "batch": 4, "epochs": 1.0}
    plain = blocks.with_one_more(bag.modern(model=build, **given))
    moving = bag.part(plain, deformed=True)
    model, other = (recipe.model(classes=3, channels=1) for recipe in (plain, moving))
    params, stats = other.init(jax.random.key(0))
    image = jax.random.uniform(jax.random.key(1), (2, 8, 8, 1))
    without = {**params, "more": {"kernel": params["more"]["kernel"]}}
    assert jax.tree.map(jnp.shape, jax.eval_shape(model.init, jax.random.key(0))[0]) == jax.tree.map(jnp.shape, without)

    def loss(params):
        return jnp.square(other.apply(params, stats, image, train=False)[0][0]).sum()

    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    (logits, taps), _ = model.apply(without, stats, image, train=False)
    np.testing.assert_allclose(value, jnp.square(logits).sum(), rtol=1e-5)
    assert (gradient["more"]["offset"] != 0).any()
    x, kernel = np.asarray(taps["stage3"]), np.asarray(params["more"]["kernel"])
    corner = sum(x[0, i, j] @ kernel[1 + i, 1 + j] for i in (0, 1) for j in (0, 1))
    np.testing.assert_allclose(taps["more"][0, 0, 0], np.maximum(corner, 0), rtol=1e-4, atol=1e-5)
