"""Initialisers that need a network or images: LSUV on plain networks, Fixup on residual ones, both without norms."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import data, init, models
from jaxtricks.models import Model
from jaxtricks.train import Recipe
from jaxtricks.tricks._columns import in_memory
from jaxtricks.tricks.parts import part, swap
from jaxtricks.tricks.trick import Trick, set_fields

__all__ = ["begin", "fixed_up", "kernels", "layerwise", "of_the_data", "orthonormal", "residual", "scaled_by_data"]

initializers = jax.nn.initializers
IMAGES = 256  # a batch, as in the paper


def begin(recipe: Recipe, complete: data.Dataset, dataset: data.Dataset) -> Recipe:
    """What ``layerwise`` needs of the data: a batch of images as the network gets them.

    Args:
      recipe: any, whose preprocessing is fitted here.
      complete: not used; what an experiment's ``begin`` is called with.
      dataset: what is trained on, in memory.

    Returns:
      The recipe, whose network knows the batch and is the same otherwise.
    """
    images = in_memory(dataset.train, "image")
    stats = recipe.preprocess[0](images)
    batch = jax.vmap(partial(recipe.preprocess[1], stats))(images[:IMAGES] / np.float32(255))
    return replace(recipe, model=partial(of_the_data, recipe.model, batch=np.asarray(batch)))


def of_the_data(build: Callable, *, batch: np.ndarray, scaled: Callable | None = None, **arguments: Any) -> Model:
    """A network whose fresh parameters may be changed by what they make of a batch.

    Args:
      build: ``(**arguments) -> Model``.
      batch: images as the network gets them, ``[B, H, W, C]``.
      scaled: ``(params, batch) -> params``, or None.
      **arguments: of the network.

    Returns:
      The Model.
    """
    model = build(**arguments)
    if scaled is None:
        return model

    def first(key):
        params, stats = model.init(key)
        return scaled(params, jnp.asarray(batch)), stats

    return model._replace(init=first)


def layerwise(recipe: Recipe) -> Recipe:
    """LSUV: each convolution of a plain network starts with outputs of variance 1; for deep networks without norms.

    Args:
      recipe: that ``begin`` made, of a plain network without normalisation, whose kernels are orthogonal at best.

    Returns:
      The recipe with scaled kernels.

    Raises:
      ValueError: if ``begin`` has not given it a batch.
    """
    keywords = getattr(recipe.model, "keywords", {})
    if "batch" not in keywords:
        raise ValueError("recipe.model has no batch of images; allowed: a recipe that tricks.starts.begin made.")
    return replace(recipe, model=partial(recipe.model, scaled=scaled_by_data))


def orthonormal(recipe: Recipe, *, then: Callable) -> Recipe:
    """Orthogonal kernels, from which LSUV starts, and what comes after them.

    Args:
      recipe: whose network takes ``kernel_init=``.
      then: ``Recipe -> Recipe``.

    Returns:
      The recipe.
    """
    return then(part(recipe, kernel_init=jax.nn.initializers.orthogonal()))


def residual(recipe: Recipe, *, layout: str) -> Recipe:
    """A residual network without normalisation in the place of a plain one, by He.

    Args:
      recipe: that ``begin`` made.
      layout: a name in ``models.LAYOUTS``.

    Returns:
      The recipe with that network.
    """
    return replace(
        recipe, model=partial(models.resnet, models.LAYOUTS[layout], norm=None, kernel_init=init.he_normal())
    )


def scaled_by_data(params, batch: jax.Array):
    """The parameters of a plain network without normalisation, ReLU and max pooling, after ``init.lsuv``.

    Args:
      params: with ``stages`` of a ``conv`` each.
      batch: ``[B, H, W, C]``.

    Returns:
      The parameters.
    """
    paths = [f"stages/{i}/conv/kernel" for i in range(len(params["stages"]))]

    def output(params, path):
        x = batch
        for number, name in enumerate(paths):
            x = jax.lax.conv_general_dilated(
                x, params["stages"][str(number)]["conv"]["kernel"], (1, 1), "SAME", dimension_numbers=LAYOUT
            )
            if name == path:
                break
            x = jax.lax.reduce_window(jax.nn.relu(x), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return x

    return init.lsuv(params, paths, output)


LAYOUT = ("NHWC", "HWIO", "NHWC")


def fixed_up(recipe: Recipe, *, branches: int, depth: int) -> Recipe:
    """Fixup's first two rules on a residual network without normalisation; its scalars belong to the model.

    Args:
      recipe: whose residual branches end with ``last_conv``, drawn by ``he_normal``.
      branches: their number.
      depth: layers of each.

    Returns:
      The recipe with scaled kernels.
    """
    rules = {"inner": r"/inner/\d+/conv/kernel$", "last": "last_conv/kernel$", "branches": branches, "depth": depth}
    return replace(recipe, init=partial(_fixup, rules=tuple(rules.items())))


def _fixup(params, *, rules: tuple):
    return init.zero_last(init.fixup(params, **dict(rules)), "^head/")


def kernels(bare: bool) -> dict[str, Trick]:
    """Initialisers of the kernels of a plain network, as rows of a table.

    Args:
      bare: whether the network is without normalisation: then the scale of the weights is all there is.

    Returns:
      The tricks by name.
    """
    lower, higher = (-1, 1) if bare else (None, None)
    initialisers = {
        "all zero": (initializers.zeros, -1, None),
        "all 0.01": (initializers.constant(0.01), -1, None),
        "N(0, 0.01)": (initializers.normal(0.01), lower, None),
        "Xavier uniform": (initializers.glorot_uniform(), 0, None),
        "He, fan in": (init.he_normal(), higher, "arXiv 1502.01852"),
        "He, fan out": (init.he_normal(mode="fan_out"), higher, "arXiv 1502.01852"),
        "He uniform": (initializers.he_uniform(), higher, "arXiv 1502.01852"),
        "orthogonal": (initializers.orthogonal(2**0.5), None, "arXiv 1312.6120"),
        "Dirac": (init.dirac(rest=init.he_normal()), None, "arXiv 2404.00498"),
    }
    return {
        **{name: swap(expected, paper, kernel_init=kernel) for name, (kernel, expected, paper) in initialisers.items()},
        "classifier zero": Trick(partial(set_fields, init=partial(init.zero_last, pattern="^head/")), None),
    }
