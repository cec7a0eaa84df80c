"""How many images a step sees, as tricks: batch sizes, accumulation, and all of them at once."""

from dataclasses import replace
from functools import partial

import optax

from jaxtricks import data, optim
from jaxtricks.train import Recipe
from jaxtricks.tricks.composing import exchange, of
from jaxtricks.tricks.regularizers import penalised, squares

__all__ = ["accumulated", "exactly", "full_batch", "several_steps", "sized"]


def sized(recipe: Recipe, *, batch: int, equal: str) -> Recipe:
    """Another batch size with as many epochs or as many steps, at a rate that follows its root.

    A warm-up keeps its share of the run.

    Args:
      recipe: any.
      batch: images in a step, >= 1.
      equal: ``"epochs"``, the same images are seen, or ``"steps"``, as many updates are made.

    Returns:
      The recipe.

    Raises:
      ValueError: if equal is another.
    """
    if equal not in ("epochs", "steps"):
        raise ValueError(f"equal is {equal!r}; allowed: 'epochs', 'steps'.")
    longer = batch / recipe.batch if equal == "steps" else 1.0
    warmup = recipe.warmup
    if isinstance(warmup, partial) and "epochs" in warmup.keywords:  # the same share of the run
        warmup = partial(warmup, epochs=longer * warmup.keywords["epochs"])
    rate = optim.scaled_lr(recipe.lr, batch, per=recipe.batch, rule="sqrt")
    return replace(recipe, batch=batch, lr=rate, epochs=recipe.epochs * longer, warmup=warmup)


def exactly(dataset: data.Dataset, *, images: int) -> data.Dataset:
    """A training set of a given size, of which a batch can be all; for ``Setting.data``.

    Args:
      dataset: with as many images or more.
      images: that stay.

    Returns:
      The dataset with these.
    """
    return dataset.subset(images)


def accumulated(recipe: Recipe, *, parts: int) -> Recipe:
    """The gradient of each batch as the mean over parts of it, in the memory of one; the same without batch statistics.

    Args:
      recipe: any, whose batch the parts divide.
      parts: 2 or more.

    Returns:
      The recipe with ``optim.accumulate``.
    """
    return replace(recipe, gradient=(*recipe.gradient, partial(optim.accumulate, n=parts)))


def several_steps(recipe: Recipe, *, steps: int) -> Recipe:
    """Small batches whose gradients are added up over some steps, by ``optax.MultiSteps``, before one update is made.

    Args:
      recipe: any; its batch becomes so many times smaller, and its rate stays.
      steps: 2 or more; it divides the batch.

    Returns:
      The recipe.

    Raises:
      ValueError: if steps does not divide the batch.
    """
    if recipe.batch % steps:
        raise ValueError(f"steps is {steps}; allowed: a divisor of the batch, {recipe.batch}.")
    slow = partial(_every, optimizer=recipe.optimizer, steps=steps)
    return replace(recipe, batch=recipe.batch // steps, optimizer=slow)


def _every(schedule, *, optimizer, steps):
    """The optimiser, which counts updates, at the rates of the steps in which they are made."""
    return optax.MultiSteps(optimizer(lambda n: schedule(n * steps)), steps).gradient_transformation()


def full_batch(recipe: Recipe, *, memory: int = 10) -> Recipe:
    """L-BFGS with a line search, for batches of all images: its rate is that of the search, and no schedule acts.

    Args:
      recipe: any whose batch is the training set and whose gradient is that of its loss; its weight decay goes into the
        loss, where the search sees it.
      memory: steps that it remembers, >= 1.

    Returns:
      The recipe with ``optax.lbfgs``.
    """
    weight = of(recipe).weight or 0.0
    recipe = exchange(recipe, core=partial(_lbfgs, memory=memory), weight=0.0)
    return penalised(recipe, weight=weight, penalty=squares) if weight else recipe


def _lbfgs(schedule, *, memory):
    return optim.line_search(optax.lbfgs(memory_size=memory))
