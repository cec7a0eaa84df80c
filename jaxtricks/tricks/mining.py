"""Which anchors of an image count in the loss of the scores of a detector: those that are hard."""

import jax

from jaxtricks import losses

__all__ = ["hardest", "mined"]


def hardest(of_score, positive, *, keep: int):
    """The anchors of the highest losses, be they objects or background.

    Args:
      of_score: ``[A, C]``.
      positive: bool ``[A]``, not used.
      keep: how many of an image, 1 to A.

    Returns:
      Weights 0 and 1, ``[A, 1]``.
    """
    return losses.ohem_weights(of_score.sum(-1), keep=keep)[:, None]


def mined(of_score, positive, *, ratio: float = 3.0):
    """Of the background the hardest anchors, ``ratio`` times as many as there are positives.

    Args:
      of_score: ``[A, C]``.
      positive: bool ``[A]``.
      ratio: greater than 0.

    Returns:
      Weights 0 and 1, ``[A, 1]``.
    """
    weights = losses.hard_negative_weights(jax.lax.stop_gradient(of_score.sum(-1)), positive, ratio=ratio)
    return weights[:, None]
