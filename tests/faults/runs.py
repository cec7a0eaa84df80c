"""Runs in this process on a network that compiles at once, and how they are interrupted."""

import os
from contextlib import contextmanager
from functools import cache, partial

import jax
import jax.numpy as jnp
import small

from jaxtricks import data, models
from jaxtricks.models import Model
from jaxtricks.train import Recipe, Run, fit, session


def network(*, classes, channels, dtype=jnp.float32, axis_name=None) -> Model:
    """Images without their running mean, dropout, and one layer: all that a state can hold."""
    size = 8 * 8 * channels

    def init(key):
        params = {"head": {"kernel": 0.05 * jax.random.normal(key, (size, classes)), "bias": jnp.zeros(classes)}}
        return params, {"mean": jnp.zeros(size)}

    def apply(params, stats, image, *, train, key=None):
        x = image.reshape(-1, size)
        mean = x.mean(0) if train else stats["mean"]
        x = x - mean[None]
        if train:
            stats = {"mean": 0.9 * stats["mean"] + 0.1 * mean}
            x = jnp.where(jax.vmap(partial(jax.random.bernoulli, p=0.8, shape=(size,)))(key), x / 0.8, 0)
        head = jax.tree.map(lambda p: p.astype(dtype), params["head"])
        logits = x.astype(dtype) @ head["kernel"] + head["bias"][None]
        return (logits.astype(jnp.float32), {}), stats

    return Model(init, apply)


def recipe(**changes) -> Recipe:
    """Crops, mixup, dropout, momentum and an average, for 12 steps in one epoch and a half."""
    return small.recipe(**({"model": network, "epochs": 1.5} | changes))


LAYOUT = models.Layout((1,), (4,), bottleneck=False, stem=(5, 1), pool=False)


def residual(**changes) -> Recipe:
    """The same with the smallest residual network, convolutions and batch normalisation."""
    return small.recipe(**({"model": partial(models.resnet, LAYOUT, dropout_rate=0.3), "epochs": 1.5} | changes))


def dataset() -> data.Dataset:
    """256 images for 8 steps an epoch, and some held out."""
    return data.fake(train=290, test=50, shape=(8, 8, 3)).hold_out(0.1)


@cache
def whole() -> Run:
    """What the run gives that nothing stops."""
    return fit(recipe(), dataset())[0]


@contextmanager
def every_step(act):
    """A log that calls ``act`` with the number of steps taken, after every step."""
    before, session.PROGRESS = session.PROGRESS, -1.0

    def log(record):
        if record["kind"] == "progress":
            act(record["step"])

    try:
        yield log
    finally:
        session.PROGRESS = before


def interrupted_at(step, number):
    """A log that sends a signal to this process once so many steps are taken."""
    return every_step(lambda taken: os.kill(os.getpid(), number) if taken == step else None)
