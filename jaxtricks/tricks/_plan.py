"""The plan that the network, targets, loss and predictions of a detector share."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import check, detection
from jaxtricks.tricks._retinanet import by_iou, focal, nms, smooth_l1


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
      centered: whether a head without anchors also says how near a cell is to its box's centre.
      heat: whether objects are peaks of a heat map of the finest level, with an offset and a size each.
      suppress: ``(boxes, scores, labels, max_output=) -> (boxes, Kept)``.
      most: boxes of an image that suppression keeps, of ten times as many with the highest scores.
      views: of an image that is evaluated, beside itself: whether mirrored, and a factor of its size.
      join: as ``suppress``, of the boxes that are left of the image and its views; None without views.
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
    centered: bool = False
    heat: bool = False
    suppress: Callable = nms
    most: int = 20
    views: tuple[tuple[bool, float], ...] = ()
    join: Callable | None = None
    width: int = 32
    depth: int = 2

    def __post_init__(self):
        check.at_least("classes", self.classes, minimum=1)
        if len(self.taps) != len(self.strides):
            raise ValueError(f"strides is {self.strides}; allowed: one for each of {self.taps}.")
        if self.centered and not self.anchor_free:
            raise ValueError("centered is True; allowed: False for a head with anchors, which has no distances.")
        if self.anchor_free and self.box_loss is smooth_l1:
            raise ValueError(
                "box_loss is smooth_l1; allowed without anchors: a loss of the decoded boxes, such as losses.giou_loss "
                "by detecting.overlap, for there are no offsets to compare."
            )
        if self.heat:  # what would be there and do nothing
            names = ("match", "score_loss", "weights", "box_loss", "anchor_free", "suppress")
            usual = {field.name: field.default for field in fields(self)}
            for name in names:
                if (value := getattr(self, name)) != usual[name]:
                    raise ValueError(f"{name} is {value!r}; allowed: {usual[name]!r}, for a heat map does not use it.")
        for view in self.views:
            check.positive("the factor of a view", view[1])
        if bool(self.views) != (self.join is not None):
            raise ValueError(
                f"join is {self.join!r}, views is {self.views}; allowed: a function with views, else None."
            )

    @property
    def anchors(self) -> int:
        """Anchors a cell."""
        return 1 if self.anchor_free or self.heat else len(self.scales) * len(self.ratios)

    def seen_at(self, factor: float) -> "Detector":
        """The plan for images at another size, rounded to pixels."""
        height, width = self.size
        return replace(self, size=(round(factor * height), round(factor * width)))

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


def learnt(batch: dict):
    """Which boxes of a batch a detector learns: those that are there and are no crowd.

    Args:
      batch: with ``box_valid``, and ``box_crowd`` where the data have crowds.

    Returns:
      Bool ``[B, M]``.
    """
    return batch["box_valid"] & ~batch["box_crowd"] if "box_crowd" in batch else batch["box_valid"]
