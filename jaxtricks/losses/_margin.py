"""Losses that ask for a margin, and heads that build one into the logits."""

import math

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.losses import _arguments, _safe


def weston_watkins(logits: jax.Array, labels: jax.Array, *, margin: float = 1.0) -> jax.Array:
    r"""Multi-class hinge loss that sums over the wrong classes.

    .. math:: \sum_{j \ne y} \max(0, m + s_j - s_y)

    ``optax.losses.multiclass_hinge_loss`` takes the largest of these terms instead (Crammer and Singer).

    Args:
      logits: s, ``[..., C]``, floating point. A wrong class at -inf adds nothing.
      labels: y, ``[...]``, integers in 0 to C - 1.
      margin: m > 0.

    Returns:
      The loss of each example, ``[...]``, float32 or wider; NaN without gradient where the label is out of range.

    Raises:
      ValueError: if a shape, a dtype or margin is wrong.

    Example:
      >>> print(weston_watkins(jnp.array([[2.0, 1.5, 0.0]]), jnp.array([0])))
      [0.5]

    Reference:
      Weston and Watkins, Support vector machines for multi-class pattern recognition, ESANN 1999.
    """
    check.positive("margin", margin)
    logits = _arguments.scores("logits", logits)
    true, is_class = _arguments.label_mask(labels, logits)
    true_logit = jnp.sum(logits, axis=-1, keepdims=True, where=true)
    loss = jnp.sum(jnp.maximum(margin + logits - true_logit, 0.0), axis=-1, where=~true)
    return jnp.where(is_class, loss, jnp.nan)


def ramp(logits: jax.Array, labels: jax.Array, *, s: float = -1.0) -> jax.Array:
    r"""Hinge loss truncated at 1 - s for each wrong class, so that a wrong label can do only so much.

    .. math:: \sum_{j \ne y} \max(0, 1 - d_j) - \max(0, s - d_j), \quad d_j = s_y - s_j

    With s to -inf it becomes `weston_watkins`. The gradient is zero wherever a term is at its bound.

    Args:
      logits: ``[..., C]``, floating point. A wrong class at -inf adds nothing.
      labels: y, ``[...]``, integers in 0 to C - 1.
      s: where the hinge is cut off, below 1; -inf is allowed.

    Returns:
      The loss of each example, ``[...]``, from 0 to (C - 1)(1 - s), float32 or wider; NaN without gradient where the
      label is out of range.

    Raises:
      ValueError: if a shape or a dtype is wrong, or s is not below 1.

    Example:
      >>> print(ramp(jnp.array([[9.0, 0.0], [0.0, 0.5], [0.0, 9.0]]), jnp.array([0, 0, 0])))  # never above 1 - s
      [0.  1.5 2. ]

    Reference:
      Wu and Liu, Robust truncated hinge loss support vector machines, JASA 2007; Collobert et al., Trading convexity
      for scalability, ICML 2006.
    """
    check.between("s", s, -math.inf, math.nextafter(1.0, 0.0))
    logits = _arguments.scores("logits", logits)
    true, is_class = _arguments.label_mask(labels, logits)
    true_logit = jnp.sum(logits, axis=-1, keepdims=True, where=true)
    # The difference of the two hinges, written so that no two large numbers are subtracted.
    loss = jnp.sum(jnp.clip(1.0 + logits - true_logit, 0.0, 1.0 - s), axis=-1, where=~true)
    return jnp.where(is_class, loss, jnp.nan)


