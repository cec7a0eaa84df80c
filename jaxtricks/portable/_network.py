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

from jaxtricks.archive import ArchiveError, read_npz
from jaxtricks.data import DataError
from jaxtricks.portable._kinds import BOXES
from jaxtricks.portable._views import boxes_in, mask_in, seen

FORMAT = 2  # 1 had neither the kind of what it says nor a view of its own for boxes and masks
BATCH = 64  # images that are computed at once
FILES = {"facts": "model.json", "weights": "weights.npz", "program": "program.stablehlo", "heat": "heat.stablehlo"}


@dataclass(frozen=True)
class Boxes:
    """The boxes that a detector finds in one image, by falling score.

    Fields:
      xyxy: float32 ``[K, 4]``, left, top, right and bottom in pixels of the image as it was given: a file's own,
        upright as its EXIF orientation says, or those of an array. A box in the grey around an image is left out.
      scores: ``[K]``, 0 to 1.
      classes: int ``[K]``.
      names: of the classes, one for each box.
    """

    xyxy: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Predictions:
    """What a network says of images; by ``Saved.kind``, what it does not say is None.

    Fields:
      output: ``[N, ...]``, as the program gives it: logits ``[N, C]``; of a mask ``[N, H, W, C]``; of a detector a dict
        of ``boxes [N, K, 4]``, xyxy in pixels of what the network sees, and ``scores``, ``classes`` and ``valid``,
        ``[N, K]``, the last False where there is none.
      probabilities: ``[N, C]``, softmax of the logits, where it tells classes of images apart.
      classes: ``[N]``, the most probable class likewise.
      names: of the classes, one for each image, likewise.
      boxes: of a detector, one Boxes an image.
      masks: of a segmenter, the most probable class of each pixel, uint8 ``[h, w]`` an image, by the nearest pixel
        at the size of the image as it was given; ``Saved.class_names`` names the classes.
    """

    output: Any
    probabilities: np.ndarray | None
    classes: np.ndarray | None
    names: tuple[str, ...] | None
    boxes: tuple[Boxes, ...] | None = None
    masks: tuple[np.ndarray, ...] | None = None


@dataclass(frozen=True)
class Saved:
    """A network that was saved: ``predict`` is all that most need.

    Fields:
      folder: where it lies.
      facts: of model.json: kind, image, class_names, headline, test, recipe, versions.
      variables: ``(params, stats)``.
    """

    folder: Path
    facts: Mapping[str, Any]
    variables: tuple[Any, Any]

    @property
    def kind(self) -> str:
        """What it says of an image: ``"classes"``, ``"boxes"``, ``"mask"`` or ``"numbers"``."""
        return self.facts["kind"]

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
        return np.stack([seen(Path(path), self.facts["image"])[0] for path in images])

    def predict(self, images: np.ndarray | Sequence[str | Path]) -> Predictions:
        """What the network says of images: classes, boxes or a mask.

        Args:
          images: ``[N, H, W, C]`` uint8 of the size that it was trained on, or paths of files.

        Returns:
          Predictions.

        Raises:
          ValueError: if the array has another shape or dtype, or there is no image.
          DataError: if a file is missing or is no image.
        """
        pixels, sizes = self._checked(images)
        output = self._run(self._program, pixels)
        if self.kind == "boxes":
            rows = ({name: output[name][i] for name in BOXES} for i in range(len(sizes)))
            seen_boxes = tuple(self._boxes(size=size, **row) for row, size in zip(rows, sizes, strict=True))
            return Predictions(output, None, None, None, boxes=seen_boxes)
        if self.kind == "mask":
            said = output.argmax(-1).astype(np.uint8)
            masks = tuple(mask_in(mask, size) for mask, size in zip(said, sizes, strict=True))
            return Predictions(output, None, None, None, masks=masks)
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
          ValueError: if the network gives no map, such as a perceptron, or no class of an image, such as a detector;
            and as ``predict``.
        """
        if self.kind in ("boxes", "mask"):
            raise ValueError(
                f"model is {self.folder}, which says where by itself ({self.kind}); allowed: a classifier."
            )
        if self.facts["tap"] is None:
            raise ValueError(f"model is {self.folder}, which gives no map of an image; allowed: a network with maps.")
        maps = self._run(self._heat, self._checked(images)[0])
        return maps / np.maximum(maps.max((1, 2), keepdims=True), np.finfo(np.float32).tiny)

    def _boxes(self, *, boxes, scores, classes, valid, size: tuple[int, int]) -> Boxes:
        """Those of one image that are there, in its own pixels, by falling score."""
        placed = boxes_in(boxes, size, self.facts["image"]["shape"])
        there = np.flatnonzero(valid & (placed[:, 2:] > placed[:, :2]).all(-1))
        there = there[np.argsort(-scores[there], kind="stable")]
        names = tuple(self.facts["class_names"][c] for c in classes[there])
        return Boxes(placed[there], scores[there], classes[there], names)

    def _checked(self, images: np.ndarray | Sequence[str | Path]) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """What the network sees, and height and width of each image as it was given."""
        if not isinstance(images, (np.ndarray, jax.Array)):
            if not len(images):
                raise ValueError("images is empty; allowed: one image or more.")
            pixels, sizes = zip(*(seen(Path(path), self.facts["image"]) for path in images), strict=True)
            return np.stack(pixels), list(sizes)
        shape = tuple(self.facts["image"]["shape"])
        if images.ndim != 4 or images.shape[1:] != shape or not len(images) or images.dtype != np.uint8:
            wanted = f"uint8 [N, {', '.join(map(str, shape))}], N of 1 or more"
            raise ValueError(f"images is {images.dtype} {list(images.shape)}; allowed: {wanted}.")
        return np.asarray(images), [(shape[0], shape[1])] * len(images)

    def _run(self, program: Any, images: np.ndarray) -> Any:
        parts = range(0, len(images), BATCH)
        said = [jax.tree.map(np.asarray, program(*self.variables, images[i : i + BATCH])) for i in parts]
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *said)


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
    if not isinstance(facts, dict) or facts.get("format") not in (1, FORMAT):
        raise DataError(f"{folder} is of another version of this package; allowed: format 1 or {FORMAT}.")
    if facts["format"] == 1:
        facts["kind"] = "numbers" if facts["class_names"] is None else "classes"
        facts["image"]["view"] = "centre" if facts["image"]["centre"] else "fit"
    leaves |= {path: leaves[path].astype(jnp.dtype(dtype)) for path, dtype in facts["dtypes"].items()}
    tree = unflatten_dict(leaves | {path: {} for path in facts.get("empty", ())}, sep="/")
    return Saved(folder, facts, (tree["params"], tree.get("stats", {})))


def _program(path: Path) -> Any:
    """What a file of StableHLO computes, compiled for the device that is there."""
    try:
        return jax.jit(jax_export.deserialize(bytearray(path.read_bytes())).call)
    except Exception as error:  # whatever a reader raises on damaged bytes
        raise DataError(f"{path} cannot be read: {error}; allowed: what --save wrote.") from error
