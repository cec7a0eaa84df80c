"""Mixup and cutmix: images and soft targets of a batch. The partner of an example is the one before it in the batch.

A batch is in random order, so its neighbour is as good a partner as any; and where the batch is spread over devices,
``roll`` by one moves one example from each device to the next instead of shuffling all of them.
One example alone would be its own partner and stay what it is: a batch of fewer than two is refused, also where each
device mixes a part of its own.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment._compose import Batch
from jaxtricks.augment._erase import erase_box, in_box
from jaxtricks.preprocess._levels import floats, levels_or_floats, like


def mix_pairs(batch: Batch, weight: jax.Array) -> Batch:
    """Blend every example with the one before it: ``weight * x_i + (1 - weight) * x_(i-1)``, the target likewise.

    Args:
      batch: ``image [B, H, W, C]``, uint8 or floats, and ``target [B, K]``, floats, one-hot or softer; others stay.
      weight: of the example itself, 0 to 1, a scalar or ``[B]``; 1 gives the batch back.

    Returns:
      The batch with new images and targets.

    Raises:
      ValueError: if an entry is missing, has a wrong rank or dtype, the batch has fewer than two examples, or boxes,
        keypoints or masks, which do not mix.
    """
    _check_soft(batch)
    _refuse(batch, "box", "keypoint", "mask", "visible")
    _checks.partners(batch)
    check.number("weight", weight)
    check.shape("weight", weight, () if jnp.ndim(weight) == 0 else batch["image"].shape[:1])
    weight = jnp.asarray(weight)

    def blend(x):
        w = weight.astype(x.dtype).reshape((-1,) + (1,) * (x.ndim - 1))
        return w * x + (1 - w) * jnp.roll(x, 1, axis=0)

    image = like(blend(floats(batch["image"])), batch["image"].dtype)
    return {**batch, "image": image, "target": blend(batch["target"])}


def mixup(key: jax.Array, batch: Batch, *, alpha: float = 0.2, per: str = "batch") -> Batch:
    """Blend every example with another of the batch, weight ``~ Beta(alpha, alpha)``.

    Args:
      key: a typed key.
      batch: ``image [B, H, W, C]``, uint8 or floats, and ``target [B, K]``, floats, one-hot or softer; others stay.
      alpha: greater than 0; small values keep the weight near 0 or 1.
      per: ``"batch"``, one weight for all examples, or ``"sample"``, one for each.

    Returns:
      The batch with new images and targets.

    Raises:
      ValueError: if an entry is missing (one-hot comes first), has a wrong rank or dtype, an option is wrong, or
        mix_pairs refuses the batch.

    Example:
      >>> batch = {"image": jnp.array([0.0, 1.0]).reshape(2, 1, 1, 1), "target": jnp.eye(2)}
      >>> mixed = mixup(jax.random.key(0), batch, alpha=0.2)
      >>> print(mixed["target"].sum(1))
      [1. 1.]

    Reference:
      Zhang et al., mixup: beyond empirical risk minimization, arXiv 1710.09412.
    """
    check.positive("alpha", alpha)
    check.option("per", per, ("batch", "sample"))
    _check_soft(batch)
    shape = batch["image"].shape[:1] if per == "sample" else ()
    return mix_pairs(batch, jax.random.beta(key, alpha, alpha, shape))


def remix(
    key: jax.Array,
    batch: Batch,
    *,
    counts: jax.Array | np.ndarray,
    alpha: float = 1.0,
    ratio: float = 3.0,
    threshold: float = 0.5,
) -> Batch:
    """Mixup for classes of unequal size: the label leans to the rarer class where sizes differ much.

    The images are those of ``mixup``. With class sizes n of an example and its partner and its weight w, the label is
    the partner's alone where ``n_i / n_j >= ratio`` and ``w < threshold``, the example's alone where
    ``n_j / n_i >= ratio`` and ``1 - w < threshold``, and mixed by w elsewhere.

    Args:
      key: a typed key.
      batch: ``image [B, H, W, C]``, uint8 or floats, and ``target [B, K]``, floats, one-hot or softer; others stay.
      counts: n, ``[K]``, training images of each class, greater than 0, finite; that of a soft target is the mean.
      alpha: greater than 0, of ``w ~ Beta(alpha, alpha)``, one for all examples.
      ratio: greater than 0; the paper's kappa.
      threshold: 0 to 1; the paper's tau. 0 is mixup.

    Returns:
      The batch with new images and targets.

    Raises:
      ValueError: if an entry is missing (one-hot comes first), has a wrong shape or dtype, an option is wrong, or
        mix_pairs refuses the batch.

    Example:
      >>> batch = {"image": jnp.zeros((2, 1, 1, 1)), "target": jnp.eye(2)}
      >>> mixed = remix(jax.random.key(1), batch, counts=jnp.array([90, 10]), threshold=1.0)
      >>> print(mixed["target"][:, 1])  # the rare class takes both
      [1. 1.]

    Reference:
      Chou et al., Remix: rebalanced mixup, arXiv 2007.03943.
    """
    check.positive("alpha", alpha)
    check.positive("ratio", ratio)
    check.between("threshold", threshold, 0.0, 1.0)
    _check_soft(batch)
    target = batch["target"]
    check.shape("counts", counts, target.shape[1:])
    check.number("counts", counts)
    weight = jax.random.beta(key, alpha, alpha, ())
    mixed = mix_pairs(batch, weight)
    size = target @ jnp.asarray(counts, target.dtype)
    other = jnp.roll(size, 1)
    lean = jnp.where((size >= ratio * other) & (weight < threshold), 0.0, weight)
    lean = jnp.where((other >= ratio * size) & (1 - weight < threshold), 1.0, lean)
    lean = jnp.where(jnp.isnan(size) | jnp.isnan(other), jnp.nan, lean).astype(target.dtype)[:, None]
    return {**mixed, "target": lean * target + (1 - lean) * jnp.roll(target, 1, axis=0)}


def cut_pairs(batch: Batch, boxes: jax.Array, *, swap: bool = False) -> Batch:
    """Paste a box of the partner's image over every image; the target is mixed by the exact area.

    ``weight = 1 - #(pixels whose centre lies in the box) / (H W)``; a box may reach beyond the image.

    Args:
      batch: ``image [B, H, W, C]``, uint8 or floats, and ``target [B, K]``, floats; a ``mask [B, H, W]`` of classes is
        cut with the image, and may stand in for the target. Other entries stay.
      boxes: ``(x0, y0, x1, y1)`` in pixels, ``[4]`` for all or ``[B, 4]``.
      swap: the partners are 0 and 1, 2 and 3, ... each other's; else every example's is the one before it.

    Returns:
      The batch with new images, targets and masks.

    Raises:
      ValueError: if an entry is missing, has a wrong rank or dtype, swap meets an odd batch, the batch has fewer than
        two examples, or boxes or keypoints, which do not mix.
    """
    _check_cut(batch)
    count, height, width = batch["image"].shape[:3]
    if swap and count % 2:
        raise ValueError(f"swap is True for a batch of {count}; allowed: an even batch.")
    if jnp.ndim(boxes) == 1:
        check.shape("boxes", boxes, (4,))
        boxes = jnp.broadcast_to(boxes, (count, 4))
    check.shape("boxes", boxes, (count, 4))
    check.number("boxes", boxes)
    inside = jax.vmap(lambda box: in_box((height, width), box))(boxes)
    weight = 1 - inside.sum((1, 2)) / (height * width)

    def partner(x):
        return x.reshape(-1, 2, *x.shape[1:])[:, ::-1].reshape(x.shape) if swap else jnp.roll(x, 1, axis=0)

    image = jnp.asarray(batch["image"])
    new = {"image": jax.vmap(erase_box)(image, boxes, partner(image))}
    if "mask" in batch:
        new["mask"] = jnp.where(inside, partner(batch["mask"]), batch["mask"])
    if "target" in batch:
        target, share = batch["target"], weight.astype(batch["target"].dtype)[:, None]
        new["target"] = share * target + (1 - share) * partner(target)
    return {**batch, **new}


def cutmix(key: jax.Array, batch: Batch, *, alpha: float = 1.0, per: str = "batch") -> Batch:
    """Paste a random box of another example over every image, and mix the targets by the exact area of the box.

    A box of area ``1 - Beta(alpha, alpha)`` about a uniform pixel, its sides rounded to pixels, cut at the border.

    Args:
      key: a typed key.
      batch: ``image [B, H, W, C]``, uint8 or floats, and ``target [B, K]``, floats; a ``mask [B, H, W]`` of classes is
        cut with the image, and may stand in for the target. Other entries stay.
      alpha: greater than 0.
      per: ``"batch"``, one box for all; ``"sample"``, one for each; ``"pair"``, one for each two neighbours, who swap
        it, so that no pixel of the batch is lost.

    Returns:
      The batch with new images, targets and masks.

    Raises:
      ValueError: if an entry is missing (one-hot comes first), has a wrong rank or dtype, an option is wrong, or
        cut_pairs refuses the batch.

    Example:
      >>> batch = {"image": jnp.array([0.0, 1.0]).reshape(2, 1, 1, 1) * jnp.ones((2, 4, 4, 1)), "target": jnp.eye(2)}
      >>> mixed = cutmix(jax.random.key(0), batch)
      >>> print(bool(jnp.allclose(mixed["image"].mean((1, 2, 3)), mixed["target"][:, 1])))  # the area counts
      True

    Reference:
      Yun et al., CutMix: regularization strategy to train strong classifiers with localizable features,
      arXiv 1905.04899.
    """
    check.positive("alpha", alpha)
    check.option("per", per, ("batch", "pair", "sample"))
    _check_cut(batch)
    count, height, width = batch["image"].shape[:3]
    if per == "pair" and count % 2:
        raise ValueError(f"per is 'pair' for a batch of {count}; allowed: an even batch.")
    draws = {"batch": 1, "pair": count // 2, "sample": count}[per]
    area_key, place_key = jax.random.split(key)
    frame = jnp.array([[width, height]])
    side = jnp.sqrt(1 - jax.random.beta(area_key, alpha, alpha, (draws, 1)))
    extent = jnp.floor(side * frame.astype(side.dtype)).astype(jnp.int32)
    corner = jax.random.randint(place_key, (draws, 2), 0, frame) - extent // 2
    boxes = jnp.repeat(jnp.concatenate([corner, corner + extent], 1), count // draws, axis=0)
    return cut_pairs(batch, boxes, swap=per == "pair")


def _check_cut(batch: Batch) -> None:
    _checks.entries(batch, "image")
    _checks.channels_last("image", batch["image"].shape[1:])
    _refuse(batch, "box", "keypoint", "visible")
    if "mask" not in batch or "target" in batch:
        _check_soft(batch)
    if "mask" in batch:
        _checks.entries(batch, "image", "mask")
        levels_or_floats('batch["image"]', batch["image"])
        check.shape('batch["mask"]', batch["mask"], batch["image"].shape[:3])
    _checks.partners(batch)


def _check_soft(batch: Batch) -> None:
    _checks.entries(batch, "image", "target")
    levels_or_floats('batch["image"]', batch["image"])
    check.rank('batch["target"]', batch["target"], 2)
    check.floating('batch["target"]', batch["target"])


def _refuse(batch: Batch, *names: str) -> None:
    for name in names:
        if name in batch:
            raise ValueError(f"batch has {name!r}, which does not mix; allowed: a batch without it.")