def large_margin_logits(
    features: jax.Array, kernel: jax.Array, labels: jax.Array, *, margin: int = 2, blend: jax.Array | float = 0.0
) -> jax.Array:
    r"""Logits of L-Softmax: the angle to the true class is multiplied before the cosine is taken.

    .. math::
       z_y = \|w_y\| \|x\| \frac{\lambda \cos\theta + \psi(\theta)}{1 + \lambda}, \quad
       \psi(\theta) = (-1)^k \cos(m\theta) - 2k \text{ for } \theta \in [k\pi/m, (k+1)\pi/m]

    and :math:`z_j = w_j \cdot x` for the others. For training only; at prediction use ``features @ kernel``.

    Args:
      features: x, ``[..., D]``, floating point. A zero vector has logits 0.
      kernel: w, ``[D, C]``, floating point.
      labels: y, ``[...]``, integers in 0 to C - 1.
      margin: m, an integer of 1 or more; 1 gives plain logits. Static.
      blend: lambda >= 0, annealed from large (plain logits) to small; a number, or a scalar that follows the step, as
        the paper's code has it: ``max(last, first / (1 + rate * step) ** power)``.

    Returns:
      Logits, ``[..., C]``, float32 or wider; a row of NaN without gradient where the label is out of range.

    Raises:
      ValueError: if a shape, a dtype, margin or blend is wrong.

    Example:
      >>> x, w = jnp.array([[1.0, 0.0]]), jnp.array([[0.5, 0.0], [0.75**0.5, 1.0]])  # 60 degrees from column 0
      >>> print(np.asarray(large_margin_logits(x, w, jnp.array([0]))).round(3))  # cos 120 degrees
      [[-0.5  0. ]]

    Reference:
      Liu et al., Large-margin softmax loss for convolutional neural networks, arXiv 1612.02295.
    """
    margin = check.at_least("margin", margin, minimum=1)
    check.between("blend", blend, 0.0, math.inf)
    features, kernel = _head(features, kernel)
    logits = jnp.matmul(features, kernel, precision=jax.lax.Precision.HIGHEST)
    true, is_class = _arguments.label_mask(labels, logits)
    true_logit = jnp.sum(logits, axis=-1, where=true)
    size = _safe.norm(features, axis=-1) * _arguments.rows(_safe.norm(kernel, axis=0), labels)[0]
    cosine = _safe.ratio(true_logit, size)
    previous, multiple = jnp.ones_like(cosine), cosine  # cos(0), cos(theta), then by Chebyshev's recurrence
    for _ in range(margin - 1):
        previous, multiple = multiple, 2.0 * cosine * multiple - previous
    k = sum((cosine < math.cos(j * math.pi / margin)).astype(cosine.dtype) for j in range(1, margin))
    psi = (1.0 - 2.0 * (k % 2)) * multiple - 2.0 * k
    shift = size * (psi - cosine) / (1.0 + blend)
    return jnp.where(is_class[..., None], logits + jnp.where(true, shift[..., None], 0.0), jnp.nan)


def arcface_logits(
    features: jax.Array, kernel: jax.Array, labels: jax.Array, *, scale: float = 64.0, margin: float = 0.5
) -> jax.Array:
    r"""Logits of ArcFace: scaled cosines, with an angle added to that of the true class.

    .. math:: z_y = s \cos(\theta_y + m), \quad z_j = s \cos\theta_j

    Where :math:`\theta_y + m` passes :math:`\pi`, :math:`z_y = s (\cos\theta_y - m \sin m)`, so that it goes on
    falling. For training only; at prediction use margin 0.

    Args:
      features: ``[..., D]``, floating point; only the direction counts. A zero vector has cosine 0 to all.
      kernel: ``[D, C]``, floating point; only the directions of its columns count.
      labels: y, ``[...]``, integers in 0 to C - 1.
      scale: s > 0.
      margin: m in radians, 0 to pi / 2; 0 gives plain scaled cosines. A Python number.

    Returns:
      Logits, ``[..., C]``, float32 or wider; a row of NaN without gradient where the label is out of range.

    Raises:
      ValueError: if a shape, a dtype, scale or margin is wrong.

    Example:
      >>> x, w = jnp.array([[1.0, 0.0]]), jnp.eye(2)
      >>> logits = arcface_logits(x, w, jnp.array([0]), scale=1.0, margin=jnp.pi / 3)
      >>> print(np.asarray(logits).round(3))  # cos(0 + pi / 3), cos(pi / 2)
      [[0.5 0. ]]

    Reference:
      Deng et al., ArcFace: additive angular margin loss for deep face recognition, arXiv 1801.07698.
    """
    check.positive("scale", scale)
    check.between("margin", margin, 0.0, math.pi / 2)
    features, kernel = _head(features, kernel)
    cosines = jnp.matmul(_safe.unit(features, axis=-1), _safe.unit(kernel, axis=0), precision=jax.lax.Precision.HIGHEST)
    true, is_class = _arguments.label_mask(labels, cosines)
    true_logit = jnp.sum(cosines, axis=-1, where=true)
    turned = true_logit * math.cos(margin) - _safe.root(1.0 - true_logit**2) * math.sin(margin)
    target = jnp.where(true_logit > -math.cos(margin), turned, true_logit - margin * math.sin(margin))
    return jnp.where(is_class[..., None], scale * jnp.where(true, target[..., None], cosines), jnp.nan)


def _head(features, kernel) -> tuple[jax.Array, jax.Array]:
    """Features ``[..., D]`` and kernel ``[D, C]`` that fit each other."""
    features = _arguments.wide("features", features, rank=1)
    check.shape("kernel", kernel, (features.shape[-1], None))
    return features, _arguments.scores("kernel", kernel)
