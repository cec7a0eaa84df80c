"""How the sheets call an augmentation: for one amount, with one key, on a sample, on a batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from docs.gallery.parts import Sheet
from docs.gallery.sheets import SIZE, Photos

FRAME = (SIZE, SIZE)


def amount(f: Callable, photos: Photos, value: jax.Array) -> jax.Array:
    return f(photos.image, value)


def draw(f: Callable, photos: Photos, key: jax.Array) -> jax.Array:
    return f(key, photos.image)


def draw_sample(f: Callable, photos: Photos, key: jax.Array) -> dict:
    return f(key, photos.sample)


def mixed(examples: Any) -> Callable:
    """Some examples of the batch of images and targets."""
    return lambda f, photos, value: jax.tree.map(lambda entry: entry[examples], f(value, photos.soft))


def first_of(examples: Callable) -> Callable:
    """The first example of what a function of a key and a batch makes of these examples."""
    return lambda f, photos, key: first(f(key, examples(photos)))


def first(batch: dict) -> dict:
    """The first example of a batch."""
    return jax.tree.map(lambda entry: entry[0], batch)


def centred(share: jax.Array | float) -> jax.Array:
    """The box about the centre whose sides are a share of the image's."""
    return SIZE / 2 + SIZE / 2 * share * np.array([-1.0, -1, 1, 1], np.float32)


# A sheet over a range of amounts; of the original and five draws, the same keys in every row; of six draws, without the
# original; of draws on a sample.
amounts = partial(Sheet, at=amount)
draws = partial(Sheet, at=draw, before=lambda photos: photos.image)
six_draws = partial(Sheet, at=draw, values=6)
labelled = partial(Sheet, at=draw_sample, before=lambda photos: photos.sample)
