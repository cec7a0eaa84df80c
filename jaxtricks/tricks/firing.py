"""Units that never fire: figures of a task about them, and a learning rate that kills them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxtricks import analysis, train
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t

__all__ = ["TAPS", "baseline", "dead", "faster", "strongest", "watched"]

TAPS = ("stage1", "stage2", "stage3")


def strongest(out, batch, *, taps: Sequence[str]):
    """The strongest response of each channel to each image, over all positions.

    Args:
      out: ``(logits, taps)``.
      batch: not used.
      taps: names of maps after their activation.

    Returns:
      By name ``[B, D]``.

    Raises:
      ValueError: if the network has no such map.
    """
    if not set(taps) <= set(out[1]):
        raise ValueError(f"taps are {tuple(taps)}; allowed: {', '.join(out[1])}, which the network has.")
    return {tap: out[1][tap].reshape(len(out[0]), -1, out[1][tap].shape[-1]).max(1) for tap in taps}


def dead(rows) -> float:
    """The mean share of channels that no image makes fire.

    Args:
      rows: of ``strongest``, of all images.

    Returns:
      0 to 1, the mean over the maps.
    """
    return float(np.mean([analysis.unit_activity(jnp.asarray(values)).dead for values in rows.values()]))


def watched(task: train.Task, *, taps: Sequence[str] = TAPS) -> train.Task:
    """A task that also reports the share of units that never fire for a test image, of all maps and of each.

    Args:
      task: of a network with these taps.
      taps: names of maps after their activation.

    Returns:
      The task, whose headline is ``dead units``, lower is better.
    """
    about: dict[str, Any] = {"unit": "%", "scale": 100.0, "better": "lower", "bounds": (0.0, 1.0)}
    figures = {f"dead in {tap}": train.collected(partial(strongest, taps=(tap,)), dead, **about) for tap in taps}
    every = {"dead units": train.collected(partial(strongest, taps=tuple(taps)), dead, **about)}
    return replace(task, metrics=dict(task.metrics) | every | figures, headline="dead units")


def faster(recipe: Recipe, *, times: float) -> Recipe:
    """Another peak learning rate.

    Args:
      recipe: any.
      times: the rate in the recipe's, greater than 0.

    Returns:
      The recipe.
    """
    return replace(recipe, lr=times * recipe.lr)


def baseline(**arguments: Any) -> Recipe:
    """A network without normalisation, which would revive its units, whose dead ones are counted.

    Args:
      **arguments: of ``bag.standard``, with a plain network of three stages.

    Returns:
      The recipe.
    """
    recipe = t.part(t.modern(**arguments), norm=None)
    return replace(recipe, task=watched(recipe.task))
