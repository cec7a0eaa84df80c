"""Several networks trained as one, and one network taught by several: an ensemble at the price of one forward pass."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax

from jaxtricks import ensembles, models, train
from jaxtricks.data import Dataset
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag

__all__ = ["by_members", "distil", "distilled", "fused", "team"]


def by_members(params, out, batch, *, loss: Callable):
    """The sum of the members' losses, so that each learns as if it were alone.

    Args:
      params: as for ``loss``, with a first axis of members.
      out: of ``ensembles.side_by_side``, with the tap ``members [B, M, C]``.
      batch: as for ``loss``.
      loss: ``(params, out, batch) -> [B]`` of one network, without its other taps.

    Returns:
      Float ``[B]``.
    """
    one = lambda params, logits: loss(params, (logits, {}), batch)  # noqa: E731
    return jax.vmap(one, in_axes=(0, 1))(params, out[1]["members"]).sum(0)


def team(recipe: Recipe, *, members: int) -> Recipe:
    """Networks of one kind from several starts, trained side by side on the same batches, that predict by their mean.

    Args:
      recipe: of one network; its optimiser works leaf by leaf, without a norm over all of them.
      members: 2 or more, as many times the price of a step.

    Returns:
      The recipe of all of them.

    Reference: Lakshminarayanan et al., arXiv 1612.01474.
    """
    model = partial(ensembles.side_by_side, recipe.model, members=members)
    return replace(recipe, model=model, loss=partial(by_members, loss=recipe.loss))


def distil(recipe: Recipe, *, members: int, temperature: float = 3.0) -> Recipe:
    """One network that learns from the mean of several: their accuracy, or some of it, at the price of one.

    Args:
      recipe: of one network; another teacher is dropped.
      members: of the teacher, 2 or more.
      temperature: of both softmaxes, > 0.

    Returns:
      The recipe with a team as its teacher.

    Reference: Hinton et al., arXiv 1503.02531.
    """
    loss = partial(bag.distilled, loss=recipe.loss, temperature=temperature)
    return replace(recipe, loss=loss, teacher=team(replace(recipe, teacher=None), members=members))


def fused(recipe: Recipe, *, how: str, taps: tuple[str, ...] = ("stage1", "stage2")) -> Recipe:
    """A classifier that sees several layers of its network: members of one forward pass.

    Args:
      recipe: of a network with these taps and the layer ``head``.
      how: ``"concat"`` or ``"add"``, of ``models.fuse_taps``.
      taps: as there.

    Returns:
      The recipe.
    """
    return replace(recipe, model=partial(models.fuse_taps, recipe.model, taps=taps, how=how))


def distilled(recipe: Recipe, dataset: Dataset, seed: int, *, members: int) -> list[tuple[Recipe, Any]]:
    """A group of ``ablation.groups``: the network that a team of the same recipe has taught.

    Args:
      recipe: of one network.
      dataset: its validation split is kept from the training.
      seed: of the team and of the network.
      members: of the team, 2 or more.

    Returns:
      The recipe and the variables of the network alone.
    """
    part, student = replace(dataset, validation=None), distil(recipe, members=members)
    (taught,) = train.fit(student.teacher or recipe, part, seeds=(seed,), test=False)
    (run,) = train.fit(student, part, seeds=(seed,), teacher=taught.variables, test=False)
    return [(recipe, run.variables)]
