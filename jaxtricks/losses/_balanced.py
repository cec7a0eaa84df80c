"""Losses for classes of unequal size."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import check
from jaxtricks.losses import _arguments, _safe


def balanced_cross_entropy(logits: jax.Array, targets: jax.Array, *, alpha: float | jax.Array) -> jax.Array:
    r"""Binary cross-entropy with one weight for the positives and another for the negatives.

    .. math:: -\alpha t \log \sigma(x) - (1 - \alpha) (1 - t) \log(1 - \sigma(x))

    Args:
      logits: x, any shape, floating point; one binary prediction each. +-inf is certainty.
      targets: t, the shape of logits, floating point, 0 to 1.
      alpha: 0 to 1, a number or a scalar array such as `balance_alpha` returns.

    Returns:
      The loss of each prediction, of the shape of logits, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or alpha is wrong.

    Example:
      >>> logits, targets = jnp.zeros(2), jnp.array([1.0, 0.0])
      >>> print(np.asarray(balanced_cross_entropy(logits, targets, alpha=0.75)).round(3))
      [0.52  0.173]

    Reference:
      Xie and Tu, Holistically-nested edge detection, arXiv 1504.06375.
    """
    check.rank("alpha", alpha, 0)
    check.between("alpha", alpha, 0.0, 1.0)
    logits = _arguments.wide("logits", logits)
    targets = _arguments.like("targets", targets, "logits", logits)
    return _of_sides(logits, alpha * targets, (1.0 - alpha) * (1.0 - targets))


def balance_alpha(positives: int | jax.Array, negatives: int | jax.Array) -> jax.Array:
    r"""The alpha of `balanced_cross_entropy` under which both sides weigh the same in all.

    .. math:: \alpha = \frac{n_-}{n_+ + n_-}, \quad \text{so that} \quad \frac{\alpha}{1 - \alpha} = \frac{n_-}{n_+}

    Args:
      positives: n+, the number of positive targets, 0 or more, any shape.
      negatives: n-, 0 or more, of the shape of positives.

    Returns:
      alpha, of that shape, float32; 0.5 where both numbers are 0, NaN where one is negative.

    Raises:
      ValueError: if the shapes differ, or a Python or NumPy number is negative (in arrays of JAX that is NaN).

    Example:
      >>> print(balance_alpha(1, 3))
      0.75

    Reference:
      Xie and Tu, Holistically-nested edge detection, arXiv 1504.06375.
    """
    check.same_shape("negatives", negatives, "positives", positives)
    for name, count in (("positives", positives), ("negatives", negatives)):
        if isinstance(count, (*check.NUMBERS, np.ndarray)) and np.any(np.less(count, 0)):
            raise ValueError(f"{name} is {count!r}; allowed: 0 or more.")
    positives, negatives = jnp.asarray(positives, jnp.float32), jnp.asarray(negatives, jnp.float32)
    total = positives + negatives
    alpha = jnp.where(total == 0, 0.5, _safe.ratio(negatives, total))
    return jnp.where((positives < 0) | (negatives < 0), jnp.nan, alpha)


def softmax_focal(
    logits: jax.Array, targets: jax.Array, *, gamma: float = 2.0, alpha: float | jax.Array | None = None
) -> jax.Array:
    r"""Cross-entropy that counts an example the less, the better it is predicted.

    .. math:: -\sum_c \alpha_c t_c (1 - p_c)^\gamma \log p_c, \quad p = \mathrm{softmax}(x)

    The binary form is ``optax.sigmoid_focal_loss``.

    Args:
      logits: x, ``[..., C]``, floating point; -inf is a class of probability 0.
      targets: t, ``[..., C]``, floating point.
      gamma: 0 or more; 0 gives the cross-entropy.
      alpha: a number, or a weight for each class, ``[C]``; None is 1.

    Returns:
      The loss of each example, ``[...]``, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or gamma is wrong.

    Example:
      >>> logits, targets = jnp.log(jnp.array([[0.9, 0.1], [0.1, 0.9]])), jnp.array([[1.0, 0.0]] * 2)
      >>> print(np.asarray(softmax_focal(logits, targets)).round(4))  # (1 - p)^2 (-log p) of p = 0.9 and 0.1
      [0.0011 1.8651]

    Reference:
      Lin et al., Focal loss for dense object detection, arXiv 1708.02002.
    """
    check.between("gamma", gamma, 0.0, math.inf)
    logits = _arguments.scores("logits", logits)
    targets = _arguments.like("targets", targets, "logits", logits)
    if alpha is not None:
        check.shape("alpha", alpha, logits.shape[-1:] if jnp.ndim(alpha) else ())
        targets = targets * jnp.broadcast_to(alpha, targets.shape)
    log_p = jnp.where(targets == 0, 0.0, jax.nn.log_softmax(logits))
    return jnp.sum(targets * _power(-jnp.expm1(log_p), gamma) * -log_p, axis=-1)


def asymmetric(
    logits: jax.Array,
    targets: jax.Array,
    *,
    gamma_positive: float = 0.0,
    gamma_negative: float = 4.0,
    shift: float = 0.05,
) -> jax.Array:
    r"""Binary focal loss with a focus for each side; negatives of small probability count nothing.

    .. math::
       -t (1 - p)^{\gamma_+} \log p - (1 - t) q^{\gamma_-} \log(1 - q), \quad p = \sigma(x), \; q = \max(p - m, 0)

    Args:
      logits: x, any shape, floating point; one binary prediction each. For many labels an image, sum over the classes.
      targets: t, the shape of logits, floating point, 0 to 1.
      gamma_positive: 0 or more.
      gamma_negative: 0 or more.
      shift: m, the probability taken off the negatives, 0 to 1. A Python number. With 0, equal gammas and targets of 0
        and 1 it is ``optax.sigmoid_focal_loss``.

    Returns:
      The loss of each prediction, of the shape of logits, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> losses = asymmetric(jnp.zeros(2), jnp.array([1.0, 0.0]))
      >>> print(np.asarray(losses).round(3))  # log 2; at the same probability a negative counts less
      [0.693 0.025]

    Reference:
      Ridnik et al., Asymmetric loss for multi-label classification, arXiv 2009.14119.
    """
    check.between("gamma_positive", gamma_positive, 0.0, math.inf)
    check.between("gamma_negative", gamma_negative, 0.0, math.inf)
    check.between("shift", shift, 0.0, 1.0)
    logits = _arguments.wide("logits", logits)
    targets = _arguments.like("targets", targets, "logits", logits)
    p, not_p = jax.nn.sigmoid(logits), jax.nn.sigmoid(-logits)
    minus_log_p = jnp.where(targets == 0, 0.0, _safe.softplus(-logits))
    if shift > 0:
        minus_log_not_q = jnp.maximum(-jnp.log(not_p + shift), 0.0)
    else:
        minus_log_not_q = jnp.where(targets == 1, 0.0, _safe.softplus(logits))
    positive = targets * _power(not_p, gamma_positive) * minus_log_p
    return positive + (1.0 - targets) * _power(p - shift, gamma_negative) * minus_log_not_q


def ldam(
    logits: jax.Array, labels: jax.Array, counts: jax.Array, *, max_margin: float = 0.5, scale: float = 1.0
) -> jax.Array:
    r"""Cross-entropy in which the true class must win by a margin, larger for a rarer class.

    .. math::
       -\log \frac{e^{s (x_y - \Delta_y)}}{e^{s (x_y - \Delta_y)} + \sum_{j \ne y} e^{s x_j}}, \quad
       \Delta_c \propto n_c^{-1/4}, \; \max_c \Delta_c = \Delta

    Args:
      logits: x, ``[..., C]``, floating point; if they are cosines, they need a scale.
      labels: y, ``[...]``, integers in 0 to C - 1.
      counts: n, ``[C]``, training examples of each class. A class without any gets no margin.
      max_margin: the margin of the rarest class, 0 or more; 0 gives the cross-entropy of the scaled logits.
      scale: s > 0.

    Returns:
      The loss of each example, ``[...]``, float32 or wider; NaN without gradient where the label is out of range.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Example:
      >>> logits, counts = jnp.zeros((2, 2)), jnp.array([1000, 10])
      >>> print(np.asarray(ldam(logits, jnp.array([0, 1]), counts)).round(3))  # the rare class must win by more
      [0.775 0.974]

    Reference:
      Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, arXiv 1906.07413.
    """
    check.between("max_margin", max_margin, 0.0, math.inf)
    check.positive("scale", scale)
    logits = _arguments.scores("logits", logits)
    true, is_class = _arguments.label_mask(labels, logits)
    check.shape("counts", counts, logits.shape[-1:])
    rarity = _safe.ratio(1.0, _arguments.class_counts(counts) ** 0.25)
    margins = max_margin * _safe.ratio(rarity, jnp.max(rarity))
    log_p = jax.nn.log_softmax(scale * jnp.where(true, logits - jnp.broadcast_to(margins, logits.shape), logits))
    return jnp.where(is_class, -jnp.sum(log_p, axis=-1, where=true), jnp.nan)


def logit_adjusted(logits: jax.Array, targets: jax.Array, prior: jax.Array, *, tau: float = 1.0) -> jax.Array:
    r"""Cross-entropy of logits that are given the class prior in training, and do without it at prediction.

    .. math:: -\sum_c t_c \log \mathrm{softmax}(x + \tau \log \pi)_c

    Args:
      logits: x, ``[..., C]``, floating point; -inf is a class of probability 0.
      targets: t, ``[..., C]``, floating point.
      prior: pi, ``[C]``, probabilities or counts of the classes: only their ratios matter. A class of prior 0 is left
        out, and a target on it makes the loss inf.
      tau: 0 or more; 0 gives the cross-entropy.

    Returns:
      The loss of each example, ``[...]``, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or tau is wrong.

    Example:
      >>> logits, targets = jnp.zeros((2, 2)), jnp.eye(2)
      >>> print(np.asarray(logit_adjusted(logits, targets, jnp.array([0.75, 0.25]))).round(3))  # -log 0.75, -log 0.25
      [0.288 1.386]

    Reference:
      Menon et al., Long-tail learning via logit adjustment, arXiv 2007.07314.
    """
    check.between("tau", tau, 0.0, math.inf)
    logits = _arguments.scores("logits", logits)
    targets = _arguments.like("targets", targets, "logits", logits)
    check.shape("prior", prior, logits.shape[-1:])
    offset = jax.scipy.special.xlogy(tau, jnp.asarray(prior, logits.dtype))
    return optax.safe_softmax_cross_entropy(logits + jnp.broadcast_to(offset, logits.shape), targets)


@jax.custom_jvp
def _of_sides(logits: jax.Array, positive: jax.Array, negative: jax.Array) -> jax.Array:
    r"""The sum of both sides of a binary cross-entropy by their weights, where 0 times infinity is 0.

    .. math:: w_+ \log(1 + e^{-x}) + w_- \log(1 + e^x)
    """
    sure = jnp.where(logits > 0, negative, positive)
    rest = (positive + negative) * jnp.log1p(jnp.exp(-jnp.abs(logits)))
    return jnp.where((sure == 0) & jnp.isinf(logits), 0.0, sure * jnp.abs(logits) + rest)


@_of_sides.defjvp
def _of_sides_jvp(primals, tangents):
    logits, positive, negative = primals
    by_logits, by_positive, by_negative = tangents
    slope = negative * jax.nn.sigmoid(logits) - positive * jax.nn.sigmoid(-logits)
    # The weights' own slopes are infinite where the logits are, and a weight that does not move must add 0.
    top = jnp.finfo(logits.dtype).max
    by_weights = by_positive * jnp.minimum(_safe.softplus(-logits), top)
    by_weights += by_negative * jnp.minimum(_safe.softplus(logits), top)
    return _of_sides(*primals), by_logits * slope + by_weights


def _power(base: jax.Array, exponent: float | jax.Array) -> jax.Array:
    """The power, of a base above 0 by the smallest normal number, so that any exponent has a finite gradient."""
    if isinstance(exponent, check.NUMBERS) and exponent in range(17):
        exponent = int(exponent)  # a few multiplications
    return jnp.maximum(base, jnp.finfo(base.dtype).tiny) ** exponent
