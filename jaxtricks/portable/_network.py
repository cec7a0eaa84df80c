"""A network that was saved: what it says of images, and where it looks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict
from jax import export as jax_export
from PIL import Image, ImageOps

from jaxtricks.archive import ArchiveError, read_npz
from jaxtricks.data import DataError
from jaxtricks.data._files import centre_view, decode

FORMAT = 1
BATCH = 64  # images that are computed at once
FILES = {"facts": "model.json", "weights": "weights.npz", "program": "program.stablehlo", "heat": "heat.stablehlo"}


@dataclass(frozen=True)
class Predictions:
    """What a network says of images.

    Fields:
      output: ``[N, ...]``, as the network gives it, such as logits ``[N, C]``.
      probabilities: ``[N, C]``, their softmax; None where the network does not tell classes apart.
      classes: ``[N]``, the most probable class; None likewise.
      names: of the classes, one for each image; None likewise.
    """

    output: np.ndarray
    probabilities: np.ndarray | None
    classes: np.ndarray | None
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class Saved:
    """A network that was saved: ``predict`` is all that most need.

    Fields:
      folder: where it lies.
      facts: of model.json: image, class_names, headline, test, recipe, versions.
      variables: ``(params, stats)``.
    """

    folder: Path
    facts: Mapping[str, Any]
    variables: tuple[Any, Any]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, or their numbers as text; None where the network does not tell classes apart."""
        names = self.facts["class_names"]
        return None if names is None else tuple(names)

    @cached_property
    def _program(self) -> Any:
        return _program(self.folder / FILES["program"])

    @cached_property
    def _heat(self) -> Any:
        return _program(self.folder / FILES["heat"])

    def read(self, images: Sequence[str | Path]) -> np.ndarray:
        """Image files as the network takes them, in the view that it was tested with.

        Args:
          images: paths; any size and mode.

        Returns:
          uint8 ``[N, H, W, C]``.

        Raises:
          DataError: if one of them is missing or is no image; the message names it.
        """
        return np.stack([_view(Path(path), self.facts["image"]) for path in images])

    def predict(self, images: np.ndarray | Sequence[str | Path]) -> Predictions:
        """What the network says of images.

        Args:
          images: ``[N, H, W, C]`` uint8 of the size that it was trained on, or paths of files.

        Returns:
          Predictions.

        Raises:
          ValueError: if the array has another shape or dtype, or there is no image.
          DataError: if a file is missing or is no image.
        """
        output = self._run(self._program, self._checked(images))
        if self.class_names is None:
            return Predictions(output, None, None, None)
        probabilities = np.asarray(jax.nn.softmax(output))
        classes = probabilities.argmax(-1)
        return Predictions(output, probabilities, classes, tuple(self.class_names[c] for c in classes))

    def heat(self, images: np.ndarray | Sequence[str | Path]) -> np.ndarray:
        """Where it looks for the class that it says: Grad-CAM of the last map that the network gives.

        Args:
          images: as for ``predict``.

        Returns:
          ``[N, h, w]``, 0 to 1, of the size of that map.

        Raises:
          ValueError: if the network gives no map, such as a perceptron; and as ``predict``.
        """
        if self.facts["tap"] is None:
            raise ValueError(f"model is {self.folder}, which gives no map of an image; allowed: a network with maps.")
        maps = self._run(self._heat, self._checked(images))
        return maps / np.maximum(maps.max((1, 2), keepdims=True), np.finfo(np.float32).tiny)

    def _checked(self, images: np.ndarray | Sequence[str | Path]) -> np.ndarray:
        if not isinstance(images, (np.ndarray, jax.Array)):
            if not len(images):
                raise ValueError("images is empty; allowed: one image or more.")
            return self.read(images)
        shape = tuple(self.facts["image"]["shape"])
        if images.ndim != 4 or images.shape[1:] != shape or not len(images) or images.dtype != np.uint8:
            wanted = f"uint8 [N, {', '.join(map(str, shape))}], N of 1 or more"
            raise ValueError(f"images is {images.dtype} {list(images.shape)}; allowed: {wanted}.")
        return np.asarray(images)

    def _run(self, program: Any, images: np.ndarray) -> np.ndarray:
        parts = range(0, len(images), BATCH)
        return np.concatenate([np.asarray(program(*self.variables, images[i : i + BATCH])) for i in parts])


def load(folder: str | Path) -> Saved:
    """A network that ``save`` or ``--save`` kept: ``load(folder).predict(images)``.

    Args:
      folder: with model.json.

    Returns:
      The network.

    Raises:
      DataError: if it is no such folder, damaged, or of a newer version.
    """
    folder = Path(folder).expanduser()
    try:
        facts = json.loads((folder / FILES["facts"]).read_text(encoding="utf-8"))
        leaves = read_npz(folder / FILES["weights"])
    except FileNotFoundError as error:
        raise DataError(f"{folder} has no {Path(error.filename).name}; allowed: a folder of --save.") from error
    except (OSError, ValueError, ArchiveError) as error:
        raise DataError(f"{folder} cannot be read: {error}; allowed: a folder of --save.") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise DataError(f"{folder} is of another version of this package; allowed: format {FORMAT}.")
    leaves |= {path: leaves[path].astype(jnp.dtype(dtype)) for path, dtype in facts["dtypes"].items()}
    tree = unflatten_dict(leaves, sep="/")
    return Saved(folder, facts, (tree["params"], tree.get("stats", {})))


def _program(path: Path) -> Any:
    """What a file of StableHLO computes, compiled for the device that is there."""
    try:
        return jax.jit(jax_export.deserialize(bytearray(path.read_bytes())).call)
    except Exception as error:  # whatever a reader raises on damaged bytes
        raise DataError(f"{path} cannot be read: {error}; allowed: what --save wrote.") from error


def _view(path: Path, image: Mapping[str, Any]) -> np.ndarray:
    """One file, as images were read for the test."""
    height, width, channels = image["shape"]
    try:
        opened = decode(path, channels=channels)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except DataError as error:
        raise DataError(f"{path} cannot be read as an image: {error}.") from error
    if image["centre"]:
        return centre_view(opened, height)
    if opened.size != (width, height):
        opened = ImageOps.fit(opened, (width, height), Image.Resampling.BILINEAR)
    array = np.asarray(opened)
    return array[..., None] if array.ndim == 2 else array
