"""A small recipe with everything that a sharded batch can get wrong: batch normalisation, dropout, mixup, crops."""

from functools import partial

import optax

from jaxtricks import augment, data, init, metrics, models, optim, preprocess
from jaxtricks.train import Recipe

LAYOUT = models.Layout((1, 1), (4, 8), bottleneck=True, stem=(5, 1), pool=False)


def cross_entropy(params, out, batch):
    return optax.softmax_cross_entropy(out[0], batch["target"])


def recipe(**changes) -> Recipe:
    base = {
        "model": partial(models.resnet, LAYOUT, kernel_init=init.xavier_normal(), dropout_rate=0.3),
        "loss": cross_entropy,
        "metrics": metrics.classification,
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


def dataset() -> data.Dataset:
    return data.fake(train=256, test=50, shape=(8, 8, 3))
