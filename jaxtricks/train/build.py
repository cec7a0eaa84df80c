"""The parts of a run that a recipe is a factory of: model, schedule, optimiser, and what every step reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from jaxtricks.data import Dataset, readable
from jaxtricks.train.recipe import Recipe, RecipeError, epoch_steps, total_steps

FIT_IMAGES = 2048  # images that preprocessing is fitted on where they are decoded as they are read


def build_model(recipe: Recipe, dataset: Dataset, *, axis_name: str | None = None):
    """The recipe's model for this dataset, computing in the recipe's precision.

    Args:
      recipe: gives ``model``, ``task`` and ``precision``.
      dataset: gives the number of channels.
      axis_name: mesh axis over which batch statistics are averaged, or None.

    Returns:
      ``Model(init, apply)``.

    Raises:
      RecipeError: if it takes other arguments, or gives no model.
    """
    with _built("model"):
        model = recipe.model(
            classes=recipe.task.outputs,
            channels=dataset.shape[-1],
            dtype=jnp.dtype(recipe.precision.compute),
            axis_name=axis_name,
        )
    if not (callable(getattr(model, "init", None)) and callable(getattr(model, "apply", None))):
        raise RecipeError(f"recipe.model gives {model!r}; allowed: Model(init, apply).")
    return model


def build_schedule(recipe: Recipe, dataset: Dataset) -> Callable:
    """The learning rate of each step: the recipe's schedule, behind its warm-up if it has one.

    Args:
      recipe: gives ``schedule``, ``warmup``, ``lr``, ``epochs``, ``sampler`` and ``batch``.
      dataset: gives the size of the training set.

    Returns:
      ``step -> learning rate``.

    Raises:
      RecipeError: if one of them takes other arguments, or what comes out gives no number for a step.
    """
    with _built("warmup"):
        schedule = recipe.schedule if recipe.warmup is None else recipe.warmup(recipe.schedule)
    per_epoch = epoch_steps(recipe, dataset)
    with _built("schedule"):
        rate = schedule(recipe.lr, steps=total_steps(recipe, dataset), steps_per_epoch=per_epoch)
        number = jax.eval_shape(rate, jax.ShapeDtypeStruct((), jnp.int32))
    if getattr(number, "shape", None) != ():
        raise RecipeError(f"recipe.schedule gives {number} for a step; allowed: one number.")
    return rate


def build_optimizer(recipe: Recipe, schedule: Callable) -> optax.GradientTransformationExtraArgs:
    """The recipe's optimiser, which may take the loss and the last validation loss.

    Args:
      recipe: gives ``optimizer``.
      schedule: ``step -> learning rate``.

    Returns:
      An optax transformation.

    Raises:
      RecipeError: if it is none.
    """
    with _built("optimizer"):
        tx = recipe.optimizer(schedule)
        tx = tx.gradient_transformation() if isinstance(tx, optax.MultiSteps) else tx
    if not isinstance(tx, optax.GradientTransformation):
        raise RecipeError(f"recipe.optimizer gives {tx!r}; allowed: an optax transformation.")
    return optax.with_extra_args_support(tx)


def optimizer_of_rates(
    recipe: Recipe, schedule: Callable, constants: dict[str, Any]
) -> optax.GradientTransformationExtraArgs:
    """The recipe's optimiser, whose learning rates come from a table among the constants of a step.

    Steps that differ in their schedules alone are then one program, which is compiled once. Outside of a trace the
    schedule is asked itself.

    Args:
      recipe: gives ``optimizer``.
      schedule: ``step -> learning rate``.
      constants: with ``rates [steps]``, what the schedule gives for each step.

    Returns:
      An optax transformation.

    Raises:
      RecipeError: if the recipe's optimiser is none.
    """

    def rate(step):
        in_table = isinstance(step, Tracer) and step.shape == () and jnp.issubdtype(step.dtype, jnp.integer)
        return constants["rates"][step] if in_table else schedule(step)

    return build_optimizer(recipe, rate)


def build_constants(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """What every step reads beside its batch, a teacher's weights aside.

    Args:
      recipe: gives ``preprocess``, which is fitted here: on all training images where they are an array, else on rows
        spread evenly over them.
      dataset: gives the training set.

    Returns:
      ``preprocess``, its statistics, and ``data``, the columns of a training set that is resident.

    Raises:
      RecipeError: if the preprocessing cannot be fitted on these images.
    """
    split = dataset.train
    images = split["image"] if isinstance(split["image"], np.ndarray) else readable(split, _spread(len(split)))
    with _built("preprocess[0]"):
        constants = {"preprocess": recipe.preprocess[0](images)}
    if split.resident:
        constants["data"] = dict(split.columns)
    return constants


@contextmanager
def _built(field: str) -> Iterator[None]:
    """RecipeError for what a part of the recipe raises on the host, its own ValueErrors aside."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        raise RecipeError(f"recipe.{field} raised {type(error).__name__}: {error}") from error


def _spread(size: int) -> np.ndarray:
    return np.unique(np.linspace(0, size - 1, min(size, FIT_IMAGES)).astype(np.int64))
