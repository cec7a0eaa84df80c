"""The plan that a detector's network, targets, loss and predictions share, and the task of a recipe made of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check, detection, metrics, models, train
from jaxtricks._signatures import name_defaults
from jaxtricks.train import Recipe
from jaxtricks.tricks._retinanet import by_iou, focal, nms, smooth_l1

__all__ = [
    "Detector",
    "by_iou",
    "changed",
    "coco",
    "focal",
    "loss",
    "matched",
    "network",
    "nms",
    "planned",
    "predictions",
    "smooth_l1",
    "task",
]


@dataclass(frozen=True, kw_only=True)
class Detector:
    """What network, targets, loss and predictions have in common.

    Fields:
      size: of the image, height and width.
      classes: C.
      taps, strides: of the backbone: the names of its maps and their pixels a cell.
      scales, ratios: of the anchors, the scales in strides.
      match: ``(grid, boxes, valid) -> Match``.
      score_loss: ``(logits, target) -> [A, C]``.
      weights: ``(losses [A, C], positive [A]) -> [A, C]``, which of the score's losses count, or None for all.
      box_loss: ``(decoded, truth, offsets, wanted) -> [A]``.
      anchor_free: whether boxes are distances from the cells' centres, in strides.
      suppress: ``(boxes, scores, labels, max_output=) -> (boxes, Kept)``.
      most: boxes of an image that suppression keeps, of ten times as many with the highest scores.
      width, depth: of the head.
    """

    size: tuple[int, int]
    classes: int
    taps: tuple[str, ...] = ("stage2", "stage3")
    strides: tuple[int, ...] = (4, 8)
    scales: tuple[float, ...] = (4.0,)
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    match: Callable = by_iou
    score_loss: Callable = focal
    weights: Callable | None = None
    box_loss: Callable = smooth_l1
    anchor_free: bool = False
    suppress: Callable = nms
    most: int = 20
    width: int = 32
    depth: int = 2

    def __post_init__(self):
        check.at_least("classes", self.classes, minimum=1)
        if len(self.taps) != len(self.strides):
            raise ValueError(f"strides is {self.strides}; allowed: one for each of {self.taps}.")

    @property
    def anchors(self) -> int:
        """Anchors a cell."""
        return 1 if self.anchor_free else len(self.scales) * len(self.ratios)

    def grid(self) -> dict[str, Any]:
        """Anchors ``[A, 4]``, centres ``[A, 2]`` and strides ``[A]`` of all cells, and ``sizes``, anchors a level."""
        anchors, points, strides, sizes = [], [], [], []
        for stride in self.strides:
            shape: tuple[int, int] = (-(-self.size[0] // stride), -(-self.size[1] // stride))
            scales, ratios = ((2.0,), (1.0,)) if self.anchor_free else (self.scales, self.ratios)
            anchors.append(
                detection.anchors(shape, stride=stride, scales=tuple(s * stride for s in scales), ratios=ratios)
            )
            points.append(jnp.repeat(detection.points(shape, stride=stride), self.anchors, 0))
            strides.append(jnp.full(len(anchors[-1]), float(stride)))
            sizes.append(len(anchors[-1]))
        return {
            "anchor": jnp.concatenate(anchors),
            "point": jnp.concatenate(points),
            "stride": jnp.concatenate(strides),
            "sizes": tuple(sizes),
        }

    def decode(self, offsets):
        """Boxes ``[..., A, 4]`` of the head's output."""
        grid = self.grid()
        if self.anchor_free:
            strides = jnp.broadcast_to(grid["stride"][:, None], offsets.shape)
            distances = strides * jax.nn.softplus(offsets)
            return detection.decode_distances(distances, jnp.broadcast_to(grid["point"], (*offsets.shape[:-1], 2)))
        anchors = jnp.broadcast_to(grid["anchor"], offsets.shape)
        return detection.decode(offsets, anchors, weights=(10.0, 10.0, 5.0, 5.0))

    def encode(self, boxes):
        """The head's output for boxes ``[A, 4]``; of a head with anchors."""
        return detection.encode(boxes, self.grid()["anchor"], weights=(10.0, 10.0, 5.0, 5.0))


def matched(batch, *, plan: Detector):
    """A batch with what each anchor learns.

    Args:
      batch: with ``box``, ``box_label`` and ``box_valid``; boxes of ``box_crowd``, where there is one, are not learnt.
      plan: of the detector.

    Returns:
      The batch with ``target``, ``[B, A, C]``, ``box_target``, ``[B, A, 4]``, ``positive`` and ``counted``, ``[B, A]``.
    """
    grid = plan.grid()
    valid = batch["box_valid"] & ~batch["box_crowd"] if "box_crowd" in batch else batch["box_valid"]
    match = jax.vmap(partial(plan.match, grid))(batch["box"], valid)
    box = jnp.take_along_axis(batch["box"], match.index[..., None], 1)
    label = jnp.take_along_axis(batch["box_label"], match.index, 1)
    target = jax.nn.one_hot(label, plan.classes) * match.positive[..., None]
    return batch | {
        "target": target,
        "box_target": box,
        "positive": match.positive,
        "counted": match.positive | match.negative,
    }


