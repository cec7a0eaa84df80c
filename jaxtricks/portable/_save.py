"""What is kept of a trained network, and in which files."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jax import export as jax_export

from jaxtricks import analysis
from jaxtricks.data import Dataset
from jaxtricks.fingerprint import describe
from jaxtricks.portable._network import FILES, FORMAT
from jaxtricks.train import Recipe, build_constants, build_model

PLATFORMS = ("cpu", "cuda", "tpu")


def save(
    folder: str | Path, *, recipe: Recipe, dataset: Dataset, variables: tuple[Any, Any], facts: Mapping[str, Any]
) -> Path:
    """Keep a trained network: for ``load``, ``python -m jaxtricks predict`` and ``python -m jaxtricks export``.

    Args:
      folder: made if missing; its files model.json, weights.npz, program.stablehlo and heat.stablehlo are replaced.
      recipe: that it was trained by.
      dataset: that it was trained on, which its preprocessing is fitted to.
      variables: ``(params, stats)`` of a Run.
      facts: what else model.json is to say, such as figures of the test set; fit for JSON.

    Returns:
      The folder.
    """
    folder, model = Path(folder), build_model(recipe, dataset)
    fitted = jax.tree.map(np.asarray, build_constants(recipe, dataset)["preprocess"])
    abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.asarray(leaf).dtype), variables)
    (count,) = jax_export.symbolic_shape("b")
    images = jax.ShapeDtypeStruct((count, *dataset.shape), np.uint8)

    def ready(batch):
        return jax.vmap(partial(recipe.preprocess[1], fitted))(batch / jnp.float32(255))

    def program(params, stats, batch):
        return model.apply(params, stats, ready(batch), train=False)[0][0].astype(jnp.float32)

    tap = _last_map(model, abstract, dataset.shape)

    def heat(params, stats, batch):
        return analysis.grad_cam(model.apply, params, stats, ready(batch), tap=str(tap)).astype(jnp.float32)

    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILES["facts"]).unlink(missing_ok=True)  # written last: without it a folder is not loaded
    trees = dict(zip(("params", "stats"), jax.tree.map(np.asarray, variables), strict=True))
    leaves: dict[str, Any] = dict(flatten_dict(trees, sep="/"))
    odd = {path: str(leaf.dtype) for path, leaf in leaves.items() if leaf.dtype.kind not in "biufc"}  # bfloat16
    leaves |= {path: leaves[path].astype(np.float32) for path in odd}
    np.savez(folder / FILES["weights"], **leaves)
    for name, function in {"program": program, "heat": heat}.items():
        path = folder / FILES[name]
        path.unlink(missing_ok=True)
        if name == "program" or tap is not None:
            exported = jax_export.export(jax.jit(function), platforms=PLATFORMS)(*abstract, images)
            path.write_bytes(exported.serialize())
    names = _class_names(recipe, dataset)
    saved = {
        "format": FORMAT,
        "image": {"shape": list(dataset.shape), "centre": not isinstance(dataset.train["image"], np.ndarray)},
        "class_names": names,
        "headline": recipe.task.headline,
        "tap": tap,
        "pooled": bool(getattr(recipe.model, "keywords", {}).get("d", False)),
        "dtypes": odd,
        "versions": {"jax": jax.__version__},
        **facts,
        "recipe": describe(recipe),
    }
    text = json.dumps(saved, indent=1, ensure_ascii=False, default=str)
    (folder / FILES["facts"]).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    return folder


def _class_names(recipe: Recipe, dataset: Dataset) -> list[str] | None:
    """One for each output where the outputs are the classes of the data."""
    if dataset.classes is None or recipe.task.outputs != dataset.classes:
        return None
    return list(dataset.class_names) if dataset.class_names else [str(number) for number in range(dataset.classes)]


def _last_map(model: Any, variables: tuple[Any, Any], shape: Sequence[int]) -> str | None:
    """The coarsest tap that is a map of the image with more than one position, of two the one with more channels; None
    where there is none. Taps come by name, and not in the order of the network.
    """
    image = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    taps = jax.eval_shape(partial(model.apply, train=False), *variables, image)[0][1]
    maps = {name: tap.shape for name, tap in taps.items() if getattr(tap, "ndim", 0) == 4}
    sizes = {name: (rows * columns, -depth) for name, (_, rows, columns, depth) in maps.items() if rows * columns > 1}
    return min(sizes, key=sizes.__getitem__, default=None)
