"""What the ordinal experiment is made of: turned images, and losses of classes that have an order."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import augment, data, losses
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t

CLASSES, STEP = 13, 10.0  # degrees a class
BINS = np.arange(CLASSES, dtype=np.float32)


def turned(dataset: data.Dataset) -> data.Dataset:
    """Every image turned by an angle that is its label: the same for every seed and machine."""
    splits = {}
    for number, (name, split) in enumerate((("train", dataset.train), ("test", dataset.test))):
        draws = np.random.default_rng((5, number))
        label = draws.permutation(np.arange(len(split)) % CLASSES)
        angle = STEP * (label + draws.uniform(-0.5, 0.5, len(label)) - CLASSES // 2)
        images = jax.lax.map(
            lambda pair: augment.rotate(*pair), (split["image"] / np.float32(255), angle), batch_size=256
        )
        splits[name] = (np.asarray(jnp.round(255 * images), np.uint8), label)
    return data.from_arrays(f"{dataset.name}, turned", *splits["train"], *splits["test"], classes=CLASSES)


def expected(logits):
    """The mean class under the predicted probabilities."""
    return losses.expected_value(jax.nn.softmax(logits), bins=BINS)


def error_in_degrees(out, batch):
    """Absolute error of the expected class as loss; as accuracy, 1 less a hundredth of the error in degrees."""
    off = jnp.abs(expected(out[0]) - batch["label"])
    return {"loss": off, "accuracy": 1 - STEP * off / 100}


def divergence(params, out, batch):
    """Kullback-Leibler divergence of the prediction from the soft target."""
    return optax.losses.kl_divergence(jax.nn.log_softmax(out[0]), batch["target"])


def regressed(params, out, batch, *, loss):
    """A loss of the expected class and the true one."""
    return loss(expected(out[0]), batch["label"].astype(jnp.float32))


def biweight(predictions, targets):
    """Tukey's biweight of residuals in units of their scale in the batch."""
    residuals = predictions - targets
    return losses.tukey_biweight(residuals / losses.mad_scale(residuals, floor=0.5))


def spread(target, *, sigma):
    """A Gaussian over the classes around the true one."""
    return losses.gaussian_label_distribution(target @ BINS, bins=BINS, sigma=sigma)


def distribution(recipe: Recipe, *, sigma: float) -> Recipe:
    """Label-distribution learning."""
    return replace(recipe, targets=partial(spread, sigma=sigma), loss=divergence)


def regression(recipe: Recipe, *, loss) -> Recipe:
    """Regression of the expected class."""
    return replace(recipe, loss=partial(regressed, loss=loss))


def baseline(**given) -> Recipe:
    """Cross-entropy, without augmentation, which would turn or mirror the images."""
    return replace(t.modern(**given), augment=None)
