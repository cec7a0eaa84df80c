"""A recipe: everything that one run is made of, as values and pure functions; the error of parts that do not fit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks._signatures import shown
from jaxtricks.data import Dataset, Sampler, epoch_permutation, epoch_rows, steps_per_epoch
from jaxtricks.train.precision import FLOAT32, SCALES, Precision
from jaxtricks.train.task import Task

Tree = Any
FLOATS = ("float32", "bfloat16", "float16")


class RecipeError(ValueError):
    """Parts of a recipe that do not fit each other or the data; the message names field, what it gave, and wanted."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What one run is made of. A trick is a pure function ``Recipe -> Recipe`` (``dataclasses.replace``).

    Fields:
      model: ``(classes=, channels=, dtype=, axis_name=) -> Model``; ``classes`` is the task's ``outputs``.
      loss: ``(params, (output, taps), batch) -> [B]``; it sees penalties, taps, columns, a teacher's output, costs.
      task: what is learnt: columns that are needed, how they are encoded, which figures are reported.
      optimizer: ``schedule -> optax.GradientTransformation``.
      schedule: ``(peak, *, steps, steps_per_epoch) -> (step -> learning rate)``.
      warmup: what puts a warm-up before the schedule, ``schedule -> schedule``, or None.
      lr: peak learning rate at this batch size.
      batch: images in a step, over all devices.
      epochs: passes over the training set, or over the rows that ``sampler`` draws; a fraction is allowed.
      sampler: ``(seed, epoch, column) -> rows`` that an epoch reads, in order, such as ``data.class_balanced``; every
        epoch has one length. None for a permutation of all rows.
      preprocess: ``(fit(images) -> stats, apply(stats, image) -> image)``; fitted on training images, applied to
        every image, in training after ``augment``.
      augment: ``(key, batch) -> batch`` on images in [0, 1], in training only.
      targets: ``target -> target`` of one shape, on what the task encodes, in training only: smoothing.
      mix: ``(key, batch) -> batch`` after ``targets``: mixup, cutmix.
      init: ``params -> params``, on fresh parameters.
      gradient: functions from value_and_grad to value_and_grad, the first innermost: accumulation, SAM.
      precision: dtypes of parameters, computation and output.
      bn: ``"all"``, batch statistics over all of the batch, or ``"replica"``, over each device's part.
      ema: decay a step of the averaged weights that are evaluated, with a warm-up, or ``step -> decay``, or None.
      recalibrate: ``(update, stats, batches) -> stats``, such as ``layers.recalibrate``: statistics of the weights that
        are evaluated, from about 2,000 training images, each time that they are; or None.
      teacher: recipe of a network whose output arrives as ``batch["teacher"]``, or None.
    """

    model: Callable
    task: Task
    loss: Callable
    optimizer: Callable
    schedule: Callable
    warmup: Callable | None = None
    lr: float
    batch: int
    epochs: float
    sampler: Sampler | None = None
    preprocess: tuple[Callable, Callable]
    augment: Callable | None = None
    targets: Callable | None = None
    mix: Callable | None = None
    init: Callable | None = None
    gradient: tuple[Callable, ...] = ()
    precision: Precision = field(default=FLOAT32)
    bn: str = "all"
    ema: float | Callable | None = None
    recalibrate: Callable | None = None
    teacher: "Recipe | None" = None

    described_as = "recipe"  # by fingerprint.describe: as a dict of its fields

    def __repr__(self) -> str:
        return shown(self)

    def __post_init__(self):
        for name in ("model", "loss", "optimizer", "schedule"):
            if not callable(getattr(self, name)):
                raise TypeError(f"recipe.{name} is {getattr(self, name)!r}; allowed: a function.")
        if not isinstance(self.task, Task):
            raise TypeError(f"recipe.task is {self.task!r}; allowed: a Task.")
        for name in ("warmup", "sampler", "augment", "targets", "mix", "init", "recalibrate"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise TypeError(f"recipe.{name} is {value!r}; allowed: a function or None.")
        pair = self.preprocess
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(map(callable, pair))):
            raise TypeError(f"recipe.preprocess is {pair!r}; allowed: a tuple of two functions, fit and apply.")
        if not (isinstance(self.gradient, tuple) and all(map(callable, self.gradient))):
            raise TypeError(f"recipe.gradient is {self.gradient!r}; allowed: a tuple of functions.")
        if self.teacher is not None and not isinstance(self.teacher, Recipe):
            raise TypeError(f"recipe.teacher is {self.teacher!r}; allowed: a Recipe or None.")
        check_precision(self.precision)
        if isinstance(self.batch, bool) or not isinstance(self.batch, int) or self.batch < 1:
            raise ValueError(f"recipe.batch is {self.batch!r}; allowed: an integer of 1 or more.")
        if not (_is_number(self.epochs) and 0 < self.epochs < float("inf")):
            raise ValueError(f"recipe.epochs is {self.epochs!r}; allowed: greater than 0.")
        if not (_is_number(self.lr) and 0 < self.lr < float("inf")):
            raise ValueError(f"recipe.lr is {self.lr!r}; allowed: greater than 0, finite.")
        if self.bn not in ("all", "replica"):
            raise ValueError(f"recipe.bn is {self.bn!r}; allowed: 'all', 'replica'.")
        if not (self.ema is None or callable(self.ema) or (_is_number(self.ema) and 0 < self.ema < 1)):
            raise ValueError(f"recipe.ema is {self.ema!r}; allowed: greater than 0, less than 1, a function, or None.")


def check_precision(precision: Precision) -> None:
    """Raise TypeError or ValueError, by the name of the field, unless a recipe can have this precision.

    Args:
      precision: of a recipe.
    """
    if not isinstance(precision, Precision):
        raise TypeError(f"recipe.precision is {precision!r}; allowed: a Precision.")
    for name in ("param", "compute", "output"):
        value = getattr(precision, name)
        if value not in FLOATS:
            raise ValueError(f"recipe.precision.{name} is {value!r}; allowed: {', '.join(map(repr, FLOATS))}.")
    lowest, largest = SCALES
    if precision.scale is not None and not (_is_number(precision.scale) and lowest <= precision.scale <= largest):
        raise ValueError(
            f"recipe.precision.scale is {precision.scale!r}; allowed: {lowest:.0f} to {largest:.0f}, or None."
        )
    if not (_is_number(precision.growth) and precision.growth >= 1):
        raise ValueError(f"recipe.precision.growth is {precision.growth!r}; allowed: 1 or more.")


Stages = Sequence[tuple[float, Recipe]]


def stages_of(recipe: Recipe | Stages) -> tuple[tuple[float, Recipe], ...]:
    """The stages of a run, each recipe with the epochs of the complete run, so that schedules go through all of them.

    Args:
      recipe: a recipe, or a list of ``(epochs, recipe)``.

    Returns:
      ``(epochs, recipe)`` of one stage or more.

    Raises:
      TypeError: if it is neither a Recipe nor a list of ``(epochs, Recipe)``.
      ValueError: if there is no stage, a stage but the last does not end with an epoch, or the stages do not have one
        batch size.
    """
    if isinstance(recipe, Recipe):
        return ((recipe.epochs, recipe),)
    pairs = isinstance(recipe, Sequence) and all(isinstance(stage, tuple) and len(stage) == 2 for stage in recipe)
    if not pairs or not all(isinstance(part, Recipe) for _, part in recipe):
        raise TypeError(f"recipe is {recipe!r}; allowed: a Recipe, or a list of (epochs, Recipe).")
    if not recipe:
        raise ValueError("recipe is a list without stages; allowed: one stage or more.")
    batch = recipe[0][1].batch
    for number, (epochs, part) in enumerate(recipe):
        positive = _is_number(epochs) and 0 < epochs < float("inf")
        if not positive or (number + 1 < len(recipe) and epochs != int(epochs)):
            raise ValueError(f"stage {number} has {epochs!r} epochs; allowed: an integer, or more than 0 in the last.")
        if part.batch != batch:
            raise ValueError(f"stage {number}: recipe.batch is {part.batch}; allowed: {batch}, as in stage 0.")
    total = sum(epochs for epochs, _ in recipe)
    return tuple((epochs, replace(part, epochs=total)) for epochs, part in recipe)


def epoch_steps(recipe: Recipe, dataset: Dataset) -> int:
    """Full batches in an epoch, whose rows are those of the training set, or of the recipe's sampler.

    Args:
      recipe: gives ``sampler`` and ``batch``.
      dataset: gives the training set.

    Returns:
      An integer, 1 or more.

    Raises:
      RecipeError: if the sampler raises, or gives anything but rows of the training set.
      ValueError: if not even one batch is full.
    """
    with about("sampler"):
        rows = epoch_rows(dataset.train, sampler=recipe.sampler)
    return steps_per_epoch(rows, recipe.batch)


def sampler_of(stages: Sequence[tuple[float, Recipe]]) -> Sampler | None:
    """The sampler of a run: that of the stage that an epoch is in.

    Args:
      stages: ``(epochs, recipe)`` of each.

    Returns:
      ``(seed, epoch, column) -> rows``, or None where no stage has a sampler.
    """
    samplers = [recipe.sampler for _, recipe in stages]
    ends = list(accumulate(int(epochs) for epochs, _ in stages[:-1]))

    def of_stage(seed, epoch, column):
        sampler = samplers[sum(epoch >= end for end in ends)]
        return epoch_permutation(seed, epoch, len(column)) if sampler is None else sampler(seed, epoch, column)

    return None if all(sampler is None for sampler in samplers) else of_stage


def total_steps(recipe: Recipe, dataset: Dataset) -> int:
    """Steps of a complete run.

    Args:
      recipe: gives ``epochs`` and ``batch``.
      dataset: gives the size of the training set.

    Returns:
      An integer, 1 or more.
    """
    return max(1, round(recipe.epochs * epoch_steps(recipe, dataset)))


def last_steps(stages: Sequence[tuple[float, Recipe]], dataset: Dataset) -> list[int]:
    """The last step of each stage, counted from the start of the run.

    Args:
      stages: ``(epochs, recipe)`` of each.
      dataset: gives the size of the training set.

    Returns:
      Steps, increasing.

    Raises:
      ValueError: if the last stage is shorter than half a step, or the samplers' epochs differ in length.
    """
    recipe = stages[0][1]
    rows = [epoch_rows(dataset.train, sampler=part.sampler) for _, part in stages]
    if len(set(rows)) > 1:
        raise ValueError(f"recipe.sampler of the stages gives {rows} rows an epoch; allowed: one number.")
    epochs = accumulate(int(epochs) for epochs, _ in stages[:-1])
    per_epoch = steps_per_epoch(rows[0], recipe.batch)
    ends = [*(per_epoch * number for number in epochs), total_steps(recipe, dataset)]
    for number, (first, last) in enumerate(pairwise(ends), 1):
        if first >= last:
            raise ValueError(f"stage {number} has {stages[number][0]!r} epochs, no step; allowed: one step or more.")
    return ends


@contextmanager
def about(field: str) -> Iterator[None]:
    """Whatever the user's function raises, the field is what it is about, unless that is known better."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:
        raise RecipeError(f"recipe.{field} raised {type(error).__name__}: {error}") from error


