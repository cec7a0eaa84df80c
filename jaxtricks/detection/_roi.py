"""Features of boxes, cut from a map to one size: pooled over cells, or sampled between them.

``roi_align`` is two products of matrices: a feature that is not finite makes the cuts of all boxes, or their gradients,
not a number.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.detection import _arguments
from jaxtricks.detection._anchors import fpn_level


def roi_pool(features: jax.Array, boxes: jax.Array, *, size: tuple[int, int], scale: float) -> jax.Array:
    r"""The greatest feature in each part of a box: the cut of Fast R-CNN, which rounds twice.

    The box is rounded to cells, ``round(b s)``, with its last cell included, and divided into ``size`` parts, of which
    part i of n has the rows :math:`\lfloor i h / n \rfloor` to :math:`\lceil (i + 1) h / n \rceil`.

    Args:
      features: ``[H, W, C]``, floating point.
      boxes: ``[R, 4]``, xyxy in pixels, floating point.
      size: height and width of the result.
      scale: s, cells a pixel, greater than 0: 1 by the stride.

    Returns:
      ``[R, h, w, C]``, float32 or wider; 0 for a part outside the map, NaN for a box that is not finite. Boxes have no
      gradient. Half cells are rounded away from 0, as in torchvision.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> features = jnp.arange(16.0).reshape(4, 4, 1)
      >>> print(roi_pool(features, jnp.array([[0.0, 0.0, 3.0, 3.0]]), size=(2, 2), scale=1.0)[0, :, :, 0])
      [[ 5.  7.]
       [13. 15.]]

    Reference:
      Girshick, Fast R-CNN, arXiv 1504.08083.
    """
    features, boxes, (rows, columns) = _inputs(features, boxes, size, scale)
    height, width, _ = features.shape
    finite = _arguments.finite(boxes)
    cells = jax.lax.stop_gradient(jnp.where(finite[:, None], boxes, 0.0) * scale)
    cells = jnp.trunc(cells + jnp.copysign(0.5, cells))  # C's round

    def parts(low, high, number, limit):
        """Which cells of an axis each part of each box has, ``[R, number, limit]``."""
        length = jnp.maximum(high - low + 1, 1.0)[:, None] / number
        step = jnp.arange(number, dtype=cells.dtype)[None]
        first = jnp.clip(jnp.floor(step * length) + low[:, None], 0, limit)
        last = jnp.clip(jnp.ceil((step + 1) * length) + low[:, None], 0, limit)
        cell = jnp.arange(limit, dtype=cells.dtype)[None, None]
        return (cell >= first[..., None]) & (cell < last[..., None])

    down = parts(cells[:, 1], cells[:, 3], rows, height)
    across = parts(cells[:, 0], cells[:, 2], columns, width)

    def cut(down, across):
        of_columns = jnp.where(across[:, None, :, None], features[None], -jnp.inf).max(2)  # [w, H, C]
        of_parts = jnp.where(down[:, None, :, None], of_columns[None], -jnp.inf).max(2)
        filled = down.any(-1)[:, None] & across.any(-1)[None]
        return jnp.where(filled[..., None], of_parts, 0.0)

    pooled = jax.vmap(cut)(down, across)
    return jnp.where(finite[:, None, None, None], pooled, jnp.nan)


def roi_align(
    features: jax.Array,
    boxes: jax.Array,
    *,
    size: tuple[int, int],
    scale: float,
    sampling: int = 2,
    aligned: bool = True,
) -> jax.Array:
    """The mean of samples between the cells of a map in each part of a box: a cut that rounds nothing.

    Each part of the box has ``sampling`` x ``sampling`` samples, evenly spread, each by bilinear interpolation.

    Args:
      features: ``[H, W, C]``, floating point.
      boxes: ``[R, 4]``, xyxy in pixels, floating point.
      size: height and width of the result.
      scale: cells a pixel, greater than 0: 1 by the stride.
      sampling: an integer of 1 or more; fixed, since a number of samples that follows the box has no fixed shape.
      aligned: whether pixel centres are at half coordinates, as they are (Detectron2's correction). Without it places
        are half a cell off, and boxes are 1 cell wide and high or more, as in the first version.

    Returns:
      ``[R, h, w, C]``, float32 or wider, NaN for a box that is not finite. A sample more than a cell outside the map
      is 0.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> features = jnp.arange(16.0).reshape(4, 4, 1)
      >>> print(roi_align(features, jnp.array([[1.0, 1.0, 3.0, 3.0]]), size=(1, 1), scale=1.0)[0, 0, 0])
      [7.5]

    Reference:
      He et al., Mask R-CNN, arXiv 1703.06870.
    """
    features, boxes, (rows, columns) = _inputs(features, boxes, size, scale)
    sampling = check.at_least("sampling", sampling, minimum=1)
    height, width, _ = features.shape
    finite = _arguments.finite(boxes)
    cells = jnp.where(finite[:, None], boxes, 0.0) * scale - (0.5 if aligned else 0.0)

    def samples(low, high, number, limit):
        """Places along an axis, ``[R, number * sampling]``, as a weight for each cell of it."""
        length = high - low if aligned else jnp.maximum(high - low, 1.0)
        step = (jnp.arange(number * sampling, dtype=cells.dtype) + 0.5) / (number * sampling)
        place = low[:, None] + length[:, None] * step[None]
        outside = (place < -1.0) | (place > limit)
        place = jnp.clip(place, 0.0, limit - 1.0)
        first = jnp.minimum(jax.lax.stop_gradient(jnp.floor(place)).astype(jnp.int32), max(limit - 2, 0))
        part = place - first.astype(place.dtype)
        weight = jax.nn.one_hot(first, limit, dtype=place.dtype) * (1.0 - part)[..., None]
        if limit > 1:
            weight += jax.nn.one_hot(first + 1, limit, dtype=place.dtype) * part[..., None]
        weight = jnp.where(outside[..., None], 0.0, weight)
        return weight.reshape(-1, number, sampling, limit).mean(2)

    down = samples(cells[:, 1], cells[:, 3], rows, height)
    across = samples(cells[:, 0], cells[:, 2], columns, width)
    precision = jax.lax.Precision.HIGHEST
    cut = jnp.einsum("rih,hwc,rjw->rijc", down, features, across, precision=precision)
    return jnp.where(finite[:, None, None, None], cut, jnp.nan)


def multilevel_roi(
    features: Sequence[jax.Array],
    boxes: jax.Array,
    *,
    size: tuple[int, int],
    low: int = 2,
    canonical: float = 224.0,
    canonical_level: int = 4,
    sampling: int = 2,
    aligned: bool = True,
) -> jax.Array:
    """``roi_align`` from the level of a feature pyramid that fits each box: the cut of Faster and Mask R-CNN with FPN.

    Level k has a stride of ``2^k`` pixels; ``fpn_level`` chooses it by the area.

    Args:
      features: of the levels ``low``, ``low + 1``, ...: ``[H, W, C]`` each, floating point.
      boxes: ``[R, 4]``, xyxy in pixels, floating point.
      size: height and width of the result.
      low: the finest level, an integer of 0 or more.
      canonical, canonical_level: of ``fpn_level``.
      sampling, aligned: of ``roi_align``.

    Returns:
      ``[R, h, w, C]``, float32 or wider, NaN for a box that is not finite.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong, or without a level.

    Example:
      >>> levels = [jnp.ones((8, 8, 1)), 2 * jnp.ones((4, 4, 1))]
      >>> boxes = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 16.0, 16.0]])
      >>> print(multilevel_roi(levels, boxes, size=(1, 1), canonical=8.0, canonical_level=2)[:, 0, 0, 0])
      [1. 2.]

    Reference:
      Lin et al., Feature pyramid networks for object detection, arXiv 1612.03144.
    """
    low = check.at_least("low", low)
    if not isinstance(features, (list, tuple)) or not features:
        raise ValueError(f"features is {type(features).__name__}; allowed: a list of one level or more.")
    for one_level in features:
        check.rank("features", one_level, 3)
        check.shape("features", one_level, (None, None, jnp.shape(features[0])[-1]))
    high = low + len(features) - 1
    boxes = _arguments.boxes("boxes", boxes, rank=2)
    level = fpn_level(boxes, low=low, high=high, canonical=canonical, canonical_level=canonical_level)
    options = {"size": size, "sampling": sampling, "aligned": aligned}
    cut = None
    for number, one_level in enumerate(features, low):
        part = roi_align(one_level, boxes, scale=2.0**-number, **options)
        cut = part if cut is None else jnp.where((level == number)[:, None, None, None], part, cut)
    assert cut is not None
    return cut


def _inputs(features, boxes, size, scale) -> tuple[jax.Array, jax.Array, tuple[int, ...]]:
    features = _arguments.wide("features", features, rank=3)
    if 0 in features.shape[:2]:
        raise ValueError(f"features has shape {features.shape}; allowed: one row and one column or more.")
    boxes = _arguments.boxes("boxes", boxes, rank=2)
    check.positive("scale", scale)
    if not isinstance(scale, check.NUMBERS) or scale == float("inf"):
        raise ValueError(f"scale is {scale!r}; allowed: a finite number greater than 0.")
    return features, boxes, _arguments.sizes("size", size)