def loss(params, out, batch, *, plan: Detector):
    """The loss of scores and boxes by the number of positives of the batch.

    Args:
      params: not used.
      out: ``({"score": [B, A, C], "box": [B, A, 4]}, taps)``.
      batch: of ``matched``.
      plan: of the detector.

    Returns:
      ``[B]``, whose mean is the sum of all losses by the number of positives.
    """
    score, offsets, positive = out[0]["score"], out[0]["box"], batch["positive"]
    of_score = jax.vmap(plan.score_loss)(score, batch["target"]) * batch["counted"][..., None]
    if plan.weights is not None:
        of_score = of_score * jax.vmap(plan.weights)(of_score, positive)
    if plan.anchor_free:
        wanted = offsets  # distances are compared as boxes
    else:
        safe = jnp.where(positive[..., None], batch["box_target"], plan.grid()["anchor"][None])
        wanted = jax.vmap(plan.encode)(safe)
    of_box = jax.vmap(plan.box_loss)(plan.decode(offsets), batch["box_target"], offsets, wanted)
    both = of_score.sum((1, 2)) + jnp.where(positive, of_box, 0.0).sum(1)
    return both * positive.shape[0] / jnp.maximum(positive.sum(), 1)


def predictions(out, batch, *, plan: Detector):
    """The boxes that a detector finds, with the true ones beside them.

    Args:
      out: as of ``loss``.
      batch: with ``box``, ``box_label`` and ``box_valid``, and ``box_crowd`` where there is one.
      plan: of the detector.

    Returns:
      What ``metrics.coco_map`` takes, by name, ``[B, ...]``.
    """
    score = jax.nn.sigmoid(out[0]["score"])
    boxes = detection.clip(plan.decode(out[0]["box"]), size=plan.size)

    def one(boxes, score):
        best, label = score.max(-1), score.argmax(-1)
        value, index = jax.lax.top_k(best, min(10 * plan.most, best.shape[0]))
        chosen, kept = plan.suppress(boxes[index], value, label[index], max_output=plan.most)
        right = kept.valid & jnp.isfinite(chosen).all(-1)
        return {"boxes": chosen, "scores": kept.score, "labels": label[index][kept.index], "valid": right}

    truth = {"target_boxes": batch["box"], "target_labels": batch["box_label"], "target_valid": batch["box_valid"]}
    truth |= {"crowd": batch["box_crowd"]} if "box_crowd" in batch else {}
    return jax.vmap(one)(boxes, score) | truth


def coco(rows, *, classes: int, field: str):
    """A figure of ``metrics.coco_map`` of all rows.

    Args:
      rows: of ``predictions``.
      classes: C.
      field: of ``metrics.CocoMap``.

    Returns:
      A number.
    """
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in rows.items()}
    return getattr(metrics.coco_map(**arrays, classes=classes), field)


def task(plan: Detector) -> train.Task:
    """Boxes with a class each: COCO's mean average precision, and that at an IoU of 0.5.

    Args:
      plan: of the detector.

    Returns:
      The task, whose headline is ``mAP``; it needs ``box``, ``box_label`` and ``box_valid``.
    """
    seen = partial(predictions, plan=plan)
    share = {"unit": "%", "scale": 100.0, "bounds": (0.0, 1.0)}
    height, width = plan.size
    return train.Task(
        outputs=plan.classes,
        columns=(
            train.Column(name="box", rank=3, kind="float", low=0, high=max(height, width)),
            train.Column(name="box_label", rank=2, kind="integer", low=0, high=plan.classes - 1),
            train.Column(name="box_valid", rank=2, kind="bool"),
        ),
        encode=partial(matched, plan=plan),
        metrics={
            "mAP": train.collected(seen, partial(coco, classes=plan.classes, field="ap"), **share),
            "mAP.50": train.collected(seen, partial(coco, classes=plan.classes, field="ap50"), **share),
        },
        headline="mAP",
    )


def network(*, backbone: Callable, plan: Detector, classes: int, channels: int, dtype=jnp.float32, axis_name=None):
    """A detector on a backbone of the experiments.

    Args:
      backbone: ``(classes=, channels=, dtype=, axis_name=) -> Model``.
      plan: of the detector.
      classes, channels, dtype, axis_name: as of every model of a recipe.

    Returns:
      models.Model.
    """
    body = backbone(classes=1, channels=channels, dtype=dtype, axis_name=axis_name)
    return models.detector(
        body,
        taps=plan.taps,
        classes=classes,
        channels=channels,
        width=plan.width,
        depth=plan.depth,
        anchors=plan.anchors,
        dtype=dtype,
    )


def planned(recipe: Recipe, plan: Detector, backbone: Callable) -> Recipe:
    """A recipe with the parts of a plan.

    Args:
      recipe: any.
      plan: of the detector.
      backbone: of the network.

    Returns:
      The recipe with that network, task and loss.
    """
    return replace(
        recipe,
        model=partial(network, backbone=backbone, plan=plan),
        task=task(plan),
        loss=partial(loss, plan=plan),
    )


def changed(recipe: Recipe, **fields: Any) -> Recipe:
    """Another part in the plan of the detector.

    Args:
      recipe: of ``baseline``.
      **fields: of Detector, with their new values.

    Returns:
      The recipe whose network, targets, loss and predictions follow the new plan.
    """
    parts = recipe.model.keywords  # pyright: ignore[reportFunctionMemberAccess]
    return planned(recipe, replace(parts["plan"], **fields), parts["backbone"])


name_defaults(globals())
