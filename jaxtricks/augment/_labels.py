"""Geometry of a sample: boxes, masks and keypoints move with the image.

A sample is a dict: ``image [H, W, C]``, uint8 or floats, and any of
``box [N, 4]`` as ``(x0, y0, x1, y1)`` in pixels with ``box_valid [N]`` bool (a count that varies, padded to N),
``keypoint [..., 2]`` as ``(x, y)`` in pixels with ``visible [...]`` bool,
``mask [..., H, W]`` of any dtype: classes, or one mask an instance. Other entries stay as they are.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks, _crop, _flip
from jaxtricks.augment import _matrix as geometry
from jaxtricks.augment._affine import resample, warp
from jaxtricks.augment._boxes import cut_boxes, move_boxes, move_points
from jaxtricks.augment._compose import Augment

Sample = dict[str, jax.Array]


def each_sample(transform: Callable[[jax.Array, Sample], Sample]) -> Augment:
    """Turn a random function of one sample into an augmentation of a batch: a key for every sample, then vmap.

    Args:
      transform: ``(key, sample) -> sample``.

    Returns:
      ``(key, batch) -> batch``; the transform sees every entry of the batch without its first axis.
    """

    def augment(key: jax.Array, batch: Sample) -> Sample:
        _checks.entries(batch, "image", others=True)
        return jax.vmap(transform)(jax.random.split(key, batch["image"].shape[0]), batch)

    return augment


def move_labels(
    sample: Sample, matrix: jax.Array, *, size: tuple[int, int], visible: float = 0.0, mask_fill: float = 0
) -> Sample:
    """Move boxes, keypoints and masks, for an image that is moved by other means.

    Args:
      sample: see above; the image is not touched.
      matrix: ``[3, 3]``, from a place in the image to its place in the result.
      size: ``(height, width)`` of the result.
      visible: the part of its area that must be more than this for a box to stay valid, 0 to 1.
      mask_fill: value of mask pixels that come from outside, such as the class to ignore.

    Returns:
      The sample with new labels: boxes cut to the result, keypoints outside of it not visible, masks by nearest pixel.

    Raises:
      ValueError: if box comes without box_valid or keypoint without visible, or on a wrong shape.
    """
    height, width = _checks.size("size", size)
    sample = dict(sample)
    for name, flags in (("box", "box_valid"), ("keypoint", "visible")):
        if name in sample and flags not in sample:
            raise ValueError(f"sample has {name!r} without {flags!r}; allowed: both, or neither.")
    if "box" in sample:
        frame = jnp.array([0, 0, width, height], jnp.float32)
        moved = move_boxes(sample["box"], matrix)
        sample["box"], sample["box_valid"] = cut_boxes(moved, sample["box_valid"], frame, visible=visible)
    if "keypoint" in sample:
        points = move_points(sample["keypoint"], matrix)
        x, y = points[..., 0], points[..., 1]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        sample["keypoint"], sample["visible"] = points, sample["visible"] & inside
    if "mask" in sample:
        mask = sample["mask"]
        check.min_rank("sample['mask']", mask, 2)
        if 0 in mask.shape:
            raise ValueError(f"sample['mask'] has shape {mask.shape}; allowed: one mask and one pixel, or more.")
        flat = jnp.moveaxis(mask.reshape(-1, *mask.shape[-2:]), 0, -1)
        _checks.fill("mask_fill", mask_fill, flat.dtype)  # and not by warp, which takes many masks for many channels
        back = geometry.inverse(matrix)
        moved = resample(flat, back, size=(height, width), method="nearest", fill=mask_fill)
        sample["mask"] = jnp.moveaxis(moved, -1, 0).reshape(*mask.shape[:-2], height, width)
    return sample


def warp_sample(
    sample: Sample,
    matrix: jax.Array,
    *,
    size: int | tuple[int, int] | None = None,
    visible: float = 0.0,
    fill: float = 0.0,
    mask_fill: float = 0,
) -> Sample:
    """Move a sample by a matrix: the image bilinear, labels as move_labels.

    Args:
      sample: see above.
      matrix: ``[3, 3]``, affine; combine makes one of a chain.
      size: of the result, static: a number or ``(height, width)``; None keeps the image's.
      visible: the part of its area that must be more than this for a box to stay valid, 0 to 1.
      fill: value of image pixels that come from outside, in the units of the image.
      mask_fill: value of mask pixels that come from outside.

    Returns:
      The sample moved.

    Raises:
      ValueError: on a wrong shape, dtype or option.
    """
    size = _checks.size("size", _size(sample) if size is None else size)
    image = warp(sample["image"], matrix, size=size, fill=fill)
    return move_labels(sample, matrix, size=size, visible=visible, mask_fill=mask_fill) | {"image": image}


def random_affine_sample(
    key: jax.Array,
    sample: Sample,
    *,
    angle: float = 0.0,
    shift: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    slope: float = 0.0,
    visible: float = 0.0,
    fill: float = 0.0,
    mask_fill: float = 0,
) -> Sample:
    """Shear, scale, rotate and move a sample by random amounts, in one resampling.

    Args:
      key: a typed key.
      sample: see above.
      angle: greatest rotation either way, degrees, 0 to 180.
      shift: greatest translation either way, as a part of the width and of the height, 0 or more.
      scale: minimum and maximum factor, greater than 0.
      slope: greatest shear either way, 0 or more.
      visible: the part of its area that must be more than this for a box to stay valid, 0 to 1.
      fill: value of image pixels that come from outside, in the units of the image.
      mask_fill: value of mask pixels that come from outside.

    Returns:
      The sample moved; the image is random_affine's for the same key.

    Raises:
      ValueError: on a wrong shape, dtype or option.
    """
    matrix = geometry.random_matrix(key, _size(sample), angle=angle, shift=shift, scale=scale, slope=slope)
    return warp_sample(sample, matrix, visible=visible, fill=fill, mask_fill=mask_fill)


def flip_sample(sample: Sample) -> Sample:
    """Mirror a sample left to right. Keypoints keep their order: swapping left and right ones is the caller's.

    Args:
      sample: see above.

    Returns:
      The sample mirrored.

    Raises:
      ValueError: on a wrong shape.
    """
    size = _size(sample)
    image = _flip.flip_left_right(sample["image"])
    return move_labels(sample, geometry.mirroring(size), size=size) | {"image": image}


def alternating_flip_sample(sample: Sample, *, seed: int = 0) -> Sample:
    """Mirror a sample left to right in every second epoch, its labels with it; see alternating_flip.

    ``each_sample(keyless(alternating_flip_sample))`` is an augmentation: in training a batch has what it needs.

    Args:
      sample: see above, and ``index``, the place of the image in the training set, and ``epoch``, integer scalars.
      seed: of the coins; the same in all epochs.

    Returns:
      The sample; its image is alternating_flip's.

    Raises:
      ValueError: on a wrong shape, or if index or epoch is missing or no integer scalar.

    Reference:
      Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv 2404.00498.
    """
    for name in ("index", "epoch"):
        if name not in sample:
            raise ValueError(f"sample has {sorted(sample)}; allowed: a sample with {name!r}.")
    mirrored = _flip.is_mirrored(sample["index"], sample["epoch"], seed=seed)
    return jax.tree.map(lambda new, old: jnp.where(mirrored, new, old), flip_sample(sample), dict(sample))


def random_flip_sample(key: jax.Array, sample: Sample, *, probability: float = 0.5) -> Sample:
    """Mirror a sample left to right with a probability.

    Args:
      key: a typed key.
      sample: see above.
      probability: 0 to 1.

    Returns:
      The sample; its image is random_flip's for the same key.

    Raises:
      ValueError: on a wrong shape, or probability outside 0 to 1.
    """
    check.between("probability", probability, 0.0, 1.0)
    heads = jax.random.bernoulli(key, probability)
    return jax.tree.map(lambda new, old: jnp.where(heads, new, old), flip_sample(sample), dict(sample))


def crop_sample(
    sample: Sample, box: jax.Array, *, size: int | tuple[int, int], visible: float = 0.0, mask_fill: float = 0
) -> Sample:
    """Cut a box out of a sample and resample it: the image as resized_crop, labels as move_labels.

    Args:
      sample: see above.
      box: ``(x0, y0, x1, y1)`` in pixels, ``[4]``.
      size: of the result, static: a number or ``(height, width)``.
      visible: the part of its area that must be more than this for a box to stay valid, 0 to 1.
      mask_fill: value of mask pixels that come from outside.

    Returns:
      The sample cut.

    Raises:
      ValueError: on a wrong shape, dtype or option.
    """
    _size(sample)
    size = _checks.size("size", size)
    image = _crop.resized_crop(sample["image"], box, size=size)
    matrix = geometry.cropping(box, size)
    return move_labels(sample, matrix, size=size, visible=visible, mask_fill=mask_fill) | {"image": image}


def random_crop_sample(
    key: jax.Array,
    sample: Sample,
    *,
    size: int | tuple[int, int],
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    visible: float = 0.0,
) -> Sample:
    """Cut out a box of random area, aspect ratio and place, and resample it.

    Args:
      key: a typed key.
      sample: see above.
      size: of the result, static: a number or ``(height, width)``.
      area: minimum and maximum part of the image's area, within 0 to 1.
      aspect: minimum and maximum width / height, greater than 0.
      visible: the part of its area that must be more than this for a box to stay valid, 0 to 1.

    Returns:
      The sample cut; its image is random_resized_crop's for the same key.

    Raises:
      ValueError: on a wrong shape, dtype or option.
    """
    box = _crop.random_box(key, _size(sample), area=area, aspect=aspect)
    return crop_sample(sample, box, size=size, visible=visible)


def _size(sample: Sample) -> tuple[int, int]:
    if "image" not in sample:
        raise ValueError(f"sample has {sorted(sample)}; allowed: a sample with 'image'.")
    _checks.photo("sample['image']", sample["image"])
    height, width = jnp.shape(sample["image"])[:2]
    size = height, width
    if "mask" in sample:
        check.min_rank("sample['mask']", sample["mask"], 2)
        if sample["mask"].shape[-2:] != size:
            raise ValueError(f"sample['mask'] has shape {sample['mask'].shape}; allowed: {size} last, as the image.")
    return size
