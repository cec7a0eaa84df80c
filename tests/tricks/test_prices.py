"""Prices of mistakes: what is right costs nothing, what is dear weighs, the cheapest answer is not the likeliest."""

from functools import partial

import jax.numpy as jnp
import numpy as np

from jaxtricks import data, models, tasks
from jaxtricks.tricks import bag, prices

SOURCE = data.fake(train=300, test=40, shape=(4, 4, 1), classes=3)
PRICED = prices.priced(SOURCE)


def recipe():
    build = partial(models.perceptron, (), size=16)
    return prices.baseline(task=tasks.classification(3), augmented=None, model=build, lr=0.1, batch=4, epochs=1)


def test_right_answers_cost_nothing_and_low_ones_five_times():
    price, label = PRICED.train["price"], PRICED.train["label"]
    rows = np.arange(300)
    assert (price[rows, label] == 0).all()
    np.testing.assert_allclose(price.sum() / 600, 1, rtol=1e-5)
    middle = label == 1
    np.testing.assert_allclose(price[middle, 0], 5 * price[middle, 2], rtol=1e-5)
    assert PRICED.test["price"].shape == (40, 3)
    again = prices.priced(SOURCE)
    np.testing.assert_array_equal(again.train["price"], price)
    image, hidden = SOURCE.train["image"] // 2, (SOURCE.test["image"], SOURCE.test["label"])
    dark = prices.priced(data.from_arrays("dark", image, label, *hidden))
    np.testing.assert_allclose(dark.train["price"], price, rtol=0.05)  # the unit is that of the training images
    half = SOURCE.train["image"] * (rows % 2 == 0)[:, None, None, None]
    black = prices.priced(data.from_arrays("half", half, label, *hidden))
    assert (black.train["price"][1::2] == 0).all()  # an image without light has no amount


def test_the_bill_is_of_the_answer_and_the_cheapest_answer_is_asymmetric():
    logits = jnp.log(jnp.array([[0.5, 0.1, 0.4], [0.1, 0.8, 0.1]]))
    batch = {"price": jnp.array([[0.0, 1.0, 2.0], [5.0, 0.0, 1.0]]), "target": jnp.eye(3)[:2]}
    np.testing.assert_array_equal(prices.bill((logits, {}), batch, decide=prices.likeliest), [0, 0])
    least = prices.cheapest(recipe()).task.metrics["bill"].part.keywords["function"].keywords["decide"]
    # by hand: answers 0, 1, 2 cost 2.5, 2.5, 0.6 in the first row, and 4.5, 0.6, 0.9 in the second
    np.testing.assert_array_equal(least(logits), [2, 1])
    np.testing.assert_array_equal(prices.bill((logits, {}), batch, decide=least), [2, 0])
    base, out = recipe().loss(None, (logits, {}), batch), (None, (logits, {}), batch)
    np.testing.assert_allclose(base, -np.log([0.5, 0.8]), rtol=1e-5)
    np.testing.assert_allclose(prices.paid(recipe(), weight=2.0).loss(*out), base + 2 * np.array([0.9, 0.6]), rtol=1e-5)
    np.testing.assert_allclose(prices.weighted(recipe()).loss(*out), base * np.array([1.5, 3.0]), rtol=1e-5)
    assert recipe().loss is bag.cross_entropy
