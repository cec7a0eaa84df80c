"""Images made of several, for detection and segmentation: mosaic and copy-paste. Boxes and masks follow.

Entries as in labels.py with a first axis B: ``image`` of uint8 or floats, ``box [B, N, 4]``, ``box_valid [B, N]``;
where there are keypoints, ``keypoint [B, N, ..., 2]`` with ``visible [B, N, ...]``; and whatever else is named in
``instances``, ``[B, N, ...]``, such as the classes of the boxes. Partners are the examples before in the batch,
which has two or more; a mosaic of two or three holds an example twice.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment._affine import warp
from jaxtricks.augment._boxes import cut_boxes, mask_boxes
from jaxtricks.augment._compose import Batch
from jaxtricks.keys import named
from jaxtricks.preprocess._levels import levels_or_floats


def mosaic_at(
    batch: Batch,
    center: jax.Array,
    *,
    scale: jax.Array | None = None,
    visible: float = 0.0,
    instances: tuple[str, ...] = ("label",),
) -> Batch:
    """Put four images together about a point: each fills a quarter, one of its corners in the point.

    Top left is the example itself, top right the one before it, bottom left the second, bottom right the third before.

    Args:
      batch: ``image [B, H, W, C]``, ``box``, ``box_valid``, the named instances; a ``mask [B, H, W]`` of classes
        follows.
      center: the point, ``(x, y)`` in pixels, integers ``[B, 2]``, within the image.
      scale: of the four images of each mosaic about the point, ``[B, 4]``, > 0; None leaves them as large as they are.
        Where a smaller one does not reach, the mosaic is black, and its mask 0.
      visible: the part of its area that must be more than this for a box to stay valid, 0 to 1.
      instances: other entries with a row a box.

    Returns:
      The batch with 4 N boxes and instances an image.

    Raises:
      ValueError: if an entry is missing or of a wrong shape or dtype, or of fewer than two examples.
    """
    _check(batch, instances)
    count, height, width = batch["image"].shape[:3]
    check.shape("center", center, (count, 2))
    check.integer("center", center)
    if "mask" in batch:
        check.shape('batch["mask"]', batch["mask"], (count, height, width))
    if scale is not None:
        check.shape("scale", scale, (count, 4))
        check.floating("scale", scale)
    corners = [(width * (i % 2 == 0), height * (i < 2)) for i in range(4)]  # which lies in the point
    x, y = center[:, 0], center[:, 1]
    right = jnp.arange(width)[None, None, :] >= x[:, None, None]
    low = jnp.arange(height)[None, :, None] >= y[:, None, None]
    quarter = 2 * low.astype(jnp.int32) + right.astype(jnp.int32)

    def pixels(name, array):
        out = array
        for i in range(4):  # to bring any corner of an image to the point is the same roll
            moved = jnp.roll(array, i, axis=0)
            if scale is not None:
                method = "nearest" if name == "mask" else "bilinear"
                moved = jax.vmap(partial(_scaled, corner=corners[i], method=method))(moved, scale[:, i])
            moved = jax.vmap(lambda a, c: jnp.roll(a, (c[1], c[0]), axis=(0, 1)))(moved, center)
            here = (quarter == i).reshape(quarter.shape + (1,) * (array.ndim - 3))
            out = jnp.where(here, moved, out)
        return out

    boxes, valid, points, seen = [], [], [], []
    for i in range(4):
        left, top = i % 2 == 0, i < 2
        offset = jnp.stack([x - width * left, y - height * top] * 2, 1)
        zero = jnp.zeros_like(x)
        frame = [zero if left else x, zero if top else y, x if left else zero + width, y if top else zero + height]
        rolled = jnp.roll(batch["box"], i, axis=0)
        dtype = rolled.dtype if jnp.issubdtype(rolled.dtype, jnp.floating) else jnp.int32
        if scale is not None:
            rolled, dtype = _from_corner(rolled, corners[i] * 2, scale[:, i]), scale.dtype
        moved = rolled + offset[:, None, :].astype(dtype)
        cut = jax.vmap(lambda b, v, f: cut_boxes(b, v, f, visible=visible))
        box, good = cut(moved, jnp.roll(batch["box_valid"], i, axis=0), jnp.stack(frame, 1).astype(moved.dtype))
        boxes.append(box)
        valid.append(good)
        if "keypoint" in batch:
            low, high, by = (_for_points(a, batch) for a in (jnp.stack(frame[:2], 1), jnp.stack(frame[2:], 1), offset))
            place = jnp.roll(batch["keypoint"], i, axis=0)
            place = (place if scale is None else _from_corner(place, corners[i], scale[:, i])) + by
            points.append(place)
            seen.append(jnp.roll(batch["visible"], i, axis=0) & ((place >= low) & (place < high)).all(-1))
    out = {"box": jnp.concatenate(boxes, 1), "box_valid": jnp.concatenate(valid, 1)}
    out |= {name: pixels(name, batch[name]) for name in ("image", "mask") if name in batch}
    if "keypoint" in batch:
        out |= {"keypoint": jnp.concatenate(points, 1), "visible": jnp.concatenate(seen, 1)}
    for name in instances:
        out[name] = jnp.concatenate([jnp.roll(batch[name], i, axis=0) for i in range(4)], 1)
    return {**batch, **out}


def mosaic(
    key: jax.Array,
    batch: Batch,
    *,
    center: tuple[float, float] = (0.25, 0.75),
    scale: tuple[float, float] = (1.0, 1.0),
    visible: float = 0.0,
    instances: tuple[str, ...] = ("label",),
) -> Batch:
    """Put four images together about a random point, each at a random scale: more objects an image, and smaller ones.

    Args:
      key: a typed key.
      batch: ``image [B, H, W, C]``, ``box``, ``box_valid``, the named instances; a ``mask [B, H, W]`` of classes
        follows.
      center: minimum and maximum x and y of the point, as parts of width and height, uniform, within 0 to 1.
      scale: minimum and maximum of each image's scale, uniform, > 0; (0.5, 1.5) is usual. Bilinear, without
        antialiasing.
      visible: the part of its area that must be more than this for a box to stay valid, 0 to 1.
      instances: other entries with a row a box.

    Returns:
      The batch with 4 N boxes and instances an image.

    Raises:
      ValueError: if an entry is missing or of a wrong shape or dtype, or of fewer than two examples, or on a wrong
        range.

    Reference:
      Bochkovskiy et al., YOLOv4: optimal speed and accuracy of object detection, arXiv 2004.10934.
    """
    _checks.interval("center", center, 0.0, 1.0)
    _check(batch, instances)
    count, height, width = batch["image"].shape[:3]
    _checks.interval("scale", scale, 0.0, float("inf"))
    check.positive("scale", scale[0])
    sizes = None
    if tuple(scale) != (1.0, 1.0):
        sizes = jax.random.uniform(named(key, "scale"), (count, 4), minval=scale[0], maxval=scale[1])
    place = jax.random.uniform(key, (count, 2), minval=center[0], maxval=center[1])
    place = place * jnp.array([[width, height]], place.dtype)
    return mosaic_at(batch, jnp.round(place).astype(jnp.int32), scale=sizes, visible=visible, instances=instances)


def paste_instances(
    batch: Batch, chosen: jax.Array, *, visible: float = 0.0, instances: tuple[str, ...] = ("label",)
) -> Batch:
    """Paste instances of the example before onto every image, by their masks; what they hide is taken out.

    Args:
      batch: ``image [B, H, W, C]``, ``box``, ``box_valid``, ``mask [B, N, H, W]`` bool, one an instance, and the named
        instances.
      chosen: which instances are pasted, of the example they belong to, bool ``[B, N]``; those not valid never are.
      visible: the part of its area that must be more than this for a hidden instance to stay valid, 0 to 1.
      instances: other entries with a row an instance.

    Returns:
      The batch with 2 N instances an image: its own, and those pasted. The box of an instance that is partly hidden is
      that of what is left.

    Raises:
      ValueError: if an entry is missing or of a wrong shape or dtype, or of fewer than two examples, or visible outside
        0 to 1.
    """
    _check(batch, ("mask", *instances))
    check.between("visible", visible, 0.0, 1.0)
    count, slots = batch["box_valid"].shape
    check.shape('batch["mask"]', batch["mask"], (count, slots, *batch["image"].shape[1:3]))
    check.boolean('batch["mask"]', batch["mask"])
    check.shape("chosen", chosen, (count, slots))
    check.boolean("chosen", chosen)
    mask = batch["mask"]
    before = {name: jnp.roll(batch[name], 1, axis=0) for name in ("image", "box", *instances)}
    pasted = jnp.roll(chosen & batch["box_valid"], 1, axis=0)
    pasted_mask = jnp.roll(mask, 1, axis=0) & pasted[..., None, None]
    cover = pasted_mask.any(1)
    left = mask & ~cover[:, None]
    area, area_left = (pixels.sum((2, 3)).astype(jnp.float32) for pixels in (mask, left))
    unhidden = area_left == area
    valid = batch["box_valid"] & (unhidden | (area_left > visible * area))
    box = jnp.where(unhidden[..., None], batch["box"], mask_boxes(left))
    out = {
        "image": jnp.where(cover[..., None], before["image"], batch["image"]),
        "mask": jnp.concatenate([left, pasted_mask], 1),
        "box_valid": jnp.concatenate([valid, pasted], 1),
    }
    boxes = jnp.concatenate([box, before["box"]], 1)
    out["box"] = jnp.where(out["box_valid"][..., None], boxes, 0)
    if "keypoint" in batch:
        own_visible = batch["visible"] & ~jax.vmap(_covered)(cover, batch["keypoint"])
        flags = pasted.reshape(count, slots, *(1,) * (own_visible.ndim - 2))
        pasted_visible = jnp.roll(batch["visible"], 1, axis=0) & flags
        points = jnp.concatenate([batch["keypoint"], jnp.roll(batch["keypoint"], 1, axis=0)], 1)
        out |= {"keypoint": points, "visible": jnp.concatenate([own_visible, pasted_visible], 1)}
    return {**batch, **out} | {name: jnp.concatenate([batch[name], before[name]], 1) for name in instances}


def copy_paste(
    key: jax.Array,
    batch: Batch,
    *,
    probability: float = 0.5,
    visible: float = 0.0,
    instances: tuple[str, ...] = ("label",),
) -> Batch:
    """Paste a random choice of the instances of the example before onto every image. Flip and scale samples before it.

    Args:
      key: a typed key.
      batch: ``image [B, H, W, C]``, ``box``, ``box_valid``, ``mask [B, N, H, W]`` bool, one an instance, and the named
        instances.
      probability: of each instance to be pasted, 0 to 1.
      visible: the part of its area that must be more than this for a hidden instance to stay valid, 0 to 1.
      instances: other entries with a row an instance.

    Returns:
      The batch with 2 N instances an image: its own, and those pasted.

    Raises:
      ValueError: if an entry is missing or of a wrong shape or dtype, or of fewer than two examples, or a part lies
        outside 0 to 1.

    Reference:
      Ghiasi et al., Simple copy-paste is a strong data augmentation method for instance segmentation, arXiv 2012.07177.
    """
    check.between("probability", probability, 0.0, 1.0)
    _check(batch, ("mask", *instances))
    chosen = jax.random.bernoulli(key, probability, batch["box_valid"].shape)
    return paste_instances(batch, chosen, visible=visible, instances=instances)


def _covered(cover: jax.Array, points: jax.Array) -> jax.Array:
    """Which places ``[N, ..., 2]`` lie in a pixel that is True in ``cover [H, W]``; none outside of it."""
    x, y = points[..., 0], points[..., 1]
    inside = (x >= 0) & (x < cover.shape[1]) & (y >= 0) & (y < cover.shape[0])
    column, row = (jnp.where(inside, jnp.floor(place), 0).astype(jnp.int32) for place in (x, y))
    return inside & cover.at[row, column].get(mode="clip")


def _scaled(array: jax.Array, scale: jax.Array, *, corner: tuple[int, int], method: str) -> jax.Array:
    """An image ``[H, W, C]`` or a mask ``[H, W]`` scaled about a corner, black or 0 where nothing comes from."""
    shift = (1 - scale) * jnp.array(corner, scale.dtype)
    matrix = jnp.diag(jnp.stack([scale, scale, jnp.ones_like(scale)])).at[:2, 2].set(shift)
    return warp(array.reshape(*array.shape[:2], -1), matrix, method=method).reshape(array.shape)


def _from_corner(places: jax.Array, corner: tuple[int, ...], scale: jax.Array) -> jax.Array:
    """Boxes or points ``[B, ...]`` scaled about a corner of their images."""
    at = jnp.array(corner, scale.dtype).reshape(*(1,) * (places.ndim - 1), -1)
    return at + scale.reshape(-1, *(1,) * (places.ndim - 1)) * (places - at)


def _for_points(pairs: jax.Array, batch: Batch) -> jax.Array:
    """The first two of each row, ``[B, ...]``, with the axes of the keypoints."""
    return pairs[:, :2].reshape(-1, *(1,) * (batch["keypoint"].ndim - 2), 2)


def _check(batch: Batch, others: tuple[str, ...]) -> None:
    _checks.entries(batch, "image", "box", "box_valid")
    _checks.channels_last("image", batch["image"].shape[1:])
    if "keypoint" in batch:
        others = ("keypoint", "visible", *others)
    _checks.entries(batch, "image", *others)
    _checks.partners(batch)
    levels_or_floats('batch["image"]', batch["image"])
    check.shape('batch["box"]', batch["box"], (None, None, 4))
    check.number('batch["box"]', batch["box"])
    check.boolean('batch["box_valid"]', batch["box_valid"])
    if "keypoint" in batch:
        check.number('batch["keypoint"]', batch["keypoint"])
        check.boolean('batch["visible"]', batch["visible"])
        check.shape('batch["keypoint"]', batch["keypoint"], (*jnp.shape(batch["visible"]), 2))
    for name in ("box_valid", *others):
        if batch[name].shape[1:2] != batch["box"].shape[1:2]:
            raise ValueError(
                f"batch[{name!r}] has shape {batch[name].shape}; allowed: {batch['box'].shape[:2]} first, a row a box."
            )
