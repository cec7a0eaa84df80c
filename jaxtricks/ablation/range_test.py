"""The learning rate range test of a recipe: its training step with the rate as an argument, and the plot."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import optax
from matplotlib.figure import Figure

from jaxtricks import data, train
from jaxtricks.analysis import RangeTest


def step_at_rate(recipe: train.Recipe, dataset: data.Dataset, *, seed: int) -> tuple[Callable[[Any, float], Any], Any]:
    """``(state, rate) -> (state, loss)`` of a recipe on its own batches, on one device, and the state to start from."""
    if recipe.teacher is not None:
        raise ValueError("recipe.teacher is a Recipe; allowed: None, for a range test trains no teacher.")
    model = train.build_model(recipe, dataset)
    feed = data.Feed(dataset.train, (seed,), recipe.batch, sampler=recipe.sampler)
    constants = jax.tree.map(jnp.asarray, train.build_constants(recipe, dataset))

    @jax.jit
    def one(state, rate, batch, constants):
        tx = optax.with_extra_args_support(recipe.optimizer(lambda _: rate))
        prepare, update = train.make_step(recipe, model, tx)
        state, record = update(state, prepare(state.key, state.step, batch, constants), constants)
        return state, record["loss"]

    def step(state, rate):
        number = int(state.step)
        return one(state, jnp.float32(rate), next(feed.steps(number, number + 1)), constants)

    tx = optax.with_extra_args_support(recipe.optimizer(optax.constant_schedule(0.0)))
    return step, train.create_state(recipe, model, tx, jax.random.key(seed))


def plot(test: RangeTest, suggestions: dict[str, float], *, title: str) -> Figure:
    """Loss and its average by rate, with the suggestions."""
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.semilogx(test.rates, test.losses, ".", color="0.75", label="loss of a batch")
        axes.semilogx(test.rates, test.smoothed, color="C0", label="smoothed")
        for number, (name, rate) in enumerate(suggestions.items(), 1):
            axes.axvline(rate, color=f"C{number}", linestyle="--", label=f"{name}: {rate:.2g}")
        top = 1.2 * test.smoothed[: len(test.smoothed) // 2 + 1].max()
        axes.set(title=title, xlabel="learning rate", ylabel="training loss", ylim=(0, top))
        axes.legend(frameon=False, loc="lower left")
    return figure
