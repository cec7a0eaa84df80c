"""Targets that are not one-hot; ``optax.smooth_labels`` and ``optax.losses.kl_divergence`` go with them."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.losses import _arguments, _safe


def smooth_labels_exclusive(targets: jax.Array, alpha: float) -> jax.Array:
    r"""Label smoothing that takes alpha from the true class and gives it to the other classes only.

    .. math:: (1 - \alpha) t_c + \frac{\alpha}{C - 1} (1 - t_c)

    ``optax.smooth_labels`` gives the true class its share back: 1 - alpha + alpha / C.

    Args:
      targets: t, ``[..., C]`` with C >= 2, floating point, rows of sum 1.
      alpha: 0 to 1.

    Returns:
      The smoothed targets, ``[..., C]``, rows of sum 1, float32 or wider.

    Raises:
      ValueError: if there are fewer than 2 classes, or a shape, a dtype or alpha is wrong.

    Example:
      >>> print(smooth_labels_exclusive(jnp.array([1.0, 0.0, 0.0]), 0.5))
      [0.5  0.25 0.25]

    Reference:
      He et al., Bag of tricks for image classification with convolutional neural networks, arXiv 1812.01187; optax's
      form: Szegedy et al., Rethinking the Inception architecture, arXiv 1512.00567.
    """
    check.between("alpha", alpha, 0.0, 1.0)
    targets = _at_least_two("targets", targets)
    classes = targets.shape[-1]
    return (1.0 - alpha) * targets + alpha / (classes - 1) * (1.0 - targets)


def smooth_labels_by_counts(
    targets: jax.Array, counts: jax.Array, *, head: float = 0.3, tail: float = 0.0
) -> jax.Array:
    r"""Label smoothing by class size: a network that is too sure of common classes, and not of rare ones.

    .. math::
       \epsilon_c = \epsilon_t + (\epsilon_h - \epsilon_t) \sin\frac{\pi (n_c - n_{min})}{2 (n_{max} - n_{min})}, \quad
       (1 - \epsilon_c) t_c + \sum_{k \ne c} \frac{\epsilon_k}{C - 1} t_k

    Each class is smoothed as by `smooth_labels_exclusive`, by its own epsilon. The paper also has a straight and a
    convex way from tail to head.

    Args:
      targets: t, ``[..., C]`` with C >= 2, floating point, rows of sum 1.
      counts: n, ``[C]``, training examples of each class. Where all are equal, epsilon is that of the tail.
      head: epsilon of the largest class, 0 to 1.
      tail: epsilon of the smallest, 0 to 1.

    Returns:
      The smoothed targets, ``[..., C]``, rows of sum 1, float32 or wider.

    Raises:
      ValueError: if there are fewer than 2 classes, or a shape, a dtype or an epsilon is wrong.

    Example:
      >>> print(np.asarray(smooth_labels_by_counts(jnp.eye(3), jnp.array([90, 50, 10]), head=0.4)).round(3))
      [[0.6   0.2   0.2  ]
       [0.141 0.717 0.141]
       [0.    0.    1.   ]]

    Reference:
      Zhong et al., Improving calibration for long-tailed recognition, arXiv 2104.00466.
    """
    check.between("head", head, 0.0, 1.0)
    check.between("tail", tail, 0.0, 1.0)
    targets = _at_least_two("targets", targets)
    check.shape("counts", counts, targets.shape[-1:])
    counts = _arguments.class_counts(counts)
    lowest = jnp.min(counts)
    share = _safe.ratio(counts - lowest, jnp.max(counts) - lowest)
    epsilon = (tail + (head - tail) * jnp.sin(jnp.pi / 2 * share)).astype(targets.dtype)
    taken = targets * jnp.broadcast_to(epsilon, targets.shape)
    spread = jnp.sum(taken, axis=-1, keepdims=True) - taken
    return targets - taken + spread / (targets.shape[-1] - 1)


def gaussian_label_distribution(values: jax.Array, *, bins: jax.Array, sigma: float | jax.Array) -> jax.Array:
    r"""Number labels (an age, a pose) as distributions over bins, so that neighbours share what they learn.

    .. math:: d_k \propto \exp\left(-\frac{(v - b_k)^2}{2 \sigma^2}\right), \quad \sum_k d_k = 1

    Train with ``optax.losses.kl_divergence(jax.nn.log_softmax(logits), distribution)``; read the number off with
    `expected_value`.

    Args:
      values: v, ``[...]``, floating point. One far outside the bins, however far, puts all on the nearest bin.
      bins: b, ``[K]``, finite, the number that each class stands for.
      sigma: > 0, in units of the values; a number, or one for each value, ``[...]``.

    Returns:
      The distributions, ``[..., K]``, rows of sum 1, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or sigma is wrong.

    Example:
      >>> print(np.asarray(gaussian_label_distribution(jnp.array(1.0), bins=jnp.arange(3.0), sigma=1.0)).round(3))
      [0.274 0.452 0.274]

    Reference:
      Geng, Label distribution learning, arXiv 1408.6027; Gao et al., Deep label distribution learning with label
      ambiguity, arXiv 1611.01731.
    """
    check.positive("sigma", sigma)
    values = _arguments.wide("values", values)
    if jnp.ndim(sigma) > 0:
        check.same_shape("sigma", sigma, "values", values)
    check.number("bins", bins)
    bins = _arguments.scores("bins", jnp.asarray(bins, values.dtype))
    check.rank("bins", bins, 1)
    lowest, highest = bins.min(), bins.max()
    sigma = jnp.broadcast_to(sigma, values.shape)
    # 1e12 sigma beyond the bins only the nearest is left, unless another is less than 1e-10 sigma from it.
    values = jnp.clip(values, lowest - 1e12 * sigma, highest + 1e12 * sigma)
    bins = jnp.broadcast_to(bins, (*values.shape, bins.size))
    nearest = jnp.argmin(jnp.abs(jnp.clip(values, lowest, highest)[..., None] - bins), axis=-1, keepdims=True)
    base = jax.lax.stop_gradient(jnp.take_along_axis(bins, nearest, axis=-1))
    # The square of the nearest bin is taken off by hand: of large squares the difference would be lost.
    step, values, sigma = bins - base, values[..., None], sigma[..., None]
    return jax.nn.softmax(step / sigma * (values - base - step / 2) / sigma)


def expected_value(probabilities: jax.Array, *, bins: jax.Array) -> jax.Array:
    r"""The number that a distribution over bins stands for: its mean.

    .. math:: \sum_k p_k b_k

    Args:
      probabilities: p, ``[..., K]``, floating point, rows of sum 1; ``jax.nn.softmax(logits)``.
      bins: b, ``[K]``, the number that each class stands for.

    Returns:
      The mean, ``[...]``, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(expected_value(jnp.array([0.25, 0.5, 0.25]), bins=jnp.array([10.0, 20.0, 30.0])))
      20.0

    Reference:
      Rothe et al., DEX: deep expectation of apparent age from a single image, ICCV workshops 2015.
    """
    probabilities = _arguments.scores("probabilities", probabilities)
    check.shape("bins", bins, probabilities.shape[-1:])
    check.number("bins", bins)
    return jnp.sum(
        probabilities * jnp.broadcast_to(jnp.asarray(bins, probabilities.dtype), probabilities.shape), axis=-1
    )


def bce_targets(targets: jax.Array, *, threshold: float = 0.0) -> jax.Array:
    r"""Mixed targets for binary cross-entropy: every class in the mixture is fully there.

    .. math:: 1 \text{ if } t_c > \mathrm{threshold}, \text{ else } 0

    For ``optax.sigmoid_binary_cross_entropy`` after mixup or cutmix. Smooth the labels afterwards, or set the threshold
    above what smoothing gave to the wrong classes.

    Args:
      targets: t, ``[..., C]``, floating point, 0 to 1.
      threshold: 0 to 1.

    Returns:
      0 or 1, ``[..., C]``, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or threshold is wrong.

    Example:
      >>> print(bce_targets(jnp.array([0.7, 0.3, 0.0]), threshold=0.5))
      [1. 0. 0.]

    Reference:
      Wightman et al., ResNet strikes back: an improved training procedure in timm, arXiv 2110.00476.
    """
    check.between("threshold", threshold, 0.0, 1.0)
    targets = _arguments.scores("targets", targets)
    unknown = jnp.isnan(targets) | jnp.isnan(threshold)
    return jnp.where(unknown, jnp.nan, (targets > threshold).astype(targets.dtype))


def _at_least_two(name: str, targets: jax.Array) -> jax.Array:
    targets = _arguments.scores(name, targets)
    if targets.shape[-1] < 2:
        raise ValueError(f"{name} has shape {targets.shape}, {targets.shape[-1]} class; allowed: 2 classes or more.")
    return targets
