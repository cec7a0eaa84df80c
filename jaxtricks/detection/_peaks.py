"""The peaks of a heat map, and the expected place of one peak."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxtricks import check
from jaxtricks.detection import _arguments


class Peaks(NamedTuple):
    """Peaks by falling score.

    Fields:
      row, column: int32 ``[K]``, their cells; 0 where not valid.
      label: int32 ``[K]``; 0 where not valid.
      score: ``[K]``; 0 where not valid.
      valid: bool ``[K]``, which of the K places hold a peak.
    """

    row: jax.Array
    column: jax.Array
    label: jax.Array
    score: jax.Array
    valid: jax.Array


def peaks(heat: jax.Array, *, window: int = 3, max_output: int = 100, min_score: float = 0.0) -> Peaks:
    """The peaks of a heat map, by max pooling, which stands for NMS: cells that nothing around them exceeds.

    Args:
      heat: scores, ``[H, W, C]``, floating point; classes are looked at one by one.
      window: cells of the pooling's side, an odd integer of 1 or more.
      max_output: K, an integer of 1 or more.
      min_score: a peak is greater than this, a number.

    Returns:
      Peaks. Of equal scores the lower row, then column, then class comes first; of equal neighbours all are peaks. A
      cell that is not a number is no peak, nor are those around it.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> heat = jnp.array([[[0.1], [0.9], [0.8], [0.0], [0.3]]])
      >>> highest = peaks(heat, max_output=3)
      >>> print(highest.column, highest.valid)
      [1 4 0] [ True  True False]

    Reference:
      Zhou et al., Objects as points, arXiv 1904.07850.
    """
    heat = lax.stop_gradient(_arguments.wide("heat", heat, rank=3))
    if 0 in heat.shape:
        raise ValueError(f"heat has shape {heat.shape}; allowed: no axis of size 0.")
    window = check.at_least("window", window, minimum=1)
    if window % 2 == 0:
        raise ValueError(f"window is {window}; allowed: an odd integer.")
    max_output = check.at_least("max_output", max_output, minimum=1)
    check.between("min_score", min_score, -jnp.inf, jnp.inf)
    raised = jnp.where(jnp.isnan(heat), jnp.inf, heat)
    pooled = lax.reduce_window(raised, -jnp.inf, lax.max, (window, window, 1), (1, 1, 1), "SAME")
    is_peak = ((heat == pooled) & (heat > min_score)).ravel()
    score, flat = lax.top_k(jnp.where(is_peak, heat.ravel(), -jnp.inf), min(max_output, heat.size))
    missing = max_output - flat.shape[0]
    score, flat = jnp.pad(score, (0, missing), constant_values=-jnp.inf), jnp.pad(flat, (0, missing))
    valid = score > -jnp.inf
    _, width, classes = heat.shape
    flat = jnp.where(valid, flat, 0).astype(jnp.int32)
    cell, label = flat // classes, flat % classes
    return Peaks(cell // width, cell % width, label, jnp.where(valid, score, 0.0), valid)


def soft_argmax(logits: jax.Array, *, temperature: float = 1.0) -> jax.Array:
    r"""The expected place of a map's peak: coordinates of a point from a heat map, with a gradient.

    .. math:: \sum_{ij} (j, i) \, \mathrm{softmax}(z / T)_{ij}

    Args:
      logits: z, ``[..., H, W]``, floating point.
      temperature: T, greater than 0; towards 0 it is the place of the highest cell.

    Returns:
      ``[..., 2]``, x and y in cells, 0 to W - 1 and H - 1, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or the temperature is wrong.

    Example:
      >>> print(soft_argmax(jnp.array([[0.0, 0.0], [9.0, 9.0]])).round(2))
      [0.5 1. ]

    Reference:
      Sun et al., Integral human pose regression, arXiv 1711.08229.
    """
    check.min_rank("logits", logits, 2)
    logits = _arguments.wide("logits", logits, rank=jnp.ndim(logits))
    if 0 in logits.shape[-2:]:
        raise ValueError(f"logits has shape {logits.shape}; allowed: at least one cell.")
    _arguments.finite_positive("temperature", temperature)
    height, width = logits.shape[-2:]
    shares = jax.nn.softmax(logits / temperature, axis=(-2, -1))
    x = shares.sum(-2) @ jnp.arange(width, dtype=logits.dtype)
    y = shares.sum(-1) @ jnp.arange(height, dtype=logits.dtype)
    return jnp.stack([x, y], -1)
