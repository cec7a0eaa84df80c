"""Objects as peaks of a heat map: its targets and its focal loss.

A cell of the map, row i and column j, stands for the square of ``stride`` pixels from ``(j stride, i stride)`` on.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import checkify

from jaxtricks import check
from jaxtricks.detection import _arguments


class HeatmapTargets(NamedTuple):
    """What a head of peaks learns.

    Fields:
      heat: ``[H, W, C]``, 0 to 1, 1 at the cell of each object's centre.
      offset: ``[H, W, 2]``, centre less the cell's corner, x and y in cells, 0 to 1; 0 elsewhere.
      size: ``[H, W, 2]``, width and height in pixels; 0 elsewhere.
      center: bool ``[H, W]``, the cells that have an offset and a size.
    """

    heat: jax.Array
    offset: jax.Array
    size: jax.Array
    center: jax.Array


def gaussian_radius(boxes: jax.Array, *, overlap: float = 0.7) -> jax.Array:
    r"""How far both corners may move until the box overlaps its former place by less than this: a width for heat maps.

    The smallest of three radii r, for both corners moved one way, both outwards and both inwards:

    .. math:: \frac{(w - r)(h - r)}{2wh - (w - r)(h - r)}, \quad \frac{wh}{(w + 2r)(h + 2r)}, \quad
       \frac{(w - 2r)(h - 2r)}{wh} = o

    Args:
      boxes: ``[..., 4]``, xyxy, floating point; the radius is in their unit.
      overlap: o, between 0 and 1.

    Returns:
      ``[...]``, float32 or wider; 0 for a box without an area.

    Raises:
      ValueError: if a shape, a dtype or the overlap is wrong.

    Example:
      >>> print(np.asarray(gaussian_radius(jnp.array([0.0, 0.0, 10.0, 10.0]))).round(3))  # 5 (1 - sqrt 0.7)
      0.817

    Reference:
      Law and Deng, CornerNet: detecting objects as paired keypoints, arXiv 1808.01244; with the roots of the three
      equations, of which its code takes others.
    """
    _open("overlap", overlap)
    boxes = _arguments.boxes("boxes", boxes)
    w, h = (jnp.maximum(boxes[..., i + 2] - boxes[..., i], 0.0) for i in (0, 1))
    there = (w > 0) & (h > 0)
    w, h = jnp.where(there, w, 1.0), jnp.where(there, h, 1.0)
    s, p, o = w + h, w * h, overlap
    shifted = _smaller_root(1.0, -s, p * (1 - o) / (1 + o))
    inner = _smaller_root(4.0, -2 * s, (1 - o) * p)
    outer = 2 * (1 - o) * p / (2 * o * s + jnp.sqrt((2 * o * s) ** 2 + 16 * o * (1 - o) * p))
    nan = jnp.isnan(boxes).any(-1)
    return jnp.where(nan, jnp.nan, jnp.where(there, jnp.minimum(jnp.minimum(shifted, outer), inner), 0.0))


def heatmap_targets(
    boxes: jax.Array,
    labels: jax.Array,
    *,
    shape: tuple[int, int],
    stride: float,
    classes: int,
    overlap: float = 0.7,
    valid: jax.Array | None = None,
) -> HeatmapTargets:
    r"""The targets of a head that finds objects as peaks of their centres.

    .. math:: Y_{ijc} = \max_k \exp\left(-\frac{(i - i_k)^2 + (j - j_k)^2}{2 \sigma_k^2}\right), \quad
       \sigma_k = \frac{2 \max(\lfloor r_k \rfloor, 0) + 1}{6}

    over the objects k of class c, 0 beyond the square of radius r_k, the Gaussian radius in cells.

    Args:
      boxes: ``[M, 4]``, xyxy in pixels, floating point.
      labels: int ``[M]``, 0 to C - 1.
      shape: ``(H, W)`` of the map.
      stride: pixels of the image a cell, greater than 0.
      classes: C, an integer of 1 or more.
      overlap: of ``gaussian_radius``, between 0 and 1.
      valid: bool ``[M]``, which boxes are there.

    Returns:
      HeatmapTargets, float32. A box that is not valid, not finite or without an area, whose label is no class or whose
      centre lies outside the map is left out; under ``checkify.checkify`` a label that is no class is an error. Where
      two objects have one cell, offset and size are those of the smaller one.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> targets = heatmap_targets(
      ...     jnp.array([[4.0, 0.0, 8.0, 4.0]]), jnp.array([0]), shape=(1, 3), stride=4, classes=1
      ... )
      >>> print(targets.heat[0, :, 0], targets.offset[0, 1], targets.size[0, 1])
      [0. 1. 0.] [0.5 0.5] [4. 4.]

    Reference:
      Zhou et al., Objects as points, arXiv 1904.07850.
    """
    boxes = _arguments.boxes("boxes", boxes, rank=2)
    count = boxes.shape[0]
    labels = _arguments.some_labels("labels", labels, count)
    height, width = _arguments.sizes("shape", shape)
    _arguments.finite_positive("stride", stride)
    classes = check.at_least("classes", classes, minimum=1)
    valid = _arguments.mask("valid", valid, count) & _arguments.finite(boxes)
    is_class = (labels >= 0) & (labels < classes)
    checkify.debug_check(jnp.all(is_class | ~valid), f"labels lie outside 0 to {classes - 1}")
    cells = jnp.where(valid[:, None], boxes, 0.0).astype(jnp.float32) / stride
    center = 0.5 * (cells[:, :2] + cells[:, 2:])
    sides = cells[:, 2:] - cells[:, :2]
    corner = jnp.floor(center)
    inside = (corner >= 0).all(-1) & (corner[:, 0] < width) & (corner[:, 1] < height)
    valid &= is_class & inside & (sides > 0).all(-1)
    radius = jnp.floor(gaussian_radius(cells, overlap=overlap))
    across = jnp.arange(width, dtype=corner.dtype)[None] - corner[:, :1]
    down = jnp.arange(height, dtype=corner.dtype)[None] - corner[:, 1:]
    sigma = ((2 * radius + 1) / 6)[:, None]
    bumps = [jnp.where(jnp.abs(d) <= radius[:, None], jnp.exp(-(d**2) / (2 * sigma**2)), 0.0) for d in (down, across)]
    of_class = valid[:, None] & (labels[:, None] == jnp.arange(classes)[None])
    flat = jnp.where(valid, corner[:, 1] * width + corner[:, 0], height * width).astype(jnp.int32)
    heat = jnp.zeros((height, width, classes), jnp.float32)
    if count:

        def draw(heat, item):
            down, across, mine = item
            return jnp.maximum(heat, down[:, None, None] * across[None, :, None] * mine[None, None]), None

        heat, _ = lax.scan(draw, heat, (*bumps, of_class.astype(jnp.float32)))
    area = jnp.where(valid, sides[:, 0] * sides[:, 1], jnp.inf)
    smallest = jnp.full(height * width, jnp.inf, area.dtype).at[flat].min(area, mode="drop")
    first = jnp.full(height * width, count, jnp.int32)
    wins = area == smallest.at[flat].get(mode="fill", fill_value=jnp.inf)
    first = first.at[jnp.where(wins, flat, height * width)].min(jnp.arange(count, dtype=jnp.int32), mode="drop")
    there = (first < count).reshape(height, width)
    values = jnp.concatenate([center - corner, sides * stride], -1)
    chosen = jnp.concatenate([values, jnp.zeros((1, 4), values.dtype)])[first].reshape(height, width, 4)
    return HeatmapTargets(heat, chosen[..., :2], chosen[..., 2:], there)


def heatmap_focal(logits: jax.Array, heat: jax.Array, *, gamma: float = 2.0, beta: float = 4.0) -> jax.Array:
    r"""Focal loss of heat maps, with less penalty near a peak; divide its sum by the number of objects.

    .. math:: \begin{cases} -(1 - p)^\gamma \log p & Y = 1 \\ -(1 - Y)^\beta p^\gamma \log(1 - p) & Y < 1 \end{cases}

    Args:
      logits: of p, ``[...]``, floating point.
      heat: Y, the shape of logits, 0 to 1.
      gamma: 0 or more.
      beta: 0 or more.

    Returns:
      The loss of each cell, ``[...]``, 0 or more, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> loss = heatmap_focal(jnp.array([0.0, 0.0]), jnp.array([1.0, 0.5]))
      >>> print(np.asarray(loss).round(4))  # 0.25 log 2, and 1/16 of it
      [0.1733 0.0108]

    Reference:
      Zhou et al., Objects as points, arXiv 1904.07850; Law and Deng, CornerNet, arXiv 1808.01244.
    """
    check.between("gamma", gamma, 0.0, 100.0)
    check.between("beta", beta, 0.0, 100.0)
    check.same_shape("heat", heat, "logits", logits)
    logits, heat = (_arguments.wide(name, x, rank=jnp.ndim(logits)) for name, x in (("logits", logits), ("heat", heat)))
    is_peak = heat >= 1.0
    signed = jnp.where(is_peak, logits, -logits)  # of the truth
    weight = jnp.where(is_peak, 1.0, (1.0 - jnp.minimum(heat, 1.0)) ** beta)
    return -weight * jnp.exp(gamma * jax.nn.log_sigmoid(-signed)) * jax.nn.log_sigmoid(signed)


def _smaller_root(a: float, b: jax.Array, c: jax.Array) -> jax.Array:
    """The smaller root of ``a r^2 + b r + c``, for b < 0, c > 0: in the form that does not cancel."""
    return 2 * c / (-b + jnp.sqrt(jnp.maximum(b**2 - 4 * a * c, 0.0)))


def _open(name: str, value) -> None:
    check.between(name, value, 0.0, 1.0)
    check.positive(name, value)
    if isinstance(value, check.NUMBERS) and value == 1:
        raise ValueError(f"{name} is {value!r}; allowed: less than 1.")
