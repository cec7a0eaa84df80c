"""Dead units are counted over all test images, by stage, and a higher rate is a higher rate."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import models, tasks
from jaxtricks.tricks import firing


def recipe():
    build = partial(models.plain, (2, 3, 4))
    return firing.baseline(task=tasks.classification(3), augmented=None, model=build, lr=0.1, batch=4, epochs=1)


def test_a_unit_is_dead_if_no_image_of_any_batch_makes_it_fire():
    """Channel 0 fires at one place of one image of the second batch, channel 1 never, channel 2 in every image."""
    task = recipe().task
    first, second = np.zeros((2, 2, 2, 3), np.float32), np.zeros((2, 2, 2, 3), np.float32)
    second[1, 0, 1, 0] = 0.1
    first[..., 1] = second[..., 1] = -1.0
    first[..., 2] = second[..., 2] = 1.0
    other = jnp.ones((2, 2, 2, 4))
    for name, wanted in {"dead in stage1": 1 / 3, "dead in stage2": 0.0, "dead units": 1 / 9}.items():
        metric = task.metrics[name]
        total = metric.init()
        for maps, valid in ((first, [True, True]), (second, [True, True]), (np.ones_like(first), [False, False])):
            out = jnp.zeros((2, 3)), {"stage1": jnp.asarray(maps), "stage2": other, "stage3": other}
            part = metric.part(out, {"row_valid": jnp.array(valid)})
            total = metric.update(total, jax.tree.map(np.asarray, part))
        assert metric.compute(total) == pytest.approx(wanted)
    assert (task.headline, task.metrics["dead units"].better) == ("dead units", "lower")
    with pytest.raises(ValueError, match=r"taps are \('stage1',.*; allowed: features"):
        firing.strongest((out[0], {"features": other}), {}, taps=firing.TAPS)
    assert firing.faster(recipe(), times=4.0).lr == pytest.approx(0.4)
