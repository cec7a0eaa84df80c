"""Backbones trained as classifiers by several recipes, from which a segmentation or a detection goes on.

The paper's tables 8 and 9 ask which of its refinements help there too. ``begin`` trains the backbones and keeps them;
a row says from which recipe's the network starts.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxtricks import data, models, tasks, train
from jaxtricks.archive import read_npz
from jaxtricks.fingerprint import fingerprint, source_digest
from jaxtricks.keys import named
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks._columns import class_count
from jaxtricks.tricks.trick import Trick

__all__ = [
    "CACHE",
    "EPOCHS",
    "SEEDS",
    "begin",
    "classifiers",
    "from_source",
    "keep",
    "ladder",
    "started_from",
    "weights_of",
]

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "jaxtricks" / "transfer"
EPOCHS = 10.0  # of a classifier
SEEDS = (0, 1, 2, 3)  # of each; a run draws one, the same for all rows
_SOURCES = {  # as the rows of tables 8 and 9 stack
    "baseline": (),
    "cosine": (t.cosine,),
    "smoothing": (t.cosine, t.smoothing),
    "mixup": (t.cosine, t.smoothing, t.mixup),
}


def classifiers(
    backbone: Callable, dataset: data.Dataset, *, lr: float, batch: int, epochs: float = EPOCHS
) -> dict[str, Recipe]:
    """The recipes that the backbones are trained by.

    Args:
      backbone: ``(classes=, channels=, ...) -> Model``.
      dataset: images with one label each.
      lr, batch, epochs: of the baseline.

    Returns:
      A recipe for each of the four.
    """
    parts = {"task": tasks.classification(class_count(dataset)), "augmented": t.augmentation(dataset)}
    recipes = {}
    for name, changes in _SOURCES.items():
        recipe = t.warm_up(t.standard(model=backbone, lr=lr, batch=batch, epochs=epochs, **parts))
        for change in changes:
            recipe = change(recipe)
        recipes[name] = recipe
    return recipes


def begin(
    recipe: Recipe, complete: data.Dataset, dataset: data.Dataset, *, lr: float, epochs: float = EPOCHS
) -> Recipe:
    """The baseline, which starts from the backbones of the first source; all sources are trained if need be.

    They are kept in the cache folder, in a folder named by the recipes, the code that they run and the images.

    Args:
      recipe: of a network with a ``backbone``, such as that of ``segmenting.baseline`` or ``detecting.baseline``.
      complete: the dataset of items with a label each, which the backbones learn.
      dataset: canvases of these items; not used.
      lr, epochs: of the classifiers, whose batch is the recipe's.

    Returns:
      The recipe.

    Raises:
      DataError: if the images have no label each, such as a person's own with boxes or masks.
      ValueError: in several processes.
    """
    if "label" not in complete.train.columns:
        raise data.DataError(
            f"{complete.name} has no label for each image, which the backbones learn first; allowed: small grey images "
            "with a label each, of which canvases are made, such as fashion_mini. python -m experiments.detect and "
            "experiments.segment train on boxes and masks of one's own."
        )
    if jax.process_count() > 1:
        raise ValueError(f"transfer is started in {jax.process_count()} processes; allowed: one.")
    backbone = recipe.model.keywords["backbone"]  # pyright: ignore[reportFunctionMemberAccess]
    recipes = classifiers(backbone, complete, lr=lr, batch=recipe.batch, epochs=epochs)
    weights = fingerprint([recipes, source_digest(*recipes.values()), data.identity(complete), SEEDS])
    plan = train.Plan(seeds_on="devices")
    for name, classifier in recipes.items():
        path = weights_of(weights, name)
        if not path.is_file():
            runs = train.fit(classifier, complete, seeds=SEEDS, plan=plan, test=False)
            keep(path, [jax.device_get(run.variables) for run in runs])
    return t.part(recipe, backbone=partial(started_from, backbone, weights=weights, source="baseline"))


def keep(path: Path, variables: Sequence[tuple[Any, Any]]) -> None:
    """Write the weights of networks of one form, one over another; the file is complete or not there.

    Args:
      path: of an npz file.
      variables: ``(params, stats)`` of each.
    """
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *variables)
    flat: dict[str, Any] = dict(flatten_dict(dict(zip(("params", "stats"), stacked, strict=True)), sep="/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(part, **flat)
    part.replace(path)


def weights_of(weights: str, source: str) -> Path:
    """The file of a source's backbones.

    Args:
      weights: name of the folder in the cache.
      source: of the four.

    Returns:
      The path of an npz file.
    """
    return CACHE / weights / f"{source}.npz"


def started_from(build: Callable, *, weights: str, source: str | None, **arguments: Any) -> models.Model:
    """A backbone that starts from one of a source's, drawn by the key of the run, or from fresh weights.

    Args:
      build: ``(**arguments) -> Model``, whose classifier is called ``head`` and stays fresh.
      weights: name of the folder in the cache.
      source: of the four, or None.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model.
    """
    model = build(**arguments)
    if source is None:
        return model
    kept = unflatten_dict(read_npz(weights_of(weights, source)), sep="/")

    def init(key):
        params, stats = model.init(key)
        count = len(jax.tree.leaves(kept)[0])
        number = jax.random.randint(named(key, "source"), (), 0, count)
        chosen = jax.tree.map(lambda leaves: jnp.asarray(leaves)[number], kept)
        return {**chosen["params"], "head": params["head"]}, chosen.get("stats", stats)

    return model._replace(init=init)


def from_source(recipe: Recipe, *, source: str | None) -> Recipe:
    """Another source's backbones to start from.

    Args:
      recipe: of ``begin``.
      source: of the four, or None for fresh weights.

    Returns:
      The recipe.
    """
    body = recipe.model.keywords["backbone"]  # pyright: ignore[reportFunctionMemberAccess]
    return t.part(recipe, backbone=partial(body, source=source))


def ladder(cells: Mapping[str, tuple[int, str]]) -> dict[str, Trick]:
    """A row for each source but the baseline's, and one from scratch.

    Args:
      cells: for each source the expected sign against the baseline's, and what the paper prints.

    Returns:
      The tricks by name.
    """
    rows = {name: Trick(partial(from_source, source=name), sign, paper) for name, (sign, paper) in cells.items()}
    return {"from scratch": Trick(partial(from_source, source=None), -1), **rows}
