"""Mistakes that have a price for each image: a made structure of prices, a task that counts them, and ways to pay less.

A wrong answer costs its image's amount times the difference between the kinds of the two classes; so that what is right
most often is not what is cheapest.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import data, losses, tasks, train
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks._columns import class_count, in_memory

__all__ = ["TOO_LOW", "baseline", "bill", "cheapest", "paid", "priced", "task", "weighted"]

TOO_LOW = 5.0  # the price of an answer below the true class, in that of one above


def priced(dataset: data.Dataset) -> data.Dataset:
    """Every image with the price of each answer: the same for every seed and machine.

    The price is 0 of the true class; of others it is the image's amount, 5 times as much of a class below the true one.
    An amount is the image's share of light by the mean one, so that it can be seen, times a log-normal draw.

    Args:
      dataset: images in memory with a class each.

    Returns:
      A dataset of ``image``, ``label`` and ``price``, float32 ``[N, C]``, of mean 1 over the wrong answers in training.
    """
    classes = class_count(dataset)
    splits, unit, light = [], None, None
    for number, split in enumerate((dataset.train, dataset.test)):
        image, label = in_memory(split, "image"), in_memory(split, "label")
        bright = image.astype(np.float64).mean((1, 2, 3))
        light = bright.mean() if light is None else light
        amount = bright / max(light, 1e-6) * np.exp(np.random.default_rng((8, number)).normal(0.0, 0.5, len(label)))
        answer = np.arange(classes)[None]
        price = amount[:, None] * np.where(answer < label[:, None], TOO_LOW, 1.0) * (answer != label[:, None])
        unit = price.sum() / (len(label) * (classes - 1)) if unit is None else unit
        splits.append({"image": image, "label": label, "price": (price / unit).astype(np.float32)})
    named = data.from_columns(f"{dataset.name}, prices", *splits, classes=classes)
    return replace(named, class_names=dataset.class_names)


def bill(out, batch, *, decide: Callable):
    """The price of what is answered.

    Args:
      out: ``(logits [B, C], taps)``.
      batch: with ``price [B, C]``.
      decide: ``logits -> [B]``, integers.

    Returns:
      ``[B]``, 0 where the answer is right.
    """
    return jnp.take_along_axis(batch["price"], decide(out[0])[:, None], axis=-1)[:, 0]


def likeliest(logits):
    """The class of the largest logit.

    Args:
      logits: ``[B, C]``.

    Returns:
      Integers ``[B]``.
    """
    return logits.argmax(-1)


def lowest_cost(logits, *, costs):
    """The class of the lowest expected cost, by a matrix of costs and what the network says.

    Args:
      logits: ``[B, C]``.
      costs: ``[C, C]``, by true class and answer.

    Returns:
      Integers ``[B]``.
    """
    return (jax.nn.softmax(logits) @ costs).argmin(-1)


def task(classes: int, *, decide: Callable | None = None) -> train.Task:
    """Classes whose mistakes have prices: the mean bill in percent of the mean wrong answer's, beside it the accuracy.

    Args:
      classes: their number.
      decide: ``logits -> [B]``, integers; the likeliest class if None.

    Returns:
      The task, whose headline is ``bill``, lower is better.
    """
    usual = tasks.classification(classes)
    price = train.Column(name="price", rank=2, kind="float", low=0)
    about = {"unit": "%", "scale": 100.0, "better": "lower", "bounds": (0.0, None)}
    paid = train.mean_of(partial(bill, decide=decide or likeliest), **about)
    return replace(
        usual, columns=(*usual.columns, price), metrics=dict(usual.metrics) | {"bill": paid}, headline="bill"
    )


def cheapest(recipe: Recipe) -> Recipe:
    """The answer of the lowest expected cost in the place of the likeliest: nothing is trained otherwise.

    Args:
      recipe: of ``baseline``.

    Returns:
      The recipe, which is evaluated with the costs of the classes, but for amounts.

    Reference: Elkan, The foundations of cost-sensitive learning, IJCAI 2001.
    """
    count = recipe.task.outputs
    answer = np.arange(count)
    costs = np.where(answer[None] < answer[:, None], TOO_LOW, 1.0) * (answer[None] != answer[:, None])
    return replace(recipe, task=task(count, decide=partial(lowest_cost, costs=costs.astype(np.float32))))


def by_prices(params, out, batch, *, loss: Callable, weight: float):
    """A loss, and the expected bill beside it.

    Args:
      params, out: as for ``loss``.
      batch: with ``price [B, C]``.
      loss: ``(params, out, batch) -> [B]``.
      weight: of the bill, 0 or more.

    Returns:
      Float ``[B]``.
    """
    return loss(params, out, batch) + weight * losses.cost_vector(out[0], batch["price"])


def paid(recipe: Recipe, *, weight: float) -> Recipe:
    """The expected bill of each image beside the recipe's loss, by its own prices.

    Args:
      recipe: of ``baseline``.
      weight: of the bill, greater than 0.

    Returns:
      The recipe.
    """
    return replace(recipe, loss=partial(by_prices, loss=recipe.loss, weight=weight))


def dear_first(params, out, batch, *, loss: Callable):
    """A loss weighted by the mean price of an image's wrong answers.

    Args:
      params, out: as for ``loss``.
      batch: with ``price [B, C]``.
      loss: ``(params, out, batch) -> [B]``.

    Returns:
      Float ``[B]``.
    """
    return loss(params, out, batch) * batch["price"].sum(-1) / (batch["price"].shape[-1] - 1)


def weighted(recipe: Recipe) -> Recipe:
    """Images weigh by the mean price of their wrong answers, which is 1 over the training set.

    Args:
      recipe: of ``baseline``.

    Returns:
      The recipe.
    """
    return replace(recipe, loss=partial(dear_first, loss=recipe.loss))


def baseline(**arguments: Any) -> Recipe:
    """Cross-entropy that knows nothing of prices, and the likeliest answer.

    Args:
      **arguments: of ``bag.standard``; of the task the number of classes counts.

    Returns:
      The recipe.
    """
    recipe = t.modern(**arguments)
    return replace(recipe, task=task(recipe.task.outputs))
