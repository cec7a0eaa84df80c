"""What a network says of an image, known before it is trained: classes, boxes, a mask, or numbers."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks.data import Dataset
from jaxtricks.train import Recipe, build_model

BOXES = ("boxes", "scores", "classes", "valid")


def kind(recipe: Recipe, dataset: Dataset) -> str:
    """What a network says of an image: whether it can be saved is known before it is trained.

    Args:
      recipe: that it is trained by.
      dataset: that it is trained on.

    Returns:
      ``"classes"``, scores ``[B, C]`` of the classes of the data; ``"boxes"``, of a task whose ``answer`` gives
      ``boxes [B, K, 4]``, ``scores``, ``classes`` and ``valid``, ``[B, K]``; ``"mask"``, scores ``[B, H, W, C]`` of the
      pixels, C up to 255, of a task with the column ``mask``; ``"numbers"``, any other array ``[B, ...]``.

    Raises:
      ValueError: if it gives several arrays, and the task's ``answer`` does not make boxes of them.

    Example:
      >>> from jaxtricks import data, recipes
      >>> dataset = data.fake(train=32, test=8)
      >>> recipe, _ = recipes.suggest(dataset)
      >>> kind(recipe, dataset)
      'classes'
    """
    model = build_model(recipe, dataset)
    image = jax.ShapeDtypeStruct((1, *dataset.shape), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0))
    said = jax.eval_shape(lambda *inputs: answer_of(recipe, model.apply(*inputs, train=False)[0]), *variables, image)
    if recipe.task.answer is not None and isinstance(said, Mapping):
        if set(said) == set(BOXES) and _are_boxes({name: said[name].shape for name in BOXES}):
            return "boxes"
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in said.items() if hasattr(value, "shape"))
        raise ValueError(f"recipe.task.answer gives {shapes}; allowed: boxes [B, K, 4], scores, classes, valid [B, K].")
    if not hasattr(said, "shape"):
        none = recipe.task.answer is None
        what = "recipe.model gives" if none else "recipe.task.answer gives"
        why = ", and recipe.task.answer is None" if none else ""
        wanted = "one array, or an answer that makes boxes of it, for a network that is saved"
        raise ValueError(f"{what} a {type(said).__name__}{why}; allowed: {wanted}.")
    if said.ndim == 2 and dataset.classes is not None and said.shape[1] == recipe.task.outputs == dataset.classes:
        return "classes"
    masked = any(column.name == "mask" for column in recipe.task.columns)
    pixels = said.ndim == 4 and said.shape[1:3] == dataset.shape[:2] and said.shape[3] < 256
    return "mask" if masked and pixels else "numbers"


def answer_of(recipe: Recipe, out: Any) -> Any:
    """What a network that is kept says, numbers in float32.

    Args:
      recipe: with the task.
      out: output and taps, as the model gives them.

    Returns:
      The task's answer, or the output.
    """
    output = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), out[0])
    return output if recipe.task.answer is None else recipe.task.answer((output, out[1]))


def names_of(recipe: Recipe, dataset: Dataset, *, kind: str) -> list[str] | None:
    """The names of what a network tells apart, in the order of its outputs, or their numbers as text.

    Args:
      recipe, dataset: as for ``kind``.
      kind: of ``kind``.

    Returns:
      Names; the background's first where a mask has one; None of numbers.
    """
    if kind == "numbers":
        return None
    outputs = recipe.task.outputs
    named = None if dataset.class_names is None else list(dataset.class_names)
    if kind == "mask" and dataset.classes == outputs - 1:
        return ["background", *(named or map(str, range(1, outputs)))]
    return named if named and len(named) == outputs else [str(number) for number in range(outputs)]


def _are_boxes(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    rows = shapes["scores"]
    return len(rows) == 2 and shapes["boxes"] == (*rows, 4) and shapes["classes"] == shapes["valid"] == rows


def last_map(model: Any, variables: tuple[Any, Any], shape: tuple[int, ...]) -> str | None:
    """The tap for Grad-CAM: the coarsest that is a map of the image with more than one position.

    Args:
      model: of the recipe.
      variables: ``(params, stats)``, or their shapes.
      shape: of an image.

    Returns:
      Its name, of two alike the one with more channels; None where there is none. Taps come by name, and not in the
      order of the network.
    """
    image = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    taps = jax.eval_shape(partial(model.apply, train=False), *variables, image)[0][1]
    maps = {name: tap.shape for name, tap in taps.items() if getattr(tap, "ndim", 0) == 4}
    sizes = {name: (rows * columns, -depth) for name, (_, rows, columns, depth) in maps.items() if rows * columns > 1}
    return min(sizes, key=sizes.__getitem__, default=None)
