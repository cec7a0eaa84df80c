"""Losses and soft targets of pixels: what segmentation has in the place of a target an image."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxtricks import augment, losses

__all__ = ["cross_entropy", "mixup_pixels", "smooth_pixels", "with_auxiliary"]


def cross_entropy(params, out, batch):
    """Softmax cross-entropy to the soft targets of the pixels, a mean over those that count.

    Args:
      params: not used.
      out: ``(logits [B, H, W, C], taps)``.
      batch: with ``target [B, H, W, C]``, whose rows sum to 1, or to 0 where a pixel counts nothing.

    Returns:
      Float ``[B]``.
    """
    target = batch["target"]
    total = optax.softmax_cross_entropy(out[0], target).sum((1, 2))
    return total / jnp.maximum(target.sum((1, 2, 3)), 1.0)


def with_auxiliary(params, out, batch, *, loss: Callable, weight: float):
    """A loss of the logits plus a share of that of the auxiliary head's.

    Args:
      params, batch: as for ``loss``.
      out: ``(logits [B, H, W, C], taps)`` with the tap ``auxiliary``, of the same shape.
      loss: ``(params, out, batch) -> [B]``.
      weight: of the second, 0 or more.

    Returns:
      Float ``[B]``.
    """
    logits, taps = out
    return loss(params, (logits, taps), batch) + weight * loss(params, (taps["auxiliary"], taps), batch)


def smooth_pixels(targets: jax.Array, alpha: float) -> jax.Array:
    """The paper's label smoothing of the pixels that count.

    Args:
      targets: ``[..., C]``, one-hot, or 0 for all classes where a pixel counts nothing.
      alpha: share that the true class loses, 0 to 1.

    Returns:
      ``[..., C]``, still 0 where a pixel counts nothing.
    """
    counts = targets.sum(-1, keepdims=True)
    return counts * losses.smooth_labels_exclusive(targets, alpha)


def mixup_pixels(key: jax.Array, batch: dict[str, jax.Array], *, alpha: float = 0.2) -> dict[str, jax.Array]:
    """Mixup of images and of the targets of their pixels, by one weight for the batch.

    Args:
      key: a typed key.
      batch: ``image [B, H, W, K]`` and ``target [B, H, W, C]``; ``mask``, which does not mix, is left out.
      alpha: parameter of the Beta distribution of the weight, > 0.

    Returns:
      The batch without ``mask``.

    Raises:
      ValueError: as ``augment.mixup``: boxes do not mix either.
    """
    target = batch["target"]
    flat = {name: value for name, value in batch.items() if name != "mask"}
    mixed = augment.mixup(key, flat | {"target": target.reshape(target.shape[0], -1)}, alpha=alpha)
    return mixed | {"target": mixed["target"].reshape(target.shape)}
