"""A recipe: everything that one run is made of, as values and pure functions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jaxtricks.train.precision import FLOAT32, SCALES, Precision

FLOATS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What one run is made of. A trick is a pure function ``Recipe -> Recipe`` (``dataclasses.replace``).

    Fields:
      model: ``(classes=, channels=, dtype=, axis_name=) -> Model``.
      loss: ``(params, (logits, taps), batch) -> [B]``; it sees penalties, taps, labels, a teacher's logits, costs.
      metrics: ``((logits, taps), batch) -> {name: [B]}``, summed over an evaluation set.
      optimizer: ``schedule -> optax.GradientTransformation``.
      schedule: ``(peak, *, steps, steps_per_epoch) -> (step -> learning rate)``.
      warmup: what puts a warm-up before the schedule, ``schedule -> schedule``, or None.
      lr: peak learning rate at this batch size.
      batch: images in a step, over all devices.
      epochs: passes over the training set; a fraction is allowed.
      preprocess: ``(fit(images) -> stats, apply(stats, image) -> image)``; fitted on training images, applied to
        every image, in training after ``augment``.
      augment: ``(key, batch) -> batch`` on images in [0, 1], in training only.
      targets: ``one-hot[B, C] -> targets[B, C]``, in training only.
      mix: ``(key, batch) -> batch`` after ``targets``: mixup, cutmix.
      init: ``params -> params``, on fresh parameters.
      gradient: functions from value_and_grad to value_and_grad, the first innermost: accumulation, SAM.
      precision: dtypes of parameters, computation and output.
      bn: ``"all"``, batch statistics over the whole batch, or ``"replica"``, over each device's part.
      ema: decay a step of the averaged weights that are evaluated, with a warm-up, or ``step -> decay``, or None.
      teacher: recipe of a network whose logits arrive as ``batch["teacher"]``, or None.
    """

    model: Callable
    loss: Callable
    metrics: Callable
    optimizer: Callable
    schedule: Callable
    warmup: Callable | None = None
    lr: float
    batch: int
    epochs: float
    preprocess: tuple[Callable, Callable]
    augment: Callable | None = None
    targets: Callable | None = None
    mix: Callable | None = None
    init: Callable | None = None
    gradient: tuple[Callable, ...] = ()
    precision: Precision = field(default=FLOAT32)
    bn: str = "all"
    ema: float | Callable | None = None
    teacher: "Recipe | None" = None

    def __post_init__(self):
        for name in ("model", "loss", "metrics", "optimizer", "schedule"):
            if not callable(getattr(self, name)):
                raise TypeError(f"recipe.{name} is {getattr(self, name)!r}; allowed: a function.")
        for name in ("warmup", "augment", "targets", "mix", "init"):
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
    least, largest = SCALES
    if precision.scale is not None and not (_is_number(precision.scale) and least <= precision.scale <= largest):
        raise ValueError(
            f"recipe.precision.scale is {precision.scale!r}; allowed: {least:.0f} to {largest:.0f}, or None."
        )
    if not (_is_number(precision.growth) and precision.growth >= 1):
        raise ValueError(f"recipe.precision.growth is {precision.growth!r}; allowed: 1 or more.")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
