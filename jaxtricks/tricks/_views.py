"""Several views of an image that is evaluated, mirrored or at other sizes, and the boxes of all of them as one."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import models
from jaxtricks.tricks._plan import Detector


def viewed(model: models.Model, plan: Detector) -> models.Model:
    """A detector that, in evaluation, also sees the views of its plan.

    Args:
      model: of ``models.detector``.
      plan: with ``views``.

    Returns:
      The Model; in evaluation its output has ``views``, a tuple of outputs.
    """

    def apply(params, stats, image, *, train, key=None):
        (out, taps), after = model.apply(params, stats, image, train=train, key=key)
        if train:
            return (out, taps), after
        others = []
        for mirrored, factor in plan.views:
            height, width = plan.seen_at(factor).size
            view = image[:, :, ::-1] if mirrored else image
            view = jax.image.resize(view, (image.shape[0], height, width, image.shape[-1]), "linear")
            others.append(model.apply(params, stats, view, train=False, key=key)[0][0])
        return ({**out, "views": tuple(others)}, taps), after  # pyright: ignore[reportGeneralTypeIssues]

    return models.Model(model.init, apply)  # pyright: ignore[reportArgumentType]


def joined(seen: dict[str, Any], outs: Sequence[dict], boxes_of: Callable, *, plan: Detector) -> dict[str, Any]:
    """The boxes of an image and its views, in the image's pixels, as one list.

    Args:
      seen: ``boxes [B, K, 4]``, ``scores``, ``labels`` and ``valid``, ``[B, K]``, of the image itself.
      outs: of the network, one for each view.
      boxes_of: ``(out, plan) -> `` the same of a view, in its own pixels.
      plan: with ``views`` and ``join``.

    Returns:
      The same fields of what ``join`` leaves.
    """
    rows = [seen]
    for out, (mirrored, factor) in zip(outs, plan.views, strict=True):
        at = plan.seen_at(factor)
        other = boxes_of(out, at)
        x0, y0, x1, y1 = jnp.split(other["boxes"], 4, axis=-1)
        if mirrored:
            x0, x1 = at.size[1] - x1, at.size[1] - x0
        down, across = plan.size[0] / at.size[0], plan.size[1] / at.size[1]
        rows.append(other | {"boxes": jnp.concatenate([across * x0, down * y0, across * x1, down * y1], -1)})
    both = {name: jnp.concatenate([row[name] for row in rows], 1) for name in seen}

    def one(boxes, scores, labels, valid):
        scores = jnp.where(valid & jnp.isfinite(boxes).all(-1), scores, 0.0)
        chosen, kept = plan.join(boxes, scores, labels, max_output=plan.most)  # pyright: ignore[reportOptionalCall]
        right = kept.valid & (kept.score > 0)
        return {"boxes": chosen, "scores": kept.score, "labels": labels[kept.index], "valid": right}

    return jax.vmap(one)(*(both[name] for name in ("boxes", "scores", "labels", "valid")))