def check_alike(what: str, tree: Tree, wanted: Tree) -> None:
    """Raise RecipeError at the first leaf that is missing, too much, or of another shape or dtype.

    Args:
      what: has the leaves, for the message.
      tree, wanted: trees of arrays or shapes.
    """
    leaves, expected = _by_path(tree), _by_path(wanted)
    for path in {**expected, **leaves}:
        have, want = (describe_value(named[path]) if path in named else "nothing" for named in (leaves, expected))
        if have != want:
            raise RecipeError(f"{what} {path}: {have}; allowed: {want}.")


def check_array(name: str, value: Tree, shape: tuple[int, ...]) -> jax.Array:
    """The value, if it is a floating-point array of this shape; else RecipeError."""
    if getattr(value, "shape", None) != shape or not jnp.issubdtype(value.dtype, jnp.floating):
        raise RecipeError(f"recipe.{name} is {describe_value(value)}; allowed: floating point {list(shape)}.")
    return value


def check_rows(name: str, value: Tree, batch: dict[str, jax.Array]) -> None:
    """RecipeError unless the array has as many rows as the batch has images."""
    rows = getattr(batch["image"], "shape", ())[:1]
    if not rows or getattr(value, "shape", ())[:1] != rows:
        wanted = f"{rows[0] if rows else 0} rows, as the images"
        raise RecipeError(f"recipe.{name} is {describe_value(value)}; allowed: {wanted}.")


def _by_path(tree: Tree) -> dict[str, Any]:
    paths = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in paths}


def describe_value(value: Tree) -> str:
    """Dtype and shape of an array; for anything else, what it is."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list, dict)) else repr(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
