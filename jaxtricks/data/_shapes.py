"""A set for detection and segmentation with exact boxes and masks, made of the items of another set."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from jaxtricks.data._columns import DataError
from jaxtricks.data._dataset import Dataset, from_columns
from jaxtricks.data._kinds import other_kind

SEEN = 0.4  # the share of an item's pixels that later items must leave uncovered
TRIES = 20
DARK = 15  # of 255: what is not brighter is no part of an item
LARGEST = 254  # number of an item, or of a class, in a mask of 8 bits whose 255 counts nothing


def shapes(
    dataset: Dataset,
    *,
    images: tuple[int, int] = (2000, 500),
    size: int = 64,
    objects: int = 4,
    scale: tuple[float, float] = (0.6, 1.3),
    kinds: Sequence[int] | None = None,
    seed: int = 0,
    instances: bool = False,
) -> Dataset:
    """Items of a set of small grey images put on canvases, with boxes and masks: detection where no data is at hand.

    A canvas has 1 to ``objects`` items at random places and scales; one may cover another up to 60 %. An item is what
    is brighter than 15 of 255. The background is noise of up to 40. The same for every machine.

    Args:
      dataset: with ``image``, uint8 ``[N, H, W, 1]``, and ``label``, both in memory: ``data.load("fashion_mini")``.
      images: canvases for training and for the test, each 1 or more; the items are those of the same split.
      size: of the canvas in pixels, both ways.
      objects: M, the greatest number of items, 1 to 254.
      scale: smallest and greatest factor of an item's size; the greatest item must fit.
      kinds: for each class of the dataset the class it becomes, 0 to 253; the same if None.
      seed: of the places, an integer of 0 or more.
      instances: whether the masks are those of the items, one each, in the place of one of classes.

    Returns:
      A dataset with ``image``, uint8 ``[N, size, size, 1]``; ``box``, float32 ``[N, M, 4]``, xyxy in pixels around
      what is seen of an item, ``box_label``, int32 ``[N, M]``, ``box_valid``, bool ``[N, M]``; and ``mask``, uint8
      ``[N, size, size]``, 0 for the background and 1 + class; with ``instances`` bool ``[N, M, size, size]``, what is
      seen of each item.

    Raises:
      DataError: if the dataset has no such columns, or an option is wrong.
    """
    if dataset.classes is None or dataset.shape[2:] != (1,):
        raise DataError(other_kind(dataset, "grey images with a class each"))
    kinds = tuple(range(dataset.classes)) if kinds is None else tuple(kinds)
    if len(kinds) != dataset.classes or not all(_is_integer(kind, 0, LARGEST - 1) for kind in kinds):
        raise DataError(f"kinds is {kinds}; allowed: an integer of 0 to {LARGEST - 1} for each of {dataset.classes}.")
    if np.shape(scale) != (2,):
        raise DataError(f"scale is {scale}; allowed: two numbers.")
    low, high = scale
    if not 0 < low <= high or round(high * max(dataset.shape[:2])) > size:
        raise DataError(f"scale is {scale}; allowed: above 0, rising, and items within {size} pixels.")
    if np.shape(images) != (2,) or not all(_is_integer(count, 1) for count in images):
        raise DataError(f"images is {images}; allowed: two integers of 1 or more.")
    if not _is_integer(objects, 1, LARGEST):
        raise DataError(f"objects is {objects}; allowed: an integer of 1 to {LARGEST}.")
    if not _is_integer(seed, 0):
        raise DataError(f"seed is {seed}; allowed: an integer of 0 or more.")
    splits = []
    for number, (split, count) in enumerate(zip((dataset.train, dataset.test), images, strict=True)):
        rng = np.random.default_rng((seed, number))
        columns = {name: column for name in ("image", "label") if isinstance(column := split[name], np.ndarray)}
        if len(columns) < 2:
            raise DataError(f"{dataset.name} is decoded when it is read; allowed: images in memory.")
        options = {"size": size, "objects": objects, "scale": scale, "instances": instances}
        rows = [_canvas(rng, columns, kinds, **options) for _ in range(count)]
        splits.append({name: np.stack([row[name] for row in rows]) for name in rows[0]})
        if not splits[-1]["box_valid"].any():
            raise DataError(f"{dataset.name} has no item on any canvas; allowed: items brighter than {DARK} of 255.")
    return from_columns(f"{dataset.name}, shapes", *splits, classes=max(kinds) + 1)


def _canvas(rng: np.random.Generator, items: dict, kinds: tuple[int, ...], *, size, objects, scale, instances) -> dict:
    image = rng.integers(0, 41, (size, size)).astype(np.uint8)
    owner = np.zeros((size, size), np.uint8)  # of each pixel: 0, or 1 + the item's number
    labels, areas = [], []
    for _ in range(rng.integers(1, objects + 1)):
        row = rng.integers(len(items["label"]))
        item = _scaled(items["image"][row, ..., 0], rng.uniform(*scale))
        solid = item > DARK
        height, width = item.shape
        for _ in range(TRIES):
            y, x = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
            covered = owner.copy()
            covered[y : y + height, x : x + width][solid] = len(labels) + 1
            seen = np.bincount(covered.ravel(), minlength=len(labels) + 2)[1:]
            if solid.any() and (seen >= SEEN * np.array([*areas, solid.sum()])).all():
                owner = covered
                image[y : y + height, x : x + width][solid] = item[solid]
                labels.append(kinds[int(items["label"][row])])
                areas.append(int(solid.sum()))
                break
    box, label = np.zeros((objects, 4), np.float32), np.zeros(objects, np.int32)
    mask = np.zeros((size, size), np.uint8)
    for n, kind in enumerate(labels):
        rows, columns = np.nonzero(owner == n + 1)
        box[n] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        label[n], mask[owner == n + 1] = kind, kind + 1
    valid = np.arange(objects) < len(labels)
    if instances:
        mask = owner[None] == np.arange(1, objects + 1)[:, None, None]
    return {"image": image[..., None], "box": box, "box_label": label, "box_valid": valid, "mask": mask}


def _is_integer(value, low: int, high: float = np.inf) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(low <= value <= high)


def _scaled(item: np.ndarray, factor: float) -> np.ndarray:
    height, width = (max(1, round(factor * side)) for side in item.shape)
    return np.asarray(Image.fromarray(item).resize((width, height), Image.Resampling.BILINEAR))
