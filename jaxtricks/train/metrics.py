"""Figures of an evaluation: what a compiled batch adds to them, and how the host puts the batches together.

And early stopping, which watches one of them, as a pure fold over the epochs.
"""

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check

Tree = Any
ROWS = "(rows)"  # among the parts of an evaluation: what is kept of each row, which is no figure


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure over an evaluation set, exact to the last row; ``mean_of`` and ``collected`` make most of them.

    Fields:
      part: ``(out, batch) -> tree of arrays``, what one batch adds, compiled with the evaluation. ``out`` is what the
        model gives, ``(output, taps)``; rows of which ``batch["row_valid"]`` is false are padding.
      init: ``() -> total``, before the first batch, on the host.
      update: ``(total, part) -> total``, on the host, the part as NumPy arrays.
      compute: ``total -> number``, on the host.
      unit: of the figure in reports, such as ``"%"``, ``"°"``, or ``""``.
      scale: what a report multiplies the figure by, such as 100 for a share in percent.
      better: ``"higher"`` or ``"lower"``.
      bounds: the lowest and highest value of the figure itself, not scaled; None where there is no bound.
    """

    part: Callable[[Tree, dict], Tree]
    init: Callable[[], Tree]
    update: Callable[[Tree, Tree], Tree]
    compute: Callable[[Tree], float]
    unit: str = ""
    scale: float = 1.0
    better: str = "higher"
    bounds: tuple[float | None, float | None] = (None, None)

    def __post_init__(self):
        for name in ("part", "init", "update", "compute"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} is {getattr(self, name)!r}; allowed: a function.")
        if self.better not in ("higher", "lower"):
            raise ValueError(f"better is {self.better!r}; allowed: 'higher', 'lower'.")
        if not isinstance(self.scale, (int, float)) or not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale is {self.scale!r}; allowed: greater than 0, finite.")


def mean_of(function: Callable, **about) -> Metric:
    """The mean over all rows of one value a row, summed exactly: for a loss, or a share of rows.

    ``mean = sum_i f_i / N``; booleans are summed as integers, everything else in float32 within a batch and in float64
    over the batches.

    Args:
      function: ``(out, batch) -> [B]``.
      **about: ``unit``, ``scale``, ``better``, ``bounds`` of Metric.

    Returns:
      The metric.
    """
    return Metric(part=partial(_sums, function=function), init=_zero, update=_added, compute=_mean, **about)


def collected(function: Callable, compute: Callable, **about) -> Metric:
    """A figure of all rows at once, such as an average precision: the rows are gathered on the host.

    Args:
      function: ``(out, batch) -> tree of [B, ...]``, compiled: what is needed of each row.
      compute: ``tree of [N, ...] -> number``, on the host, on NumPy arrays without the padded rows.
      **about: ``unit``, ``scale``, ``better``, ``bounds`` of Metric.

    Returns:
      The metric.
    """
    return Metric(
        part=partial(_rows, function=function),
        init=list,
        update=_appended,
        compute=partial(_of_all_rows, compute=compute),
        **about,
    )


def kept(function: Callable) -> Metric:
    """What an evaluation says of each row, in their order; its ``compute`` gives an array, no figure.

    Args:
      function: ``(out, batch) -> [B, ...]``, compiled.

    Returns:
      A metric whose total is the parts so far.
    """
    return Metric(part=partial(_rows, function=function), init=list, update=_appended, compute=_joined)


def computed(metrics: Mapping[str, Metric], totals: Mapping[str, Tree]) -> dict[str, Any]:
    """The figures of an evaluation as numbers; under ``ROWS`` an array.

    Args:
      metrics, totals: by name.

    Returns:
      A dict with the names of the metrics.
    """
    values = {name: metric.compute(totals[name]) for name, metric in metrics.items()}
    return {name: value if name == ROWS else float(value) for name, value in values.items()}


def _sums(out, batch, *, function):
    value, valid = function(out, batch), batch["row_valid"]
    if getattr(value, "shape", None) != valid.shape:
        form = f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else repr(value)
        raise ValueError(f"it is {form}; allowed: one number a row, {list(valid.shape)}")
    dtype = jnp.int32 if value.dtype == jnp.bool else jnp.float32
    total = jnp.where(valid, value.astype(dtype), 0).sum(dtype=dtype)
    return {"sum": total, "count": valid.sum(dtype=jnp.int32)}


def _zero() -> dict[str, float]:
    return {"sum": 0, "count": 0}


def _added(total, part):
    return {name: total[name] + part[name].item() for name in total}


def _mean(total) -> float:
    return total["sum"] / total["count"]


def _rows(out, batch, *, function):
    rows = function(out, batch)
    for leaf in jax.tree.leaves(rows):
        if leaf.shape[:1] != batch["row_valid"].shape:
            raise ValueError(f"it has a leaf of shape {leaf.shape}; allowed: {batch['row_valid'].shape[0]} rows")
    return {"rows": rows, "valid": batch["row_valid"]}


def _appended(total, part):
    return [*total, jax.tree.map(lambda leaf: leaf[part["valid"]], part["rows"])]


def _joined(total) -> Any:
    return np.concatenate(total)


def _of_all_rows(total, *, compute) -> float:
    return float(compute(jax.tree.map(lambda *parts: np.concatenate(parts), *total)))


class Watch(NamedTuple):
    """Best value so far, and epochs since."""

    best: float
    since: int


@dataclass(frozen=True)
class EarlyStopping:
    """Stop once a validation value has not improved for a while; the best weights are restored.

    Fields:
      metric: which of the validation metrics, such as ``"loss"``.
      mode: ``"min"`` or ``"max"``.
      patience: epochs without improvement that are tolerated, 1 or more.
      min_delta: an improvement is a change by more than this; 0 or more, finite.
    """

    metric: str = "loss"
    mode: str = "min"
    patience: int = 5
    min_delta: float = 0.0

    def __post_init__(self):
        if self.mode not in ("min", "max"):
            raise ValueError(f"mode is {self.mode!r}; allowed: 'min', 'max'.")
        check.at_least("patience", self.patience, minimum=1)
        check.between("min_delta", self.min_delta, 0, sys.float_info.max)

    def init(self) -> Watch:
        """Before the first epoch."""
        return Watch(math.inf if self.mode == "min" else -math.inf, 0)

    def update(self, watch: Watch, value: float) -> tuple[Watch, bool, bool]:
        """After an epoch: ``(watch, improved, stop)``. A value that is not a number never improves."""
        gain = watch.best - value if self.mode == "min" else value - watch.best
        improved = gain > self.min_delta
        watch = Watch(value, 0) if improved else Watch(watch.best, watch.since + 1)
        return watch, improved, watch.since >= self.patience
