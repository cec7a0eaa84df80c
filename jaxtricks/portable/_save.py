"""What is kept of a trained network, and in which files."""

import json
from collections.abc import Mapping
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
from jaxtricks.portable._kinds import answer_of, kind, last_map, names_of
from jaxtricks.portable._network import FILES, FORMAT
from jaxtricks.train import Recipe, build_constants, build_model

PLATFORMS = ("cpu", "cuda", "tpu")


def save(
    folder: str | Path,
    *,
    recipe: Recipe,
    dataset: Dataset,
    variables: tuple[Any, Any],
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Keep a trained network: for ``load``, ``python -m jaxtricks predict`` and ``python -m jaxtricks export``.

    Args:
      folder: made if missing; its files model.json, weights.npz, program.stablehlo and heat.stablehlo are replaced.
      recipe: that it was trained by.
      dataset: that it was trained on, which its preprocessing is fitted to.
      variables: ``(params, stats)`` of a Run.
      facts: what else model.json is to say, such as figures of the test set; fit for JSON; nothing else if None.

    Returns:
      The folder.

    Raises:
      ValueError: as ``kind``, before anything is written.
    """
    said, folder, model = kind(recipe, dataset), Path(folder), build_model(recipe, dataset)
    fitted = jax.tree.map(np.asarray, build_constants(recipe, dataset)["preprocess"])
    abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.asarray(leaf).dtype), variables)
    (count,) = jax_export.symbolic_shape("b")
    images = jax.ShapeDtypeStruct((count, *dataset.shape), np.uint8)

    def ready(batch):
        return jax.vmap(partial(recipe.preprocess[1], fitted))(batch / jnp.float32(255))

    def program(params, stats, batch):
        return answer_of(recipe, model.apply(params, stats, ready(batch), train=False)[0])

    tap = last_map(model, abstract, dataset.shape) if _one_row_an_image(program, abstract, dataset.shape) else None

    def heat(params, stats, batch):
        return analysis.grad_cam(model.apply, params, stats, ready(batch), tap=str(tap)).astype(jnp.float32)

    functions = {"program": program} | ({} if tap is None else {"heat": heat})
    exported = {
        name: jax_export.export(jax.jit(function), platforms=PLATFORMS)(*abstract, images).serialize()
        for name, function in functions.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILES["facts"]).unlink(missing_ok=True)  # written last: without it a folder is not loaded
    trees = dict(zip(("params", "stats"), jax.tree.map(np.asarray, variables), strict=True))
    leaves: dict[str, Any] = dict(flatten_dict(trees, sep="/"))
    empty = sorted(set(flatten_dict(trees, sep="/", keep_empty_nodes=True)) - set(leaves))  # parts without statistics
    odd = {path: str(leaf.dtype) for path, leaf in leaves.items() if leaf.dtype.kind not in "biufc"}  # bfloat16
    leaves |= {path: leaves[path].astype(np.float32) for path in odd}
    np.savez(folder / FILES["weights"], **leaves)
    for name in ("program", "heat"):
        (folder / FILES[name]).unlink(missing_ok=True)
        if name in exported:
            (folder / FILES[name]).write_bytes(exported[name])
    saved = {
        "format": FORMAT,
        "kind": said,
        "image": {"shape": list(dataset.shape), "view": _view(said, dataset)},
        "class_names": names_of(recipe, dataset, kind=said),
        "headline": recipe.task.headline,
        "tap": tap,
        "pooled": bool(getattr(recipe.model, "keywords", {}).get("d", False)),
        "dtypes": odd,
        "empty": empty,
        "versions": {"jax": jax.__version__},
        **({} if facts is None else facts),
        "recipe": describe(recipe),
    }
    text = json.dumps(saved, indent=1, ensure_ascii=False, default=str)
    (folder / FILES["facts"]).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    return folder


def _view(said: str, dataset: Dataset) -> str:
    """How files are read: as those of the data were, or as its images of one size suggest."""
    if said in ("boxes", "mask") or {"box", "mask"} & set(dataset.train.columns):
        return "letterbox"  # nothing of an image is cut off, and places in it can be found again
    return "fit" if isinstance(dataset.train["image"], np.ndarray) else "centre"


def _one_row_an_image(program: Any, variables: Any, shape: tuple[int, ...]) -> bool:
    """Whether it gives ``[B, C]``, of which Grad-CAM takes the largest."""
    said = jax.eval_shape(program, *variables, jax.ShapeDtypeStruct((1, *shape), np.uint8))
    return getattr(said, "ndim", 0) == 2
