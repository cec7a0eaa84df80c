"""A small recipe with everything that a sharded batch can get wrong: batch normalisation, dropout, mixup, crops.

And what tests of runs share: a recipe with none of this, how to stop a run, how to compare two states.
"""

from functools import partial

import jax
import numpy as np
import optax

from jaxtricks import augment, data, init, models, optim, preprocess, tasks
from jaxtricks.train import Recipe

LAYOUT = models.Layout((1, 1), (4, 8), bottleneck=True, stem=(5, 1), pool=False)


def cross_entropy(params, out, batch):
    return optax.softmax_cross_entropy(out[0], batch["target"])


def recipe(**changes) -> Recipe:
    base = {
        "model": partial(models.resnet, LAYOUT, kernel_init=init.xavier_normal(), dropout_rate=0.3),
        "loss": cross_entropy,
        "task": tasks.classification(10),
        "optimizer": partial(optim.coupled_sgd, weight_decay=1e-4),
        "schedule": optim.cosine,
        "lr": 0.02,
        "batch": 32,
        "epochs": 2.5,
        "preprocess": (preprocess.standardize_fit, preprocess.standardize),
        "augment": augment.each(partial(augment.random_pad_crop, padding=1)),
        "mix": partial(augment.mixup, alpha=0.4),
        "ema": 0.99,
    }
    return Recipe(**(base | changes))


def bare(**changes) -> Recipe:
    """The weights of the run on the images as they are, for numbers computed by hand."""
    base = {
        "preprocess": (lambda images: np.float32(0), lambda stats, image: image),
        "augment": None,
        "mix": None,
        "ema": None,
    }
    return recipe(**(base | changes))


def dataset() -> data.Dataset:
    return data.fake(train=256, test=50, shape=(8, 8, 3))


class Stopped(Exception):
    """By a log."""


def stop_at(step, *, kind="progress"):
    """A log that stops the run at the record of this kind and step."""

    def log(record):
        if record["kind"] == kind and record["step"] == step:
            raise Stopped

    return log


def same(a, b):
    """Assert that two trees are the same, bit for bit."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        x, y = np.asarray(x), np.asarray(y)
        assert x.dtype == y.dtype
        assert x.tobytes() == y.tobytes()
