"""Objects as peaks of a heat map, with an offset and a size each: targets, loss and boxes of a plan with ``heat``."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import detection
from jaxtricks.tricks._plan import Detector, learnt

OF_SIZE = 0.1  # the weight of a size in pixels beside the offset, as in CenterNet


def shape(plan: Detector) -> tuple[int, int]:
    """Rows and columns of the finest level.

    Args:
      plan: of the detector.

    Returns:
      Two integers.
    """
    return -(-plan.size[0] // plan.strides[0]), -(-plan.size[1] // plan.strides[0])


def maps(out: dict, plan: Detector) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The finest level of the head as maps; coarser ones add to it through the pyramid and say nothing themselves.

    Args:
      out: ``{"score": [B, A, C], "box": [B, A, 4]}``.
      plan: of the detector.

    Returns:
      Logits of the heat ``[B, H, W, C]``, offsets in cells and sizes in pixels, ``[B, H, W, 2]``.
    """
    rows, columns = shape(plan)
    score, box = (out[name][:, : rows * columns] for name in ("score", "box"))
    score, box = (values.reshape(values.shape[0], rows, columns, values.shape[-1]) for values in (score, box))
    return score, box[..., :2], box[..., 2:]


def matched(batch: dict, *, plan: Detector) -> dict:
    """A batch with what the maps learn.

    Args:
      batch: as for ``detector.matched``.
      plan: of the detector.

    Returns:
      The batch with the fields of ``detection.HeatmapTargets``, ``[B, H, W, ...]``.
    """
    draw = partial(detection.heatmap_targets, shape=shape(plan), stride=plan.strides[0], classes=plan.classes)
    targets: detection.HeatmapTargets = jax.vmap(lambda box, label, valid: draw(box, label, valid=valid))(
        batch["box"], batch["box_label"], learnt(batch)
    )
    return batch | targets._asdict()


def loss(out: dict, batch: dict, *, plan: Detector) -> jax.Array:
    """Focal loss of the heat, L1 of offset and size at the centres, by the number of objects of the batch.

    Args:
      out: as of ``maps``.
      batch: of ``matched``.
      plan: of the detector.

    Returns:
      ``[B]``, whose mean is the sum of all losses by the number of objects.
    """
    heat, offset, size = maps(out, plan)
    of_heat = detection.heatmap_focal(heat, batch["heat"]).sum((1, 2, 3))
    far = jnp.abs(offset - batch["offset"]) + OF_SIZE * jnp.abs(size - batch["size"])
    of_box = jnp.where(batch["center"][..., None], far, 0.0).sum((1, 2, 3))
    return (of_heat + of_box) * len(heat) / jnp.maximum(batch["center"].sum(), 1)


def found(out: dict, plan: Detector) -> dict[str, Any]:
    """The boxes of the peaks, which no other suppression follows.

    Args:
      out: as of ``maps``.
      plan: of the detector.

    Returns:
      ``boxes [B, K, 4]``, ``scores``, ``labels`` and ``valid``, ``[B, K]``.
    """
    heat, offset, size = maps(out, plan)

    def one(heat, offset, size):
        top: detection.Peaks = detection.peaks(jax.nn.sigmoid(heat), max_output=plan.most)
        cell = jnp.stack([top.column, top.row], -1)
        center = plan.strides[0] * (cell + offset[top.row, top.column])
        half = 0.5 * jnp.maximum(size[top.row, top.column], 0.0)
        boxes = detection.clip(jnp.concatenate([center - half, center + half], -1), size=plan.size)
        right = top.valid & jnp.isfinite(boxes).all(-1)
        return {"boxes": boxes, "scores": top.score, "labels": top.label, "valid": right}

    return jax.vmap(one)(heat, offset, size)
