"""The plan that a detector's network, targets, loss and predictions share, and the task of a recipe made of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import detection, metrics, models, train
from jaxtricks._signatures import name_defaults
from jaxtricks.train import Recipe
from jaxtricks.tricks import _centers, _views
from jaxtricks.tricks._plan import Detector, learnt
from jaxtricks.tricks._retinanet import by_iou, focal, nms, smooth_l1

__all__ = [
    "Detector",
    "answer",
    "by_iou",
    "changed",
    "coco",
    "focal",
    "found",
    "loss",
    "matched",
    "network",
    "nms",
    "planned",
    "predictions",
    "smooth_l1",
    "task",
]


def matched(batch, *, plan: Detector):
    """A batch with what each anchor learns, or each cell of a heat map.

    Args:
      batch: with ``box``, ``box_label`` and ``box_valid``; boxes of ``box_crowd``, where there is one, are not learnt.
      plan: of the detector.

    Returns:
      The batch with ``target``, ``[B, A, C]``, ``box_target``, ``[B, A, 4]``, ``positive`` and ``counted``, ``[B, A]``;
      of a plan with ``heat`` with the fields of ``detection.HeatmapTargets``.
    """
    if plan.heat:
        return _centers.matched(batch, plan=plan)
    grid = plan.grid()
    match = jax.vmap(partial(plan.match, grid))(batch["box"], learnt(batch))
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
      out: ``({"score": [B, A, C], "box": [B, A, 4]}, taps)``, with ``center``, ``[B, A]``, of a centred plan.
      batch: of ``matched``.
      plan: of the detector.

    Returns:
      ``[B]``, whose mean is the sum of all losses by the number of positives.
    """
    if plan.heat:
        return _centers.loss(out[0], batch, plan=plan)
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
    if plan.centered:
        points = jnp.broadcast_to(plan.grid()["point"], (*positive.shape, 2))
        near = detection.centerness(detection.encode_distances(batch["box_target"], points))
        of_box = of_box + optax.sigmoid_binary_cross_entropy(out[0]["center"], near)
    both = of_score.sum((1, 2)) + jnp.where(positive, of_box, 0.0).sum(1)
    return both * positive.shape[0] / jnp.maximum(positive.sum(), 1)


def found(out, plan: Detector):
    """The boxes that a detector finds in one view.

    Args:
      out: as of ``loss``, without the taps.
      plan: of the detector, at the size of the view.

    Returns:
      ``boxes [B, K, 4]``, ``scores``, ``labels`` and ``valid``, ``[B, K]``.
    """
    if plan.heat:
        return _centers.found(out, plan)
    score = jax.nn.sigmoid(out["score"])
    if plan.centered:
        score = score * jax.nn.sigmoid(out["center"])[..., None]
    boxes = detection.clip(plan.decode(out["box"]), size=plan.size)

    def one(boxes, score):
        best, label = score.max(-1), score.argmax(-1)
        value, index = jax.lax.top_k(best, min(10 * plan.most, best.shape[0]))
        chosen, kept = plan.suppress(boxes[index], value, label[index], max_output=plan.most)
        right = kept.valid & jnp.isfinite(chosen).all(-1)
        return {"boxes": chosen, "scores": kept.score, "labels": label[index][kept.index], "valid": right}

    return jax.vmap(one)(boxes, score)


def predictions(out, batch, *, plan: Detector):
    """The boxes that a detector finds, with the true ones beside them.

    Args:
      out: as of ``loss``.
      batch: with ``box``, ``box_label`` and ``box_valid``, and ``box_crowd`` where there is one.
      plan: of the detector.

    Returns:
      What ``metrics.coco_map`` takes, by name, ``[B, ...]``.
    """
    truth = {"target_boxes": batch["box"], "target_labels": batch["box_label"], "target_valid": batch["box_valid"]}
    truth |= {"crowd": batch["box_crowd"]} if "box_crowd" in batch else {}
    return _of_all_views(out, plan) | truth


def answer(out, *, plan: Detector):
    """The boxes that a detector finds, of its views too where the plan has some: what ``portable.save`` keeps of it.

    Args:
      out: as of ``loss``.
      plan: of the detector.

    Returns:
      ``boxes [B, K, 4]``, xyxy in pixels of the plan's size, ``scores`` and ``classes``, ``[B, K]``, 0 where ``valid``,
      bool ``[B, K]``, says that there is none; K is ``plan.most``.

    Example:
      >>> plan = Detector(size=(16, 16), classes=2, most=3)
      >>> nothing = {"score": jnp.full((1, 60, 2), -9.0), "box": jnp.zeros((1, 60, 4))}
      >>> {name: values.shape for name, values in sorted(answer((nothing, {}), plan=plan).items())}
      {'boxes': (1, 3, 4), 'classes': (1, 3), 'scores': (1, 3), 'valid': (1, 3)}
    """
    seen = _of_all_views(out, plan)
    valid = seen["valid"]
    return {
        "boxes": jnp.where(valid[..., None], seen["boxes"], 0.0),
        "scores": jnp.where(valid, seen["scores"], 0.0),
        "classes": jnp.where(valid, seen["labels"], 0).astype(jnp.int32),
        "valid": valid,
    }


def _of_all_views(out, plan: Detector):
    """``found`` of the image, joined with that of the plan's views where it has some."""
    seen = found(out[0], plan)
    return seen if plan.join is None else _views.joined(seen, out[0]["views"], found, plan=plan)


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
        answer=partial(answer, plan=plan),
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
    model = models.detector(
        body,
        taps=plan.taps,
        classes=classes,
        channels=channels,
        width=plan.width,
        depth=plan.depth,
        anchors=plan.anchors,
        centered=plan.centered,
        prior=0.1 if plan.heat else 0.01,
        dtype=dtype,
    )
    return _views.viewed(model, plan) if plan.views else model


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
